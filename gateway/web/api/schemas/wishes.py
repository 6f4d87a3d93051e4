"""What a member wishes of the accounts and their mandates, as the API takes and sends it."""

from datetime import datetime
from typing import Any

from pydantic import Field, model_validator

from gateway.domain.payment import Mandate
from gateway.domain.preference import ChoiceKind, Consent, MethodChoice
from gateway.steps.acts.accounts import NEXT_ACCOUNT_WORDS
from gateway.steps.acts.limits import MOST_DEBITS, MOST_IN_SCOPE, MOST_MINOR, Limits
from gateway.steps.acts.wallet import MAX_METHODS_EVER
from gateway.web.api.schemas.common import MANDATE_ID, METHOD_ID, SUPPLY_ID, Answer, Wish, moment

Minor = Field(default=None, ge=1, le=MOST_MINOR)
Ids = Field(default=None, min_length=1, max_length=MOST_IN_SCOPE, description="Null: any.")

CHOICE_EXAMPLE: dict[str, Any] = {
    "id": MANDATE_ID,
    "kind": "supply",
    "subject_id": SUPPLY_ID,
    "payment_method_id": METHOD_ID,
}
CONSENT_EXAMPLE: dict[str, Any] = {
    "stands": True,
    "words": NEXT_ACCOUNT_WORDS,
    "given": "2026-11-01T09:00:00Z",
    "ended": None,
}


class LimitsWish(Wish):
    """What a mandate shall allow; what is left out stays as it is, null takes a limit or a scope away."""

    standing: bool | None = None
    per_order_minor: int | None = Minor
    per_period_minor: int | None = Minor
    period_days: int | None = Field(default=None, ge=1, le=366)
    per_period_count: int | None = Field(default=None, ge=1, le=MOST_DEBITS, description="Null: any number.")
    per_merchant_minor: int | None = Minor
    price_tolerance_percent: float | None = Field(default=None, ge=0, le=1000)
    valid_days: int | None = Field(default=None, ge=1, le=3660, description="From now on; null: its end stays.")
    merchant_ids: list[str] | None = Ids
    device_ids: list[str] | None = Ids
    supply_ids: list[str] | None = Ids

    @model_validator(mode="after")
    def _says_something(self) -> "LimitsWish":
        if not self.model_fields_set:
            raise ValueError("say what shall change")
        return self

    def on(self, mandate: Mandate) -> Limits:
        """Return the mandate's limits with what was said."""
        said = self.model_fields_set

        def scope(name: str) -> tuple[str, ...] | None:
            ids = getattr(self if name in said else mandate, name)
            return None if ids is None else tuple(ids)

        return Limits(
            standing=mandate.standing if self.standing is None else self.standing,
            per_order_minor=self.per_order_minor or mandate.per_order_minor,
            per_period_minor=self.per_period_minor or mandate.per_period_minor,
            period_days=self.period_days or mandate.period_days,
            per_period_count=self.per_period_count if "per_period_count" in said else mandate.per_period_count,
            per_merchant_minor=self.per_merchant_minor if "per_merchant_minor" in said else mandate.per_merchant_minor,
            price_tolerance_percent=mandate.price_tolerance_percent
            if self.price_tolerance_percent is None
            else self.price_tolerance_percent,
            valid_days=self.valid_days,
            merchant_ids=scope("merchant_ids"),
            device_ids=scope("device_ids"),
            supply_ids=scope("supply_ids"),
        )


class OrderWish(Wish):
    """The linked accounts in the order in which they shall be asked, each once."""

    payment_method_ids: list[str] = Field(min_length=1, max_length=MAX_METHODS_EVER, examples=[[METHOD_ID]])


class ChoiceWish(Wish):
    """The account to be debited for it."""

    payment_method_id: str = Field(max_length=64, examples=[METHOD_ID])


class ChoiceBody(Answer):
    """The account named for one supply, device or shop; the more special goes before the more general."""

    id: str
    kind: ChoiceKind
    subject_id: str
    payment_method_id: str

    @classmethod
    def of(cls, choice: MethodChoice) -> "ChoiceBody":
        """Make it from the row."""
        return cls(
            id=choice.id,
            kind=choice.kind,
            subject_id=choice.subject_id,
            payment_method_id=choice.payment_method_id,
        )


class ConsentBody(Answer):
    """Whether the next account may be debited when one declines for the moment, in the words consented to."""

    stands: bool
    words: str
    given: datetime | None
    ended: datetime | None

    @classmethod
    def of(cls, consent: Consent | None) -> "ConsentBody":
        """Make it from the newest consent there was."""
        if consent is None:
            return cls(stands=False, words=NEXT_ACCOUNT_WORDS, given=None, ended=None)
        return cls(
            stands=consent.ended_us is None,
            words=consent.words,
            given=moment(consent.given_us),
            ended=moment(consent.ended_us),
        )


class ConsentWish(Wish):
    """Whether it shall stand; to consent is to consent to the words of the answer."""

    stands: bool
