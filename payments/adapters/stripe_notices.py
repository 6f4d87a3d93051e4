"""What Stripe tells by webhook: the SDK checks the signature, and what is left is a hint at what to look up."""

from collections.abc import Mapping
from typing import Any

import msgspec
import stripe

from payments.adapter import Notice
from payments.adapters.stripe_answers import ADAPTER, REFERENCE
from payments.adapters.stripe_records import Records
from payments.context import AdapterContext
from payments.errors import ConfigError, NoticeRejected

MAX_NOTICE_BYTES = 262_144
# A notice is read when a worker comes to it, which may be hours after it came; repeated, it only looks something up.
TOLERANCE_S = 43_200
MOST_SECRETS = 5


class _Object(msgspec.Struct):
    id: str
    object: str = ""
    metadata: dict[str, str] | None = None
    payment_intent: str | dict[str, Any] | None = None


class _Data(msgspec.Struct):
    object: _Object


class _Event(msgspec.Struct):
    id: str
    type: str
    data: _Data


def read_notice(
    context: AdapterContext, records: Records, adapter: str, headers: Mapping[str, str], body: bytes
) -> Notice:
    """Return a proven notice; raises NoticeRejected. What belongs to another adapter names nothing."""
    if len(body) > MAX_NOTICE_BYTES:
        raise NoticeRejected("it is too large")
    signature = {name.lower(): value for name, value in headers.items()}.get("stripe-signature", "")
    _require_signed(context, signature, body)
    try:
        event = msgspec.json.decode(body, type=_Event)
    except msgspec.MsgspecError as error:
        raise NoticeRejected(f"it cannot be read: {error}") from error
    return Notice(event.id, _references(records, adapter, event.data.object))


def _require_signed(context: AdapterContext, signature: str, body: bytes) -> None:
    """Raise NoticeRejected unless one of our secrets made the signature, not too long ago."""
    secrets = [one.strip() for one in context.secret("notice_secret").split(",") if one.strip()]
    try:
        tolerance_s = int(context.settings.get("notice_tolerance_s", TOLERANCE_S))
    except ValueError as error:
        raise ConfigError("the stripe adapter's setting notice_tolerance_s is a whole number of seconds") from error
    reason = "no secret is set for notices"
    for secret in secrets[:MOST_SECRETS]:
        try:
            stripe.WebhookSignature.verify_header(body, signature, secret, max(1, tolerance_s))
        except stripe.SignatureVerificationError as error:
            reason = error.user_message or "the signature is wrong"
        except UnicodeDecodeError:
            reason = "it is no text"
        else:
            return
    raise NoticeRejected(reason)


def _references(records: Records, adapter: str, about: _Object) -> tuple[str, ...]:
    metadata = about.metadata or {}
    if metadata.get(ADAPTER, adapter) != adapter:
        return ()
    intent = about.id if about.object == "payment_intent" else about.payment_intent
    found = [metadata.get(REFERENCE, "")]
    if isinstance(intent, str):
        found.append(records.word(f"captured/{intent}") or "")
    return tuple(dict.fromkeys(reference for reference in found if reference))
