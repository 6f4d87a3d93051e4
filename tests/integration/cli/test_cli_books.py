"""`replenish ledger check`, `replenish reconcile` and `replenish quarantine`."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from gateway.assembly import Gateway, assemble, make_worker
from gateway.cli.processes import Simulator
from gateway.config import read_settings, write_env_file
from gateway.domain.approval import Approval
from gateway.domain.cart import Cart
from gateway.domain.household import Member
from gateway.domain.payment import Attempt, AttemptState, Mandate, Operation, OperationKind, OperationState
from gateway.domain.records import MerchantAccount, Notice, NoticeState
from gateway.domain.replenishment import Forecast, Plan
from gateway.domain.stock import Device, PackOption, Quarantined, Supply
from gateway.steps.acts.gift import give_credit
from gateway.steps.acts.limits import Limits
from gateway.steps.acts.wallet import link_account
from gateway.steps.money.books import post
from gateway.steps.ports import Transaction
from gateway.store.merchant_secrets import seal_merchant
from payments import ledger
from payments.adapter import Authorize, Authorized, Capture, Captured
from payments.money import Money
from tests.builders import build, whole_story
from tests.integration.cli.conftest import Replenish

TOKEN = "pretend-token"
LIMITS = Limits(standing=False, per_order_minor=5_000, per_period_minor=9_000, period_days=30)


def opened(replenish: Replenish) -> Gateway:
    return assemble(read_settings(replenish.data_dir))


@pytest.fixture
def with_balance(installed: Replenish) -> Replenish:
    """A household that keeps 40.00 EUR with the gateway itself."""
    gateway = opened(installed)
    owner = only_member(gateway)
    mandate = link_account(
        gateway.services, owner, adapter_name="balance", token=owner.household_id, label="Balance", limits=LIMITS
    )
    with gateway.unit_of_work.begin() as tx:
        now_us = gateway.clock.now_us()
        give_credit(tx, mandate.household_id, 4_000, by="operator", reason="welcome", now_us=now_us)
    make_worker(gateway, in_turn=True).run_once()
    gateway.close()
    return installed


@pytest.fixture
def bank(installed: Replenish) -> Iterator[Simulator]:
    """The sandbox bank; it keeps its book in the data directory, as a demonstration's does."""
    with Simulator("bank", ["--port", "0", "--state", str(installed.data_dir / "bank"), "--token", TOKEN]) as running:
        yield running


@pytest.fixture
def with_bank(installed: Replenish, bank: Simulator, monkeypatch: pytest.MonkeyPatch) -> Replenish:
    """A household with an account at the sandbox bank."""
    monkeypatch.setattr("gateway.cli.reconcile.SECOND_LOOK_AFTER_S", 0.01)
    url = f"http://127.0.0.1:{bank.port}"
    settings, own = {"sandbox": {"url": url}}, {"sandbox": {"token": TOKEN}}
    write_env_file(installed.data_dir, {"payment_settings": json.dumps(settings), "payment_secrets": json.dumps(own)})
    account = {"token": "ana", "currency": "EUR", "balance_minor": 90_000}
    httpx.post(f"{url}/accounts", json=account, headers={"Authorization": f"Bearer {TOKEN}"}).raise_for_status()
    gateway = opened(installed)
    link_account(
        gateway.services, only_member(gateway), adapter_name="sandbox", token="ana", label="Current", limits=LIMITS
    )
    gateway.close()
    return installed


def only_member(gateway: Gateway) -> Member:
    with gateway.unit_of_work.read() as tx:
        (member,) = tx.find(Member, None)
    return member


def test_books_that_agree_are_status_0(with_balance: Replenish) -> None:
    said = with_balance("ledger", "check")
    assert said.status == 0
    assert said.out == "All journals balance; ledger, operations and the providers' books agree.\n"


def test_a_journal_that_does_not_balance_is_status_1(with_balance: Replenish) -> None:
    with sqlite3.connect(with_balance.data_dir / "replenish.db") as database:
        database.execute(
            "INSERT INTO posting SELECT household_id, 'one-more', journal_id, account_id, 1, currency FROM posting"
            " WHERE amount_minor > 0"
        )
    said = with_balance("ledger", "check")
    assert said.status == 1
    (line,) = said.lines
    assert line.startswith("Rosa Street 12: ")
    assert "A journal does not sum to zero." in line
    assert "0.01 €" in line


def test_money_that_only_the_provider_knows_is_status_1(with_bank: Replenish) -> None:
    assert with_bank("ledger", "check").status == 0
    gateway = opened(with_bank)
    bank = gateway.providers.open("sandbox")
    with sqlite3.connect(with_bank.data_dir / "replenish.db") as database:
        (mandate_ref,) = database.execute("SELECT provider_ref FROM mandate").fetchone()
    held = bank.authorize(Authorize("stolen", "stolen", Money(1_299, "EUR"), "ana", mandate_ref))
    assert isinstance(held, Authorized)
    gateway.close()
    said = with_bank("ledger", "check")
    assert said.status == 1
    (line,) = said.lines
    assert line.startswith("Rosa Street 12: stolen: ")


def test_a_difference_that_is_gone_at_the_second_look_was_money_on_its_way(
    with_bank: Replenish, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = iter([["the bank is ahead of us"], []])
    monkeypatch.setattr("gateway.cli.reconcile._look", lambda *_asked: next(seen))
    assert with_bank("ledger", "check").status == 0


def test_where_nothing_waits_for_a_person_that_is_said(with_balance: Replenish) -> None:
    assert with_balance("payments", "review").out == "Nothing waits for a person.\n"


def test_the_operator_gives_credit_and_says_why(with_balance: Replenish) -> None:
    gateway = opened(with_balance)
    household_id = only_member(gateway).household_id
    gateway.close()
    give = ("payments", "credit", household_id, "--reason", "for the lost parcel")
    assert f"20.00 € are given to household {household_id}" in with_balance(*give, "--amount", "20.00").out
    assert "above zero" in with_balance.refused(*give, "--amount", "0")
    assert "3.50" in with_balance.refused(*give, "--amount", "a lot")
    gateway = opened(with_balance)
    make_worker(gateway, in_turn=True).run_once()
    gateway.close()
    assert with_balance("reconcile").status == 0


def test_acts_by_hand_name_what_is_not_there_in_one_sentence(with_balance: Replenish) -> None:
    settle = ("payments", "settle", "7", "--as", "failed", "--reason", "the bank says so")
    assert "no operation '7'" in with_balance.refused(*settle)
    for act in ("pay-again", "cancel", "give-up", "refund"):
        assert with_balance.refused("payments", act, "7", "--reason", "late").startswith("no order has the id 7")
        assert "--reason" in with_balance.refused("payments", act, "7", "--reason", " ")


def with_captured(replenish: Replenish, *, theirs_minor: int = 770, books: bool = True) -> None:
    """Let 7.70 be held and captured: by another amount at the bank, or without the capture's journal, if so wished."""
    gateway = opened(replenish)
    owner = only_member(gateway)
    with gateway.unit_of_work.begin() as tx:
        mandate = before_a_payment(gateway, tx, owner.household_id)
        method_id = mandate.payment_method_id
        for row in (
            build(Attempt, payment_method_id=method_id, mandate_id=mandate.id, state=AttemptState.CAPTURED),
            build(Operation, id="held"),
            build(Operation, id="taken", kind=OperationKind.CAPTURE, subject_id="parcel"),
        ):
            tx.add(replace(row, household_id=owner.household_id))
        clearing, payable = ledger.provider_clearing("sandbox"), ledger.merchant_payable("shop")
        held_here = ledger.hold("attempt", clearing, payable, Money(770, "EUR"))
        taken_here = ledger.capture("taken", clearing, payable, Money(770, "EUR"))
        post(tx, owner.household_id, [held_here, *(taken_here if books else ())], memo="captured", at_us=1)
    bank = gateway.providers.open("sandbox")
    amount = Money(theirs_minor, "EUR")
    held = bank.authorize(Authorize("held", "held", amount, "ana", mandate.provider_ref))
    assert isinstance(held, Authorized)
    assert isinstance(bank.capture(Capture("taken", "taken", amount, held.provider_ref)), Captured)
    gateway.close()


def before_a_payment(gateway: Gateway, tx: Transaction, household_id: str) -> Mandate:
    """Write what an attempt refers to; return the mandate the bank knows."""
    (mandate,) = tx.find(Mandate, household_id)
    tx.add(build(MerchantAccount, secret_sealed=seal_merchant(gateway.vault, "shop", "the shop's")))
    needed = {Supply, PackOption, Forecast, Plan, Cart}
    approval = build(Approval, payment_method_id=mandate.payment_method_id, mandate_id=mandate.id, member_id=None)
    for row in [*(one for one in whole_story() if type(one) in needed), approval]:
        tx.add(replace(row, household_id=household_id))
    return mandate


def test_a_debit_that_both_books_have_is_status_0(with_bank: Replenish) -> None:
    with_captured(with_bank)
    assert with_bank("ledger", "check").status == 0


def test_a_bank_whose_book_differs_by_a_cent_is_status_1_and_one_sentence(with_bank: Replenish) -> None:
    with_captured(with_bank, theirs_minor=771)
    said = with_bank("ledger", "check")
    assert said.status == 1
    assert said.lines == [
        "Rosa Street 12: taken: The provider has another amount. capture: we have 7.70 €, they 7.71 €"
    ]


def test_a_debit_without_a_journal_is_status_1_and_one_sentence(with_bank: Replenish) -> None:
    with_captured(with_bank, books=False)
    said = with_bank("ledger", "check")
    assert said.status == 1
    missing, held = said.lines
    assert missing == "Rosa Street 12: taken: An operation took effect and has no journal. 7.70 € (capture)"
    assert held.startswith("Rosa Street 12: attempt: What the ledger has as held is not what the payment holds.")
    assert held.endswith("7.70 € where it should be 0.00 € (captured)")


def test_reconcile_says_the_cause_and_what_to_do_and_mends_what_is_ours_once(with_bank: Replenish) -> None:
    with_captured(with_bank, books=False)
    said = with_bank("reconcile")
    assert said.status == 1
    assert said.lines[:2] == [
        "journal_missing  Rosa Street 12: taken: 7.70 € (capture)",
        "    An operation took effect and has no journal. --mend writes it.",
    ]
    mended = [json.loads(line) for line in with_bank("reconcile", "--json", "--mend").lines]
    assert [(one["cause"], one["subject_id"], one["mended"]) for one in mended] == [
        ("journal_missing", "taken", "its journal was written"),
        ("hold_booked_otherwise", "attempt", "another mend put it right"),
    ]
    again = with_bank("reconcile", "--adapter", "sandbox", "--since", "2026-11-01")
    assert (again.status, again.out) == (
        0,
        "All journals balance; ledger, operations and the providers' books agree.\n",
    )


def test_a_payment_nobody_could_judge_is_listed_and_settled_as_the_bank_says(with_bank: Replenish) -> None:
    gateway = opened(with_bank)
    owner = only_member(gateway)
    with gateway.unit_of_work.begin() as tx:
        mandate = before_a_payment(gateway, tx, owner.household_id)
        looked_at = {"payment_method_id": mandate.payment_method_id, "mandate_id": mandate.id}
        for row in (
            build(Attempt, **looked_at, state=AttemptState.MANUAL_REVIEW),
            build(Operation, state=OperationState.MANUAL_REVIEW, note="still unknown", answered_us=1, sent_wall_us=1),
        ):
            tx.add(replace(row, household_id=owner.household_id))
    bank = gateway.providers.open("sandbox")
    ask = Authorize("operation", "operation", Money(770, "EUR"), "ana", mandate.provider_ref)
    assert isinstance(bank.authorize(ask), Authorized)
    gateway.close()
    listed = with_bank("payments", "review").lines
    assert listed[0].startswith("operation operation  Rosa Street 12  authorize of ")
    assert any("key operation" in line for line in listed)
    assert any(" UTC  " in line for line in listed)  # whose hours these are
    refused = with_bank.refused("payments", "settle", "operation", "--as", "failed", "--reason", "so I think")
    assert "took effect" in refused
    said = with_bank("payments", "settle", "operation", "--as", "succeeded", "--reason", "the bank's page has it")
    assert said.lines == ["authorize operation is succeeded."]
    assert with_bank("payments", "review").out == "Nothing waits for a person.\n"


def test_a_demonstration_that_is_stopped_can_be_checked_too(with_bank: Replenish, bank: Simulator) -> None:
    bank.stop()
    said = with_bank("ledger", "check")
    assert said.status == 0
    assert "its book is opened for this check" in said.err


def test_a_provider_that_cannot_be_asked_is_one_sentence(with_bank: Replenish, bank: Simulator) -> None:
    bank.stop()
    (with_bank.data_dir / "bank").rename(with_bank.data_dir / "somewhere-else")
    assert with_bank.refused("ledger", "check").startswith(
        "a provider cannot be asked, so nothing is said of the books: not sent"
    )
    (with_bank.data_dir / "replenish.env").unlink()
    assert "the sandbox adapter's setting url" in with_bank.refused("ledger", "check")


def test_a_payment_is_traced_by_any_of_its_ids(with_bank: Replenish) -> None:
    with_captured(with_bank)
    whole = with_bank("trace", "attempt").lines
    assert whole[1].startswith("payment attempt: 7.70 €")
    assert any("key taken" in line for line in whole)
    assert any(line.startswith("approval ") for line in whole)
    assert with_bank("trace", "taken").lines == whole
    assert json.loads(with_bank("trace", "taken", "--json").out)["payment"]["id"] == "attempt"
    assert with_bank.refused("trace", "7").startswith("no payment, operation, order or journal has the id 7")


def test_quarantined_messages_are_listed_newest_first_and_shown_whole(installed: Replenish) -> None:
    installed("device", "add", "fridge", "--name", "Fridge")
    gateway = opened(installed)
    with gateway.unit_of_work.begin() as tx:
        (device,) = tx.find(Device, None)
        first = Quarantined(
            id=tx.new_id(),
            household_id=device.household_id,
            device_id=device.id,
            inbox_id=1,
            sender=device.id,
            topic=f"replenish/v1/{device.id}/telemetry",
            reason="not-json",
            detail="byte 0",
            payload=b"RP1\x1b[2Jmilk" + bytes(range(16)),
            received_us=1_795_503_600_000_000,
        )
        second = replace(first, id=tx.new_id(), inbox_id=2, sender="", reason="too-big", detail="\x1b[31mred")
        tx.add(first)
        tx.add(second)
    gateway.close()
    said = installed("quarantine", "list")
    assert [line.split("  ")[0] for line in said.lines] == [second.id, first.id]
    assert said.lines[1] == f"{first.id}  2026-11-24 07:00 UTC  {device.id}  not-json  byte 0"
    assert "\x1b" not in said.out
    assert installed("quarantine", "list", "--limit", "1").lines == said.lines[:1]
    shown = installed("quarantine", "show", first.id)
    assert shown.lines[1:5] == [
        "Reason: not-json",
        "Detail: byte 0",
        f"Sender: {device.id}",
        f"Topic:  replenish/v1/{device.id}/telemetry",
    ]
    assert shown.lines[5] == "00000  52 50 31 1b 5b 32 4a 6d 69 6c 6b 00 01 02 03 04  RP1.[2Jmilk....."
    assert len(shown.lines) == 7


def test_a_refused_notice_is_kept_and_shown_with_its_reason_and_without_what_it_was_signed_with(
    installed: Replenish,
) -> None:
    reasons = {"forged": "the signature is wrong", "old": "it is too old"}
    gateway = opened(installed)
    with gateway.unit_of_work.begin() as tx:
        for name, reason in reasons.items():
            headers = {"x-signature": "v1=5ec2e7"}
            refused = build(
                Notice,
                id=name,
                household_id=None,
                sha256=name,
                state=NoticeState.REFUSED,
                reason=reason,
                headers=headers,
            )
            tx.add(refused)
        tx.add(build(Notice, id="good", household_id=None, state=NoticeState.DONE))
    gateway.close()
    said = installed("notices", "list", "--state", "refused")
    assert [line.split("  ")[0] for line in said.lines] == ["old", "forged"]
    assert said.lines[1].endswith("  payment sandbox  refused  the signature is wrong")
    assert len(installed("notices", "list").lines) == 3
    shown = installed("notices", "show", "old")
    assert shown.lines[1:5] == [
        "State:   refused",
        "Reason:  it is too old",
        "Sender:  payment sandbox",
        "Headers: x-signature",
    ]
    assert shown.lines[5].startswith("00000  6f 70 65 72")
    assert "5ec2e7" not in said.out + shown.out
    assert installed.refused("notices", "show", "7").startswith("no notice has the id 7")


def test_an_unknown_message_is_one_sentence(installed: Replenish) -> None:
    assert installed("quarantine", "list").out == ""
    assert installed.refused("quarantine", "show", "7").startswith("no quarantined message has the id 7")
