"""when a cart was last quoted"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cart", sa.Column("quoted_us", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE cart SET quoted_us = created_us")


def downgrade() -> None:
    op.drop_column("cart", "quoted_us")
