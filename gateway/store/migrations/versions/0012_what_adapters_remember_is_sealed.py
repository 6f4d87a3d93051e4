"""what adapters remember is sealed"""

from typing import Any

import sqlalchemy as sa
from alembic import context, op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("adapter_state", sa.Column("sealed", sa.LargeBinary(), nullable=True))
    connection = op.get_bind()
    vault: Any = context.config.attributes.get("vault")
    for adapter, key, value in connection.execute(sa.text("SELECT adapter, key, value FROM adapter_state")).all():
        sealed = vault.seal(value, household_id="adapter", row_id=f"{adapter}/{key}")
        connection.execute(
            sa.text("UPDATE adapter_state SET sealed = :sealed WHERE adapter = :adapter AND key = :key"),
            {"sealed": sealed, "adapter": adapter, "key": key},
        )
    with op.batch_alter_table("adapter_state") as batch:
        batch.alter_column("sealed", existing_type=sa.LargeBinary(), nullable=False)
        batch.drop_column("value")


def downgrade() -> None:
    raise NotImplementedError("what is sealed is not opened again; restore a backup")
