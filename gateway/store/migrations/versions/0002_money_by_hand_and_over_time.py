"""what a person does by hand with money, permissions the provider confirms later, holds and orders that end"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sqlmodel.sql.sqltypes.AutoString()
STILL_LIVE = sa.text("state NOT IN ('voided', 'declined', 'expired', 'replaced')")


def upgrade() -> None:
    op.create_table(
        "act",
        sa.Column("household_id", sqlmodel.sql.sqltypes.AutoString(length=64), nullable=False),
        sa.Column("id", sqlmodel.sql.sqltypes.AutoString(length=64), nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("verb", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("evidence", TEXT, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["household_id"], ["household.id"]),
        sa.PrimaryKeyConstraint("household_id", "id"),
    )
    op.create_index("act_by_subject", "act", ["household_id", "subject"])
    op.add_column("payment_method", sa.Column("note", TEXT, nullable=False, server_default=""))
    for name in ("confirm_url", "note"):
        op.add_column("mandate", sa.Column(name, TEXT, nullable=False, server_default=""))
    op.add_column("mandate", sa.Column("sent_wall_us", sa.BigInteger(), nullable=True))
    op.add_column("mandate", sa.Column("looks", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("mandate", sa.Column("replaces_id", TEXT, nullable=True))
    op.add_column("attempt", sa.Column("hold_expires_us", sa.BigInteger(), nullable=True))
    op.drop_index("one_live_attempt_per_cart", "attempt")
    op.create_index(
        "one_live_attempt_per_cart",
        "attempt",
        ["household_id", "cart_id"],
        unique=True,
        sqlite_where=STILL_LIVE,
        postgresql_where=STILL_LIVE,
    )
    op.add_column("operation", sa.Column("answered_us", sa.BigInteger(), nullable=True))
    op.add_column("purchase_order", sa.Column("cancel_asked_us", sa.BigInteger(), nullable=True))
    op.add_column("purchase_order", sa.Column("abandoned_us", sa.BigInteger(), nullable=True))
    op.add_column("shipment", sa.Column("missing_minor", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    for table, names in (
        ("shipment", ("missing_minor",)),
        ("purchase_order", ("abandoned_us", "cancel_asked_us")),
        ("operation", ("answered_us",)),
        ("attempt", ("hold_expires_us",)),
        ("mandate", ("replaces_id", "looks", "sent_wall_us", "note", "confirm_url")),
        ("payment_method", ("note",)),
    ):
        for name in names:
            op.drop_column(table, name)
    op.drop_index("one_live_attempt_per_cart", "attempt")
    live_before = sa.text("state NOT IN ('voided', 'declined', 'expired')")
    op.create_index(
        "one_live_attempt_per_cart",
        "attempt",
        ["household_id", "cart_id"],
        unique=True,
        sqlite_where=live_before,
        postgresql_where=live_before,
    )
    op.drop_table("act")
