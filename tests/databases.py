"""The two databases the gateway runs on, as tests ask for them: empty, at the newest version, one for each test."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Protocol

import psycopg
from sqlalchemy import Engine, event, text

from gateway.store import migrate
from gateway.store.engine import open_engine, sqlite_url
from tests.postgres import SUPERUSER, PostgresServer

VACUUM_EVERY = 40
"""Uses of one database, after which what was deleted is swept up: its pages would be read by every search."""


class Databases(Protocol):
    """One kind of database, and new ones of it."""

    name: str

    @contextmanager
    def migrated(self) -> Iterator[Engine]:
        """Open an empty database at the newest version; it is gone at the end."""
        ...

    @contextmanager
    def bare(self) -> Iterator[str]:
        """Give the URL of a database in which there is nothing at all; it is gone at the end."""
        ...


class SqliteDatabases:
    """Files under a folder."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)

    @contextmanager
    def migrated(self) -> Iterator[Engine]:
        folder = self._new_folder()
        (folder / "replenish.db").write_bytes(_migrated_file())
        engine = open_engine(sqlite_url(folder))
        event.listen(engine, "connect", without_waiting_for_the_disk)
        yield engine
        engine.dispose()

    @contextmanager
    def bare(self) -> Iterator[str]:
        yield sqlite_url(self._new_folder())

    def _new_folder(self) -> Path:
        folder = self._folder / f"database-{next(self._numbers)}"
        folder.mkdir()
        return folder


class PostgresDatabases:
    """Databases on one server. To make one takes 60 ms, to empty one takes one: they are used again."""

    name = "postgresql"

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self._numbers = count(1)
        self._free: list[_Used] = []
        self._template = ""

    @contextmanager
    def migrated(self) -> Iterator[Engine]:
        used = self._free.pop() if self._free else _Used(self.server, self._copy())
        engine = open_engine(self.server.url(used.database))
        yield engine
        engine.dispose()
        # A call that hangs may still be in a transaction: then nobody gets this one again.
        if used.empty():
            self._free.append(used)

    @contextmanager
    def bare(self) -> Iterator[str]:
        database = f"bare_{next(self._numbers)}"
        self.server.execute(f"CREATE DATABASE {database}")
        yield self.server.url(database)
        self.server.execute(f"DROP DATABASE {database} WITH (FORCE)")

    def copy_of(self, database: str) -> str:
        """Make a database that holds what another holds, to whom nobody is connected; return its name."""
        name = f"copy_{next(self._numbers)}"
        self.server.execute(f"CREATE DATABASE {name} TEMPLATE {database}")
        return name

    def close(self) -> None:
        """Let the connections go."""
        for used in self._free:
            used.close()

    def _copy(self) -> str:
        if not self._template:
            self.server.execute("CREATE DATABASE migrated")
            engine = open_engine(self.server.url("migrated"))
            migrate.upgrade(engine)
            engine.dispose()
            self._template = "migrated"
        return self.copy_of(self._template)


class _Used:
    """A database that is emptied after each use, over a connection of its own."""

    def __init__(self, server: PostgresServer, database: str) -> None:
        self.database = database
        self._uses = 0
        self._connection = psycopg.connect(
            host=str(server.folder), user=SUPERUSER, dbname=database, autocommit=True, options="-c lock_timeout=200ms"
        )
        found = self._connection.execute(
            "SELECT format('DELETE FROM %I', tablename) FROM pg_tables"
            " WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        )
        # As a replica the tables' references are not looked after: any order will do.
        self._emptying = ";".join(["SET session_replication_role = replica", *(one for (one,) in found)]).encode()

    def empty(self) -> bool:
        """Delete all rows; False, and closed, when somebody holds some of them or a test has cut the connection."""
        try:
            self._connection.execute(self._emptying)
            self._uses += 1
            if self._uses % VACUUM_EVERY == 0:
                self._connection.execute("VACUUM")
        except psycopg.OperationalError:
            self.close()
            return False
        return True

    def close(self) -> None:
        self._connection.close()


def without_waiting_for_the_disk(connection: sqlite3.Connection, _record: object) -> None:
    # No test here cuts the power: a crash is an exception, and what was written stays written.
    connection.execute("PRAGMA synchronous=OFF")


@cache
def _migrated_file() -> bytes:
    """Return the file of an empty, migrated database: migrating anew for each test would take most of its time."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(sqlite_url(Path(folder)))
        migrate.upgrade(engine)
        with engine.connect() as connection:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        engine.dispose()
        return (Path(folder) / "replenish.db").read_bytes()
