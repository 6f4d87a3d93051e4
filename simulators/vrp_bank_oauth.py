"""Who may ask the bank: clients by their keys (RFC 7523), customers by the page and a code with PKCE (RFC 7636).

Refresh tokens rotate (RFC 9700, 4.14): a used one may be sent again only while what it was exchanged for is unused, so
that a lost answer locks nobody out; after that it was stolen, and all tokens of the consent end.
"""

import base64
import hashlib
import html
import json
import secrets
import sqlite3
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from simulators.vrp_bank_book import Row, one
from simulators.vrp_bank_jose import BadSignature, Claims, read_token
from simulators.vrp_bank_rules import consent_of, control_of, set_consent
from simulators.vrp_bank_shapes import Answer, Refused, Request

ACCESS_S = 300
REFRESH_S = 180 * 86_400
CODE_S = 300
SECOND_US = 1_000_000
CLOCK_SKEW_S = 300
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, and for which consent where a customer let them."""

    client: str
    consent: str | None


def caller_of(db: sqlite3.Connection, request: Request, wall_us: int) -> Caller:
    """Who a bearer token speaks for; raises Refused."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    row = one(db, "SELECT * FROM tokens WHERE hash = ? AND kind = 'access'", _hash(token))
    if row is None or row["state"] == "revoked" or row["until_wall_us"] <= wall_us:
        raise Refused(401, "invalid_token", "the token is unknown, ended or taken back")
    db.execute("UPDATE tokens SET state = 'used' WHERE hash = ?", (row["hash"],))
    return Caller(row["client"], row["consent"])


def give_token(db: sqlite3.Connection, request: Request, site: str, *, now_us: int, wall_us: int) -> dict[str, Any]:
    """Answer POST /token; raises Refused."""
    form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    client = _client_by_assertion(db, form, f"{site}/token", now_us)
    match form.get("grant_type"):
        case "client_credentials":
            return {"access_token": _access(db, client, None, None, wall_us), **_described()}
        case "authorization_code":
            return _pair(db, client, _redeem(db, client, form, wall_us), None, wall_us)
        case "refresh_token":
            return _rotate(db, client, form.get("refresh_token", ""), wall_us)
        case _:
            raise Refused(400, "unsupported_grant_type", "client_credentials, authorization_code or refresh_token")


def authorise_page(db: sqlite3.Connection, request: Request, site: str, now_us: int) -> str:
    """The page on which a customer chooses an account and says yes or no; raises Refused."""
    token = request.query.get("request", "")
    claims = _request_object(db, token, site, now_us)
    consent = _consent_asked(db, claims)
    control = control_of(consent)
    most, limits = control.MaximumIndividualAmount, control.PeriodicLimits
    terms = [f"up to {most.Amount} {most.Currency} a payment"]
    terms += [f"up to {limit.Amount} {limit.Currency} a {limit.PeriodType.lower()}" for limit in limits]
    terms += [] if control.ValidToDateTime is None else [f"until {control.ValidToDateTime.date()}"]
    rows = db.execute("SELECT * FROM accounts WHERE closed = 0 AND (?1 IS NULL OR token = ?1)", (consent["account"],))
    options = "".join(
        f'<option value="{html.escape(row["token"])}">{html.escape(row["label"])} {row["number"]}</option>'
        for row in rows.fetchall()
    )
    items = "".join(f"<li>{html.escape(term)}</li>" for term in terms)
    return (
        "<!doctype html><html lang=en><title>Pretend bank</title><h1>Pretend bank</h1>"
        f"<p>{html.escape(claims['client_id'])} asks to take payments from your account:</p><ul>{items}</ul>"
        f'<form method="post" action="/authorize"><input type="hidden" name="request" value="{html.escape(token)}">'
        f'<label>Account <select name="account">{options}</select></label>'
        '<button name="decision" value="approve">Approve</button>'
        '<button name="decision" value="reject">Reject</button></form></html>'
    )


def decide_page(
    db: sqlite3.Connection, request: Request, site: str, *, now_us: int, wall_us: int
) -> tuple[Answer, str]:
    """Take what the customer decided and send them back; returns that and the consent's id. Raises Refused."""
    form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    claims = _request_object(db, form.get("request", ""), site, now_us)
    consent = _consent_asked(db, claims)
    back: dict[str, str] = {"state": claims["state"]}
    if form.get("decision") == "approve":
        account = one(db, "SELECT * FROM accounts WHERE token = ? AND closed = 0", form.get("account", ""))
        if account is None or consent["account"] not in {None, account["token"]}:
            raise Refused(400, "invalid_request", "choose one of your accounts")
        set_consent(db, consent["id"], "AUTH", account["token"], now_us)
        back["code"] = secrets.token_urlsafe(32)
        until = wall_us + CODE_S * SECOND_US
        row = (_hash(back["code"]), consent["id"], claims["redirect_uri"], claims["code_challenge"], until)
        db.execute(
            "INSERT INTO codes (hash, consent, redirect_uri, challenge, until_wall_us) VALUES (?, ?, ?, ?, ?)", row
        )
    else:
        if consent["status"] == "AWAU":
            set_consent(db, consent["id"], "RJCT", None, now_us)
        back["error"] = "access_denied"
    location = f"{claims['redirect_uri']}?{urlencode(back)}"
    return Answer(303, None, headers={"Location": location}), consent["id"]


def _request_object(db: sqlite3.Connection, token: str, site: str, now_us: int) -> Claims:
    """The signed request of a client (RFC 9101); nothing in the address beside it counts."""
    claims = _signed_by_client(db, token, "client_id", now_us)
    client = one(db, "SELECT * FROM clients WHERE id = ?", claims["client_id"]) or {}
    wanted = {"aud": site, "response_type": "code", "code_challenge_method": "S256"}
    if any(claims.get(name) != value for name, value in wanted.items()):
        raise Refused(400, "invalid_request_object", f"it must say {wanted}")
    if claims.get("redirect_uri") != client["redirect_uri"]:
        raise Refused(400, "invalid_request", "the redirect address is not registered")
    if not all(isinstance(claims.get(name), str) and claims[name] for name in ("state", "code_challenge", "nonce")):
        raise Refused(400, "invalid_request_object", "state, nonce and code_challenge must be there")
    return claims


def _consent_asked(db: sqlite3.Connection, claims: Claims) -> Row:
    try:
        consent_id = claims["claims"]["id_token"]["openbanking_intent_id"]["value"]
    except (KeyError, TypeError) as error:
        raise Refused(400, "invalid_request_object", "it names no consent") from error
    consent = consent_of(db, claims["client_id"], consent_id)
    if consent["status"] not in {"AWAU", "AUTH"}:
        raise Refused(400, "invalid_request", "this consent has ended")
    return consent


def _client_by_assertion(db: sqlite3.Connection, form: dict[str, str], token_url: str, now_us: int) -> str:
    if form.get("client_assertion_type") != ASSERTION:
        raise Refused(401, "invalid_client", "send a client assertion")
    claims = _signed_by_client(db, form.get("client_assertion", ""), "sub", now_us)
    if claims.get("aud") != token_url or claims.get("iss") != claims["sub"]:
        raise Refused(401, "invalid_client", "the assertion is for somebody else")
    taken = db.execute("INSERT INTO assertions VALUES (?) ON CONFLICT DO NOTHING", (str(claims.get("jti")),))
    if taken.rowcount != 1:
        raise Refused(401, "invalid_client", "the assertion was used before")
    client: str = claims["sub"]
    return client


def _signed_by_client(db: sqlite3.Connection, token: str, names_client: str, now_us: int) -> Claims:
    """Claims that a registered client signed and that have not ended; raises Refused."""
    try:
        unproven = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        client = one(db, "SELECT * FROM clients WHERE id = ?", str(unproven[names_client]))
        if client is None:
            raise Refused(401, "invalid_client", "no such client")
        claims = read_token(token, json.loads(client["jwks"]))
        until_us = int(claims["exp"]) * SECOND_US
    except (BadSignature, IndexError, KeyError, TypeError, ValueError) as error:
        raise Refused(401, "invalid_client", f"its signature cannot be taken: {error}") from error
    if until_us + CLOCK_SKEW_S * SECOND_US <= now_us:
        raise Refused(400, "invalid_request_object", "it has ended")
    return claims


def _redeem(db: sqlite3.Connection, client: str, form: dict[str, str], wall_us: int) -> str:
    """The consent behind a code, once; a code that comes twice ends its tokens (RFC 6749, 4.1.2)."""
    row = one(db, "SELECT * FROM codes WHERE hash = ?", _hash(form.get("code", "")))
    if row is None or row["until_wall_us"] <= wall_us or row["redirect_uri"] != form.get("redirect_uri"):
        raise Refused(400, "invalid_grant", "the code is unknown or has ended")
    if row["used"]:
        db.execute("UPDATE tokens SET state = 'revoked' WHERE consent = ?", (row["consent"],))
        raise _Committed(400, "invalid_grant", "the code was used before")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
    if not secrets.compare_digest(challenge.rstrip(b"=").decode(), row["challenge"]):
        raise Refused(400, "invalid_grant", "the code was asked for by somebody else")
    consent = consent_of(db, client, row["consent"])
    db.execute("UPDATE codes SET used = 1 WHERE hash = ?", (row["hash"],))
    consent_id: str = consent["id"]
    return consent_id


class _Committed(Refused):
    """A refusal that changed something: it is written all the same."""


def is_committed(refused: Refused) -> bool:
    """Whether what a refusal changed must be kept."""
    return isinstance(refused, _Committed)


def _rotate(db: sqlite3.Connection, client: str, token: str, wall_us: int) -> dict[str, Any]:
    row = one(db, "SELECT * FROM tokens WHERE hash = ? AND kind = 'refresh' AND client = ?", _hash(token), client)
    if row is None or row["state"] == "revoked" or row["until_wall_us"] <= wall_us:
        raise Refused(400, "invalid_grant", "the refresh token is unknown, ended or taken back")
    children = db.execute("SELECT * FROM tokens WHERE parent = ?", (row["hash"],)).fetchall()
    if any(child["state"] in {"used", "rotated"} for child in children):
        db.execute("UPDATE tokens SET state = 'revoked' WHERE consent = ?", (row["consent"],))
        raise _Committed(400, "invalid_grant", "the refresh token was used before: all of them end")
    db.execute("UPDATE tokens SET state = 'revoked' WHERE parent = ?", (row["hash"],))
    db.execute("UPDATE tokens SET state = 'rotated' WHERE hash = ?", (row["hash"],))
    return _pair(db, client, row["consent"], row["hash"], wall_us)


def _pair(db: sqlite3.Connection, client: str, consent: str, parent: str | None, wall_us: int) -> dict[str, Any]:
    refresh = secrets.token_urlsafe(32)
    until = wall_us + REFRESH_S * SECOND_US
    db.execute(
        "INSERT INTO tokens VALUES (?, 'refresh', ?, ?, ?, ?, 'active')",
        (_hash(refresh), client, consent, parent, until),
    )
    return {"access_token": _access(db, client, consent, parent, wall_us), "refresh_token": refresh, **_described()}


def _access(db: sqlite3.Connection, client: str, consent: str | None, parent: str | None, wall_us: int) -> str:
    token = secrets.token_urlsafe(32)
    until = wall_us + ACCESS_S * SECOND_US
    db.execute(
        "INSERT INTO tokens VALUES (?, 'access', ?, ?, ?, ?, 'active')", (_hash(token), client, consent, parent, until)
    )
    return token


def _described() -> dict[str, Any]:
    return {"token_type": "Bearer", "expires_in": ACCESS_S, "scope": "payments"}


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
