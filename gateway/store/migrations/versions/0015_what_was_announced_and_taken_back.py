"""what was announced before a debit, and which pay-out took one back"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("shipment", sa.Column("announced_minor", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("shipment", sa.Column("announced_for", sa.String(), nullable=False, server_default=""))
    op.add_column("shipment", sa.Column("debit_from_us", sa.BigInteger(), nullable=True))
    op.add_column("operation", sa.Column("reversed_ref", sa.String(length=200), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("operation", "reversed_ref")
    op.drop_column("shipment", "debit_from_us")
    op.drop_column("shipment", "announced_for")
    op.drop_column("shipment", "announced_minor")
