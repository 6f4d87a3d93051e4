"""Settle: pay-outs booked to the last minor unit, and merchants paid what they are owed of what came."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.household import Household
from gateway.domain.payment import Funding, JournalEntry, Operation, OperationKind, PaymentMethod, Posting
from gateway.steps.money.journals import book_capture, book_refund
from gateway.steps.money.payouts import OPERATOR
from payments import ledger
from payments.adapter import Settlement, SettlementLine
from payments.errors import OutcomeUnknown, SettlementMismatch
from payments.money import Money
from tests.books import journals_of
from tests.builders import build, whole_story
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
        write_journals(rig, household_id)
    rig.enqueue("settle", "sandbox", household_id=None)
    return rig


def write_journals(rig: Rig, household_id: str) -> None:
    """Write the journals of the captures and refunds as the steps do, without the holds they ended."""
    with rig.store.begin() as tx:
        for operation in tx.find(Operation, household_id):
            book = book_capture if operation.kind is OperationKind.CAPTURE else book_refund
            book(tx, operation, at_us=rig.clock.now)


def settled(rig: Rig, household_id: str) -> list[str]:
    """Return the kinds of the journals that pay-outs made."""
    return [one.kind for one in rig.rows(JournalEntry, household_id) if one.kind in {"settlement", "payout"}]


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
    assert book(rig, "ana") == {"bank": 1000 - 25 - 1000, "fees": 25}
    assert settled(rig, "ana") == ["settlement", "payout"]


def test_a_pay_out_seen_again_is_booked_once(open_rig: OpenRig) -> None:
    rig = open_with_captures(open_rig, ana=(1000,))
    rig.bank.settlements = [pay_out("po-1", rig.clock.now, 25, ("ana-0", 1000))]
    for _ in range(3):
        rig.pass_days(1)
    assert len(settled(rig, "ana")) == 2
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
    assert settled(rig, "ana") == ["settlement", "payout"]
    assert book(rig, OPERATOR) == {"bank": 1000, "suspense": -1000}


@pytest.mark.parametrize("line", [("ana-0", 99_999), ("ana-0", 999), ("ana-0", -1000), ("ana-1", 300), ("ana-1", 1)])
def test_a_line_that_does_not_fit_what_was_moved_goes_to_suspense(open_rig: OpenRig, line: tuple[str, int]) -> None:
    rig = open_with_captures(open_rig, ana=(1000, -300))
    rig.bank.settlements = [pay_out("po-1", rig.clock.now, 0, line)]
    rig.work_off()
    assert settled(rig, "ana") == []
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
    assert settled(rig, "ana") == ["settlement"]
    assert book(rig, "ana") == {"bank": -105, "fees": 5, "merchant_payable:shop": 100}


@pytest.mark.long_on_postgresql
def test_a_full_page_of_pay_outs_is_followed_by_the_next(open_rig: OpenRig) -> None:
    rig = open_with_captures(open_rig, ana=tuple([10] * 250))
    rig.bank.settlements = [
        pay_out(f"po-{number:03d}", rig.clock.now + number, 0, (f"ana-{number}", 10)) for number in range(250)
    ]
    whole = rig.bank.list_settlements
    rig.bank.list_settlements = lambda since_us: whole(since_us)[:200]
    rig.work_off()
    assert settled(rig, "ana").count("settlement") == 250


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
    assert len(settled(rig, "ana")) == 2


def test_what_was_given_back_after_the_merchant_was_paid_is_taken_off_its_next_pay_out(open_rig: OpenRig) -> None:
    rig = open_with_captures(open_rig, ana=(1000, -300, 500))
    rig.bank.settlements = [pay_out("po-1", rig.clock.now, 0, ("ana-0", 1000))]
    rig.work_off()
    assert book(rig, "ana")["merchant_payable:shop"] == 300 - 500
    rig.bank.settlements.append(pay_out("po-2", rig.clock.now + 1, 0, ("ana-1", -300)))
    rig.pass_days(1)
    assert settled(rig, "ana") == ["settlement", "payout", "settlement"]
    rig.bank.settlements.append(pay_out("po-3", rig.clock.now + 2, 0, ("ana-2", 500)))
    rig.pass_days(1)
    assert [leg.amount_minor for leg in paid_to_merchants(rig, "ana")] == [1000, 200]
    assert book(rig, "ana") == {}


def paid_to_merchants(rig: Rig, household_id: str) -> list[Posting]:
    paid = {one.id for one in rig.rows(JournalEntry, household_id) if one.kind == "payout"}
    return [leg for leg in rig.rows(Posting, household_id) if leg.journal_id in paid and leg.amount_minor > 0]


def test_two_providers_may_give_their_pay_outs_the_same_name(open_rig: OpenRig) -> None:
    rig = open_with_captures(open_rig, ana=(1000,), leo=(700,))
    rig.save(replace(rig.rows(PaymentMethod, "leo")[0], adapter="other"))
    rig.bank.settlements = [pay_out("po-1", rig.clock.now, 0, ("ana-0", 1000))]
    rig.work_off()
    rig.bank.settlements = [pay_out("po-1", rig.clock.now, 0, ("leo-0", 700))]
    rig.enqueue("settle", "other", household_id=None)
    rig.work_off()
    sources = {one.source_id for one in rig.rows(JournalEntry, None) if one.kind == "settlement"}
    assert {"sandbox/po-1", "other/po-1"} <= sources
    assert settled(rig, "leo") == ["settlement", "payout"]


def test_a_line_that_one_pay_out_names_twice_is_brought_once(open_rig: OpenRig) -> None:
    rig = open_with_captures(open_rig, ana=(1000,))
    rig.bank.settlements = [pay_out("po-1", rig.clock.now, 0, ("ana-0", 1000), ("ana-0", 1000))]
    rig.work_off()
    assert [leg.amount_minor for leg in paid_to_merchants(rig, "ana")] == [1000]
    assert book(rig, OPERATOR) == {"bank": 1000, "suspense": -1000}


def test_merchants_are_paid_from_the_money_the_gateway_keeps_itself(open_rig: OpenRig) -> None:
    rig = open_with_captures(open_rig, ana=(1000, -300))
    rig.save(replace(rig.rows(PaymentMethod, "ana")[0], funding=Funding.BALANCE))
    for _ in range(2):
        rig.pass_days(1)
    assert [leg.amount_minor for leg in paid_to_merchants(rig, "ana")] == [700]


def test_a_merchant_is_not_paid_before_the_provider_has_paid_out(open_rig: OpenRig) -> None:
    rig = open_with_captures(open_rig, ana=(1000, 500))
    rig.bank.settlements = [pay_out("po-1", rig.clock.now, 0, ("ana-1", 500))]
    rig.work_off()
    assert [leg.amount_minor for leg in paid_to_merchants(rig, "ana")] == [500]
    assert book(rig, "ana") == {"provider_clearing:sandbox": 1000, "merchant_payable:shop": -1000}
