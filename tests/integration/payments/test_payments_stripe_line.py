"""Stripe over a line that breaks: what is not known is Unknown, looked up, and takes effect once."""

import json
import logging
from collections.abc import Iterator

import httpx
import pytest
import stripe as sdk

from payments.adapter import (
    Authorized,
    Captured,
    Declined,
    DeclineKind,
    NotFound,
    OperationKind,
    Pending,
    Refund,
    Refunded,
    RequiresAction,
    Reversed,
    SetupMandate,
    Unknown,
    Void,
    Voided,
)
from payments.adapters.stripe_connection import API_VERSION
from payments.errors import NOTHING_HELD, ConfigError, InvalidRequest, NoticeRejected, NotSent, RateLimited
from payments.transport import HttpxClient
from tests.integration.payments.pretend_stripe import (
    CARD_THAT_IS_DECLINED,
    CARD_THAT_WANTS_THE_CUSTOMER,
    FEE_MINOR,
    IBAN,
    IBAN_THAT_FAILS,
    Fault,
    PretendStripe,
)
from tests.integration.payments.stripe_customer import Customer, eur

AUTHORIZE, CAPTURE, REFUND, VOID = (
    OperationKind.AUTHORIZE,
    OperationKind.CAPTURE,
    OperationKind.REFUND,
    OperationKind.VOID,
)


@pytest.fixture
def stripe(localstripe_url: str) -> Iterator[PretendStripe]:
    pretend = PretendStripe(localstripe_url)
    yield pretend
    pretend.close()


@pytest.fixture
def line() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as client:
        yield client


@pytest.fixture
def ana(stripe: PretendStripe, line: httpx.Client) -> Customer:
    return Customer(stripe, line, timeout_s=0.5).link(funds=10_000)


TOOK_EFFECT: list[Fault] = ["drop_after", "hang", "500_after"]
FAULTS: list[Fault] = ["drop_before", *TOOK_EFFECT]


@pytest.mark.parametrize("fault", TOOK_EFFECT)
def test_what_took_effect_and_was_not_heard_is_found_and_never_done_twice(ana: Customer, fault: Fault) -> None:
    ana.stripe.faults.append(fault)
    assert isinstance(ana.authorize("hold"), Unknown)
    held = ana.look("hold", AUTHORIZE)
    assert isinstance(held, Authorized)
    assert ana.authorize("hold") == held
    ana.stripe.faults.append(fault)
    assert isinstance(ana.capture("capture", held, 2_000), Unknown)
    captured = ana.look("capture", CAPTURE)
    assert captured == Captured(held.provider_ref, eur(2_000))
    refund = Refund("refund", "refund", eur(500), held.provider_ref)
    ana.stripe.faults.append(fault)
    assert isinstance(ana.adapter.refund(refund), Unknown)
    refunded = ana.look("refund", REFUND)
    assert isinstance(refunded, Refunded)
    assert ana.adapter.refund(refund) == refunded
    assert ana.stripe.debited_minor == 1_500
    assert len(ana.stripe.intents()) == 1


@pytest.mark.parametrize("fault", TOOK_EFFECT)
def test_a_void_that_was_not_heard_is_found(ana: Customer, fault: Fault) -> None:
    held = ana.hold()
    void = Void("void", "void", held.provider_ref)
    ana.stripe.faults.append(fault)
    assert isinstance(ana.adapter.void(void), Unknown)
    assert ana.look("void", VOID) == Voided(held.provider_ref, eur(3_000))


def test_what_never_arrived_is_not_found_and_goes_out_again_under_the_same_key(ana: Customer) -> None:
    ana.stripe.faults.append("drop_before")
    assert isinstance(ana.authorize("hold"), Unknown)
    assert ana.look("hold", AUTHORIZE) == NotFound()
    assert isinstance(ana.authorize("hold"), Authorized)
    assert len(ana.stripe.intents()) == 1


def test_a_500_that_is_repeated_for_ever_is_never_taken_for_a_no(ana: Customer) -> None:
    ana.stripe.faults.append("500_before")
    for _ in range(3):
        assert isinstance(ana.authorize("hold"), Unknown)
    assert ana.look("hold", AUTHORIZE) == NotFound()
    assert ana.adapter.capabilities.replays_5xx


@pytest.mark.parametrize(("fault", "error"), [("429", RateLimited), ("409", RateLimited), ("401", ConfigError)])
def test_an_answer_that_did_nothing_leaves_the_same_request_to_be_sent_again(
    ana: Customer, fault: Fault, error: type[Exception]
) -> None:
    ana.stripe.faults.append(fault)
    with pytest.raises(error) as raised:
        ana.authorize("hold")
    assert "sk_test" not in str(raised.value)
    assert isinstance(ana.authorize("hold"), Authorized)
    assert len(ana.stripe.intents()) == 1


def test_a_stripe_that_cannot_be_reached_was_sent_nothing(ana: Customer) -> None:
    ana.stripe.close()
    with httpx.Client(trust_env=False) as fresh:  # a line that was open may have carried it
        ana.context.http = HttpxClient(fresh)
        with pytest.raises(NotSent):
            ana.authorize("hold")


def test_a_line_that_broke_while_the_page_was_opened_leads_to_the_same_page(
    stripe: PretendStripe, line: httpx.Client
) -> None:
    customer = Customer(stripe, line)
    setup = SetupMandate("set-up", "set-up", "method", eur(50_000), return_url="https://home.example/back")
    first = customer.adapter.setup_mandate(setup)
    stripe.faults.append("drop_after")
    other = SetupMandate("other", "other", "method", eur(50_000), return_url="https://home.example/back")
    assert isinstance(customer.adapter.setup_mandate(other), Unknown)
    found = customer.look("other", OperationKind.SETUP_MANDATE)
    assert isinstance(found, RequiresAction)
    assert found == customer.adapter.setup_mandate(other) != first
    stripe.lapse(found.url)
    lapsed = customer.look("other", OperationKind.SETUP_MANDATE)
    assert isinstance(lapsed, Declined)
    assert lapsed.code == "setup_expired"


# What the bank decides


def test_a_card_without_money_is_a_soft_decline_and_says_so_again(ana: Customer) -> None:
    declined = ana.authorize("hold", 10_001)
    assert isinstance(declined, Declined)
    assert (declined.kind, declined.code) == (DeclineKind.SOFT, "insufficient_funds")
    assert ana.look("hold", AUTHORIZE) == declined == ana.authorize("hold", 10_001)


def test_a_card_that_is_declined_without_a_reason_may_be_tried_again(stripe: PretendStripe, line: httpx.Client) -> None:
    declined = Customer(stripe, line).link(CARD_THAT_IS_DECLINED).authorize("hold")
    assert declined == Declined(DeclineKind.SOFT, "card_declined", "Your card was declined.")


def test_a_bank_that_wants_the_customer_is_led_to_and_the_hold_stands_when_they_come_back(
    stripe: PretendStripe, line: httpx.Client
) -> None:
    customer = Customer(stripe, line).link(CARD_THAT_WANTS_THE_CUSTOMER)
    asked = customer.authorize("hold", back="https://home.example/back")
    assert isinstance(asked, RequiresAction)
    assert asked == customer.look("hold", AUTHORIZE)
    stripe.confirm(asked.url)
    held = customer.look("hold", AUTHORIZE)
    assert isinstance(held, Authorized)
    assert customer.capture("capture", held) == Captured(held.provider_ref, eur(3_000))


def test_who_fails_at_the_bank_has_bought_nothing(stripe: PretendStripe, line: httpx.Client) -> None:
    customer = Customer(stripe, line).link(CARD_THAT_WANTS_THE_CUSTOMER)
    asked = customer.authorize("hold", back="https://home.example/back")
    assert isinstance(asked, RequiresAction)
    stripe.confirm(asked.url, success=False)
    failed = customer.look("hold", AUTHORIZE)
    assert isinstance(failed, Declined)
    assert failed.kind is DeclineKind.SOFT


def test_what_nobody_confirms_can_be_called_off(stripe: PretendStripe, line: httpx.Client) -> None:
    customer = Customer(stripe, line).link(CARD_THAT_WANTS_THE_CUSTOMER)
    asked = customer.authorize("hold", back="https://home.example/back")
    assert isinstance(asked, RequiresAction)
    assert isinstance(customer.adapter.void(Void("void", "void", asked.provider_ref)), Voided)


def test_a_hold_that_stripe_let_lapse_is_no_longer_held(ana: Customer) -> None:
    held = ana.hold()
    ana.stripe.lapse_hold(held.provider_ref)
    with pytest.raises(InvalidRequest):
        ana.capture("capture", held)
    void = ana.adapter.void(Void("void", "void", held.provider_ref))
    assert isinstance(void, Voided)
    with pytest.raises(InvalidRequest) as refused:
        ana.adapter.void(Void("again", "again", held.provider_ref))
    assert refused.value.code == NOTHING_HELD


def test_a_direct_debit_fails_days_later_and_may_then_be_asked_for_again(
    stripe: PretendStripe, line: httpx.Client
) -> None:
    customer = Customer(stripe, line, sepa=True).link(IBAN_THAT_FAILS)
    assert customer.mandate.label == "IBAN •••• 3001"
    held = customer.hold()
    assert isinstance(customer.capture("first", held), Pending)
    stripe.decide()
    declined = customer.look("first", CAPTURE)
    assert isinstance(declined, Declined)
    assert customer.capture("first", held) == declined
    assert isinstance(customer.capture("second", held), Pending)


@pytest.mark.parametrize(
    ("reason", "kind"), [("debit_not_authorized", DeclineKind.MANDATE), ("insufficient_funds", DeclineKind.SOFT)]
)
def test_a_direct_debit_that_the_bank_took_back_is_reversed(
    stripe: PretendStripe, line: httpx.Client, reason: str, kind: DeclineKind
) -> None:
    customer = Customer(stripe, line, sepa=True).link(IBAN)
    debit = customer.capture("debit", customer.hold())
    assert isinstance(debit, Captured)
    stripe.dispute(debit.provider_ref, reason, status="needs_response")
    assert customer.look("debit", CAPTURE) == debit
    stripe.dispute(debit.provider_ref, reason)
    found = customer.look("debit", CAPTURE)
    assert isinstance(found, Reversed)
    assert (found.amount, found.code, found.kind) == (eur(3_000), reason, kind)


def test_a_refund_that_the_bank_sends_back_after_it_succeeded_is_taken_back(ana: Customer) -> None:
    held = ana.hold()
    ana.capture("capture", held, 2_000)
    refund = Refund("refund", "refund", eur(500), held.provider_ref)
    given = ana.adapter.refund(refund)
    assert isinstance(given, Refunded)
    ana.stripe.return_refund(given.provider_ref)
    found = ana.look("refund", OperationKind.REFUND)
    assert isinstance(found, Reversed)
    assert (found.amount, found.code) == (eur(500), "expired_or_canceled_card")


def test_a_dispute_about_a_part_of_a_debit_says_how_much_was_taken_back(ana: Customer) -> None:
    held = ana.hold()
    ana.capture("capture", held, 2_000)
    ana.stripe.dispute(held.provider_ref, "product_not_received", minor=700)
    found = ana.look("capture", CAPTURE)
    assert isinstance(found, Reversed)
    assert (found.amount, found.kind) == (eur(700), DeclineKind.SOFT)


# Pay-outs and notices


def test_a_pay_out_names_our_captures_and_refunds_and_adds_up(ana: Customer) -> None:
    held = ana.hold()
    ana.capture("capture", held, 2_000)
    ana.adapter.refund(Refund("refund", "refund", eur(500), held.provider_ref))
    ana.stripe.pay_out(1_800_000_000)
    (settlement,) = ana.adapter.list_settlements(0)
    assert {(one.reference, one.amount.amount_minor) for one in settlement.lines} == {
        ("capture", 2_000),
        ("refund", -500),
    }
    assert (settlement.gross, settlement.fee) == (eur(1_500), eur(FEE_MINOR))
    assert ana.adapter.list_settlements(1_800_000_001_000_000) == ()


def notice(secret: str, *, adapter: str = "stripe", timestamp: int | None = None) -> tuple[dict[str, str], bytes]:
    about = {"id": "pi_1", "object": "payment_intent", "metadata": {"replenish_reference": "r1"}}
    about["metadata"] |= {"replenish_adapter": adapter}  # type: ignore[operator]  # a dict of words
    body = json.dumps({"id": "evt_1", "object": "event", "type": "x", "data": {"object": about}})
    signature = sdk.WebhookSignature.generate_signature_header(body, secret, timestamp)
    return {"Stripe-Signature": signature}, body.encode()


def test_a_notice_is_believed_under_each_of_our_secrets_and_names_what_to_look_up(ana: Customer) -> None:
    for secret in ("whsec_new", "whsec_old"):
        found = ana.adapter.parse_notice(*notice(secret))
        assert (found.notice_id, found.references) == ("evt_1", ("r1",))
    assert ana.adapter.parse_notice(*notice("whsec_new", adapter="stripe_sepa")).references == ()


def test_a_notice_that_is_forged_old_cut_or_too_large_is_refused(ana: Customer) -> None:
    headers, body = notice("whsec_new")
    for wrong in (notice("whsec_other"), notice("whsec_new", timestamp=1), (headers, body[:-1]), ({}, body)):
        with pytest.raises(NoticeRejected):
            ana.adapter.parse_notice(*wrong)
    with pytest.raises(NoticeRejected, match="too large"):
        ana.adapter.parse_notice(headers, body * 10_000)


def test_no_secret_is_logged_or_in_an_answer_however_talkative_the_logs_are(
    ana: Customer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ana.capture("capture", ana.hold())
    answers: list[object] = [ana.authorize("declined", 10_001)]
    for fault in FAULTS:
        ana.stripe.faults.append(fault)
        answers.append(ana.authorize(fault))
    said = caplog.text + repr(answers)
    for secret in ("sk_test", "whsec", "_secret_", "Bearer"):
        assert secret not in said


@pytest.mark.parametrize(("wallet", "name"), [("apple_pay", "Apple Pay"), ("google_pay", "Google Pay")])
def test_a_card_in_a_wallet_is_called_so_and_captured_like_any_card(
    stripe: PretendStripe, line: httpx.Client, wallet: str, name: str
) -> None:
    stripe.wallet = wallet
    ana = Customer(stripe, line).link(funds=10_000)
    assert ana.mandate.label == f"{name} (Visa •••• 4242)"
    held = ana.hold()
    assert ana.capture("capture", held, 2_000) == Captured(held.provider_ref, eur(2_000))
    assert stripe.debited_minor == 2_000


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_leads_to_one_request_in_the_pinned_version_and_to_no_retry_of_the_sdk(
    ana: Customer, fault: Fault
) -> None:
    before = len(ana.stripe.requests)
    ana.stripe.faults.append(fault)
    assert isinstance(ana.authorize("hold"), Unknown)
    posted = [path for method, path, _ in ana.stripe.requests[before:] if method == "POST"]
    assert posted == ["/v1/payment_intents"]
    assert set(ana.stripe.versions) == {API_VERSION}


def test_no_number_of_a_card_or_account_ever_passes_the_gateway(ana: Customer, line: httpx.Client) -> None:
    debit = Customer(ana.stripe, line, sepa=True).link(IBAN)
    debit.capture("debit", debit.hold())
    ana.capture("capture", ana.hold())
    sent = " ".join(body for _, _, body in ana.stripe.requests)
    kept = " ".join([*ana.context.state.rows.values(), *debit.context.state.rows.values()])  # type: ignore[attr-defined]
    for number in ("4242424242424242", IBAN):
        assert number not in sent + kept
    assert "number" not in sent
    assert "iban" not in sent.lower()
