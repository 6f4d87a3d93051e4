"""withdrawals from contracts"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TEXT = sqlmodel.sql.sqltypes.AutoString


def upgrade() -> None:
    op.create_table(
        "withdrawal",
        sa.Column("household_id", TEXT(length=64), nullable=False),
        sa.Column("id", TEXT(length=64), nullable=False),
        sa.Column("order_id", TEXT(), nullable=False),
        sa.Column("member_id", TEXT(), nullable=False),
        sa.Column("line_ids", sa.JSON(), nullable=False),
        sa.Column("words", TEXT(), nullable=False),
        sa.Column("state", TEXT(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("settled_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["household_id", "order_id"], ["purchase_order.household_id", "purchase_order.id"]),
        sa.ForeignKeyConstraint(["household_id", "member_id"], ["member.household_id", "member.id"]),
        sa.PrimaryKeyConstraint("household_id", "id"),
    )
    op.create_index("withdrawal_by_order", "withdrawal", ["household_id", "order_id"])


def downgrade() -> None:
    op.drop_index("withdrawal_by_order", "withdrawal")
    op.drop_table("withdrawal")
