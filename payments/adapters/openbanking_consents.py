"""Consents: asked for, given by the customer on the bank's page, looked at, ended here or there."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec.structs import replace

from payments.adapter import (
    Declined,
    DeclineKind,
    MandateActive,
    MandateRevoked,
    NotFound,
    RequiresAction,
    RevokeMandateOutcome,
    SetupMandate,
    SetupMandateOutcome,
)
from payments.adapters.openbanking_access import SECOND_US, Access, journey_name
from payments.adapters.openbanking_answers import ASKED, AUTHORISED, ENDED, ConsentData, amount_of
from payments.adapters.openbanking_bank import Bank
from payments.adapters.openbanking_state import Consent, Journey, Memory, SetUp, fingerprint
from payments.context import AdapterContext
from payments.errors import NO_SUCH_MANDATE, ConfigError, InvalidRequest, NotSent, OutcomeUnknown, RateLimited
from payments.money import Money

PAGE_FRESH_US = 12 * 3600 * SECOND_US
LONGEST_QUERY = 4_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PERIODS = ((1, "Day"), (7, "Week"), (14, "Fortnight"), (31, "Month"), (184, "Half-year"))
_NOT_GIVEN = Declined(DeclineKind.MANDATE, "not_given", "You did not agree at your bank.")
_ENDED = Declined(DeclineKind.MANDATE, "consent_ended", "The permission was ended at your bank.")
_NOT_YET = Declined(DeclineKind.MANDATE, "not_confirmed", "You have not confirmed the permission at your bank.")
_TOO_EARLY = Declined(DeclineKind.MANDATE, "consent_not_begun", "What you agreed to at your bank has not begun yet.")
_OVER_LIMIT = Declined(DeclineKind.MANDATE, "over_limit", "The amount is above what you agreed to at your bank.")
_OVER = Declined(DeclineKind.MANDATE, "consent_expired", "The permission that you gave at your bank has ended.")


class Consents:
    """What customers allow; methods may raise OutcomeUnknown, NotSent, RateLimited, ConfigError."""

    def __init__(self, context: AdapterContext, bank: Bank, access: Access, memory: Memory) -> None:
        self._context = context
        self._bank = bank
        self._access = access
        self._memory = memory

    def ask(self, request: SetupMandate) -> SetupMandateOutcome:
        """Ask for a consent, or say what became of the one that was asked for; raises InvalidRequest."""
        print_ = fingerprint(
            request.key, request.reference, request.method_token, request.per_order_limit, request.expires_at_us
        )
        known = self._memory.find(SetUp, request.reference)
        if known is not None:
            if known.fingerprint != print_:
                raise InvalidRequest("key_reused", f"{request.reference} was asked for before, as something else")
            found = self.look(request.reference)
            if isinstance(found, NotFound | MandateRevoked):
                return _ENDED
            return found
        now_us = self._context.now_us()
        if request.expires_at_us is not None and request.expires_at_us <= now_us:
            raise InvalidRequest("expired", "a permission that has ended cannot begin")
        data = self._bank.ask_consent(request.key, _control(request))
        url = self._access.begin_journey(data.ConsentId, request.reference)
        consent = Consent(
            id=data.ConsentId,
            reference=request.reference,
            method_token=request.method_token,
            limit_minor=request.per_order_limit.amount_minor,
            currency=request.per_order_limit.currency,
            valid_to_us=request.expires_at_us,
            url=url,
            url_made_us=now_us,
            valid_from_us=request.begins_at_us,
        )
        kept = self._memory.add(data.ConsentId, consent)
        self._memory.add(request.reference, SetUp(kept.id, print_))
        return RequiresAction(kept.id, kept.url)

    def whose_return(self, query: Mapping[str, str]) -> str | None:
        """The reference that a customer with this query was sent away for."""
        state = query.get("state", "")
        journey = self._memory.find(Journey, journey_name(state)) if 0 < len(state) <= LONGEST_QUERY else None
        return None if journey is None else journey.reference

    def returned(self, reference: str, query: Mapping[str, str]) -> SetupMandateOutcome:
        """Take a code in, once. One that the bank takes no more sends the customer there again."""
        if self.whose_return(query) != reference:
            raise InvalidRequest("wrong_state", "nobody was sent to the bank for this")
        name = journey_name(query["state"])

        def end(present: Journey) -> Journey:
            if present.is_over:
                raise InvalidRequest("state_used", "the customer came back with this before")
            return replace(present, is_over=True)

        journey = self._memory.change(Journey, name, end)
        if query.get("error") or not query.get("code"):
            self._end(journey.consent_id, "refused")
            return _NOT_GIVEN
        if len(query["code"]) > LONGEST_QUERY:
            raise InvalidRequest("wrong_code", "no code is so long")
        try:
            redeemed = self._access.redeem(query["code"], journey)
        except NotSent:  # perhaps spent, perhaps not: only a new one is good for sure
            redeemed = None
        except (RateLimited, ConfigError):  # the bank did not look at it
            self._memory.change(Journey, name, lambda present: replace(present, is_over=False))
            raise
        if redeemed is None:
            return self._send_again(journey.consent_id)
        found = self.look(reference)
        return _ENDED if isinstance(found, NotFound | MandateRevoked) else found

    def look(self, reference: str) -> SetupMandateOutcome | MandateRevoked | NotFound:
        """What became of the consent asked for under a reference; MandateRevoked: it stood, and has ended."""
        known = self._memory.find(SetUp, reference)
        consent = None if known is None else self._memory.find(Consent, known.consent_id)
        if consent is None:
            return NotFound()
        if consent.status in {"ended", "refused"}:
            return MandateRevoked(consent.id) if consent.status == "ended" else _NOT_GIVEN
        try:
            data = self._bank.look_at_consent(consent.id)
        except InvalidRequest:
            return self._over(consent)
        if data.Status in AUTHORISED and consent.refresh:
            self._memory.change(Consent, consent.id, lambda present: replace(present, status="active"))
            return MandateActive(consent.id, _label(data))
        if data.Status in AUTHORISED or data.Status in ASKED:
            is_fresh = self._context.now_us() - consent.url_made_us < PAGE_FRESH_US
            return RequiresAction(consent.id, consent.url) if is_fresh else self._send_again(consent.id)
        if data.Status in ENDED:
            return self._over(consent)
        raise OutcomeUnknown(f"the bank says {data.Status[:40]!r} of a consent")

    def give_back(self, consent_id: str) -> RevokeMandateOutcome:
        """End a consent at the bank and forget its tokens; raises InvalidRequest for one that never was."""
        consent = self._memory.find(Consent, consent_id)
        if consent is None:
            raise InvalidRequest(NO_SUCH_MANDATE, f"no consent is called {consent_id}")
        if consent.status not in {"ended", "refused"}:
            self._bank.give_consent_back(consent_id)
            self._end(consent_id, "ended")
        return MandateRevoked(consent_id)

    def refusal(self, consent: Consent, amount: Money) -> Declined | None:
        """Why a consent does not allow an amount, as far as can be said here."""
        if consent.status == "asked":
            return _NOT_YET
        if (ended := self.ended(consent)) is not None:
            return ended
        now_us = self._context.now_us()
        if consent.valid_from_us is not None and now_us < consent.valid_from_us:
            return _TOO_EARLY
        if consent.valid_to_us is not None and now_us >= consent.valid_to_us:
            return _OVER
        return _OVER_LIMIT if amount.amount_minor > consent.limit_minor else None

    def ended(self, consent: Consent) -> Declined | None:
        """Say that a consent was ended, here or there: its tokens are forgotten, and nothing is asked under it."""
        return _ENDED if consent.status in {"ended", "refused"} else None

    def _send_again(self, consent_id: str) -> RequiresAction:
        consent = self._memory.find(Consent, consent_id)
        if consent is None:
            raise OutcomeUnknown(f"the consent {consent_id} is not remembered")
        url = self._access.begin_journey(consent_id, consent.reference)
        now_us = self._context.now_us()
        self._memory.change(Consent, consent_id, lambda present: replace(present, url=url, url_made_us=now_us))
        return RequiresAction(consent_id, url)

    def _over(self, consent: Consent) -> MandateRevoked | Declined:
        stood = consent.status == "active"
        self._end(consent.id, "ended" if stood else "refused")
        return MandateRevoked(consent.id) if stood else _NOT_GIVEN

    def _end(self, consent_id: str, status: Literal["refused", "ended"]) -> None:
        def end(present: Consent) -> Consent:
            kept = present.status if present.status in {"ended", "refused"} else status
            return replace(present, status=kept, access="", refresh="")

        self._memory.change(Consent, consent_id, end)


def _control(request: SetupMandate) -> dict[str, object]:
    """OBDomesticVRPControlParameters; without a period of ours the bank's limit of a month is that of one payment."""
    days = request.period_days or 31
    per_period = request.per_period_limit or request.per_order_limit
    kind = next((name for longest, name in _PERIODS if days <= longest), "Year")
    limit = {"PeriodType": kind, "PeriodAlignment": "Consent", **amount_of(per_period)}
    control: dict[str, object] = {
        "VRPType": ["UK.OBIE.VRPType.Other"],
        "PSUAuthenticationMethods": ["UK.OBIE.SCANotRequired"],
        "PSUInteractionTypes": ["OffSession"],
        "MaximumIndividualAmount": amount_of(request.per_order_limit),
        "PeriodicLimits": [limit],
    }
    for name, at_us in (("ValidFromDateTime", request.begins_at_us), ("ValidToDateTime", request.expires_at_us)):
        if at_us is not None:
            control[name] = (EPOCH + timedelta(microseconds=at_us)).isoformat()
    return control


def _label(data: ConsentData) -> str:
    """What the account is called: its name and the last four figures of its number."""
    if data.DebtorAccount is None:
        return ""
    return f"{data.DebtorAccount.Name} •••• {data.DebtorAccount.Identification[-4:]}".strip()
