"""whether a member named an account, and whether a hold ends with its first capture"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payment_method", sa.Column("named", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("attempt", sa.Column("captures_once", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("attempt", "captures_once")
    op.drop_column("payment_method", "named")
