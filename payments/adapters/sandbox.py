"""The sandbox bank over HTTP (simulators/bank.py): a provider that can do everything, and goes wrong on demand.

Settings: `url`, `timeout_s` (10), `title` and `account_hint` (what people read when they link an account). Secrets:
`token` opens the bank's interface, `notice_secret` signs its notices.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import quote

from payments.adapter import (
    AccountPrompt,
    Authorize,
    AuthorizeOutcome,
    Capabilities,
    Capture,
    CaptureOutcome,
    Declined,
    Movement,
    NotFound,
    Notice,
    OperationKind,
    Pending,
    Refund,
    RefundOutcome,
    RevokeMandate,
    RevokeMandateOutcome,
    Settlement,
    SetupMandate,
    SetupMandateOutcome,
    Sync,
    SyncOutcome,
    Unknown,
    Void,
    VoidOutcome,
)
from payments.adapters.sandbox_answers import (
    Asked,
    Operation,
    authorized,
    captured,
    mandate_active,
    mandate_revoked,
    problem_code,
    read_movements,
    read_notice,
    read_operation,
    read_settlements,
    refunded,
    voided,
)
from payments.context import AdapterContext, HttpResponse
from payments.errors import ConfigError, NoticeRejected, OutcomeUnknown, RateLimited
from payments.money import Money

DEFAULT_TIMEOUT_S = 10.0
TITLE = "Sandbox bank"
ACCOUNT_HINT = "The name under which the bank opened the account. Never a card number."
LONGEST_PAUSE_S = 3600.0
MAX_NOTICE_BYTES = 65_536

_READERS: Mapping[OperationKind, Callable[[Operation, Money], SyncOutcome]] = {
    OperationKind.SETUP_MANDATE: mandate_active,
    OperationKind.REVOKE_MANDATE: mandate_revoked,
    OperationKind.AUTHORIZE: authorized,
    OperationKind.CAPTURE: captured,
    OperationKind.VOID: voided,
    OperationKind.REFUND: refunded,
}

Success = TypeVar("Success")
Json = Mapping[str, str | int | None]


class SandboxAdapter:
    """One bank; holds no state of its own."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        url = context.settings.get("url", "")
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"the sandbox adapter's setting url is {url!r}: say where the bank listens")
        self._url = url.rstrip("/")
        try:
            self._timeout_s = float(context.settings.get("timeout_s", DEFAULT_TIMEOUT_S))
        except ValueError as error:
            raise ConfigError("the sandbox adapter's setting timeout_s is a number of seconds") from error
        self.capabilities = Capabilities(
            title=context.settings.get("title", TITLE),
            account=AccountPrompt("Account at the bank", context.settings.get("account_hint", ACCOUNT_HINT)),
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

    def setup_mandate(self, request: SetupMandate) -> SetupMandateOutcome:
        """Register the permission to debit."""
        body: Json = {
            "reference": request.reference,
            "account": request.method_token,
            "limit_minor": request.per_order_limit.amount_minor,
            "currency": request.per_order_limit.currency,
            "expires_at_us": request.expires_at_us,
            "return_url": request.return_url,
        }
        asked = Asked(request.reference, OperationKind.SETUP_MANDATE, request.per_order_limit)
        return self._order("/mandates", request.key, body, asked, mandate_active)

    def revoke_mandate(self, request: RevokeMandate) -> RevokeMandateOutcome:
        """Give it back."""
        path = f"/mandates/{quote(request.mandate_ref, safe='')}/revoke"
        asked = Asked(request.reference, OperationKind.REVOKE_MANDATE)
        return self._order(path, request.key, {"reference": request.reference}, asked, mandate_revoked)

    def authorize(self, request: Authorize) -> AuthorizeOutcome:
        """Hold money for thirty days."""
        body: Json = {
            "reference": request.reference,
            "account": request.method_token,
            "mandate": request.mandate_ref,
            "amount_minor": request.amount.amount_minor,
            "currency": request.amount.currency,
        }
        asked = Asked(request.reference, OperationKind.AUTHORIZE, request.amount)
        return self._order("/holds", request.key, body, asked, authorized)

    def capture(self, request: Capture) -> CaptureOutcome:
        """Move held money."""
        path = f"/holds/{quote(request.authorization_ref, safe='')}/captures"
        asked = Asked(request.reference, OperationKind.CAPTURE, request.amount)
        return self._order(path, request.key, _amount(request), asked, captured)

    def void(self, request: Void) -> VoidOutcome:
        """Free what is left of a hold."""
        path = f"/holds/{quote(request.authorization_ref, safe='')}/void"
        asked = Asked(request.reference, OperationKind.VOID)
        return self._order(path, request.key, {"reference": request.reference}, asked, voided)

    def refund(self, request: Refund) -> RefundOutcome:
        """Give captured money back."""
        path = f"/captures/{quote(request.capture_ref, safe='')}/refunds"
        asked = Asked(request.reference, OperationKind.REFUND, request.amount)
        return self._order(path, request.key, _amount(request), asked, refunded)

    def sync(self, request: Sync) -> SyncOutcome:
        """Look the operation up by our reference."""
        try:
            answer = self._ask("GET", f"/operations/{quote(request.reference, safe='')}")
        except OutcomeUnknown as lost:
            return Unknown(lost.reason)
        if answer.status == 404 and problem_code(answer) == "no_such_operation":
            return NotFound()
        reader = _READERS.get(request.kind)
        return (
            read_operation(answer, Asked(request.reference, request.kind), reader) if reader is not None else NotFound()
        )

    def list_settlements(self, since_us: int) -> tuple[Settlement, ...]:
        """The bank's daily pay-outs, a page of fifty."""
        return read_settlements(self._ask("GET", f"/settlements?since_us={since_us}"))

    def movements(self, method_token: str) -> tuple[Movement, ...]:
        """Everything the bank's book says about one account."""
        return read_movements(self._ask("GET", f"/book?account={quote(method_token, safe='')}"))

    def parse_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Check the signature, then read. A notice sent twice has one id; it asks for a sync, no more."""
        if len(body) > MAX_NOTICE_BYTES:
            raise NoticeRejected("it is too large")
        given = {name.lower(): value for name, value in headers.items()}.get("bank-signature", "")
        secret = self._context.secret("notice_secret").encode()
        expected = hmac.new(secret, body, hashlib.sha256).hexdigest()
        if not secret or not hmac.compare_digest(given.encode(), expected.encode()):
            raise NoticeRejected("the signature is missing or wrong")
        return read_notice(body)

    def _order(
        self,
        path: str,
        key: str,
        body: Json,
        asked: Asked,
        read: Callable[[Operation, Money], Success],
    ) -> Success | Pending | Declined | Unknown:
        try:
            answer = self._ask("POST", path, key=key, content=json.dumps(body).encode())
        except OutcomeUnknown as lost:
            return Unknown(lost.reason)
        return read_operation(answer, asked, read)

    def _ask(self, method: str, path: str, *, key: str | None = None, content: bytes = b"") -> HttpResponse:
        headers = {"Authorization": f"Bearer {self._context.secret('token')}", "Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        answer = self._context.http.request(
            method, self._url + path, headers=headers, content=content, timeout_s=self._timeout_s
        )
        if answer.status in {401, 403}:
            raise ConfigError(f"the bank at {self._url} refuses our token ({answer.status})")
        if answer.status == 429:
            pause = answer.headers.get("retry-after", "")
            raise RateLimited(min(float(pause), LONGEST_PAUSE_S) if pause.isdecimal() else 1.0)
        return answer


def _amount(request: Capture | Refund) -> Json:
    return {
        "reference": request.reference,
        "amount_minor": request.amount.amount_minor,
        "currency": request.amount.currency,
    }
