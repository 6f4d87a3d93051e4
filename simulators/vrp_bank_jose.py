"""The bank's side of signatures: it signs its events with its own key and checks what a client signed (JWS, PS256)."""

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

KEY_BITS = 2048
KID = "vrp-bank-1"
_HASH = hashes.SHA256()
_PSS = padding.PSS(mgf=padding.MGF1(_HASH), salt_length=32)
Claims = dict[str, Any]


class BadSignature(Exception):
    """What came is not signed by the client's key; the message says what is wrong."""


class BankKey:
    """The key with which the bank signs; made at the first start and kept beside the book."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            made = rsa.generate_private_key(public_exponent=65_537, key_size=KEY_BITS)
            form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            path.touch(mode=0o600)
            path.write_bytes(made.private_bytes(*form))
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self._key = key

    def jwks(self) -> dict[str, Any]:
        """The public half, as the bank publishes it."""
        return {"keys": [public_jwk(self._key.public_key(), KID)]}

    def sign(self, claims: Claims) -> str:
        """Return a compact token; a security event token (RFC 8417) says so in its type."""
        header = _encode(json.dumps({"alg": "PS256", "kid": KID, "typ": "secevent+jwt"}).encode())
        signed = f"{header}.{_encode(json.dumps(claims).encode())}"
        return f"{signed}.{_encode(self._key.sign(signed.encode(), _PSS, _HASH))}"


def public_jwk(key: rsa.RSAPublicKey, kid: str) -> dict[str, str]:
    """Return a public key as a JWK."""
    numbers = key.public_numbers()
    n, e = (_encode(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (numbers.n, numbers.e))
    return {"kty": "RSA", "use": "sig", "alg": "PS256", "kid": kid, "n": n, "e": e}


def read_token(token: str, keys: dict[str, Any]) -> Claims:
    """Return the claims of a client's token (its assertion, its request object); raises BadSignature."""
    parts = token.split(".")
    if len(parts) != 3:
        raise BadSignature("it is no compact token")
    _check(parts[0], parts[1], parts[2], keys)
    claims: Claims = json.loads(_decode(parts[1]))
    return claims


def check_detached(signature: str, body: bytes, keys: dict[str, Any]) -> Claims:
    """Check `header..signature` over a body and return the header; raises BadSignature."""
    parts = signature.split(".")
    if len(parts) != 3 or parts[1]:
        raise BadSignature("x-jws-signature is no detached signature")
    return _check(parts[0], _encode(body), parts[2], keys)


def _check(header: str, payload: str, signature: str, keys: dict[str, Any]) -> Claims:
    try:
        fields: Claims = json.loads(_decode(header))
        (jwk,) = [one for one in keys["keys"] if one["kid"] == fields.get("kid")]
        if fields.get("alg") != "PS256":
            raise BadSignature("only PS256 is taken")
        n, e = (int.from_bytes(_decode(jwk[part]), "big") for part in ("n", "e"))
        rsa.RSAPublicNumbers(e, n).public_key().verify(_decode(signature), f"{header}.{payload}".encode(), _PSS, _HASH)
    except (ValueError, KeyError, TypeError, InvalidSignature) as error:
        raise BadSignature("the signature is wrong") from error
    return fields


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
