"""Settle, notice and challenge: pay-outs booked to the last minor unit, hints verified, opinions that only advise."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from gateway.domain.cart import Cart
from gateway.domain.household import Household
from gateway.domain.order import Order
from gateway.domain.payment import JournalEntry, Operation, OperationKind, OperationState, Posting
from gateway.domain.records import Notice, NoticeState
from gateway.domain.replenishment import DAY_US, SECOND_US, SecondOpinion
from gateway.steps.challenge import next_night_us
from gateway.steps.money.books import journals_of
from gateway.steps.notice import MAX_KEPT, MOST_TRIES
from gateway.steps.settle import OPERATOR
from payments import ledger
from payments.adapter import Notice as Notified
from payments.adapter import Settlement, SettlementLine
from payments.errors import ConfigError, OutcomeUnknown, SettlementMismatch
from payments.money import Money
from tests.builders import build, whole_story
from tests.homes import home, known_level, left, telling
from tests.rig import Rig

OpenRig = Callable[..., Rig]


def euros(minor: int) -> Money:
    return Money(minor, "EUR")


def pay_out(reference: str, at_us: int, fee: int, *lines: tuple[str, int]) -> Settlement:
    gross = sum(minor for _, minor in lines)
    return Settlement(
        provider_ref=reference,
        settled_at_us=at_us,
        gross=euros(gross),
        fee=euros(fee),
        net=euros(gross - fee),
        lines=tuple(SettlementLine(operation_id, euros(minor)) for operation_id, minor in lines),
    )


def household_with_captures(household_id: str, *amounts: int) -> list[object]:
    """Return a household in which these amounts were captured, negative ones given back: <household>-0, -1 …"""
    rows = [
        replace(row, household_id=household_id, **({"id": household_id} if isinstance(row, Household) else {}))
        for row in whole_story()
        if getattr(row, "household_id", None) is not None
        and type(row).__name__
        in {
            "Household",
            "Member",
            "Supply",
            "PackOption",
            "Forecast",
            "Plan",
            "Cart",
            "PaymentMethod",
            "Mandate",
            "Approval",
            "Attempt",
        }
    ]
    captures = [
        build(
            Operation,
            id=f"{household_id}-{number}",
            household_id=household_id,
            kind=OperationKind.CAPTURE if amount > 0 else OperationKind.REFUND,
            subject_id=f"parcel-{number}",
            amount_minor=abs(amount),
        )
        for number, amount in enumerate(amounts)
    ]
    return [*rows, *captures]


def open_with_captures(open_rig: OpenRig, **captures: tuple[int, ...]) -> Rig:
    shop = next(row for row in whole_story() if type(row).__name__ == "MerchantAccount")
    rig = open_rig(shop, build(Household, id=OPERATOR, household_id=OPERATOR, name="Operator"))
    for household_id, amounts in captures.items():
        rig.add(*household_with_captures(household_id, *amounts))
    rig.enqueue("settle", "sandbox", household_id=None)
    return rig


def book(rig: Rig, household_id: str) -> dict[str, int]:
    with rig.store.read() as tx:
        journals = journals_of(tx, household_id)
    return {
        account.code: amount.amount_minor
        for (account, _), amount in ledger.balances(journals).items()
        if amount.amount_minor
    }


def test_a_pay_out_is_booked_less_its_fee_and_the_merchant_paid(open_rig: OpenRig) -> None:
    rig = open_with_captures(open_rig, ana=(1000,))
    rig.bank.settlements = [pay_out("po-1", rig.clock.now, 25, ("ana-0", 1000))]
    rig.work_off()
    assert book(rig, "ana") == {
        "bank": 1000 - 25 - 1000,
        "fees": 25,
        "provider_clearing:sandbox": -1000,
        "merchant_payable:shop": 1000,
    }
    assert [one.kind for one in rig.rows(JournalEntry, "ana")] == ["settlement", "payout"]


def test_a_pay_out_seen_again_is_booked_once(open_rig: OpenRig) -> None:
    rig = open_with_captures(open_rig, ana=(1000,))
    rig.bank.settlements = [pay_out("po-1", rig.clock.now, 25, ("ana-0", 1000))]
    for _ in range(3):
        rig.pass_days(1)
    assert len(rig.rows(JournalEntry, "ana")) == 2
    assert rig.waiting("settle")[0][2] > rig.clock.now


@pytest.mark.parametrize("fee", [0, 1, 2, 25, 99, 100])
def test_a_fee_is_split_to_the_last_minor_unit(open_rig: OpenRig, fee: int) -> None:
    rig = open_with_captures(open_rig, ana=(333,), leo=(333,), mia=(334,))
    lines = (("ana-0", 333), ("leo-0", 333), ("mia-0", 334))
    rig.bank.settlements = [pay_out("po-1", rig.clock.now, fee, *lines)]
    rig.work_off()
    shares = [book(rig, household_id).get("fees", 0) for household_id in ("ana", "leo", "mia")]
    assert sum(shares) == fee
    assert max(shares) - min(shares) <= 1
    assert sum(one.amount_minor for one in rig.rows(Posting, None)) == 0


def test_what_belongs_to_nothing_of_ours_goes_to_suspense_in_the_operators_book(open_rig: OpenRig) -> None:
    rig = open_with_captures(open_rig, ana=(1000,))
    rig.bank.settlements = [pay_out("po-1", rig.clock.now, 10, ("ana-0", 1000), ("stranger", 70))]
    rig.work_off()
    assert book(rig, OPERATOR) == {"bank": 70, "suspense": -70}
    assert book(rig, "ana")["fees"] == 10


def test_what_was_paid_out_before_is_paid_to_no_merchant_again(open_rig: OpenRig) -> None:
    rig = open_with_captures(open_rig, ana=(1000,))
    rig.bank.settlements = [pay_out(f"po-{number}", rig.clock.now + number, 0, ("ana-0", 1000)) for number in (1, 2)]
    rig.work_off()
    assert [one.kind for one in rig.rows(JournalEntry, "ana")] == ["settlement", "payout"]
    assert book(rig, OPERATOR) == {"bank": 1000, "suspense": -1000}


@pytest.mark.parametrize("line", [("ana-0", 99_999), ("ana-0", 999), ("ana-0", -1000), ("ana-1", 300), ("ana-1", 1)])
def test_a_line_that_does_not_fit_what_was_moved_goes_to_suspense(open_rig: OpenRig, line: tuple[str, int]) -> None:
    rig = open_with_captures(open_rig, ana=(1000, -300))
    rig.bank.settlements = [pay_out("po-1", rig.clock.now, 0, line)]
    rig.work_off()
    assert rig.rows(JournalEntry, "ana") == []
    assert book(rig, OPERATOR) == {"bank": line[1], "suspense": -line[1]}


def test_a_pay_out_that_does_not_add_up_is_refused_before_it_is_booked() -> None:
    whole = pay_out("po-1", 0, 25, ("ana-0", 1000))
    for wrong in ({"gross": euros(100)}, {"net": euros(1000)}, {"fee": euros(0)}, {"fee": Money(25, "USD")}):
        with pytest.raises(SettlementMismatch, match="po-1 does not add up"):
            replace(whole, **wrong)


def test_a_fee_without_anybody_to_bear_it_is_the_operators(open_rig: OpenRig) -> None:
    rig = open_with_captures(open_rig)
    rig.bank.settlements = [pay_out("po-1", rig.clock.now, 10, ("stranger", 70))]
    rig.work_off()
    assert book(rig, OPERATOR) == {"bank": 60, "fees": 10, "suspense": -70}


def test_a_day_with_more_refunds_than_sales_pays_no_merchant(open_rig: OpenRig) -> None:
    rig = open_with_captures(open_rig, ana=(200, -300))
    rig.bank.settlements = [pay_out("po-1", rig.clock.now, 5, ("ana-0", 200), ("ana-1", -300))]
    rig.work_off()
    assert [one.kind for one in rig.rows(JournalEntry, "ana")] == ["settlement"]
    assert book(rig, "ana") == {"bank": -105, "fees": 5, "provider_clearing:sandbox": 100}


def test_a_full_page_of_pay_outs_is_followed_by_the_next(open_rig: OpenRig) -> None:
    rig = open_with_captures(open_rig, ana=tuple([10] * 250))
    rig.bank.settlements = [
        pay_out(f"po-{number:03d}", rig.clock.now + number, 0, (f"ana-{number}", 10)) for number in range(250)
    ]
    whole = rig.bank.list_settlements
    rig.bank.list_settlements = lambda since_us: whole(since_us)[:200]
    rig.work_off()
    assert len([one for one in rig.rows(JournalEntry, "ana") if one.kind == "settlement"]) == 250


def test_a_provider_that_does_not_answer_is_asked_again(open_rig: OpenRig) -> None:
    rig = open_with_captures(open_rig, ana=(1000,))
    rig.bank.settlements = [pay_out("po-1", rig.clock.now, 25, ("ana-0", 1000))]
    whole, failures = rig.bank.list_settlements, [OutcomeUnknown("timed out")]

    def once_silent(since_us: int) -> tuple[Settlement, ...]:
        if failures:
            raise failures.pop()
        return whole(since_us)

    rig.bank.list_settlements = once_silent
    rig.work_off()
    assert len(rig.rows(JournalEntry, "ana")) == 2


# Notices


def tell_us(rig: Rig, **changes: object) -> Notice:
    rig.add(build(Notice, household_id=None, **changes))
    rig.enqueue("notice", "notice", household_id=None)
    rig.work_off()
    return rig.the(Notice)


@pytest.mark.parametrize(("source", "name"), [("payment", "sandbox"), ("merchant", "shop")])
def test_a_notice_with_a_wrong_signature_is_refused_and_nothing_done(open_rig: OpenRig, source: str, name: str) -> None:
    rig = open_rig(*home())
    notice = tell_us(rig, source=source, name=name, headers={"x-signature": "forged"})
    assert notice.state is NoticeState.REFUSED
    assert "signature" in notice.reason
    assert rig.waiting() == []


@pytest.mark.parametrize(("source", "name"), [("payment", "sandbox"), ("merchant", "shop")])
def test_a_reference_nobody_knows_is_noted(open_rig: OpenRig, source: str, name: str) -> None:
    rig = open_rig(*home())
    notice = tell_us(rig, source=source, name=name, body=b"never-heard-of")
    assert notice.state is NoticeState.DONE
    assert "does not know" in notice.reason


def test_a_notice_of_a_shop_that_is_not_set_up_is_refused(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    assert tell_us(rig, source="merchant", name="elsewhere").state is NoticeState.REFUSED


def test_of_refused_notices_the_newest_are_kept_and_what_another_told_us_stays(open_rig: OpenRig) -> None:
    refused = [
        build(Notice, id=f"kept-{number:04}", household_id=None, sha256=f"{number}", state=NoticeState.REFUSED)
        for number in range(MAX_KEPT)
    ]
    other = replace(refused[0], id="kept", source="merchant", name="shop")
    rig = open_rig(*home(), other, *refused)
    rig.add(build(Notice, id="notice", household_id=None, sha256="new", headers={"x-signature": "forged"}))
    rig.enqueue("notice", "notice", household_id=None)
    rig.work_off()
    with rig.services.unit_of_work.read() as tx:
        assert tx.count(Notice, None, state=NoticeState.REFUSED) == MAX_KEPT + 1
        assert [one.id for one in tx.find(Notice, None, oldest=2)] == ["kept", "kept-0001"]
        assert [one.id for one in tx.find(Notice, None, newest=1)] == ["notice"]


def test_a_notice_is_a_hint_and_a_closed_operation_is_not_asked_about_again(open_rig: OpenRig) -> None:
    rig = open_rig(*whole_story()[:2], *whole_story()[3:])
    notice = tell_us(rig, body=b"operation")
    assert (notice.state, notice.reason) == (NoticeState.DONE, "")
    assert rig.the(Operation).state is OperationState.SUCCEEDED
    assert rig.waiting("sync") == []


def test_the_same_notice_twice_is_worked_on_once(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    tell_us(rig, body=b"never-heard-of")
    rig.enqueue("notice", "notice", household_id=None)
    rig.enqueue("notice", "gone", household_id=None)
    rig.work_off()
    assert rig.waiting() == []


def test_notices_that_cannot_be_read_make_room_for_the_next_and_wait_for_a_person(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    tries: list[str] = []

    def without_a_secret(headers: Mapping[str, str], body: bytes) -> Notified:
        tries.append(f"{headers} {body!r}")
        raise ConfigError("the payment secret 'notice_secret' is not set")

    rig.bank.parse_notice = without_a_secret
    notice = tell_us(rig)
    assert (notice.state, len(tries)) == (NoticeState.SET_ASIDE, MOST_TRIES)
    assert rig.waiting("notice") == []


def test_a_notice_that_makes_an_adapter_fail_waits_no_longer_than_any_other(open_rig: OpenRig) -> None:
    rig = open_rig(*home())

    def broken(headers: Mapping[str, str], body: bytes) -> Notified:
        raise ValueError(f"{headers} {body!r}")

    rig.bank.parse_notice = broken
    assert tell_us(rig).state is NoticeState.SET_ASIDE


# Challenge


def say_each_day(rig: Rig, left_each_day: list[float]) -> None:
    for number, quantity in enumerate(left_each_day, start=1):
        rig.inbox.append(telling(1, number, left("milk", quantity)), rig.clock.now)
        rig.clock.advance(DAY_US)
    rig.work_off()


def test_a_second_opinion_that_needs_more_days_is_asked_for_again_when_there_are_enough(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    say_each_day(rig, [0.9, 0.8, 0.7, 0.6])
    rig.enqueue("challenge", "milk")
    rig.work_off()
    opinion = rig.the(SecondOpinion)
    assert opinion.note == "It needs 14 known days, and use on 5 of them."
    assert opinion.p50_us is None
    ((_, _, due_us),) = rig.waiting("challenge")
    known_days = 3
    later_us = rig.clock.now + (14 - known_days - 1) * DAY_US
    assert due_us == next_night_us(later_us, "Europe/Madrid")


def test_a_second_opinion_is_asked_for_every_night_and_orders_nothing(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    say_each_day(rig, [0.98 - 0.04 * day - 0.01 * (day % 3) for day in range(20)])
    before = (rig.rows(Cart), rig.rows(Order))
    rig.enqueue("challenge", "milk")
    rig.work_off()
    opinion = rig.the(SecondOpinion)
    assert opinion.note.startswith("19 days of use")
    assert opinion.p50_us is not None
    assert (rig.rows(Cart), rig.rows(Order)) == before
    ((_, _, due_us),) = rig.waiting("challenge")
    assert due_us == next_night_us(rig.clock.now, "Europe/Madrid")
    rig.clock.wall += 60 * SECOND_US
    rig.enqueue("challenge", "milk")
    rig.work_off()
    assert len(rig.rows(SecondOpinion)) == 1


def test_without_a_known_level_there_is_no_second_opinion(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), known_level("milk", 0.5))
    rig.enqueue("challenge", "milk")
    rig.work_off()
    assert rig.rows(SecondOpinion) == []


def test_a_night_is_the_households_own() -> None:
    half_past_two_in_madrid = 1_795_539_900_000_000 // DAY_US * DAY_US + 5_400 * SECOND_US
    assert next_night_us(half_past_two_in_madrid, "Europe/Madrid") - half_past_two_in_madrid == 1_800 * SECOND_US
