"""Who a device is: an Ed25519 key pair, apart from whatever opens its connection.

The private key never leaves the device; the public key is registered at enrolment.
"""

import hashlib
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from devices.errors import BadIdentity
from devices.topics import is_device_id

SIGNATURE_BYTES = 64
KEY_BYTES = 32
# The y of the points of small order, as they may be written (the list of libsodium's has_small_order, sign bit off).
# A signature by such a key fits many messages, and some fit every one: it proves nothing.
SMALL_ORDER = frozenset(
    bytes.fromhex(text)
    for text in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The key on record for a device."""

    raw: bytes
    """The 32 bytes of RFC 8032."""

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_BYTES:
            raise BadIdentity(f"an Ed25519 public key has {KEY_BYTES} bytes, not {len(self.raw)}")

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """Read 64 hexadecimal digits; raises `BadIdentity`."""
        return cls(_unhex(text))

    def hex(self) -> str:
        """64 hexadecimal digits."""
        return self.raw.hex()

    @property
    def is_weak(self) -> bool:
        """Whether anybody can sign for this key: it is a point of small order."""
        return self.raw[:-1] + bytes([self.raw[-1] & 0x7F]) in SMALL_ORDER

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether this key's owner signed exactly this message; of a weak key nobody can say so."""
        if self.is_weak:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Identity:
    """A device's id and its key pair. The private key does not show in `repr`."""

    device_id: str
    _key: Ed25519PrivateKey

    def __post_init__(self) -> None:
        if not is_device_id(self.device_id):
            raise BadIdentity(f"not a device id: {self.device_id!r} (3 to 64 of a-z, 0-9 and hyphen)")

    def __repr__(self) -> str:
        return f"Identity({self.device_id!r}, {self.public_key.hex()})"

    @classmethod
    def generate(cls, device_id: str) -> Self:
        """A new key pair from the operating system's randomness."""
        return cls(device_id, Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, device_id: str, seed: str | int) -> Self:
        """The same key pair for the same id and seed. For simulated devices only: who knows the seed knows the key."""
        raw = hashlib.sha256(f"replenish/simulated\0{device_id}\0{seed}".encode()).digest()
        return cls(device_id, Ed25519PrivateKey.from_private_bytes(raw))

    @classmethod
    def from_private_hex(cls, device_id: str, text: str) -> Self:
        """Read what `private_hex` wrote; raises `BadIdentity`."""
        raw = _unhex(text)
        if len(raw) != KEY_BYTES:
            raise BadIdentity(f"an Ed25519 private key has {KEY_BYTES} bytes, not {len(raw)}")
        return cls(device_id, Ed25519PrivateKey.from_private_bytes(raw))

    @property
    def public_key(self) -> PublicKey:
        """What is registered at enrolment."""
        return PublicKey(self._key.public_key().public_bytes_raw())

    def private_hex(self) -> str:
        """64 hexadecimal digits, to be kept where only the device can read them."""
        return self._key.private_bytes_raw().hex()

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature."""
        return self._key.sign(message)


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise BadIdentity(f"a key is written in hexadecimal digits: {error}") from error
