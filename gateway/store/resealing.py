"""Brings what is sealed under older keys to the newest one, while everything runs."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection, Engine, and_, select, text, tuple_, update

from gateway.store import adapter_state, merchant_secrets
from gateway.store.errors import VaultError
from gateway.store.tables import AdapterStateRow, MerchantRow, PaymentMethodRow
from gateway.store.vault import Vault, version_of

BATCH = 200
MOST_PASSES = 10

Owner: TypeAlias = tuple[str, str]
"""(household, row) a secret is sealed to."""


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A column of sealed secrets: its table, the columns of its key, and to whom a row's secret is sealed."""

    table: Any
    column: str
    key: tuple[str, ...]
    owner: Callable[[Any], Owner]


# Every column in which something is sealed. One that is not named here keeps its old key for ever, which retiring
# that key would make unreadable: the test that looks for sealed columns fails until it is named.
SEALED = (
    _Sealed(
        PaymentMethodRow.__table__,  # type: ignore[attr-defined]  # SQLModel makes it
        "token_sealed",
        ("household_id", "id"),
        lambda row: (row.household_id, row.id),
    ),
    _Sealed(
        MerchantRow.__table__,  # type: ignore[attr-defined]  # as above
        "secret_sealed",
        ("id",),
        lambda row: merchant_secrets.owner(row.id),
    ),
    _Sealed(
        AdapterStateRow.__table__,  # type: ignore[attr-defined]  # as above
        "sealed",
        ("adapter", "key"),
        lambda row: (adapter_state.OWNER, adapter_state.row_id(row.adapter, row.key)),
    ),
)


def count_by_version(engine: Engine) -> Counter[int]:
    """Return how many secrets are sealed under each version of the key."""
    counts: Counter[int] = Counter()
    with engine.connect() as connection:
        for sealed in SEALED:
            for rows in _batches(connection, sealed):
                counts.update(version_of(getattr(row, sealed.column)) for row in rows)
    return counts


def reseal(engine: Engine, vault: Vault) -> int:
    """Seal everything anew that is under an older key, a batch a commit, and return how many it was.

    It may be stopped at any place and run again. What a process writes meanwhile is under one key or the other; a
    pass that finds nothing old ends it.

    Raises:
        VaultError: a secret does not open, or older ones go on appearing; what was sealed anew stays.
    """
    done = 0
    for _ in range(MOST_PASSES):
        newest, changed = vault.newest, 0
        for sealed in SEALED:
            changed += _pass(engine, vault, sealed, newest)
        if not changed:
            return done
        done += changed
    raise VaultError("secrets under older keys go on appearing; is a process running that cannot read the key file?")


def _pass(engine: Engine, vault: Vault, sealed: _Sealed, newest: int) -> int:
    changed = 0
    with engine.connect() as connection:
        for rows in _batches(connection, sealed):
            old = [row for row in rows if version_of(getattr(row, sealed.column)) != newest]
            if old:
                with engine.connect() as writing:
                    changed += _write(writing, vault, sealed, old)
    return changed


def _write(connection: Connection, vault: Vault, sealed: _Sealed, old: list[Any]) -> int:
    """Seal rows anew that are as they were read; one that was written meanwhile is left to the next pass."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("BEGIN IMMEDIATE"))
    written = 0
    for row in old:
        household_id, row_id = sealed.owner(row)
        present = getattr(row, sealed.column)
        secret = vault.unseal(present, household_id=household_id, row_id=row_id)
        anew = vault.seal(secret, household_id=household_id, row_id=row_id)
        at = and_(*(sealed.table.c[name] == getattr(row, name) for name in sealed.key))
        unchanged = update(sealed.table).where(at, sealed.table.c[sealed.column] == present)
        written += connection.execute(unchanged.values({sealed.column: anew})).rowcount
    connection.commit()
    return written


def _batches(connection: Connection, sealed: _Sealed) -> Iterator[list[Any]]:
    """Read the rows with something sealed, in the order of their key."""
    columns = [sealed.table.c[name] for name in sealed.key]
    query = select(*columns, sealed.table.c[sealed.column]).order_by(*columns).limit(BATCH)
    after: tuple[Any, ...] | None = None
    while True:
        here = query if after is None else query.where(tuple_(*columns) > after)
        rows: list[Any] = list(connection.execute(here))
        connection.rollback()  # nothing stays locked, and no old picture is kept, between two batches
        if not rows:
            return
        yield rows
        after = tuple(getattr(rows[-1], name) for name in sealed.key)
