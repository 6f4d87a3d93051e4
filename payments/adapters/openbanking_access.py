"""How the bank knows who asks: our assertions and request objects, the customer's tokens, and how these are renewed.

A refresh token is used once: of two workers one exchanges it and the other waits, and what came back is written before
it is used. An answer that is lost leaves the old one, which a bank takes again as long as its successor is unused.
"""

import hashlib
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from msgspec.structs import replace

from payments import jose
from payments.adapters.openbanking_answers import Tokens, read_tokens
from payments.adapters.openbanking_state import Consent, Journey, Memory
from payments.context import AdapterContext, HttpResponse
from payments.errors import ConfigError, NotSent, OutcomeUnknown, RateLimited

SECOND_US = 1_000_000
ASSERTION_S = 300
PAGE_OPEN_S = 86_400
RENEWING_S = 60
LONGEST_PAUSE_S = 3600.0
API_PATH = "/open-banking/v4.0/pisp"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class AccessLost(Exception):
    """The bank does not take the customer's tokens any more: they must confirm the permission anew."""


@dataclass(frozen=True, slots=True)
class BankSettings:
    """The adapter's settings, checked."""

    url: str
    api: str
    issuer: str
    client_id: str
    kid: str
    redirect_uri: str
    creditor_account: str
    creditor_name: str
    timeout_s: float

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> "BankSettings":
        """Read them; raises ConfigError that names what is missing."""
        for name in ("url", "client_id", "redirect_uri", "creditor_account", "creditor_name"):
            if not settings.get(name):
                raise ConfigError(f"the openbanking adapter's setting {name} is missing")
        url = settings["url"].rstrip("/")
        if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
            raise ConfigError(f"the openbanking adapter's setting url is {url!r}: it must begin with https://")
        try:
            timeout_s = float(settings.get("timeout_s", "10"))
        except ValueError as error:
            raise ConfigError("the openbanking adapter's setting timeout_s is a number of seconds") from error
        return cls(
            url=url,
            api=settings.get("api", url + API_PATH).rstrip("/"),
            issuer=settings.get("issuer", url),
            client_id=settings["client_id"],
            kid=settings.get("kid", settings["client_id"]),
            redirect_uri=settings["redirect_uri"],
            creditor_account=settings["creditor_account"],
            creditor_name=settings["creditor_name"],
            timeout_s=timeout_s,
        )


class Access:
    """Tokens of ours and of customers, and the addresses that customers are sent to."""

    def __init__(self, context: AdapterContext, settings: BankSettings, memory: Memory) -> None:
        self._context = context
        self._settings = settings
        self._memory = memory
        self._lock = threading.Lock()
        self._own = ""
        self._key: tuple[str, jose.SigningKey] | None = None

    def key(self) -> jose.SigningKey:
        """Our signing key; raises ConfigError."""
        pem = self._context.secret("signing_key")
        if self._key is not None and self._key[0] == pem:
            return self._key[1]
        try:
            # To read and check it takes far longer than to sign with it.
            self._key = pem, jose.SigningKey.from_pem(self._settings.kid, pem)
            return self._key[1]
        except jose.BadToken as error:
            raise ConfigError(f"the openbanking adapter's secret signing_key: {error.reason}") from error

    # Our own token

    def own(self, refused: str = "") -> str:
        """The token for what needs no customer; `refused` is one that the bank took no more. Raises NotSent."""
        with self._lock:
            if not self._own or self._own == refused:
                given = self._ask_token({"grant_type": "client_credentials", "scope": "payments"})
                if given is None:
                    raise ConfigError(f"the bank at {self._settings.url} gives us no token")
                self._own = given.access_token
            return self._own

    # A customer's

    def redeem(self, code: str, journey: Journey) -> Consent | None:
        """Exchange a code for a customer's tokens and keep them; None when the bank takes it no more.

        Raises NotSent when it is not known whether the code was spent.
        """
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._settings.redirect_uri}
        given = self._ask_token(form | {"code_verifier": journey.verifier})
        if given is None or not given.refresh_token:
            return None
        return self._memory.change(
            Consent,
            journey.consent_id,
            lambda consent: replace(consent, access=given.access_token, refresh=given.refresh_token),
        )

    def renew(self, consent: Consent) -> Consent:
        """Exchange a refresh token, once among all workers.

        Raises AccessLost when the bank takes it no more, NotSent when it is being done or could not be done now.
        """
        now_us = self._context.now_us()
        until_us = now_us + RENEWING_S * SECOND_US

        def begin(present: Consent) -> Consent:
            if present.access != consent.access:
                return present
            if not present.refresh:
                raise AccessLost
            if present.renewing_until_us > now_us:
                raise NotSent("another worker is renewing the access to this account")
            return replace(present, renewing_until_us=until_us)

        mine = self._memory.change(Consent, consent.id, begin)
        if mine.access != consent.access:
            return mine
        try:
            given = self._ask_token({"grant_type": "refresh_token", "refresh_token": mine.refresh})
        except (NotSent, RateLimited, ConfigError):
            self._memory.change(Consent, consent.id, lambda present: replace(present, renewing_until_us=0))
            raise
        if given is None:
            self._memory.change(
                Consent, consent.id, lambda present: replace(present, access="", refresh="", renewing_until_us=0)
            )
            raise AccessLost
        # A bank that does not rotate sends none: the old one stays good.
        refresh = given.refresh_token or mine.refresh
        return self._memory.change(
            Consent,
            consent.id,
            lambda present: replace(present, access=given.access_token, refresh=refresh, renewing_until_us=0),
        )

    # The customer's way to the bank

    def begin_journey(self, consent_id: str, reference: str) -> str:
        """Write a new way to the bank's page, with a PKCE verifier (RFC 7636) of its own; returns the address."""
        state, verifier, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        self._memory.add(journey_name(state), Journey(consent_id, reference, verifier))
        now_s = self._context.now_us() // SECOND_US
        claims: dict[str, object] = {
            "iss": self._settings.client_id,
            "aud": self._settings.issuer,
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s + PAGE_OPEN_S,
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._settings.redirect_uri,
            "scope": "openid payments",
            "state": state,
            "nonce": nonce,
            "code_challenge": jose.encode(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
            "claims": {"id_token": {"openbanking_intent_id": {"value": consent_id, "essential": True}}},
        }
        request = jose.sign(claims, self.key(), typ="oauth-authz-req+jwt")
        query = {"response_type": "code", "client_id": self._settings.client_id, "scope": "openid payments"}
        return f"{self._settings.url}/authorize?{urlencode(query | {'request': request}, quote_via=quote)}"

    def _ask_token(self, form: Mapping[str, str]) -> Tokens | None:
        """Ask the token endpoint; None for a grant that it does not take. Whatever else fails, no money was asked for.

        Raises NotSent, RateLimited, ConfigError.
        """
        now_s = self._context.now_us() // SECOND_US
        url = f"{self._settings.url}/token"
        claims = {"iss": self._settings.client_id, "sub": self._settings.client_id, "aud": url, "iat": now_s}
        assertion = jose.sign(claims | {"exp": now_s + ASSERTION_S, "jti": secrets.token_hex(16)}, self.key())
        fields = dict(form) | {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        try:
            answer = self._context.http.request(
                "POST", url, headers=headers, content=urlencode(fields).encode(), timeout_s=self._settings.timeout_s
            )
            raise_if_busy(answer)
            if answer.status == 401:
                raise ConfigError(f"the bank at {self._settings.url} does not know our key or client_id")
            return read_tokens(answer)
        except OutcomeUnknown as lost:
            raise NotSent(f"no token came: {lost.reason}") from lost


def journey_name(state: str) -> str:
    """Under what a journey is remembered: the state itself is nowhere at rest."""
    return hashlib.sha256(state.encode()).hexdigest()


def raise_if_busy(answer: HttpResponse) -> None:
    """Raise RateLimited where the bank asks for patience."""
    if answer.status == 429:
        pause = answer.headers.get("retry-after", "")
        raise RateLimited(min(float(pause), LONGEST_PAUSE_S) if pause.isdecimal() else 1.0)
