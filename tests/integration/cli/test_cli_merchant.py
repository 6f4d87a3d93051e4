"""Shops added from the command line, and asked by the doctor."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.assembly import assemble
from gateway.config import read_settings
from gateway.domain.records import MerchantAccount
from gateway.store.merchant_secrets import unseal_merchant
from tests.integration.cli.conftest import Replenish

TOKEN = "pretend-token"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[str]:
    """The address of a simulated shop that runs."""
    command = [sys.executable, "-m", "simulators", "shop", "--port", "0", "--state", str(tmp_path / "shop")]
    with subprocess.Popen(
        [*command, "--token", TOKEN, "--exit-with-parent"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{TOKEN}\n")
    return path


def added(address: str, secret: Path, *options: str) -> list[str]:
    return [
        *("merchant", "add", "corner-market", "--name", "Corner Market", "--adapter", "http_shop"),
        *("--setting", f"base_url={address}", "--secret-file", str(secret), *options),
    ]


def only_shop(replenish: Replenish) -> tuple[MerchantAccount, str]:
    gateway = assemble(read_settings(replenish.data_dir))
    with gateway.unit_of_work.read() as tx:
        (account,) = tx.find(MerchantAccount, None)
    secret = unseal_merchant(gateway.vault, account.id, account.secret_sealed)
    gateway.close()
    return account, secret


def test_a_shop_that_was_added_answers_the_doctor(installed: Replenish, shop: str, secret_file: Path) -> None:
    said = installed(*added(shop, secret_file, "--setting", "timeout_s=5"))
    assert said.status == 0
    assert said.field("Notices").endswith("/notices/merchant/corner-market")
    account, secret = only_shop(installed)
    assert account.settings == {"base_url": shop, "timeout_s": 5}
    assert secret == TOKEN
    assert TOKEN.encode() not in account.secret_sealed
    doctor = installed("doctor")
    assert doctor.status == 0
    assert "ok      shop corner-market answers" in doctor.out


def test_a_shop_is_listed_without_its_secret(installed: Replenish, shop: str, secret_file: Path) -> None:
    installed(*added(shop, secret_file))
    said = installed("merchant", "list")
    assert said.lines == [f"corner-market  Corner Market  http_shop  EUR  base_url={shop}", "Adapters: http_shop"]


def test_the_secret_can_come_by_standard_input(
    installed: Replenish, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"from-a-pipe\n")))
    command = ["merchant", "add", "corner", "--name", "C", "--adapter", "http_shop", "--setting", f"base_url={shop}"]
    assert installed(*command, "--secret-stdin").status == 0
    assert only_shop(installed)[1] == "from-a-pipe"


def test_a_shop_with_the_wrong_token_is_a_problem(installed: Replenish, shop: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("guessed")
    installed(*added(shop, wrong))
    said = installed("doctor")
    assert said.status == 1
    assert "PROBLEM shop corner-market: " in said.out
    assert "replenish merchant add corner-market --replace" in said.out


def test_a_shop_is_changed_only_when_that_is_meant(installed: Replenish, shop: str, secret_file: Path) -> None:
    installed(*added("https://elsewhere.example", secret_file))
    assert "--replace" in installed.refused(*added(shop, secret_file))
    assert only_shop(installed)[0].settings == {"base_url": "https://elsewhere.example"}
    assert installed(*added(shop, secret_file, "--replace")).status == 0
    assert only_shop(installed)[0].settings == {"base_url": shop}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--setting", "base_url"), "'base_url' is not NAME=VALUE"),
        (("--setting", "colour=red"), "settings of the shop: "),
        (("--setting", "base_url=http://shop.example"), "base_url 'http://shop.example': write https://"),
        (("--adapter", "carrier_pigeon"), "no merchant adapter is called 'carrier_pigeon'; installed: http_shop"),
        (("--currency", "GOLD"), "'GOLD' is not an ISO 4217 currency"),
        (("--secret-stdin",), "say where the shop's secret is: --secret-file FILE or --secret-stdin"),
        (("--secret-file", "/nowhere/secret"), "/nowhere/secret: no such file or directory"),
        (("--name", " "), "give the shop a name"),
    ],
)
def test_a_wrong_shop_is_refused_in_one_sentence(
    installed: Replenish, secret_file: Path, options: tuple[str, ...], sentence: str
) -> None:
    command = added("https://shop.example", secret_file, *options)
    assert installed.refused(*command).startswith(sentence)
    assert installed("merchant", "list").lines == ["Adapters: http_shop"]


def test_an_id_that_no_address_could_hold_is_refused(installed: Replenish, secret_file: Path) -> None:
    command = added("https://shop.example", secret_file)
    command[2] = "Corner/Market"
    assert installed.refused(*command).startswith("'Corner/Market' is no id for a shop")
