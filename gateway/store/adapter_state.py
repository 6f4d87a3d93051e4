"""What payment adapters remember, sealed at rest: accounts, tokens of banks and what they are still to send."""

from typing import Any

from sqlalchemy import Engine, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from gateway.store.tables import AdapterStateRow
from gateway.store.vault import Vault
from payments.errors import ConfigError

MAX_VALUE_CHARACTERS = 64 * 1024
OWNER = "adapter"
"""An adapter's memory is its own, not a household's: it is sealed to the adapter and the key."""

_state: Any = AdapterStateRow.__table__  # type: ignore[attr-defined]  # SQLModel makes it


def row_id(adapter: str, key: str) -> str:
    """Return the row a value is sealed to."""
    return f"{adapter}/{key}"


class SqlKeyValueState:
    """One adapter's memory, a row a key."""

    def __init__(self, engine: Engine, vault: Vault, adapter: str) -> None:
        self._engine = engine
        self._vault = vault
        self._adapter = adapter

    def get(self, key: str) -> str | None:
        """Return the value, None where there is none; raises VaultError for one that does not belong there."""
        with self._engine.connect() as connection:
            sealed = connection.execute(select(_state.c.sealed).where(*self._at(key))).scalar()
        return None if sealed is None else self._unseal(key, sealed)

    def compare_and_set(self, key: str, expected: str | None, new: str) -> bool:
        """Write `new` durably if the value still is `expected` (None: absent), in one transaction; was it?"""
        if max(len(key), len(new)) > MAX_VALUE_CHARACTERS:
            raise ConfigError(f"an adapter may keep at most {MAX_VALUE_CHARACTERS} characters under one key")
        sealed = self._vault.seal(new, household_id=OWNER, row_id=row_id(self._adapter, key))
        with self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.execute(text("BEGIN IMMEDIATE"))
            if expected is None:
                try:
                    connection.execute(insert(_state).values(adapter=self._adapter, key=key, sealed=sealed))
                except IntegrityError:
                    connection.rollback()
                    return False
            else:
                # The lock holds off every other writer until the commit; SQLite has locked already.
                present = connection.execute(select(_state.c.sealed).where(*self._at(key)).with_for_update()).scalar()
                if present is None or self._unseal(key, present) != expected:
                    connection.rollback()
                    return False
                connection.execute(update(_state).where(*self._at(key)).values(sealed=sealed))
            connection.commit()
            return True

    def _at(self, key: str) -> tuple[Any, Any]:
        return _state.c.adapter == self._adapter, _state.c.key == key

    def _unseal(self, key: str, sealed: bytes) -> str:
        return self._vault.unseal(sealed, household_id=OWNER, row_id=row_id(self._adapter, key))
