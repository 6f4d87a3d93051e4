"""when an idle mandate lapses

Every permission that stands gets the row of work that watches it: what was debited is looked at when it is due, and
nothing ends before the household was told.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TOLD_AFTER_US = 370 * 86_400_000_000
WATCH = sa.text(
    "INSERT INTO work (id, step, household_id, subject_id, due_us, not_before_wall_us, lease_until_wall_us,"
    " lease_holder, fence, generation, tries, last_error, counterpart)"
    " SELECT 'idle/' || id, 'expire', household_id, 'idle/' || id, valid_from_us + :told_after_us, 0, 0, '', 0, 0, 0,"
    " '', '' FROM mandate WHERE state IN ('active', 'suspended')"
)


def upgrade() -> None:
    with op.batch_alter_table("mandate") as batch:
        batch.add_column(sa.Column("idle_days", sa.Integer(), nullable=False, server_default="400"))
    op.get_bind().execute(WATCH, {"told_after_us": TOLD_AFTER_US})


def downgrade() -> None:
    op.execute("DELETE FROM work WHERE step = 'expire' AND (subject_id LIKE 'idle/%' OR subject_id LIKE 'lapse/%')")
    with op.batch_alter_table("mandate") as batch:
        batch.drop_column("idle_days")
