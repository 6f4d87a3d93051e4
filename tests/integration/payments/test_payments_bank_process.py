"""The pretend bank as a process: how it starts, stops, keeps out strangers and sends its notices."""

import json
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from devices.clock import ClockSetting, write_clock
from gateway.cli.processes import Simulator, hand_over
from payments.adapter import Captured, Settlement
from payments.adapters.sandbox import SandboxAdapter
from payments.money import Money
from tests.integration.payments.bank_process import BankProcess, Customer, NoticeInbox

Connect = Callable[..., SandboxAdapter]
DAY_US = 86_400_000_000


def test_a_bank_stops_when_it_is_asked_to(own_bank: BankProcess) -> None:
    own_bank.start()
    assert own_bank.stop() == 0


def test_a_bank_ends_with_its_parent(own_bank: BankProcess) -> None:
    own_bank.start()
    assert own_bank.end_parent() == 0


def test_a_busy_port_is_one_clear_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        command = [sys.executable, "-m", "simulators.bank", "--port", port, "--state", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == f"bank: cannot listen on port {port}: Address already in use\n"


def test_a_bank_without_a_token_makes_one_that_only_its_owner_reads(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "simulators.bank", "--port", "0", "--state", str(tmp_path), "--exit-with-parent"]
    for _ in range(2):
        done = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, check=True)
        assert json.loads(done.stdout)["ready"] is True
        token = tmp_path / "token"
        assert len(token.read_text(encoding="ascii")) >= 43
        assert stat.S_IMODE(token.stat().st_mode) == 0o600


def test_secrets_are_handed_to_a_simulator_in_private_files_and_not_among_its_arguments(tmp_path: Path) -> None:
    state = tmp_path / "bank"
    hand_over(state, "token", "handed-over")
    assert (state / "token").stat().st_mode & 0o077 == 0
    with Simulator("bank", ["--port", "0", "--state", str(state)]) as bank:
        for token, is_let_in in (("handed-over", True), ("another", False)):
            headers = {"Authorization": f"Bearer {token}"}
            answer = httpx.get(f"http://127.0.0.1:{bank.port}/accounts/nobody", headers=headers, trust_env=False)
            assert (answer.status_code != httpx.codes.UNAUTHORIZED) is is_let_in


def test_strangers_and_flooders_are_kept_out(bank: BankProcess) -> None:
    assert httpx.get(f"{bank.url}/healthz").status_code == 200
    assert httpx.get(f"{bank.url}/book").status_code == 401
    assert httpx.post(f"{bank.url}/holds", json={}, headers={"Authorization": "Bearer x"}).status_code == 401
    assert httpx.post(f"{bank.url}/holds", content=b"x" * 70_000).status_code == 413


def test_notices_are_signed_sent_again_and_perhaps_twice(
    own_bank: BankProcess, connect: Connect, notices: NoticeInbox
) -> None:
    notices.refuse = 2
    own_bank.options = ("--notify", notices.url)
    own_bank.start()
    anna = Customer(own_bank, connect(own_bank))
    notices.wait_for(1)
    own_bank.script(anna.token, "duplicate_notice", "no_notice")
    held = anna.held()
    anna.adapter.capture(anna.capture(held))
    own_bank.post("/control/settle-notices")
    taken = [anna.adapter.parse_notice(*one) for one in notices.wait_for(3)]
    assert [notice.references for notice in taken] == [(f"m-{anna.token}",), *[(f"a-{anna.token}",)] * 2]
    assert taken[1].notice_id == taken[2].notice_id


def test_settling_notices_sends_what_is_late_and_decides_what_is_pending(
    own_bank: BankProcess, connect: Connect, notices: NoticeInbox
) -> None:
    own_bank.options = ("--notify", notices.url)
    own_bank.start()
    anna = Customer(own_bank, connect(own_bank))
    notices.wait_for(1)
    own_bank.script(anna.token, "late_notice", "pending")
    held = anna.held()
    anna.adapter.capture(anna.capture(held))
    assert own_bank.post("/control/settle-notices") == {"sent": 2, "failed": 0}
    taken = [anna.adapter.parse_notice(*one) for one in notices.taken]
    # The capture came later and was told first: notices have no order.
    assert [notice.references[0][0] for notice in taken] == ["m", "c", "a"]
    assert own_bank.post("/control/settle-notices") == {"sent": 0, "failed": 0}


def test_a_notice_that_was_not_taken_survives_the_bank(
    own_bank: BankProcess, connect: Connect, notices: NoticeInbox
) -> None:
    notices.refuse = 1
    own_bank.options = ("--notify", notices.url)
    own_bank.start()
    anna = Customer(own_bank, connect(own_bank))
    own_bank.kill()
    notices.refuse = 0
    own_bank.start()
    assert connect(own_bank).parse_notice(*notices.wait_for(1)[0]).references == (f"m-{anna.token}",)


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    path = tmp_path / "clock.json"
    write_clock(path, ClockSetting(real_anchor_us=0, sim_anchor_us=20_000 * DAY_US, speed=0))
    return path


def test_the_bank_lives_in_the_time_of_the_clock_file(own_bank: BankProcess, connect: Connect, clock: Path) -> None:
    own_bank.options = ("--clock", str(clock))
    own_bank.start()
    anna = Customer(own_bank, connect(own_bank))
    held = anna.held()
    assert held.expires_at_us == 20_030 * DAY_US
    captured = anna.adapter.capture(anna.capture(held))
    assert isinstance(captured, Captured)
    assert anna.adapter.list_settlements(0) == ()
    write_clock(clock, ClockSetting(real_anchor_us=0, sim_anchor_us=20_001 * DAY_US, speed=0))
    (settlement,) = anna.adapter.list_settlements(0)
    assert isinstance(settlement, Settlement)
    assert settlement.settled_at_us == 20_001 * DAY_US
    assert (settlement.gross, settlement.fee, settlement.net) == tuple(Money(m, "EUR") for m in (3_000, 15, 2_985))
    assert [line.reference for line in settlement.lines] == [f"c-{anna.token}"]


def test_a_clock_file_that_cannot_be_read_is_one_clear_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "simulators.bank", "--port", "0", "--state", str(tmp_path)]
    command += ["--clock", str(tmp_path / "none.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("bank: ")
    assert done.stderr.count("\n") == 1
