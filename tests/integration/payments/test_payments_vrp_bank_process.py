"""The pretend bank for variable recurring payments as a process: it starts, keeps strangers out, forgets nothing."""

import subprocess
import sys
from pathlib import Path

import httpx

from devices.clock import RealClock
from gateway.cli.processes import Simulator
from payments.adapters.openbanking import OpenBankingAdapter
from payments.memory import MemoryContext
from payments.transport import HttpxClient
from tests.integration.payments.vrp import PEM, REDIRECT


def test_it_keeps_its_book_its_key_and_its_token_when_it_is_ended(tmp_path: Path) -> None:
    kept = []
    for _ in range(2):
        with Simulator("vrp-bank", ["--port", "0", "--state", str(tmp_path)]) as bank:
            url = f"http://127.0.0.1:{bank.port}"
            token = (tmp_path / "token").read_text(encoding="ascii")
            with httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {token}"}) as http:
                http.post(f"{url}/control/accounts", json={"token": "anna", "balance_minor": 500}).raise_for_status()
                accounts = http.get(f"{url}/book").json()["accounts"]
                kept.append((token, accounts, http.get(f"{url}/jwks.json").json()))
                assert http.get(f"{url}/book", headers={"Authorization": "Bearer x"}).status_code == 401
                assert http.post(f"{url}/token", content=b"x" * 70_000).status_code == 413
                page = http.get(f"{url}/open-banking/v4.0/pisp/domestic-vrps/x")
                assert page.status_code == 401
    assert kept[0] == kept[1]
    assert (tmp_path / "signing-key.pem").stat().st_mode & 0o077 == 0
    assert (tmp_path / "token").stat().st_mode & 0o077 == 0


def test_a_busy_port_is_one_clear_sentence(tmp_path: Path) -> None:
    with Simulator("vrp-bank", ["--port", "0", "--state", str(tmp_path / "one")]) as bank:
        command = [sys.executable, "-m", "simulators", "vrp-bank", "--port", str(bank.port), "--state", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == f"vrp-bank: cannot listen on port {bank.port}: Address already in use\n"
    assert done.stdout == ""


def test_it_lets_in_whom_the_command_line_names(tmp_path: Path) -> None:
    key = tmp_path / "client.pem"
    key.write_text(PEM)
    arguments = ["--port", "0", "--state", str(tmp_path), "--client-key", str(key)]
    with Simulator("vrp-bank", arguments) as bank, httpx.Client(trust_env=False) as http:
        settings = {"url": f"http://127.0.0.1:{bank.port}", "client_id": "replenish", "redirect_uri": REDIRECT}
        settings |= {"creditor_account": "30949300000001", "creditor_name": "Elm Street"}
        context = MemoryContext(settings, {"signing_key": PEM}, HttpxClient(http), now=RealClock().now_us())
        assert OpenBankingAdapter(context).list_settlements(0) == ()
