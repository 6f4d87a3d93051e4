"""What is wrong with what an installation holds: its households, shops, accounts and work. Nothing is changed."""

from collections.abc import Iterator
from functools import cache

from devices.catalogue import kinds
from devices.errors import BadClock
from gateway.assembly import OPERATOR_HOUSEHOLD, Gateway
from gateway.cli.findings import Finding, Weight, judge, present
from gateway.domain.household import Household
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import MethodState, Operation, OperationState, PaymentMethod
from gateway.domain.records import MerchantAccount, Notice, NoticeState
from gateway.domain.replenishment import HOUR_US, Policy
from gateway.domain.stock import PackOption, Slot, Supply
from gateway.steps.ports import MerchantError
from gateway.store.errors import VaultError
from gateway.store.work_queue import Waiting
from payments.adapter import OperationKind, Sync, Unknown
from payments.errors import PaymentError, UnknownAdapter

MOST_REASON_CHARACTERS = 200
PROBE_REFERENCE = "doctor"
MOST_NAMED = 8
NOTICE_WAITS_US = 6 * HOUR_US


def contents(gateway: Gateway) -> Iterator[Finding]:
    """Look at the rows, and ask shops and providers whether they answer."""
    now_us = None
    try:
        now_us = gateway.clock.now_us()
    except BadClock as error:
        yield Finding(Weight.PROBLEM, f"the clock file: {error}", "unset REPLENISH_CLOCK_FILE for real time")
    with gateway.unit_of_work.read() as tx:
        households = sum(one.id != OPERATOR_HOUSEHOLD for one in tx.every(Household, None))
        shops = list(tx.every(MerchantAccount, None))
        methods = list(tx.every(PaymentMethod, None))
        unpaid = tx.count(Order, None, state=OrderState.PAYMENT_DUE)
        undecided = tx.count(Operation, None, state=OperationState.MANUAL_REVIEW)
    yield present(households, "household", "add one: `replenish household add NAME --owner-email YOU`")
    yield from _households(gateway)
    yield present(len(shops), "shop", "add one: `replenish merchant add ID …`; without a shop nothing can be ordered")
    for shop in shops:
        yield _shop(gateway, shop)
    for name in sorted({method.adapter for method in methods} | set(gateway.settings.payment_settings)):
        yield _payment_adapter(gateway, name)
    yield from _sealed(gateway, methods)
    if now_us is not None:
        yield _notices(gateway, now_us)
    failing = gateway.queue.waiting(failing_only=True)
    yield judge(not failing, f"rows of work that keep failing: {len(failing)}", _first_failure(failing))
    remedy = "see `replenish payments review`; the household is told too"
    yield judge(not unpaid, f"orders shipped and not paid: {unpaid}", remedy)
    remedy = "see `replenish payments review`, and compare `replenish reconcile` with the provider's own pages"
    yield judge(not undecided, f"payments that a person has to look at: {undecided}", remedy)


def _households(gateway: Gateway) -> Iterator[Finding]:
    """Say which households can buy nothing: no account to debit, or a supply without a product."""
    with gateway.unit_of_work.read() as tx:
        for home in tx.every(Household, None):
            if home.id == OPERATOR_HOUSEHOLD:
                continue
            if not tx.find(PaymentMethod, home.id, state=MethodState.ACTIVE, newest=1):
                text = f"{home.name} has no linked account that may be debited"
                yield Finding(
                    Weight.TO_DO, text, "its owner links one on the Money page; until then nothing is ordered"
                )
            bought = {option.supply_id for option in tx.every(PackOption, home.id, rank=0)}
            ordered = {policy.supply_id for policy in tx.every(Policy, home.id, enabled=True)}
            slots = {slot.supply_id: slot for slot in tx.every(Slot, home.id) if slot.supply_id in ordered - bought}
            names = [one.name for one in tx.every(Supply, home.id) if one.id in slots and one.kind in _sold()]
            if names:
                listed = ", ".join(names[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
                text = f"{home.name} has {len(names)} supplies without a product, never ordered: {listed}"
                yield Finding(Weight.TO_DO, text, "choose one on each supply's page, or turn its reordering off there")


@cache
def _sold() -> frozenset[str]:
    """Return the kinds of supply that come in packs: nobody delivers fuel."""
    return frozenset(slot.supply for kind in kinds().values() for slot in kind.slots if slot.packs)


def _notices(gateway: Gateway, now_us: int) -> Finding:
    """Say whether what providers and shops told us is worked on; what is new may wait for a moment."""
    before_us = now_us - NOTICE_WAITS_US
    with gateway.unit_of_work.read() as tx:
        waiting = [one for one in tx.every(Notice, None, state=NoticeState.RECEIVED) if one.received_us < before_us]
    text = f"notices of providers and shops that nobody has worked on for hours: {len(waiting)}"
    remedy = "run `replenish serve` or `replenish work`; if one runs, its log says why"
    if waiting:
        remedy = f"the first is from {waiting[0].name}; {remedy}"
    return judge(not waiting, text, remedy)


def _first_failure(failing: list[Waiting]) -> str:
    """Name the first row and the first line of why; the log has the rest."""
    if not failing:
        return ""
    reason = failing[0].last_error.partition("\n")[0][:MOST_REASON_CHARACTERS]
    return f"the first is {failing[0].step} {failing[0].subject_id}: {reason}"


def _shop(gateway: Gateway, shop: MerchantAccount) -> Finding:
    """Ask the shop about an order it cannot know: address, token and form are then proven, and nothing is ordered."""
    try:
        gateway.merchants.open(shop).status(PROBE_REFERENCE)
    except (MerchantError, VaultError) as error:
        remedy = f"check that it runs; put its address or token right with `replenish merchant add {shop.id} --replace`"
        return Finding(Weight.PROBLEM, f"shop {shop.id}: {error}", remedy)
    return Finding(Weight.OK, f"shop {shop.id} answers")


def _payment_adapter(gateway: Gateway, name: str) -> Finding:
    """Ask the provider about an operation it cannot know."""
    remedy = "check that it runs, and REPLENISH_PAYMENT_SETTINGS and REPLENISH_PAYMENT_SECRETS"
    try:
        answer = gateway.providers.open(name).sync(Sync(PROBE_REFERENCE, OperationKind.AUTHORIZE))
    except UnknownAdapter as error:
        remedy = "correct its name in REPLENISH_PAYMENT_SETTINGS, or install its package; after an update: `make setup`"
        return Finding(Weight.PROBLEM, f"payment adapter {name}: {error}", remedy)
    except PaymentError as error:
        return Finding(Weight.PROBLEM, f"payment adapter {name}: {error}", remedy)
    if isinstance(answer, Unknown):
        return Finding(Weight.PROBLEM, f"payment adapter {name}: {answer.reason}", remedy)
    return Finding(Weight.OK, f"payment adapter {name} answers")


def _sealed(gateway: Gateway, methods: list[PaymentMethod]) -> Iterator[Finding]:
    for method in methods:
        try:
            gateway.providers.token(method)
        except VaultError as error:
            remedy = "restore the key file that belongs to this database, or link the account again"
            yield Finding(Weight.PROBLEM, f"the linked account {method.label!r}: {error}", remedy)
            return
