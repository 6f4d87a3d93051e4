"""Brings the main database to the newest schema, and says where it stands."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from gateway.store.vault import Vault

UPGRADING = 0x7265706C656E6973
"""The place of whoever changes the tables (gateway.store.writers has those of households)."""


def _config(connection: Connection | None = None, vault: Vault | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    config.attributes["vault"] = vault
    return config


def upgrade(engine: Engine, to: str = "head", *, vault: Vault | None = None) -> None:
    """Apply every migration that is missing up to a version: all of them or, when it is interrupted, none.

    A database that holds something for the vault to seal needs it, an empty one does not.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            # The engine leaves transactions to us, and every statement would be a commit of its own.
            connection.execute(text("BEGIN IMMEDIATE"))
        else:
            # Two that begin at once would both make the tables; and a table of years takes its time to change.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:place)"), {"place": UPGRADING})
        command.upgrade(_config(connection, vault), to)


def is_newer(version: str | None) -> bool:
    """Say whether a later version of the program made it: this one does not know it. Numbers are no order."""
    known = {one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions()}
    return version is not None and version not in known


def versions(engine: Engine) -> tuple[str | None, str | None]:
    """Return (the database's version, the newest this program knows)."""
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory.from_config(_config()).get_current_head()
