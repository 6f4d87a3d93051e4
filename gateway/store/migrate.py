"""Brings the main database to the newest schema, and says where it stands."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from gateway.store.vault import Vault


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
        command.upgrade(_config(connection, vault), to)


def versions(engine: Engine) -> tuple[str | None, str | None]:
    """Return (the database's version, the newest this program knows)."""
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory.from_config(_config()).get_current_head()
