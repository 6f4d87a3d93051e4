"""What is wrong with an installation, and what to do about it."""

import os
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from gateway.assembly import Gateway, assemble
from gateway.config import Settings
from gateway.domain.household import Household
from gateway.domain.records import MerchantAccount
from gateway.store import migrate
from gateway.store.engine import open_engine
from gateway.store.vault import VaultError
from gateway.store.work_queue import Waiting
from payments.errors import PaymentError

LEAST_FREE_BYTES = 200 * 1024 * 1024
VENDOR = Path(__file__).parent.parent / "web" / "static" / "vendor"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `remedy` says what to do when it is not good."""

    good: bool
    text: str
    remedy: str = ""


def findings(settings: Settings) -> Iterator[Finding]:
    """Look at everything a running gateway needs."""
    yield from _data_directory(settings)
    if not settings.keys_path.exists():
        yield Finding(False, "no keys", "run `replenish init`")
        return
    yield _secret_file(settings.keys_path)
    try:
        engine = open_engine(settings.main_database_url)
        have, want = migrate.versions(engine)
        engine.dispose()
    except (SQLAlchemyError, sqlite3.Error) as error:
        yield Finding(False, f"the database cannot be opened: {error}", "check REPLENISH_DATABASE_URL and its server")
        return
    yield Finding(have == want, f"database at version {have or 'none'} of {want}", "run `replenish init`")
    if have != want:
        return
    yield Finding(
        (VENDOR / "icons.svg").exists(), "front-end packages", "run `make front` (they are not in the repository)"
    )
    yield _port("web", settings.web_host, settings.web_port)
    try:
        gateway = assemble(settings)
    except VaultError as error:
        yield Finding(False, str(error), "restore the key file that belongs to this database")
        return
    try:
        yield from _inside(gateway)
    finally:
        gateway.close()


def _data_directory(settings: Settings) -> Iterator[Finding]:
    path = settings.data_dir
    if not path.is_dir():
        yield Finding(False, f"no data directory {path}", "run `replenish init`, or name it with --data-dir")
        return
    yield Finding(os.access(path, os.W_OK), f"data directory {path.resolve()} can be written", "check its owner")
    free = shutil.disk_usage(path).free
    yield Finding(free > LEAST_FREE_BYTES, f"{free // 2**20} MiB free on its disk", "make room: nothing may be lost")


def _secret_file(path: Path) -> Finding:
    private = path.stat().st_mode & 0o077 == 0
    return Finding(private, "the key file is readable by its owner alone", f"run `chmod 600 {path}`")


def _port(what: str, host: str, port: int) -> Finding:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.settimeout(1)
        taken = port != 0 and probe.connect_ex((host, port)) == 0
    text = f"{what} on {host}:{port} " + ("answers" if taken else "is free")
    return Finding(True, text)


def _inside(gateway: Gateway) -> Iterator[Finding]:
    with gateway.unit_of_work.read() as tx:
        households = [one for one in tx.find(Household, None) if one.id != "operator"]
        shops = tx.find(MerchantAccount, None)
    yield Finding(bool(households), f"{len(households)} households", "run `replenish household add`")
    yield Finding(bool(shops), f"{len(shops)} shops", "add one with `replenish merchant add`")
    for name in gateway.providers.names:
        try:
            gateway.providers.open(name)
        except PaymentError as error:
            yield Finding(False, f"payment adapter {name}: {error}", "set REPLENISH_PAYMENT_SETTINGS and …_SECRETS")
        else:
            yield Finding(True, f"payment adapter {name}")
    failing = gateway.queue.waiting(failing_only=True)
    yield Finding(not failing, f"{len(failing)} rows of work keep failing", _first_failure(failing))


def _first_failure(failing: list[Waiting]) -> str:
    return f"the first is {failing[0].step}: {failing[0].last_error}" if failing else ""
