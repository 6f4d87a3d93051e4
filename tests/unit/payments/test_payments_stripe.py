"""What Stripe says, in the shapes of its own fixtures, and what that means here."""

import json
from pathlib import Path
from typing import Any

import pytest
import stripe as sdk

from gateway.steps.money.undecided import MOST_SYNCS
from payments.adapter import Authorized, Declined, DeclineKind, Pending, Refunded, RequiresAction, Reversed, Unknown
from payments.adapters.stripe import StripeCards
from payments.adapters.stripe_answers import (
    Intent,
    RefundObject,
    or_returned,
    read,
    read_debit,
    read_hold,
    read_refund,
    read_refusal,
)
from payments.adapters.stripe_connection import API_VERSION, connect
from payments.adapters.stripe_declines import HARD, MANDATE, SOFT, kind_of
from payments.adapters.stripe_money import CURRENCIES, from_stripe, to_stripe
from payments.errors import ConfigError, InvalidRequest, OutcomeUnknown
from payments.memory import MemoryContext
from payments.money import Money, exponent

TEN_EUR = Money(1_000, "EUR")

# Whole objects as Stripe's own mock server gives them, from openapi/fixtures3.json of github.com/stripe/openapi (MIT),
# v2436 of August 2026, the newest that is public; over each is laid what the story of a test needs. The version
# of the API that the adapter asks for is later, and its fields that are read here have the same names and types.
OBJECTS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "stripe" / "objects.json").read_bytes()
)
OURS = {"replenish_reference": "r1"}
HELD_BY_CARD = {"card": {**OBJECTS["charge"]["payment_method_details"]["card"], "capture_before": 1_700_000_000}}
CHARGE = OBJECTS["charge"] | {"status": "succeeded", "payment_method_details": HELD_BY_CARD | {"type": "card"}}
INTENT = OBJECTS["payment_intent"] | {
    "amount": 1000,
    "amount_capturable": 1000,
    "capture_method": "manual",
    "currency": "eur",
    "last_payment_error": None,
    "latest_charge": CHARGE,
    "metadata": OURS,
    "next_action": None,
    "status": "requires_capture",
}
REFUND = OBJECTS["refund"] | {"amount": 1000, "currency": "eur", "metadata": OURS}
CREATED_US = INTENT["created"] * 1_000_000
DAY_US = 86_400_000_000


def intent(**changes: object) -> Intent:
    return read(INTENT | changes, Intent)


def test_a_hold_ends_when_the_card_says() -> None:
    held = read_hold(intent(), "r1", TEN_EUR)
    assert held == Authorized(INTENT["id"], TEN_EUR, 1_700_000_000_000_000)
    for later in ("succeeded", "canceled"):  # what became of it afterwards changes nothing
        assert read_hold(intent(status=later), "r1", TEN_EUR) == held


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 999},
        {"currency": "usd"},
        {"currency": "zzz"},
        {"metadata": {}},
        {"metadata": {"replenish_reference": "r2"}},
        {"status": "requires_confirmation"},
        {"status": "something_new"},
        {"status": "requires_action"},
        {"status": "requires_payment_method"},
    ],
)
def test_an_answer_about_something_else_or_that_says_nothing_is_unknown(changes: dict[str, object]) -> None:
    assert isinstance(read_hold(intent(**changes), "r1", TEN_EUR), Unknown)
    if changes.get("status") != "requires_action":
        assert isinstance(
            read_debit(intent(**(changes | {"latest_charge": None})), "r1", TEN_EUR, now_us=CREATED_US), Unknown
        )


def test_where_the_customer_must_act_the_page_is_named() -> None:
    action = {"type": "redirect_to_url", "redirect_to_url": {"url": "https://hooks.stripe.com/3d", "return_url": "x"}}
    found = read_hold(intent(status="requires_action", next_action=action), "r1", TEN_EUR)
    assert found == RequiresAction(INTENT["id"], "https://hooks.stripe.com/3d")


def test_what_cannot_be_read_is_never_a_decline() -> None:
    for broken in ({"id": 5}, {"id": "pi_1", "status": "succeeded", "amount": "much", "currency": "eur"}):
        with pytest.raises(OutcomeUnknown):
            read(broken, Intent)


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        (("card_declined", "insufficient_funds"), DeclineKind.SOFT),
        (("card_declined", "try_again_later"), DeclineKind.SOFT),
        (("card_declined", "issuer_not_available"), DeclineKind.SOFT),
        (("processing_error", None), DeclineKind.SOFT),
        (("card_declined", "stolen_card"), DeclineKind.HARD),
        (("card_declined", "lost_card"), DeclineKind.HARD),
        (("card_declined", "pickup_card"), DeclineKind.HARD),
        (("expired_card", "expired_card"), DeclineKind.HARD),
        (("account_closed", None), DeclineKind.HARD),
        (("debit_not_authorized", None), DeclineKind.MANDATE),
        (("authentication_required", "authentication_required"), DeclineKind.MANDATE),
        (("card_declined", "a_code_of_next_year"), DeclineKind.SOFT),
    ],
)
def test_a_refusal_leaves_what_its_code_says(codes: tuple[str | None, ...], kind: DeclineKind) -> None:
    assert kind_of(*codes) is kind


def test_no_code_is_in_two_lists() -> None:
    assert not HARD & MANDATE
    assert not SOFT & (HARD | MANDATE)


def test_a_402_names_the_decline_and_the_payment() -> None:
    said = {
        "type": "card_error",
        "code": "card_declined",
        "decline_code": "stolen_card",
        "message": "Your card was declined.",
    }
    body = {"error": said | {"payment_intent": INTENT | {"status": "requires_payment_method"}}}
    refusal = read_refusal(sdk.CardError("no", None, "card_declined", json_body=body))
    assert refusal.declined == Declined(DeclineKind.HARD, "stolen_card", "Your card was declined.")
    assert refusal.intent is not None
    with pytest.raises(OutcomeUnknown):
        read_refusal(sdk.CardError("no", None, "card_declined", json_body=None))


def test_a_debit_that_is_processing_is_asked_about_when_it_can_have_been_decided_and_goes_to_no_person_before() -> None:
    debit = intent(status="processing", capture_method="automatic", latest_charge=None)

    def asked_days_after(days: float) -> int | None:
        found = read_debit(debit, "r1", TEN_EUR, now_us=CREATED_US + round(days * DAY_US))
        assert isinstance(found, Pending)
        return found.decides_us

    assert asked_days_after(0) == CREATED_US + 6 * DAY_US
    assert [asked_days_after(days) for days in (6, 13, 21)] == [CREATED_US + days * DAY_US for days in (7, 14, 22)]
    assert asked_days_after(22) is None
    assert MOST_SYNCS > 1 + (22 - 6)


def test_a_refund_that_waits_is_asked_about_daily_for_a_month() -> None:
    waits = read(REFUND | {"status": "pending"}, RefundObject)
    for days, again in ((0, 1), (29, 30)):
        now_us = CREATED_US + days * DAY_US
        assert read_refund(waits, "r1", TEN_EUR, now_us=now_us) == Pending(waits.id, CREATED_US + again * DAY_US)
    assert read_refund(waits, "r1", TEN_EUR, now_us=CREATED_US + 30 * DAY_US) == Pending(waits.id, None)


def test_a_refund_whose_money_came_back_to_stripe_is_taken_back_and_no_mere_refusal() -> None:
    failed = REFUND | {"status": "failed", "failure_reason": "expired_or_canceled_card"}
    refused = read(failed | {"failure_balance_transaction": None}, RefundObject)
    came_back = read(failed | {"failure_balance_transaction": "txn_1PgaxNB7WZ01zgkWEV3TLf40"}, RefundObject)
    for found, outcome in ((refused, Declined), (came_back, Reversed)):
        said = or_returned(found, read_refund(found, "r1", TEN_EUR, now_us=CREATED_US))
        assert isinstance(said, outcome)
        assert said.code == "expired_or_canceled_card"
    whole = read(REFUND, RefundObject)
    assert isinstance(or_returned(whole, read_refund(whole, "r1", TEN_EUR, now_us=CREATED_US)), Refunded)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("succeeded", Refunded),
        ("pending", Pending),
        ("requires_action", Pending),
        ("failed", Declined),
        ("canceled", Declined),
        ("something_new", Unknown),
    ],
)
def test_a_refund_is_as_far_as_stripe_says(status: str, outcome: type) -> None:
    assert isinstance(
        read_refund(read(REFUND | {"status": status}, RefundObject), "r1", TEN_EUR, now_us=CREATED_US), outcome
    )
    assert isinstance(
        read_refund(read(REFUND | {"amount": 1}, RefundObject), "r1", TEN_EUR, now_us=CREATED_US), Unknown
    )


@pytest.mark.parametrize(
    ("amount", "minor"),
    [
        (Money(1_890, "EUR"), 1_890),
        (Money(500, "JPY"), 500),
        (Money(900, "ISK"), 90_000),
        (Money(7, "UGX"), 700),
        (Money(12_340, "BHD"), 12_340),
        (Money(300, "MGA"), 3),
    ],
)
def test_amounts_are_counted_as_stripe_counts_them_there_and_back(amount: Money, minor: int) -> None:
    assert to_stripe(amount) == (minor, amount.currency.lower())
    assert from_stripe(minor, amount.currency.lower()) == amount


@pytest.mark.parametrize(
    "amount", [Money(12_345, "BHD"), Money(1, "MGA"), Money(0, "EUR"), Money(-1, "EUR"), Money(1, "IRR")]
)
def test_an_amount_stripe_cannot_be_asked_for_is_refused_before_it_is_sent(amount: Money) -> None:
    with pytest.raises(InvalidRequest):
        to_stripe(amount)


def test_every_currency_has_minor_units() -> None:
    assert {exponent(currency) for currency in CURRENCIES} == {0, 2, 3}


def test_the_version_is_the_sdks_own_and_nothing_is_told_about_the_machine() -> None:
    connect(MemoryContext({}, {"api_key": "sk_test_1"}))
    assert sdk.api_version == API_VERSION
    assert sdk.enable_telemetry is False


@pytest.mark.parametrize("url", ["http://api.example", "ftp://127.0.0.2"])
def test_a_secret_key_is_never_sent_in_the_clear(url: str) -> None:
    with pytest.raises(ConfigError, match="https"):
        StripeCards(MemoryContext({"url": url}, {"api_key": "sk_test_1"}))


def test_without_a_key_the_operator_is_told() -> None:
    with pytest.raises(ConfigError, match="api_key"):
        StripeCards(MemoryContext())
