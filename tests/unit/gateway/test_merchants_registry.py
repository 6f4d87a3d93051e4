import tomllib
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import gateway.merchants
from gateway.domain.records import MerchantAccount
from gateway.merchants import InstalledMerchants, MerchantMisconfigured, UnknownMerchant
from gateway.merchants.http_shop import HttpShop
from gateway.merchants.registry import GROUP
from gateway.steps.ports import MerchantRefused, Merchants

ACCOUNT = MerchantAccount(
    id="shop-1",
    name="The shop",
    adapter="http_shop",
    settings={"base_url": "https://shop.example"},
    secret_sealed=b"terces",
    currency="EUR",
    lead_time_days=2.0,
)


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def installed(*entries: EntryPoint) -> InstalledMerchants:
    return InstalledMerchants(
        unseal=lambda account: account.secret_sealed.decode()[::-1],
        entries=entries or (entry("http_shop", "gateway.merchants.http_shop:HttpShop"),),
    )


def test_the_project_offers_the_http_shop_by_name() -> None:
    project = tomllib.loads((Path(gateway.merchants.__file__).parents[2] / "pyproject.toml").read_text())
    (offered,) = project["project"]["entry-points"][GROUP].items()
    assert entry(*offered).load() is HttpShop


def test_an_account_is_opened_once_and_anew_when_it_was_changed() -> None:
    merchants: Merchants = (registry := installed())
    first = merchants.open(ACCOUNT)
    assert isinstance(first, HttpShop)
    assert merchants.open(replace(ACCOUNT)) is first
    assert merchants.open(replace(ACCOUNT, settings={"base_url": "https://other.example"})) is not first
    registry.close()


def test_an_unknown_adapter_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownMerchant, match="'corner_shop'; installed: http_shop") as raised:
        installed().open(replace(ACCOUNT, adapter="corner_shop"))
    assert (raised.value.name, raised.value.known) == ("corner_shop", ("http_shop",))
    assert isinstance(raised.value, MerchantRefused)


def test_an_adapter_that_cannot_be_imported_is_the_operators_matter() -> None:
    for value in ("no_such_package:Shop", "gateway.merchants:NoSuchShop"):
        with pytest.raises(MerchantMisconfigured, match="cannot be imported"):
            installed(entry("http_shop", value)).open(ACCOUNT)


def test_two_packages_with_the_same_name_are_refused_and_one_listed_twice_is_not() -> None:
    ours = entry("http_shop", "gateway.merchants.http_shop:HttpShop")
    assert installed(ours, ours).names == ("http_shop",)
    with pytest.raises(MerchantMisconfigured, match="two packages"):
        installed(ours, entry("http_shop", "other:Shop"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "base_url"),
        ({"base_url": "https://shop.example", "tiemout_s": 5}, "tiemout_s"),
        ({"base_url": "https://shop.example", "timeout_s": 0}, "timeout_s"),
        ({"base_url": "http://shop.example"}, "plain http"),
        ({"base_url": "ftp://shop.example"}, "https"),
        ({"base_url": "https://"}, "https"),
        ({"base_url": "https://shop.example:99999"}, "port"),
        ({"base_url": "https://shop.example:port"}, "base_url"),
    ],
)
def test_wrong_settings_are_said_by_name(settings: dict[str, object], words: str) -> None:
    with pytest.raises(MerchantMisconfigured, match=words):
        installed().open(replace(ACCOUNT, settings=settings))


@pytest.mark.parametrize("sealed", [b"", "ü".encode(), b"two\nlines"])
def test_a_token_that_cannot_be_one_is_refused_and_not_shown(sealed: bytes) -> None:
    with pytest.raises(MerchantMisconfigured, match="token") as raised:
        installed().open(replace(ACCOUNT, secret_sealed=sealed))
    assert "lines" not in str(raised.value).replace("one line", "")
