"""How a device comes to be trusted: its id, the secret that opens its connection, and how the secret is kept.

The secret is shown once and stored as a hash in Mosquitto's `$7$` form (PBKDF2-HMAC-SHA512), so that one stored value
serves Mosquitto's password file and the embedded broker. It has 256 bits of randomness: the iterations need not slow
down a guess, so Mosquitto's own default of 101 stands.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from devices.errors import BadIdentity, BadSecretHash
from devices.topics import is_device_id

TokenBytes = Callable[[int], bytes]

SECRET_BYTES = 32
ITERATIONS = 101
_MAX_ITERATIONS = 1_000_000
_SALT_BYTES = 12
_HASH_BYTES = 64
_NAME_CHARACTERS = 48


@dataclass(frozen=True, slots=True)
class Provisioned:
    """A new device: the secret is told to it once, the hash is what is kept."""

    device_id: str
    secret: str = field(repr=False)
    secret_hash: str = field(repr=False)


def provision(kind: str, token_bytes: TokenBytes = secrets.token_bytes, device_id: str | None = None) -> Provisioned:
    """Make a device of a kind: an id (the kind and eight random hexadecimal digits, unless one is given) and a secret.

    `token_bytes` gives that many random bytes; only a demonstration passes anything but the system's own.
    """
    chosen = device_id if device_id is not None else f"{kind[:_NAME_CHARACTERS]}-{token_bytes(4).hex()}"
    if not is_device_id(chosen):
        raise BadIdentity(f"not a device id: {chosen!r} (3 to 64 of a-z, 0-9 and hyphen)")
    secret = base64.urlsafe_b64encode(token_bytes(SECRET_BYTES)).rstrip(b"=").decode()
    return Provisioned(chosen, secret, hash_secret(secret, token_bytes(_SALT_BYTES)))


def hash_secret(secret: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """`$7$iterations$salt$hash`, salt and hash in base64."""
    digest = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, iterations, _HASH_BYTES)
    return f"$7${iterations}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def verify_secret(secret: str, secret_hash: str) -> bool:
    """Whether the secret is the one behind the hash, in time that does not depend on how much of it is right.

    Raises `BadSecretHash` when the stored value is not of the `$7$` form: that is a broken store, not a wrong secret.
    """
    try:
        empty, version, iterations_text, salt_text, digest_text = secret_hash.split("$")
        iterations = int(iterations_text)
        salt = base64.b64decode(salt_text, validate=True)
        digest = base64.b64decode(digest_text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise BadSecretHash(f"not of the form $7$iterations$salt$hash: {error}") from error
    if empty or version != "7" or not 1 <= iterations <= _MAX_ITERATIONS or len(digest) != _HASH_BYTES:
        raise BadSecretHash("not of the form $7$iterations$salt$hash")
    return hmac.compare_digest(hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, iterations, _HASH_BYTES), digest)


def password_line(user: str, secret_hash: str) -> str:
    """One line of Mosquitto's password file, without the line end."""
    return f"{user}:{secret_hash}"
