"""The key file: {"keys": {"1": hex of 32 bytes, …}}, readable by its owner only, replaced whole and never changed.

The key with the highest number seals; the others only open.
"""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from gateway.store.errors import VaultError

KEY_BYTES = 32
MOST_KEYS = 1000
LAST_VERSION = 0xFFFF
OTHERS = 0o077
"""The rights of everybody but the owner."""

Fingerprint: TypeAlias = tuple[int, int, int]


def create(path: Path) -> None:
    """Write a key file with one new key; an existing file is left as it is."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w") as file:
        file.write(_text({1: secrets.token_bytes(KEY_BYTES)}))


def read(path: Path) -> dict[int, bytes]:
    """Return the keys by version; raises VaultError when the file is not there, not private or damaged."""
    try:
        if path.stat().st_mode & OTHERS:
            raise VaultError(f"the key file {path} can be read by others; run `chmod 600 {path}`")
        stored = json.loads(path.read_text())
        return {int(version): _key(key) for version, key in stored["keys"].items()}
    except FileNotFoundError:
        raise VaultError(f"the key file {path} is missing beside its database; restore it from a backup") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise VaultError(f"the key file {path} is damaged; restore it from a backup") from None


def add_key(path: Path) -> int:
    """Add a new key, which seals from now on, and return its version."""
    keys = read(path)
    version = max(keys, default=0) + 1
    if len(keys) >= MOST_KEYS or version > LAST_VERSION:
        raise VaultError(f"the key file {path} holds {len(keys)} keys; run `replenish keys retire` first")
    _replace(path, {**keys, version: secrets.token_bytes(KEY_BYTES)})
    return version


def remove_keys(path: Path, versions: frozenset[int]) -> None:
    """Remove keys under which nothing is sealed any more; the newest always stays."""
    keys = read(path)
    _replace(path, {version: key for version, key in keys.items() if version not in versions or version == max(keys)})


def fingerprint(path: Path) -> Fingerprint | None:
    """Return what changes when the file is replaced, None while it cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _replace(path: Path, keys: Mapping[int, bytes]) -> None:
    """Write the file anew: whole and on the disk, or not at all."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(_text(keys))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _text(keys: Mapping[int, bytes]) -> str:
    return json.dumps({"keys": {str(version): key.hex() for version, key in sorted(keys.items())}})


def _key(written: str) -> bytes:
    key = bytes.fromhex(written)
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key of {len(key)} bytes")
    return key
