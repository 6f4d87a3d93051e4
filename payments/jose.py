"""Signatures of open banking by joserfc: JWS (RFC 7515) with PS256 and ES256 (RFC 7518), keys as JWK sets (RFC 7517).

Narrower than the library, and closed: an algorithm comes from the key, never from the token alone, `none` and every
symmetric one are unknown here, and a token with a critical header is refused (RFC 7515, 4.1.11), since none is known.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jws
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.registry import HeaderParameter

LEAST_RSA_BITS = 2048
MOST_RSA_BITS = 8192
MOST_KEYS = 20
CURVE = "P-256"
Claims: TypeAlias = dict[str, Any]
Key: TypeAlias = RSAKey | ECKey
"""A key of either kind, private to sign or public to verify."""


class BadToken(Exception):
    """A token, key or key set that is not to be believed; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Our private key and the name under which the other side knows it."""

    kid: str
    key: Key

    @classmethod
    def from_pem(cls, kid: str, pem: str) -> "SigningKey":
        """Read an unencrypted PKCS#8 key: RSA of at least 2048 bits, or P-256. Raises BadToken."""
        try:
            raw = serialization.load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise BadToken("the signing key is no readable PEM without a password") from error
        if isinstance(raw, rsa.RSAPrivateKey) and LEAST_RSA_BITS <= raw.key_size <= MOST_RSA_BITS:
            return cls(kid, RSAKey.import_key(raw))
        if isinstance(raw, ec.EllipticCurvePrivateKey) and isinstance(raw.curve, ec.SECP256R1):
            return cls(kid, ECKey.import_key(raw))
        raise BadToken(f"the signing key must be RSA of at least {LEAST_RSA_BITS} bits, or {CURVE}")


def sign(claims: Mapping[str, object], key: SigningKey, *, typ: str = "JWT") -> str:
    """Return a compact token (RFC 7519)."""
    header = {"alg": _algorithm_of(key.key), "kid": key.kid, "typ": typ}
    return jws.serialize_compact(header, _json(claims), key.key, registry=_registry(key.key))


def sign_detached(body: bytes, key: SigningKey, critical: Mapping[str, object]) -> str:
    """Return `header..signature` over a body that travels beside it (RFC 7515, appendix F); `critical` must be read."""
    header = {"alg": _algorithm_of(key.key), "kid": key.kid, "typ": "JOSE", "cty": "application/json", **critical}
    registry = _registry(key.key, critical)
    signed = jws.serialize_compact(header | {"crit": sorted(critical)}, body, key.key, registry=registry)
    return jws.detach_content(signed)


def read_keys(document: bytes) -> dict[str, Key]:
    """Read a JWK set by kid; keys for anything but PS256 or ES256 signatures are left out. Raises BadToken."""
    found = _object(document).get("keys")
    if not isinstance(found, list) or len(found) > MOST_KEYS:
        raise BadToken("the key set cannot be read")
    keys: dict[str, Key] = {}
    for one in found:
        if isinstance(one, dict) and isinstance(one.get("kid"), str) and one.get("use", "sig") == "sig":
            key = _public_key(one)
            if key is not None:
                keys[one["kid"]] = key
    return keys


def kid_of(token: str) -> str:
    """Return which key a token says it is signed with; nothing of it is proven by that. Raises BadToken."""
    kid = _taken_apart(token).headers().get("kid")
    if not isinstance(kid, str) or not kid:
        raise BadToken("it does not name its key")
    return kid


def verify(token: str, key: Key) -> Claims:
    """Return the claims of a compact token that this key signed; raises BadToken."""
    parts = _taken_apart(token)
    if "crit" in parts.headers():
        raise BadToken("it has a critical header that is not known here")
    alg, said = _algorithm_of(key), str(parts.headers().get("alg"))
    if said != alg:
        raise BadToken(f"its key signs {alg}, it says {said[:20]!r}")
    try:
        jws.deserialize_compact(token, key, registry=_registry(key))
    except BadSignatureError as error:
        raise BadToken("its signature is wrong") from error
    except (JoseError, ValueError) as error:
        raise BadToken(f"it cannot be verified: {error}") from error
    return _object(parts.payload)


def encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515, 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _taken_apart(token: str) -> jws.CompactSignature:
    """Read the three parts of a compact token, none of which is proven."""
    if token.count(".") != 2 or not all(token.split(".")):
        raise BadToken("it is no compact token")
    try:
        return jws.extract_compact(token.encode())
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise BadToken("it is no compact token that can be read") from error


def _public_key(jwk: Mapping[str, Any]) -> Key | None:
    """Return a key of a set where it signs as we verify, None where it does not. Raises BadToken."""
    public = {name: value for name, value in jwk.items() if name in {"kty", "kid", "n", "e", "crv", "x", "y"}}
    try:
        if jwk.get("kty") == "RSA" and jwk.get("alg", "PS256") == "PS256":
            return RSAKey.import_key(public) if LEAST_RSA_BITS <= _bits(jwk["n"]) <= MOST_RSA_BITS else None
        if jwk.get("kty") == "EC" and jwk.get("crv") == CURVE and jwk.get("alg", "ES256") == "ES256":
            return ECKey.import_key(public)
    except (JoseError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise BadToken("a key of the set cannot be read") from error
    return None


def _bits(number: str) -> int:
    """Return the size of a number as a JWK writes it."""
    return int.from_bytes(urlsafe_b64decode(number + "=" * (-len(number) % 4)), "big").bit_length()


def _algorithm_of(key: Key) -> str:
    """Return the one algorithm that a key signs with."""
    return "PS256" if isinstance(key, RSAKey) else "ES256"


def _registry(key: Key, critical: Mapping[str, object] | None = None) -> jws.JWSRegistry:
    """Return what the library may do with this key: one algorithm, and the critical headers that are named."""
    headers = {name: HeaderParameter(name, lambda _value: None) for name in critical or ()}
    return jws.JWSRegistry(headers, algorithms=[_algorithm_of(key)], strict_check_header=False)


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _object(document: bytes) -> dict[str, Any]:
    try:
        found = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise BadToken("it is no JSON") from error
    if not isinstance(found, dict):
        raise BadToken("it is no JSON object")
    return found
