"""The shops' secrets at rest: each sealed to its own shop, so that one put into another shop's row does not open."""

from sqlalchemy import Engine, text

from gateway.store.errors import VaultError
from gateway.store.vault import Vault

OPERATOR = "operator"
"""Shops are the operator's, not a household's."""

SINCE_VERSION = "0011"
BEFORE = "merchant"
"""What every secret was sealed to before that version of the database."""


def owner(merchant_id: str) -> tuple[str, str]:
    """Return (household, row) a shop's secret is sealed to."""
    return OPERATOR, f"merchant/{merchant_id}"


def seal_merchant(vault: Vault, merchant_id: str, secret: str) -> bytes:
    """Return the sealed form of a shop's secret."""
    household_id, row_id = owner(merchant_id)
    return vault.seal(secret, household_id=household_id, row_id=row_id)


def unseal_merchant(vault: Vault, merchant_id: str, sealed: bytes) -> str:
    """Return a shop's secret; raises VaultError for another shop's."""
    household_id, row_id = owner(merchant_id)
    return vault.unseal(sealed, household_id=household_id, row_id=row_id)


def seal_anew(engine: Engine, vault: Vault) -> None:
    """Seal to its shop what an older version sealed to none; raises VaultError, and changes nothing then.

    Done before the database is brought to `SINCE_VERSION` and never after: from then on the old form opens no more.
    What was interrupted in between is done again, and what is in the new form stays.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("BEGIN IMMEDIATE"))
        for merchant_id, sealed in connection.execute(text("SELECT id, secret_sealed FROM merchant")).all():
            try:
                unseal_merchant(vault, merchant_id, sealed)
            except VaultError:
                secret = vault.unseal(sealed, household_id=OPERATOR, row_id=BEFORE)
                connection.execute(
                    text("UPDATE merchant SET secret_sealed = :sealed WHERE id = :id"),
                    {"id": merchant_id, "sealed": seal_merchant(vault, merchant_id, secret)},
                )
