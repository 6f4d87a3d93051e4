"""Seals secrets at rest: AES-GCM, bound to the household and row they belong to, under a versioned key.

Sealed form: key version (u16, big-endian) | nonce (12 bytes) | ciphertext with tag. A sealed secret that was moved
to another row or household does not open.
"""

import json
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
OTHERS = 0o077
"""The rights of everybody but the owner."""


class VaultError(Exception):
    """A secret cannot be sealed or opened; the message says why and what to do."""


class Vault:
    """Seals under the newest key and opens under any key it knows."""

    def __init__(self, keys: dict[int, bytes]) -> None:
        if not keys:
            raise VaultError("there is no key to seal secrets with; run `replenish init`")
        self._keys = keys
        self._newest = max(keys)

    @classmethod
    def open(cls, path: Path) -> "Vault":
        """Read the key file `replenish init` wrote; raises VaultError when it is not there, not private or damaged."""
        try:
            if path.stat().st_mode & OTHERS:
                raise VaultError(f"the key file {path} can be read by others; run `chmod 600 {path}`")
            stored = json.loads(path.read_text())
            keys = {int(version): bytes.fromhex(key) for version, key in stored["keys"].items()}
        except FileNotFoundError:
            raise VaultError(f"the key file {path} is missing beside its database; restore it from a backup") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise VaultError(f"the key file {path} is damaged; restore it from a backup") from None
        return cls(keys)

    @staticmethod
    def create(path: Path) -> None:
        """Write a key file with one new key, readable by its owner only; an existing file is left as it is."""
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return
        with os.fdopen(handle, "w") as file:
            json.dump({"keys": {"1": secrets.token_hex(32)}}, file)

    def seal(self, secret: str, *, household_id: str, row_id: str) -> bytes:
        """Return the sealed form of a secret that belongs to this row."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        cipher = AESGCM(self._keys[self._newest])
        sealed = cipher.encrypt(nonce, secret.encode(), f"{household_id}/{row_id}".encode())
        return self._newest.to_bytes(2, "big") + nonce + sealed

    def unseal(self, sealed: bytes, *, household_id: str, row_id: str) -> str:
        """Return the secret; raises VaultError for an unknown key, a changed byte or another row's secret."""
        version = int.from_bytes(sealed[:2], "big")
        if version not in self._keys:
            raise VaultError(f"a secret is sealed under key {version}, which the key file does not hold")
        nonce, body = sealed[2 : 2 + NONCE_BYTES], sealed[2 + NONCE_BYTES :]
        try:
            return AESGCM(self._keys[version]).decrypt(nonce, body, f"{household_id}/{row_id}".encode()).decode()
        except InvalidTag:
            raise VaultError("a sealed secret does not belong to this row, or was changed") from None
