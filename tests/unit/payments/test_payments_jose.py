"""Signatures: what we sign others can check, what others sign is proven by their key alone."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from payments import jose
from simulators.vrp_bank_jose import BadSignature, check_detached, public_jwk, read_token

RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
WEAK = rsa.generate_private_key(public_exponent=65_537, key_size=1024)  # noqa: S505 — to be refused
CLAIMS = {"iss": "us", "jti": "1"}


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()


def ec_jwk(**different: object) -> dict[str, object]:
    numbers = EC.public_key().public_numbers()
    x, y = (jose.encode(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "kid": "ec", "x": x, "y": y} | different


def keys(*jwks: object) -> dict[str, jose.Key]:
    return jose.read_keys(json.dumps({"keys": jwks}).encode())


def test_both_kinds_of_key_sign_and_verify() -> None:
    published = keys(public_jwk(RSA.public_key(), "rsa"), ec_jwk())
    for kid, key in (("rsa", RSA), ("ec", EC)):
        token = jose.sign(CLAIMS, jose.SigningKey.from_pem(kid, pem(key)))
        assert jose.kid_of(token) == kid
        assert jose.verify(token, published[kid]) == CLAIMS


def test_somebody_elses_code_checks_what_we_sign() -> None:
    published = {"keys": [public_jwk(RSA.public_key(), "rsa")]}
    key = jose.SigningKey.from_pem("rsa", pem(RSA))
    assert read_token(jose.sign(CLAIMS, key), published) == CLAIMS
    signature = jose.sign_detached(b'{"a":1}', key, {"http://openbanking.org.uk/iss": "us"})
    assert check_detached(signature, b'{"a":1}', published)["crit"] == ["http://openbanking.org.uk/iss"]
    with pytest.raises(BadSignature):
        check_detached(signature, b'{"a":2}', published)


def test_a_key_proves_only_its_own_algorithm() -> None:
    token = jose.sign(CLAIMS, jose.SigningKey.from_pem("rsa", pem(RSA)))
    with pytest.raises(jose.BadToken, match="its key signs ES256"):
        jose.verify(token, keys(ec_jwk())["ec"])


def test_a_signature_of_another_length_or_with_a_changed_byte_is_wrong() -> None:
    header, payload, signature = jose.sign(CLAIMS, jose.SigningKey.from_pem("ec", pem(EC))).split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    for wrong in (raw[:-1], raw + b"\0", bytes([raw[0] ^ 1]) + raw[1:], bytes(64)):
        with pytest.raises(jose.BadToken):
            jose.verify(f"{header}.{payload}.{jose.encode(wrong)}", keys(ec_jwk())["ec"])


@pytest.mark.parametrize("text", ["no key", pem(WEAK)])
def test_a_key_that_is_weak_or_none_is_not_taken(text: str) -> None:
    with pytest.raises(jose.BadToken):
        jose.SigningKey.from_pem("k", text)


def test_keys_for_other_uses_and_weak_ones_are_left_out() -> None:
    other = [
        ec_jwk(kid="enc", use="enc"),
        ec_jwk(kid="alg", alg="ES512"),
        public_jwk(WEAK.public_key(), "weak"),
        {"kty": "oct"},
    ]
    assert set(keys(*other, {"kty": "oct", "kid": "secret", "k": "AA"}, ec_jwk())) == {"ec"}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b'{"keys": 1}',
        json.dumps({"keys": [ec_jwk()] * 21}).encode(),
        json.dumps({"keys": [ec_jwk(x="!")]}).encode(),
        json.dumps({"keys": [ec_jwk(x=jose.encode(bytes(32)))]}).encode(),
        json.dumps({"keys": [ec_jwk(y=7)]}).encode(),
    ],
)
def test_a_key_set_that_cannot_be_read_is_refused(document: bytes) -> None:
    with pytest.raises(jose.BadToken):
        jose.read_keys(document)
