"""Seals secrets at rest: AES-GCM, bound to the household and row they belong to, under a versioned key.

Sealed form: key version (u16, big-endian) | nonce (12 bytes) | ciphertext with tag. A sealed secret that was moved
to another row or household does not open. The keys lie in a file of their own (key_file.py); a process that runs sees
a new key as soon as it is written.
"""

import secrets
import threading
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.store import key_file
from gateway.store.errors import VaultError

VERSION_BYTES = 2
NONCE_BYTES = 12


class Vault:
    """Seals under the newest key and opens under any key it knows. Several threads may share one."""

    def __init__(self, keys: Mapping[int, bytes], path: Path | None = None) -> None:
        if not keys:
            raise VaultError("there is no key to seal secrets with; run `replenish init`")
        self._keys = dict(keys)
        self._path = path
        self._seen = None if path is None else key_file.fingerprint(path)
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> "Vault":
        """Read the key file `replenish init` wrote; raises VaultError when it is not there, not private or damaged."""
        return cls(key_file.read(path), path)

    @property
    def newest(self) -> int:
        """The version of the key that seals now."""
        return max(self._current())

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions of all keys, oldest first."""
        return tuple(sorted(self._current()))

    def seal(self, secret: str, *, household_id: str, row_id: str) -> bytes:
        """Return the sealed form of a secret that belongs to this row."""
        keys = self._current()
        newest = max(keys)
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = AESGCM(keys[newest]).encrypt(nonce, secret.encode(), _bound_to(household_id, row_id))
        return newest.to_bytes(VERSION_BYTES, "big") + nonce + sealed

    def unseal(self, sealed: bytes, *, household_id: str, row_id: str) -> str:
        """Return the secret; raises VaultError for an unknown key, a changed byte or another row's secret."""
        keys, version = self._current(), version_of(sealed)
        if version not in keys:
            raise VaultError(
                f"a secret is sealed under key {version}, which the key file does not hold; copy the newest key file "
                "here, or restore the one that belongs to this database"
            )
        nonce, body = sealed[VERSION_BYTES : VERSION_BYTES + NONCE_BYTES], sealed[VERSION_BYTES + NONCE_BYTES :]
        try:
            return AESGCM(keys[version]).decrypt(nonce, body, _bound_to(household_id, row_id)).decode()
        except (InvalidTag, ValueError):
            raise VaultError("a sealed secret does not belong to this row, or was changed") from None

    def _current(self) -> Mapping[int, bytes]:
        """Return the keys, read again when their file was replaced: a rotation needs no restart.

        A file that cannot be read just then leaves what is known in force; the file is looked at again next time.
        """
        if self._path is None:
            return self._keys
        fingerprint = key_file.fingerprint(self._path)
        if fingerprint is None or fingerprint == self._seen:
            return self._keys
        with self._lock:
            if fingerprint != self._seen:
                self._keys, self._seen = key_file.read(self._path), fingerprint
            return self._keys


def version_of(sealed: bytes) -> int:
    """Return the version of the key a secret is sealed under."""
    return int.from_bytes(sealed[:VERSION_BYTES], "big")


def _bound_to(household_id: str, row_id: str) -> bytes:
    return f"{household_id}/{row_id}".encode()
