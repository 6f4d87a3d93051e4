"""which devices have signed, and the newest epochs of each"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

EPOCHS_KEPT = 16


def upgrade() -> None:
    op.add_column("device", sa.Column("has_signed", sa.Boolean(), nullable=False, server_default=sa.false()))
    device = sa.table("device", sa.column("id"), sa.column("has_signed", sa.Boolean()))
    reading = sa.table("reading", sa.column("device_id"), sa.column("signed", sa.Boolean()))
    of_signed = sa.select(reading.c.device_id).where(reading.c.signed)
    op.execute(device.update().where(device.c.id.in_(of_signed)).values(has_signed=True))
    sequence = sa.table("sequence", sa.column("device_id"), sa.column("epoch"))
    newer = sequence.alias()
    newer_epochs = (
        sa.select(sa.func.count())
        .select_from(newer)
        .where(newer.c.device_id == sequence.c.device_id, newer.c.epoch > sequence.c.epoch)
        .correlate(sequence)
        .scalar_subquery()
    )
    op.execute(sequence.delete().where(newer_epochs >= EPOCHS_KEPT))


def downgrade() -> None:
    op.drop_column("device", "has_signed")
