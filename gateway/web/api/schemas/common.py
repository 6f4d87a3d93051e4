"""What every answer of the API shares: amounts, pages, problems."""

from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from gateway.web.wording import instant

Item = TypeVar("Item")

HOUSEHOLD_ID = "01997f00-0000-7000-8000-000000000001"
SUPPLY_ID = "01997f00-0000-7000-8000-000000000101"
CART_ID = "01997f00-0000-7000-8000-000000000201"
LINE_ID = "01997f00-0000-7000-8000-000000000211"
ORDER_ID = "01997f00-0000-7000-8000-000000000301"
METHOD_ID = "01997f00-0000-7000-8000-000000000501"
MANDATE_ID = "01997f00-0000-7000-8000-000000000511"
ATTEMPT_ID = "01997f00-0000-7000-8000-000000000401"


class Answer(BaseModel):
    """A body we send: unknown fields are a mistake of ours."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Wish(BaseModel):
    """A body somebody sends: a field we do not know is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Amount(Answer):
    """Money: integer minor units (cents for EUR) and the ISO 4217 currency."""

    amount_minor: int = Field(examples=[1890])
    currency: str = Field(examples=["EUR"], min_length=3, max_length=3)


class Page(Answer, Generic[Item]):
    """One page of a list, newest first; send `next` as `cursor` for the following one, null after the last."""

    items: list[Item]
    next: str | None = Field(examples=[None])


def moment(at_us: int | None) -> datetime | None:
    """Return an instant as the API sends it, None as null."""
    return None if at_us is None else instant(at_us)


def amount(amount_minor: int, currency: str) -> Amount:
    """Return money as the API sends it."""
    return Amount(amount_minor=amount_minor, currency=currency)


PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457). `type` is stable; `detail` is for people.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "state": {"type": "string", "description": "With 409: the state that no longer permits the act."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}

_PROBLEMS: dict[int, tuple[str, str, str, str]] = {
    401: (
        "No valid bearer token or session",
        "unauthenticated",
        "Sign in",
        "Sign in, or send a bearer token that is valid.",
    ),
    403: (
        "The member's role may not do that",
        "not_allowed",
        "Not allowed",
        "Only an owner or an approver may decide on a cart.",
    ),
    404: ("The household has no such thing", "not_found", "Not found", f"This household has no cart '{CART_ID}'."),
    409: ("It has moved on", "conflict", "It has moved on", "Cannot approve this cart: it is ordered."),
    422: ("The request is wrong", "invalid", "Not possible", "packs: choose between 1 and 20 packs"),
    429: ("Too often", "too_many_requests", "Too many tries", "Try again in 60 seconds."),
    503: (
        "A provider or shop could not be reached; nothing was done",
        "not_reached",
        "Not reached",
        "Nothing was sent. Try again.",
    ),
}


def answers(example: object, *refusals: int, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return a route's documented answers: an example of its own, and problems (401 and 422 always)."""
    described: dict[int | str, dict[str, Any]] = {status: {"content": {"application/json": {"example": example}}}}
    for refusal in sorted({401, 422, *refusals}):
        description, kind, title, detail = _PROBLEMS[refusal]
        body: dict[str, object] = {
            "type": f"urn:replenish:problem:{kind}",
            "title": title,
            "status": refusal,
            "detail": detail,
            "instance": f"/api/v1/carts/{CART_ID}",
        }
        described[refusal] = {
            "description": description,
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}, "example": body}
            },
        }
    return described


def page_of(*items: object) -> dict[str, object]:
    """Return an example page."""
    return {"items": list(items), "next": None}
