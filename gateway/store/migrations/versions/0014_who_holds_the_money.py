"""who holds the money of a linked account, and pay-outs named with their provider

Until here the name of the adapter said who holds it. A pay-out's journals were named by the provider's reference alone:
of two providers that use the same one, the second would not have been booked.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SETTLEMENTS = sa.text(
    "SELECT DISTINCT journal.household_id, journal.id, journal.source_id, account.owner"
    " FROM journal JOIN posting ON posting.household_id = journal.household_id AND posting.journal_id = journal.id"
    " JOIN account ON account.household_id = posting.household_id AND account.id = posting.account_id"
    " WHERE journal.kind = 'settlement' AND account.kind = 'provider_clearing'"
)
PAYOUTS = sa.text("SELECT household_id, id, source_id FROM journal WHERE kind = 'payout'")
RENAME = sa.text("UPDATE journal SET source_id = :source_id WHERE household_id = :household_id AND id = :id")


def upgrade() -> None:
    with op.batch_alter_table("payment_method") as batch:
        batch.add_column(sa.Column("funding", sa.String(), nullable=False, server_default="provider"))
    op.execute("UPDATE payment_method SET funding = 'balance' WHERE adapter = 'balance'")
    connection = op.get_bind()
    adapters: dict[tuple[str, str], str] = {}
    for household_id, journal_id, reference, adapter in connection.execute(SETTLEMENTS).all():
        adapters[household_id, reference] = adapter
        _rename(connection, household_id, journal_id, f"{adapter}/{reference}")
    for household_id, journal_id, source_id in connection.execute(PAYOUTS).all():
        adapter = adapters.get((household_id, source_id.rpartition("/")[0]))
        if adapter is not None:
            _rename(connection, household_id, journal_id, f"{adapter}/{source_id}")


def downgrade() -> None:
    with op.batch_alter_table("payment_method") as batch:
        batch.drop_column("funding")


def _rename(connection: sa.Connection, household_id: str, journal_id: str, source_id: str) -> None:
    connection.execute(RENAME, {"household_id": household_id, "id": journal_id, "source_id": source_id})
