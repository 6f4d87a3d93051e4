"""when a notice came in real time, and several of the same words until one is proven"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# It was made without a name: PostgreSQL gave it one, SQLite has none but the one given here.
ONCE_ON_SQLITE = "once_notice_source"
ONCE_ON_POSTGRESQL = "notice_source_name_sha256_key"


def upgrade() -> None:
    op.add_column("notice", sa.Column("received_wall_us", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE notice SET received_wall_us = received_us")
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("notice", naming_convention={"uq": "once_%(table_name)s_%(column_0_name)s"}) as batch:
            batch.drop_constraint(ONCE_ON_SQLITE, type_="unique")
    else:
        op.drop_constraint(ONCE_ON_POSTGRESQL, "notice", type_="unique")
    op.create_index("notice_by_body", "notice", ["source", "name", "sha256"])


def downgrade() -> None:
    op.drop_index("notice_by_body", "notice")
    with op.batch_alter_table("notice") as batch:
        batch.create_unique_constraint(ONCE_ON_POSTGRESQL, ["source", "name", "sha256"])
        batch.drop_column("received_wall_us")
