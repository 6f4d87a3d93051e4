"""Open banking against the pretend bank over real HTTP: the contract, every fault, and what consents allow."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import httpx
import pytest

from payments.adapter import (
    Authorized,
    Captured,
    Declined,
    DeclineKind,
    MandateActive,
    MandateRevoked,
    NotFound,
    OperationKind,
    PaymentAdapter,
    Pending,
    Refunded,
    RequiresAction,
    Returning,
    RevokeMandate,
    SetupMandate,
    SetupMandateOutcome,
    Sync,
    Unknown,
)
from payments.adapters.openbanking_state import Consent, Memory
from payments.contract import AdapterContract
from payments.errors import ConfigError, InvalidRequest, NotSent, RateLimited
from payments.money import Money
from tests.fakes import FakeClock
from tests.integration.payments.vrp import Payer, Vrp, gbp

DAY_US = 86_400_000_000
MANDATE = DeclineKind.MANDATE


@pytest.fixture(scope="module")
def vrp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vrp]:
    """One bank for all tests; every customer is new, and time only goes on."""
    with httpx.Client(trust_env=False) as client:
        bank = Vrp(tmp_path_factory.mktemp("vrp"), FakeClock(), client)
        yield bank
        bank.close()


@pytest.fixture
def payer(vrp: Vrp) -> Payer:
    return Payer(vrp).agreed()


class TestOpenBankingKeepsTheContract(AdapterContract):
    currency = "GBP"
    tokens = count(1)

    @pytest.fixture(autouse=True)
    def _bank(self, vrp: Vrp, _made: None) -> None:
        self.vrp = vrp
        self.adapter = vrp.adapter()

    @pytest.fixture(autouse=True)
    def _made(self) -> None:
        """The adapter is made once its bank is there."""

    def make_adapter(self) -> PaymentAdapter:
        return self.vrp.adapter()

    def open_method(self, funds: Money) -> str:
        token = f"contract-{next(self.tokens)}"
        self.vrp.control("accounts", token=token, balance_minor=funds.amount_minor)
        return token

    def agree(self, request: SetupMandate, asked: RequiresAction) -> SetupMandateOutcome:
        assert isinstance(self.adapter, Returning)
        query = self.vrp.walk(asked.url, request.method_token)
        return self.adapter.customer_returned(request.reference, query)

    def lose_next_answer(self, method_token: str) -> bool:
        self.vrp.script(method_token, "payment:drop_after")
        return True


# The permission


def test_the_bank_says_which_account_the_customer_chose(vrp: Vrp) -> None:
    payer = Payer(vrp)
    outcome = payer.come_back(vrp.walk(payer.asked().url, payer.account))
    assert isinstance(outcome, MandateActive)
    assert outcome.label.startswith("Everyday •••• ")
    assert payer.adapter.sync(Sync(payer.setup.reference, OperationKind.SETUP_MANDATE)) == outcome


def test_the_page_shows_the_limits_that_are_asked_for(vrp: Vrp) -> None:
    ends_us = vrp.clock.now + 90 * DAY_US
    page = vrp.client.get(Payer(vrp, expires_at_us=ends_us).asked().url).text
    assert "up to 500.00 GBP a payment" in page
    assert "up to 1000.00 GBP a month" in page
    assert "until 2027-" in page


def test_a_customer_who_says_no_gives_no_permission(vrp: Vrp) -> None:
    payer = Payer(vrp)
    refused = payer.come_back(vrp.walk(payer.asked().url, payer.account, "reject"))
    assert isinstance(refused, Declined)
    assert payer.adapter.sync(Sync(payer.setup.reference, OperationKind.SETUP_MANDATE)) == refused


def test_nobody_comes_back_twice_and_nobody_for_somebody_else(vrp: Vrp) -> None:
    anna, eve = Payer(vrp), Payer(vrp)
    query, other = (vrp.walk(one.asked().url, one.account) for one in (anna, eve))
    with pytest.raises(InvalidRequest, match="wrong_state"):
        anna.adapter.customer_returned(anna.setup.reference, other)
    assert isinstance(anna.come_back(query), MandateActive)
    with pytest.raises(InvalidRequest, match="state_used"):
        anna.come_back(query)
    assert anna.adapter.whose_return({"state": "guessed"}) is None
    assert anna.adapter.whose_return({}) is None


def test_a_stolen_code_is_worth_nothing_without_its_verifier(vrp: Vrp) -> None:
    anna, eve = Payer(vrp), Payer(vrp)
    query, other = (vrp.walk(one.asked().url, one.account) for one in (anna, eve))
    outcome = eve.come_back({"state": other["state"], "code": query["code"]})
    assert isinstance(outcome, RequiresAction)
    assert isinstance(anna.come_back(query), MandateActive)


def test_a_code_whose_answer_was_lost_sends_the_customer_to_the_bank_once_more(vrp: Vrp) -> None:
    payer = Payer(vrp)
    query = vrp.walk(payer.asked().url, payer.account)
    vrp.script("*", "token:drop_after")
    again = payer.come_back(query)
    assert isinstance(again, RequiresAction)
    assert payer.adapter.sync(Sync(payer.setup.reference, OperationKind.SETUP_MANDATE)) == again
    assert isinstance(payer.come_back(vrp.walk(again.url, payer.account)), MandateActive)


@pytest.mark.parametrize("fault", ["drop_after", "500_after", "garbage_after"])
def test_a_consent_whose_answer_was_lost_is_asked_for_under_the_same_key_once(vrp: Vrp, fault: str) -> None:
    payer = Payer(vrp)
    before = len(vrp.book()["consents"])
    vrp.script("*", f"consent:{fault}")
    assert isinstance(payer.adapter.setup_mandate(payer.setup), Unknown)
    assert payer.adapter.sync(Sync(payer.setup.reference, OperationKind.SETUP_MANDATE)) == NotFound()
    payer.agreed()
    assert len(vrp.book()["consents"]) == before + 1


def test_a_permission_ended_in_the_banks_app_is_found_ended(payer: Payer) -> None:
    held = payer.held()
    payer.vrp.control(f"consents/{payer.mandate}/revoke")
    declined = payer.adapter.capture(payer.capture(held))
    assert isinstance(declined, Declined)
    assert declined.kind is MANDATE
    sync = Sync(payer.setup.reference, OperationKind.SETUP_MANDATE)
    assert payer.adapter.sync(sync) == MandateRevoked(payer.mandate)
    assert payer.adapter.sync(sync) == MandateRevoked(payer.mandate)
    assert payer.balance() == 10_000


def test_what_was_given_back_is_forgotten_with_its_tokens(payer: Payer) -> None:
    revoke = RevokeMandate("k-revoke", "revoke", payer.mandate)
    payer.vrp.script("*", "revoke:drop_after")
    assert isinstance(payer.adapter.revoke_mandate(revoke), Unknown)
    assert payer.adapter.revoke_mandate(revoke) == MandateRevoked(payer.mandate)
    consent = Memory(payer.vrp.state).find(Consent, payer.mandate)
    assert consent is not None
    assert (consent.access, consent.refresh) == ("", "")


# Limits, held by the bank itself


def test_more_than_the_consent_allows_at_once_is_declined_here(payer: Payer) -> None:
    declined = payer.adapter.authorize(payer.authorize(minor=50_001))
    assert isinstance(declined, Declined)
    assert (declined.kind, declined.code) == (MANDATE, "over_limit")


def test_more_than_the_consent_allows_in_a_month_is_declined_by_the_bank(vrp: Vrp) -> None:
    payer = Payer(vrp, per_period_limit=gbp(4_000)).agreed()
    held = payer.held(minor=6_000)
    assert isinstance(payer.adapter.capture(payer.capture(held, "c1", 3_000)), Captured)
    declined = payer.adapter.capture(payer.capture(held, "c2", 3_000))
    assert isinstance(declined, Declined)
    assert (declined.kind, declined.code) == (MANDATE, "over_limit")
    assert payer.balance() == 7_000
    # What was declined holds nothing: a smaller payment fits.
    assert isinstance(payer.adapter.capture(payer.capture(held, "c3", 1_000)), Captured)


def test_a_consent_that_has_not_begun_allows_nothing_neither_here_nor_at_the_bank(vrp: Vrp) -> None:
    payer = Payer(vrp, begins_at_us=vrp.clock.now + DAY_US, expires_at_us=vrp.clock.now + 2 * DAY_US).agreed()
    early = payer.adapter.authorize(payer.authorize("early"))
    assert isinstance(early, Declined)
    assert (early.kind, early.code) == (MANDATE, "consent_not_begun")
    # A worker whose clock is ahead asks the bank, which holds to its own.
    ahead = vrp.adapter()
    ahead._consents._context.now_us = lambda: vrp.clock.now + DAY_US  # type: ignore[method-assign]
    refused = ahead.authorize(payer.authorize("ahead"))
    assert isinstance(refused, Declined)
    assert (refused.kind, refused.code) == (MANDATE, "over_limit")
    assert payer.balance() == 10_000
    vrp.clock.advance(DAY_US)
    assert isinstance(payer.adapter.capture(payer.capture(payer.held())), Captured)


def test_a_consent_that_ran_out_allows_nothing(vrp: Vrp) -> None:
    payer = Payer(vrp, expires_at_us=vrp.clock.now + DAY_US).agreed()
    held = payer.held()
    assert held.expires_at_us == payer.setup.expires_at_us
    vrp.clock.advance(DAY_US)
    declined = payer.adapter.authorize(payer.authorize("late"))
    assert isinstance(declined, Declined)
    assert declined.kind is MANDATE
    refused = payer.adapter.capture(payer.capture(held))
    assert isinstance(refused, Declined)
    assert refused.kind is MANDATE
    assert payer.adapter.sync(Sync(payer.setup.reference, OperationKind.SETUP_MANDATE)) == MandateRevoked(payer.mandate)


# Payments


def test_too_little_money_is_a_decline_that_may_pass(payer: Payer) -> None:
    authorize = payer.authorize(minor=10_001)
    declined = payer.adapter.authorize(authorize)
    assert isinstance(declined, Declined)
    assert declined.kind is DeclineKind.SOFT
    assert payer.adapter.sync(Sync(authorize.reference, OperationKind.AUTHORIZE)) == declined


@pytest.mark.parametrize("fault", ["drop_after", "500_after", "garbage_after", "wrong_amount", "timeout_after"])
def test_an_answer_lost_after_the_effect_is_found_by_sync_and_moves_money_once(payer: Payer, fault: str) -> None:
    capture = payer.capture(payer.held())
    payer.vrp.script(payer.account, f"payment:{fault}")
    worker = payer.impatient() if fault.startswith("timeout") else payer.adapter
    assert isinstance(worker.capture(capture), Unknown)
    found = payer.adapter.sync(Sync(capture.reference, OperationKind.CAPTURE))
    assert isinstance(found, Captured)
    assert payer.adapter.capture(capture) == found
    assert payer.balance() == 7_000


@pytest.mark.parametrize("fault", ["drop_before", "500", "timeout_before"])
def test_an_answer_lost_before_the_effect_is_not_found_and_the_same_key_is_sent_again(payer: Payer, fault: str) -> None:
    capture = payer.capture(payer.held())
    payer.vrp.script(payer.account, f"payment:{fault}")
    worker = payer.impatient() if fault.startswith("timeout") else payer.adapter
    assert isinstance(worker.capture(capture), Unknown)
    assert payer.adapter.sync(Sync(capture.reference, OperationKind.CAPTURE)) == NotFound()
    assert isinstance(payer.adapter.capture(capture), Captured)
    assert payer.balance() == 7_000


@pytest.mark.parametrize("fault", ["delayed", "lookup_lag"])
def test_a_payment_that_is_late_or_not_found_yet_moves_money_once(payer: Payer, fault: str) -> None:
    capture = payer.capture(payer.held())
    payer.vrp.script(payer.account, f"payment:{fault}")
    assert isinstance(payer.adapter.capture(capture), Unknown)
    assert payer.adapter.sync(Sync(capture.reference, OperationKind.CAPTURE)) == NotFound()
    assert isinstance(payer.adapter.capture(capture), Captured)
    payer.vrp.control("settle")
    assert payer.balance() == 7_000


def test_a_payment_whose_key_the_bank_has_forgotten_is_never_made_twice(payer: Payer) -> None:
    capture = payer.capture(payer.held())
    payer.vrp.script(payer.account, "payment:lookup_lag")
    assert isinstance(payer.adapter.capture(capture), Unknown)
    payer.vrp.script("*", "lookup:garbage_after")
    payer.vrp.clock.wall += DAY_US
    assert isinstance(payer.adapter.capture(capture), Unknown)
    assert isinstance(payer.adapter.sync(Sync(capture.reference, OperationKind.CAPTURE)), Captured)
    assert payer.balance() == 7_000


def test_a_bank_that_asks_for_patience_did_nothing(payer: Payer) -> None:
    capture = payer.capture(payer.held())
    payer.vrp.script(payer.account, "payment:rate_limited")
    with pytest.raises(RateLimited):
        payer.adapter.capture(capture)
    assert isinstance(payer.adapter.capture(capture), Captured)
    assert payer.balance() == 7_000


@pytest.mark.parametrize("fault", ["pending", "in_process"])
def test_a_payment_on_its_way_is_pending_until_it_arrived(payer: Payer, fault: str) -> None:
    capture = payer.capture(payer.held())
    payer.vrp.script(payer.account, f"payment:{fault}")
    waiting = payer.adapter.capture(capture)
    assert isinstance(waiting, Pending)
    assert payer.adapter.sync(Sync(capture.reference, OperationKind.CAPTURE)) == waiting
    payer.vrp.control("settle")
    assert payer.adapter.sync(Sync(capture.reference, OperationKind.CAPTURE)) == Captured(
        waiting.provider_ref, gbp(3_000)
    )


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("reject", DeclineKind.SOFT), ("reject_closed", DeclineKind.HARD), ("reject_mandate", MANDATE)],
)
def test_a_rejected_payment_is_declined_for_its_reason_and_holds_nothing(
    payer: Payer, fault: str, kind: DeclineKind
) -> None:
    held = payer.held()
    payer.vrp.script(payer.account, f"payment:{fault}")
    capture = payer.capture(held)
    declined = payer.adapter.capture(capture)
    assert isinstance(declined, Declined)
    assert declined.kind is kind
    assert payer.adapter.capture(capture) == declined
    assert payer.adapter.sync(Sync(capture.reference, OperationKind.CAPTURE)) == declined
    assert isinstance(payer.adapter.capture(payer.capture(held, "c2")), Captured)


@pytest.mark.parametrize("fault", ["drop_after", "drop_before", "lookup_lag", "500_after", "wrong_amount"])
def test_a_refund_goes_back_once_whatever_becomes_of_its_answer(payer: Payer, fault: str) -> None:
    captured = payer.adapter.capture(payer.capture(payer.held()))
    assert isinstance(captured, Captured)
    refund = payer.refund(captured.provider_ref)
    payer.vrp.script(payer.account, f"refund:{fault}")
    assert isinstance(payer.adapter.refund(refund), Unknown)
    assert isinstance(payer.adapter.refund(refund), Refunded)
    assert isinstance(payer.adapter.sync(Sync(refund.reference, OperationKind.REFUND)), Refunded)
    assert payer.balance() == 8_000


def test_everything_that_moved_is_in_the_list_of_settlements(payer: Payer) -> None:
    capture = payer.capture(payer.held())
    captured = payer.adapter.capture(capture)
    assert isinstance(captured, Captured)
    refund = payer.refund(captured.provider_ref)
    payer.adapter.refund(refund)
    lines = {
        line.reference: line.amount for one in payer.adapter.list_settlements(payer.vrp.clock.now) for line in one.lines
    }
    assert lines[capture.reference] == gbp(3_000)
    assert lines[refund.reference] == gbp(-1_000)


# Access


def test_an_access_that_ended_is_renewed_on_the_way(payer: Payer) -> None:
    payer.vrp.control("expire-tokens")
    assert isinstance(payer.adapter.capture(payer.capture(payer.held())), Captured)


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "500_after"])
def test_an_access_whose_renewal_was_lost_is_renewed_later_and_nothing_was_paid(payer: Payer, fault: str) -> None:
    capture = payer.capture(payer.held())
    payer.vrp.control("expire-tokens")
    payer.vrp.script("*", f"token:{fault}")
    with pytest.raises(NotSent):
        payer.adapter.capture(capture)
    assert payer.balance() == 10_000
    assert isinstance(payer.adapter.capture(capture), Captured)
    assert payer.balance() == 7_000


def test_eight_workers_renew_an_access_once_between_them(payer: Payer) -> None:
    workers = [payer.vrp.adapter() for _ in range(8)]
    for number, worker in enumerate(workers):
        assert isinstance(worker.authorize(payer.authorize(f"a{number}", 100)), Authorized)
    for _ in range(3):
        payer.vrp.control("expire-tokens")

        def pay(number: int, turn: int = _) -> bool:
            hold = Authorized(f"hold-a{number}-{payer.account}", gbp(100))
            try:
                outcome = workers[number].capture(payer.capture(hold, f"c{number}-{turn}", 10))
            except NotSent:
                return False
            assert isinstance(outcome, Captured)
            return True

        with ThreadPoolExecutor(8) as pool:
            assert any(pool.map(pay, range(8)))
        # Who had to wait goes on with what the first one brought.
        assert all(pay(number) for number in range(8))


def test_a_customer_whose_access_is_lost_is_asked_to_confirm_anew(payer: Payer) -> None:
    held = payer.held()
    payer.vrp.control("expire-tokens")
    payer.vrp.control("forget-refresh-tokens")
    declined = payer.adapter.capture(payer.capture(held))
    assert isinstance(declined, Declined)
    assert (declined.kind, declined.code) == (MANDATE, "access_lost")
    asked = payer.adapter.sync(Sync(payer.setup.reference, OperationKind.SETUP_MANDATE))
    assert isinstance(asked, RequiresAction)


def test_a_lost_access_never_declines_a_payment_that_may_have_been_made(payer: Payer) -> None:
    capture = payer.capture(payer.held())
    payer.vrp.script(payer.account, "payment:lookup_lag")
    assert isinstance(payer.adapter.capture(capture), Unknown)
    payer.vrp.control("expire-tokens")
    payer.vrp.control("forget-refresh-tokens")
    assert isinstance(payer.adapter.capture(capture), Unknown)
    payer.vrp.control("settle")
    assert isinstance(payer.adapter.sync(Sync(capture.reference, OperationKind.CAPTURE)), Captured)
    assert payer.balance() == 7_000


@pytest.mark.parametrize("ended", ["there", "here"])
def test_a_permission_that_ended_since_never_declines_a_payment_that_may_have_been_made(
    payer: Payer, ended: str
) -> None:
    capture = payer.capture(payer.held())
    payer.vrp.script(payer.account, "payment:lookup_lag")
    assert isinstance(payer.adapter.capture(capture), Unknown)
    if ended == "there":
        payer.vrp.control(f"consents/{payer.mandate}/revoke")
    else:
        payer.adapter.revoke_mandate(RevokeMandate("k-end", "end", payer.mandate))
    assert not isinstance(payer.adapter.capture(capture), Declined)
    payer.vrp.control("settle")
    payer.vrp.clock.wall += DAY_US
    assert isinstance(payer.adapter.sync(Sync(capture.reference, OperationKind.CAPTURE)), Captured)
    assert payer.balance() == 7_000


def test_a_debit_under_a_permission_that_was_given_back_is_declined_at_once(payer: Payer) -> None:
    capture = payer.capture(payer.held())
    payer.adapter.revoke_mandate(RevokeMandate("k-end", "end", payer.mandate))
    declined = payer.adapter.capture(capture)
    assert isinstance(declined, Declined)
    assert declined.kind is DeclineKind.MANDATE
    assert payer.balance() == 10_000


def test_a_key_that_the_bank_does_not_know_is_the_operators_to_repair(vrp: Vrp) -> None:
    with pytest.raises(ConfigError, match="does not know our key"):
        vrp.adapter(client_id="somebody-else").setup_mandate(Payer(vrp).setup)
