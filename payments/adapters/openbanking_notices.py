"""Events of the bank: security event tokens (RFC 8417), signed with a key of its published set.

A token is believed when a key that the bank publishes now signed it, it comes from this bank, is meant for us, and is
neither old nor from the future. What it names is to be looked up; that it says so twice does nothing.
"""

import threading
from dataclasses import dataclass
from typing import Any

from payments import jose
from payments.adapters.openbanking_access import SECOND_US, BankSettings
from payments.context import AdapterContext
from payments.errors import NoticeRejected, OutcomeUnknown

MAX_BYTES = 65_536
MOST_EVENTS = 20
OLDEST_S = 3 * 86_400
"""A bank sends a notice again for a while, and one that came is read once the worker gets to it."""
AHEAD_S = 300
KEYS_AGAIN_US = 60 * SECOND_US
_EVENTS = "urn:uk:org:openbanking:events:"
_RESOURCE = "http://openbanking.org.uk/rid"
_KIND = "http://openbanking.org.uk/rty"


@dataclass(frozen=True, slots=True)
class Event:
    """Something of a resource changed; `kind` is its collection ("domestic-vrp")."""

    kind: str
    resource: str


class EventReader:
    """Verifies events; it keeps the bank's keys, and asks for them again at most once a minute."""

    def __init__(self, context: AdapterContext, settings: BankSettings) -> None:
        self._context = context
        self._settings = settings
        self._url = context.settings.get("jwks_url", f"{settings.url}/jwks.json")
        self._lock = threading.Lock()
        self._keys: dict[str, jose.Key] = {}
        self._asked_us: int | None = None

    def read(self, body: bytes) -> tuple[str, tuple[Event, ...]]:
        """Return the notice's id and its events; raises NoticeRejected, and NotSent or OutcomeUnknown without keys."""
        if len(body) > MAX_BYTES:
            raise NoticeRejected("it is too large")
        try:
            token = body.decode("ascii").strip()
            claims = jose.verify(token, self._key(jose.kid_of(token)))
        except (jose.BadToken, UnicodeDecodeError) as error:
            raise NoticeRejected(str(error)) from error
        self._check(claims)
        events = claims.get("events")
        if not isinstance(events, dict) or not 1 <= len(events) <= MOST_EVENTS:
            raise NoticeRejected("it tells of nothing")
        found = [_event(event) for name, event in events.items() if name.startswith(_EVENTS)]
        return claims["jti"], tuple(event for event in found if event is not None)

    def _check(self, claims: jose.Claims) -> None:
        now_s = self._context.now_us() // SECOND_US
        audience = claims.get("aud")
        issued_s, notice_id = claims.get("iat"), claims.get("jti")
        if claims.get("iss") != self._settings.issuer:
            raise NoticeRejected("it comes from another bank")
        if self._settings.client_id not in (audience if isinstance(audience, list) else [audience]):
            raise NoticeRejected("it is meant for somebody else")
        if not isinstance(issued_s, int) or isinstance(issued_s, bool):
            raise NoticeRejected("it does not say when it was signed")
        if not now_s - OLDEST_S <= issued_s <= now_s + AHEAD_S:
            raise NoticeRejected("it is too old, or from the future")
        if not isinstance(notice_id, str) or not 1 <= len(notice_id) <= 200:
            raise NoticeRejected("it has no id")

    def _key(self, kid: str) -> jose.Key:
        with self._lock:
            now_us = self._context.now_us()
            is_due = self._asked_us is None or not 0 <= now_us - self._asked_us < KEYS_AGAIN_US
            if kid not in self._keys and is_due:
                self._keys = self._fetch()
                self._asked_us = now_us
            if kid not in self._keys:
                raise NoticeRejected("it is signed with a key that the bank does not publish")
            return self._keys[kid]

    def _fetch(self) -> dict[str, jose.Key]:
        headers = {"Accept": "application/json"}
        answer = self._context.http.request("GET", self._url, headers=headers, timeout_s=self._settings.timeout_s)
        if answer.status != 200:
            raise OutcomeUnknown(f"the bank's keys could not be read: {answer.status}")
        try:
            return jose.read_keys(answer.body)
        except jose.BadToken as error:
            raise OutcomeUnknown(f"the bank's keys could not be read: {error.reason}") from error


def _event(event: Any) -> Event | None:  # noqa: ANN401 — anything that JSON can say
    subject = event.get("subject") if isinstance(event, dict) else None
    if not isinstance(subject, dict):
        return None
    kind, resource = subject.get(_KIND), subject.get(_RESOURCE)
    return Event(kind, resource) if isinstance(kind, str) and isinstance(resource, str) else None
