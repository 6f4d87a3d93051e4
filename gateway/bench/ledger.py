"""How fast journals are written, and how long it takes to compare the books of very many payments."""

import resource
import sys
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any, cast

from sqlalchemy import insert

from gateway.assembly import Gateway
from gateway.bench.ground import START_US, Figures, Ground
from gateway.domain.approval import Approval, ApprovalState
from gateway.domain.cart import Cart, CartState
from gateway.domain.household import Household
from gateway.domain.payment import (
    Account,
    Attempt,
    AttemptState,
    JournalEntry,
    Mandate,
    MandateState,
    MethodState,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
    Posting,
    Reservation,
    ReservationState,
)
from gateway.domain.records import MerchantAccount
from gateway.domain.replenishment import HOUR_US
from gateway.steps.acts.household import add_household
from gateway.steps.money.books import post
from gateway.steps.money.reconcile import reconcile
from gateway.store import mapping
from gateway.store.unit_of_work import SqlTransaction
from payments import adapter, ledger
from payments.money import Money

PAYMENTS = 100_000
HOUSEHOLDS = 100
IN_A_PAY_OUT = 200
PRICE_MINOR = 1_299
FEE_MINOR = 500
POSTED = 300
SHOP_ID, ADAPTER = "bench-shop", "bench"
WHAT = (
    f"Journals of two postings are written, a commit each. {PAYMENTS:,} payments of {HOUSEHOLDS} households are "
    "written with their journals and pay-outs; ledger, operations, pay-outs and the provider's open book (which "
    "answers from memory) are compared once."
)
ACCOUNTS = (ledger.provider_clearing(ADAPTER), ledger.merchant_payable(SHOP_ID), ledger.BANK, ledger.FEES)
PRICE = Money(PRICE_MINOR, "EUR")


class _Bank:
    """A provider in memory that moved and paid out exactly what our rows say."""

    capabilities = adapter.Capabilities(
        title="Bench bank",
        account=None,
        currencies=None,
        manual_capture=True,
        partial_capture=True,
        multiple_captures=True,
        void=True,
        lookup_by_reference=True,
        idempotency_window_s=None,
        replays_5xx=False,
        finality="final",
        refund_right_days=0,
        prenotify_days=0,
    )

    def list_settlements(self, since_us: int) -> tuple[adapter.Settlement, ...]:
        """Pay-outs, a page at a time."""
        first = max(0, (since_us - START_US) // HOUR_US)
        last = min(first + 200, PAYMENTS // IN_A_PAY_OUT)
        return tuple(_settlement(number) for number in range(first, last))

    def movements(self, method_token: str) -> tuple[adapter.Movement, ...]:
        """All captures of one household."""
        household = int(method_token)
        return tuple(
            adapter.Movement(_id("take", number), adapter.OperationKind.CAPTURE, PRICE)
            for number in _payments_of(household)
        )


class _Providers:
    """The one bank under every name."""

    names = (ADAPTER,)

    def open(self, name: str) -> adapter.PaymentAdapter:
        """Return the bank."""
        assert name == ADAPTER
        return cast("adapter.PaymentAdapter", _Bank())

    def seal(self, token: str, *, household_id: str, method_id: str) -> bytes:
        """Nothing is sealed here."""
        assert household_id
        assert method_id
        return token.encode()

    def token(self, method: PaymentMethod) -> str:
        """Return the household's number."""
        return method.token_sealed.decode()


def measure_ledger(ground: Ground) -> Figures:
    """Write journals one commit after the other; then fill an installation with payments and compare its books."""
    gateway = ground.install()
    try:
        postings_per_s = _post(gateway)
        start = perf_counter()
        _fill(gateway)
        filled_s = perf_counter() - start
        start = perf_counter()
        now_us = START_US + PAYMENTS * HOUR_US
        differences = sum(1 for _ in reconcile(gateway.unit_of_work, _Providers(), now_us=now_us))
        took_s = perf_counter() - start
    finally:
        gateway.close()
    if differences:
        raise RuntimeError(f"{differences} differences in books that agree")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "postings_per_s": postings_per_s,
        "reconcile_100k_s": took_s,
        "reconcile_filled_s": filled_s,
        "reconcile_peak_mebibytes": peak / (2**20 if sys.platform == "darwin" else 2**10),
    }


def _post(gateway: Gateway) -> float:
    with gateway.unit_of_work.begin() as tx:
        _, owner = add_household(
            tx,
            name="Ledger Lane 1",
            time_zone="UTC",
            currency="EUR",
            owner_name="Ana",
            owner_email="ledger@example.org",
            now_us=START_US,
        )
    start = perf_counter()
    for number in range(POSTED):
        with gateway.unit_of_work.begin() as tx:
            journal = ledger.payout(_id("posted", number), ledger.merchant_payable(SHOP_ID), PRICE)
            post(tx, owner.household_id, [journal], memo="measured", at_us=START_US)
    return POSTED * 2 / (perf_counter() - start)


def _id(kind: str, number: int) -> str:
    """Return an id as long as the real ones, growing with the number."""
    return f"{kind}-{number:0{35 - len(kind)}d}"


def _payments_of(household: int) -> range:
    each = PAYMENTS // HOUSEHOLDS
    return range(household * each, (household + 1) * each)


def _settlement(number: int) -> adapter.Settlement:
    payments = range(number * IN_A_PAY_OUT, (number + 1) * IN_A_PAY_OUT)
    lines = tuple(adapter.SettlementLine(_id("take", payment), PRICE) for payment in payments)
    gross, fee = PRICE * IN_A_PAY_OUT, Money(FEE_MINOR, "EUR")
    return adapter.Settlement(f"po-{number}", START_US + number * HOUR_US, gross, fee, gross - fee, lines)


def _fill(gateway: Gateway) -> None:
    with gateway.unit_of_work.begin() as tx:
        tx.add(
            MerchantAccount(
                id=SHOP_ID,
                name="Bench shop",
                adapter="http_shop",
                settings={},
                secret_sealed=b"",
                currency="EUR",
                lead_time_days=2.0,
            )
        )
    for household in range(HOUSEHOLDS):
        with gateway.unit_of_work.begin() as tx:
            rows = list(_household(household))
            for number in _payments_of(household):
                rows.extend(_payment(_id("home", household), number))
            for number in range(
                _payments_of(household).start // IN_A_PAY_OUT, _payments_of(household).stop // IN_A_PAY_OUT
            ):
                settled, paid = _settlement(number), f"{ADAPTER}/po-{number}"
                rows += _journal(
                    _id("home", household),
                    "settlement",
                    paid,
                    _id("set", number),
                    [
                        (ledger.BANK, settled.net.amount_minor),
                        (ledger.FEES, settled.fee.amount_minor),
                        (ACCOUNTS[0], -settled.gross.amount_minor),
                    ],
                )
            _write(tx, rows)


def _write(tx: SqlTransaction, rows: list[Any]) -> None:
    """Insert rows of several tables, a statement for each table, in the order in which the tables first come."""
    tables: dict[type, list[dict[str, Any]]] = {}
    for row in rows:
        tables.setdefault(type(row), []).append(mapping.to_values(row))
    for kind, values in tables.items():
        tx.connection.execute(insert(mapping.row_type(kind).__table__), values)


def _household(household: int) -> Iterator[Any]:
    home = _id("home", household)
    yield Household(
        id=home,
        household_id=home,
        name=f"Home {household}",
        time_zone="UTC",
        currency="EUR",
        frozen_since_us=None,
        created_us=START_US,
    )
    yield PaymentMethod(
        id=_id("method", household),
        household_id=home,
        adapter=ADAPTER,
        token_sealed=str(household).encode(),
        label="Account",
        currency="EUR",
        state=MethodState.ACTIVE,
        rank=0,
        created_us=START_US,
    )
    yield Mandate(
        id=_id("mandate", household),
        household_id=home,
        payment_method_id=_id("method", household),
        provider_ref="m",
        state=MandateState.ACTIVE,
        standing=True,
        currency="EUR",
        per_order_minor=10_000,
        per_period_minor=10_000,
        period_days=30,
        per_merchant_minor=None,
        merchant_ids=(),
        device_ids=(),
        supply_ids=(),
        price_tolerance_percent=10.0,
        valid_from_us=START_US,
        valid_until_us=None,
    )
    for account in ACCOUNTS:
        yield Account(
            id=f"{account.kind}-{home}", household_id=home, kind=account.kind, owner=account.owner, currency="EUR"
        )


def _payment(home: str, number: int) -> Iterator[Any]:
    household = number // (PAYMENTS // HOUSEHOLDS)
    at_us, pay = START_US + number, _id("pay", number)
    yield replace(CART, id=_id("cart", number), household_id=home, created_us=at_us)
    yield Approval(
        id=_id("yes", number),
        household_id=home,
        cart_id=_id("cart", number),
        cart_version=1,
        member_id=None,
        mandate_id=_id("mandate", household),
        payment_method_id=_id("method", household),
        by_mandate=True,
        amount_minor=PRICE_MINOR,
        currency="EUR",
        state=ApprovalState.STANDING,
        at_us=at_us,
        send_not_before_wall_us=0,
    )
    yield Attempt(
        id=pay,
        household_id=home,
        cart_id=_id("cart", number),
        approval_id=_id("yes", number),
        payment_method_id=_id("method", household),
        mandate_id=_id("mandate", household),
        amount_minor=PRICE_MINOR,
        currency="EUR",
        state=AttemptState.CAPTURED,
        note="",
        created_us=at_us,
    )
    yield Reservation(
        id=pay,
        household_id=home,
        mandate_id=_id("mandate", household),
        merchant_id=SHOP_ID,
        amount_minor=PRICE_MINOR,
        at_us=at_us,
        state=ReservationState.USED,
    )
    for kind, name in ((OperationKind.AUTHORIZE, "auth"), (OperationKind.CAPTURE, "take")):
        yield Operation(
            id=_id(name, number),
            household_id=home,
            attempt_id=pay,
            kind=kind,
            subject_id="parcel",
            amount_minor=PRICE_MINOR,
            currency="EUR",
            state=OperationState.SUCCEEDED,
            provider_ref=_id(name, number),
            note="",
            created_us=at_us,
            sent_wall_us=0,
            closed_us=at_us,
            syncs=0,
            settled_ref=f"po-{number // IN_A_PAY_OUT}" if kind is OperationKind.CAPTURE else "",
        )
    moved = [(ACCOUNTS[0], PRICE_MINOR), (ACCOUNTS[1], -PRICE_MINOR)]
    back = [(account, -minor) for account, minor in moved]
    yield from _journal(home, "hold", pay, _id("h", number), moved, pending=True)
    yield from _journal(home, "release", _id("take", number), _id("r", number), back, pending=True)
    yield from _journal(home, "capture", _id("take", number), _id("c", number), moved)


def _journal(
    home: str,
    kind: str,
    source_id: str,
    journal_id: str,
    legs: list[tuple[ledger.Account, int]],
    *,
    pending: bool = False,
) -> Iterator[Any]:
    yield JournalEntry(
        id=journal_id,
        household_id=home,
        source_id=source_id,
        kind=kind,
        memo="",
        reverses_id=None,
        pending=pending,
        at_us=START_US,
    )
    for place, (account, minor) in enumerate(legs):
        yield Posting(
            id=f"{journal_id}/{place}",
            household_id=home,
            journal_id=journal_id,
            account_id=f"{account.kind}-{home}",
            amount_minor=minor,
            currency="EUR",
        )


CART = Cart(
    id="",
    household_id="",
    merchant_id=SHOP_ID,
    state=CartState.ORDERED,
    version=1,
    currency="EUR",
    goods_minor=PRICE_MINOR,
    delivery_minor=0,
    free_delivery_from_minor=None,
    delivery_price_minor=0,
    quote_ref="",
    promised_us=None,
    decide_by_us=None,
    snoozed_until_us=None,
    signed=True,
    needs_person=(),
    note="",
    created_us=START_US,
)
