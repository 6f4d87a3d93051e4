"""Signatures of open banking: JWS (RFC 7515) with PS256 and ES256 (RFC 7518) under keys of a JWK set (RFC 7517).

Enough for what this room needs and no more: to sign a token or a detached body with our key, and to verify a compact
token by a key that its issuer publishes. It fails closed: an algorithm comes from the key, never from the token alone,
`none` and every symmetric one are unknown here, an unknown critical header is refused (RFC 7515, 4.1.11).
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

LEAST_RSA_BITS = 2048
MOST_RSA_BITS = 8192
MOST_KEYS = 20
COORDINATE_BYTES = 32
_SHA256 = hashes.SHA256()
# RFC 7518, 3.5: the salt is as long as the hash.
_PSS = padding.PSS(mgf=padding.MGF1(_SHA256), salt_length=32)
Claims = dict[str, Any]


class BadToken(Exception):
    """A token, key or key set that is not to be believed; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Our private key and the name under which the other side knows it."""

    kid: str
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

    @classmethod
    def from_pem(cls, kid: str, pem: str) -> "SigningKey":
        """Read an unencrypted PKCS#8 key: RSA of at least 2048 bits, or P-256. Raises BadToken."""
        try:
            key = serialization.load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise BadToken("the signing key is no readable PEM without a password") from error
        if isinstance(key, rsa.RSAPrivateKey) and LEAST_RSA_BITS <= key.key_size <= MOST_RSA_BITS:
            return cls(kid, key)
        if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
            return cls(kid, key)
        raise BadToken(f"the signing key must be RSA of at least {LEAST_RSA_BITS} bits, or P-256")

    @property
    def alg(self) -> str:
        """The one algorithm that this key signs with."""
        return "PS256" if isinstance(self.key, rsa.RSAPrivateKey) else "ES256"

    def sign(self, message: bytes) -> bytes:
        """The raw signature of the algorithm."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(message, _PSS, _SHA256)
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(_SHA256)))
        return r.to_bytes(COORDINATE_BYTES, "big") + s.to_bytes(COORDINATE_BYTES, "big")


def sign(claims: Mapping[str, object], key: SigningKey, *, typ: str = "JWT") -> str:
    """Return a compact token (RFC 7519)."""
    header = _encode_json({"alg": key.alg, "kid": key.kid, "typ": typ})
    signed = f"{header}.{_encode_json(claims)}"
    return f"{signed}.{encode(key.sign(signed.encode()))}"


def sign_detached(body: bytes, key: SigningKey, critical: Mapping[str, object]) -> str:
    """Return `header..signature` over a body that travels beside it (RFC 7515, appendix F); `critical` must be read."""
    fields = {"alg": key.alg, "kid": key.kid, "typ": "JOSE", "cty": "application/json", **critical}
    header = _encode_json({**fields, "crit": sorted(critical)})
    return f"{header}..{encode(key.sign(f'{header}.{encode(body)}'.encode()))}"


PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


def read_keys(document: bytes) -> dict[str, PublicKey]:
    """Read a JWK set by kid; keys for anything but PS256 or ES256 signatures are left out. Raises BadToken."""
    found = _object(document).get("keys")
    if not isinstance(found, list) or len(found) > MOST_KEYS:
        raise BadToken("the key set cannot be read")
    keys: dict[str, PublicKey] = {}
    for one in found:
        if isinstance(one, dict) and isinstance(one.get("kid"), str) and one.get("use", "sig") == "sig":
            key = _public_key(one)
            if key is not None:
                keys[one["kid"]] = key
    return keys


def kid_of(token: str) -> str:
    """Return which key a token says it is signed with; nothing of it is proven by that. Raises BadToken."""
    header, _, _ = _split(token)
    kid = _object(decode(header)).get("kid")
    if not isinstance(kid, str) or not kid:
        raise BadToken("it does not name its key")
    return kid


def verify(token: str, key: PublicKey) -> Claims:
    """Return the claims of a compact token that this key signed; raises BadToken."""
    header, payload, signature = _split(token)
    fields = _object(decode(header))
    if "crit" in fields:
        raise BadToken("it has a critical header that is not known here")
    alg = "PS256" if isinstance(key, rsa.RSAPublicKey) else "ES256"
    if fields.get("alg") != alg:
        raise BadToken(f"its key signs {alg}, it says {str(fields.get('alg'))[:20]!r}")
    _check(key, f"{header}.{payload}".encode(), decode(signature))
    return _object(decode(payload))


def encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Read base64url without padding; raises BadToken."""
    try:
        return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadToken("it is not base64url") from error


def _check(key: PublicKey, message: bytes, signature: bytes) -> None:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, _PSS, _SHA256)
            return
        if len(signature) != 2 * COORDINATE_BYTES:
            raise BadToken("its signature has a wrong length")
        r, s = (int.from_bytes(half, "big") for half in (signature[:COORDINATE_BYTES], signature[COORDINATE_BYTES:]))
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(_SHA256))
    except InvalidSignature as error:
        raise BadToken("its signature is wrong") from error


def _split(token: str) -> tuple[str, str, str]:
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        raise BadToken("it is no compact token")
    return parts[0], parts[1], parts[2]


def _public_key(jwk: Mapping[str, Any]) -> PublicKey | None:
    try:
        if jwk.get("kty") == "RSA" and jwk.get("alg", "PS256") == "PS256":
            numbers = rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"]))
            key = numbers.public_key()
            return key if LEAST_RSA_BITS <= key.key_size <= MOST_RSA_BITS else None
        if jwk.get("kty") == "EC" and jwk.get("crv") == "P-256" and jwk.get("alg", "ES256") == "ES256":
            return ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), ec.SECP256R1()).public_key()
    except (KeyError, ValueError, AttributeError) as error:
        raise BadToken("a key of the set cannot be read") from error
    return None


def _number(text: str) -> int:
    return int.from_bytes(decode(text), "big")


def _encode_json(document: Mapping[str, object]) -> str:
    return encode(json.dumps(document, separators=(",", ":")).encode())


def _object(document: bytes) -> dict[str, Any]:
    try:
        found = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise BadToken("it is no JSON") from error
    if not isinstance(found, dict):
        raise BadToken("it is no JSON object")
    return found
