"""The adapter to a shop that speaks the plain HTTP of simulators/shop.py. README.md beside it lists the requests.

The shop is not trusted: what it answers has limits of size and time, is decoded to types, and is compared with what
was asked. An answer that does not fit is MerchantUnknown: it is looked up again by our reference, never believed.
"""

import hmac
import time
from collections.abc import Mapping
from typing import Annotated, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from gateway.merchants.context import MerchantContext
from gateway.merchants.http_answers import (
    AcceptedAnswer,
    NoticeBody,
    ProblemAnswer,
    QuoteAnswer,
    RefusedAnswer,
    StatusAnswer,
)
from gateway.merchants.registry import MerchantMisconfigured
from gateway.steps.ports import (
    Accepted,
    MerchantNotice,
    MerchantNotSent,
    MerchantRefused,
    MerchantUnknown,
    OrderNotFound,
    OrderStatus,
    PlaceLine,
    Quote,
    Refused,
    WantedLine,
)

MAX_NOTICE_BYTES = 64 * 1024
MAX_WORDS = 300
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
ORDER_NOT_FOUND = "order_not_found"

Answer = TypeVar("Answer")

_QUOTED = msgspec.json.Decoder(QuoteAnswer)
_PLACED: msgspec.json.Decoder[AcceptedAnswer | RefusedAnswer] = msgspec.json.Decoder(AcceptedAnswer | RefusedAnswer)
_STATUS = msgspec.json.Decoder(StatusAnswer)
_PROBLEM = msgspec.json.Decoder(ProblemAnswer)
_NOTICE = msgspec.json.Decoder(NoticeBody)


class HttpShopSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a merchant account with the adapter `http_shop`; its secret is the shop's bearer token.

    `timeout_s` bounds each wait and the reading of the whole body, `answer_bytes` an answer's size, `notice_age_s` how
    old the signature of a notice may be.
    """

    base_url: str
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=120)] = 10.0
    answer_bytes: Annotated[int, msgspec.Meta(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024
    notice_age_s: Annotated[int, msgspec.Meta(ge=1, le=7 * 86_400)] = 900


class HttpShop:
    """One shop over HTTP. Safe to use from several threads. Raises MerchantMisconfigured for wrong settings."""

    def __init__(self, context: MerchantContext) -> None:
        self._settings = _settings(context)
        self._secret = context.secret.encode()
        self._currency = context.currency
        self._client = httpx.Client(
            base_url=self._settings.base_url,
            headers={
                "authorization": f"Bearer {context.secret}",
                "accept": "application/json",
                "accept-encoding": "identity",
            },
            timeout=self._settings.timeout_s,
            # The environment is not asked for proxies or passwords: the account says all there is to know.
            trust_env=False,
        )

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def quote(self, lines: tuple[WantedLine, ...]) -> Quote:
        """Ask for prices, alternatives, delivery price and promised date; commits to nothing."""
        answer = self._ask("POST", "/quotes", _QUOTED, {"lines": lines})
        self._same_currency(answer.currency)
        if len(answer.lines) != len(lines):
            raise MerchantUnknown(f"{len(lines)} lines were asked for and {len(answer.lines)} quoted")
        for wanted, quoted in zip(lines, answer.lines, strict=True):
            if quoted.offer is not None and quoted.offer.sku != wanted.sku:
                raise MerchantUnknown(f"{wanted.sku!r} was asked for and {quoted.offer.sku!r} offered")
            offers = (*quoted.alternatives, *((quoted.offer,) if quoted.offer is not None else ()))
            for offer in offers:
                if offer.unit != wanted.unit:
                    raise MerchantUnknown(f"{wanted.unit!r} was asked for and {offer.sku!r} offered in {offer.unit!r}")
        return answer.read()

    def place(
        self, *, reference: str, household_ref: str, quote_ref: str, lines: tuple[PlaceLine, ...], total_minor: int
    ) -> Accepted | Refused:
        """Place an order; the same reference places at most one. An acceptance above `total_minor` is not believed."""
        order = {
            "reference": reference,
            "household_ref": household_ref,
            "quote_ref": quote_ref,
            "currency": self._currency,
            "total_minor": total_minor,
            "lines": lines,
        }
        match self._ask("POST", "/orders", _PLACED, order):
            case RefusedAnswer(code=code, message=message):
                return Refused(code=code, message=_words(message))
            case AcceptedAnswer() as accepted:
                self._same_currency(accepted.currency)
                if accepted.total_minor > total_minor:
                    raise MerchantUnknown(f"accepted at {accepted.total_minor}, but at most {total_minor} was approved")
                return Accepted(accepted.merchant_ref, accepted.total_minor, accepted.promised_us)

    def status(self, reference: str) -> OrderStatus | OrderNotFound:
        """Look an order up by our reference."""
        return self._look_up("GET", f"/orders/{quote(reference, safe='')}", reference)

    def cancel(self, reference: str) -> OrderStatus | OrderNotFound:
        """Ask to cancel; the answer is where the order stands then."""
        return self._look_up("POST", f"/orders/{quote(reference, safe='')}/cancel", reference)

    def parse_notice(self, headers: Mapping[str, str], body: bytes, received_wall_us: int) -> MerchantNotice:
        """Verify and read a notice: HMAC-SHA256 over "<Shop-Timestamp>.<body>" under the token, fresh when it came."""
        if len(body) > MAX_NOTICE_BYTES:
            raise MerchantRefused(f"the notice is larger than {MAX_NOTICE_BYTES} bytes")
        found = {name.lower(): value for name, value in headers.items()}
        timestamp = found.get("shop-timestamp", "")
        if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
            raise MerchantRefused("the notice carries no timestamp")
        expected = "v1=" + hmac.new(self._secret, f"{timestamp}.".encode() + body, "sha256").hexdigest()
        given = found.get("shop-signature", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, expected.encode()):
            raise MerchantRefused("the notice is not signed by this shop")
        if abs(received_wall_us // 1_000_000 - int(timestamp)) > self._settings.notice_age_s:
            raise MerchantRefused(
                f"the notice was signed more than {self._settings.notice_age_s} s before it came, or ahead"
            )
        try:
            notice = _NOTICE.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MerchantRefused(f"the notice cannot be read: {error}") from error
        return MerchantNotice(notice.notice_id, notice.references)

    def _look_up(self, method: str, path: str, reference: str) -> OrderStatus | OrderNotFound:
        try:
            answer = self._ask(method, path, _STATUS)
        except _OrderUnknown:
            return OrderNotFound()
        self._same_currency(answer.currency)
        if answer.reference != reference:
            raise MerchantUnknown(f"{reference} was asked for and {answer.reference} answered")
        billed_minor = sum(parcel.amount_minor for parcel in answer.parcels)
        if billed_minor > answer.total_minor:
            raise MerchantUnknown(f"parcels of {billed_minor} are billed for an order of {answer.total_minor}")
        return answer.read()

    def _same_currency(self, currency: str) -> None:
        if currency != self._currency:
            raise MerchantUnknown(f"{self._currency} was asked for and {currency!r} answered")

    def _ask(self, method: str, path: str, decoder: msgspec.json.Decoder[Answer], content: object = None) -> Answer:
        """One request, one decoded answer; whatever else comes back is one of the three merchant errors."""
        body = b"" if content is None else msgspec.json.encode(content)
        try:
            status, payload = self._exchange(method, path, body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise MerchantNotSent(f"the shop cannot be reached: {error}") from error
        except httpx.TransportError as error:
            raise MerchantUnknown(f"no answer: {type(error).__name__} {error}") from error
        if 200 <= status < 300:
            try:
                return decoder.decode(payload)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise MerchantUnknown(f"the answer cannot be read: {error}") from error
        if status == 429:
            raise MerchantNotSent("the shop asks for patience (429)")
        # 408 says that the shop gave up waiting, and redirects are not followed: neither says what was done.
        if not 400 <= status < 500 or status == 408:
            raise MerchantUnknown(f"the shop answered {status}")
        try:
            problem = _PROBLEM.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            problem = ProblemAnswer()
        words = _words(problem.detail or problem.title) or f"the shop answered {status}"
        # A 404 alone may come from anything on the way; that the order is unknown must be said by the shop.
        raise _OrderUnknown(words) if status == 404 and problem.code == ORDER_NOT_FOUND else MerchantRefused(words)

    def _exchange(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Send and read within the limits of time and size: httpx bounds each wait, this the body's sum of them."""
        deadline = time.monotonic() + self._settings.timeout_s
        headers = {"content-type": "application/json"} if body else {}
        payload = bytearray()
        with self._client.stream(method, path, content=body, headers=headers) as response:
            # Raw, not decompressed: a small answer must not unfold to a large one.
            for chunk in response.iter_raw():
                payload += chunk
                if len(payload) > self._settings.answer_bytes:
                    raise MerchantUnknown(f"the answer is larger than {self._settings.answer_bytes} bytes")
                if time.monotonic() > deadline:
                    raise MerchantUnknown(f"the answer took longer than {self._settings.timeout_s:g} s")
            return response.status_code, bytes(payload)


class _OrderUnknown(MerchantRefused):
    """The shop says that it has no order under our reference."""


def _settings(context: MerchantContext) -> HttpShopSettings:
    try:
        settings = msgspec.convert(dict(context.settings), HttpShopSettings)
    except msgspec.ValidationError as error:
        raise MerchantMisconfigured(f"settings of the shop: {error}") from error
    try:
        address = httpx.URL(settings.base_url)
    except httpx.InvalidURL as error:
        raise MerchantMisconfigured(f"base_url {settings.base_url!r}: {error}") from error
    plain_but_local = address.scheme == "http" and address.host in LOOPBACK
    if not 0 < (address.port or 443) < 65536:
        raise MerchantMisconfigured(f"base_url {settings.base_url!r}: there is no port {address.port}")
    if not address.host or not (address.scheme == "https" or plain_but_local):
        raise MerchantMisconfigured(
            f"base_url {settings.base_url!r}: write https://…; plain http carries the token in the clear "
            "and is for this machine only"
        )
    if not context.secret or not (context.secret.isascii() and context.secret.isprintable()):
        raise MerchantMisconfigured("the shop's token is missing, or is not one line of plain characters")
    return settings


def _words(text: str) -> str:
    """A stranger's words, cut and without control characters, fit for a log and a page."""
    return "".join(letter for letter in text if letter.isprintable())[:MAX_WORDS]
