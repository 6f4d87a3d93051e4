"""the room for a supply, and what service level it can hold"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("policy", sa.Column("maximum_quantity", sa.Float(), nullable=True))
    op.add_column("forecast", sa.Column("target_quantity", sa.Float(), nullable=True))
    op.add_column("forecast", sa.Column("service_held", sa.Float(), nullable=True))
    op.add_column("forecast", sa.Column("advice", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("forecast", "advice")
    op.drop_column("forecast", "service_held")
    op.drop_column("forecast", "target_quantity")
    op.drop_column("policy", "maximum_quantity")
