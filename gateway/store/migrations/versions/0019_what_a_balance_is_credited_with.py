"""what a balance is credited with

Until here a top-up was a row of work alone, believed without money. What still waits was promised: it becomes a gift,
under the key that its keeper may know already.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TEXT = sqlmodel.sql.sqltypes.AutoString
WAITING = sa.text(
    "SELECT work.id, work.household_id, work.subject_id, work.due_us, payment_method.id AS method_id,"
    " payment_method.currency FROM work JOIN payment_method ON payment_method.household_id = work.household_id"
    " AND work.subject_id LIKE payment_method.id || '/%' WHERE work.step = 'top_up'"
)
CREDIT = sa.text(
    "INSERT INTO credit (household_id, id, payment_method_id, origin, source_id, amount_minor, currency, state, note,"
    " created_us) VALUES (:household_id, :key, :method_id, 'gift', :key, :amount_minor, :currency, 'owed', '', :due_us)"
)


def upgrade() -> None:
    op.create_table(
        "credit",
        sa.Column("household_id", TEXT(length=64), nullable=False),
        sa.Column("id", TEXT(length=64), nullable=False),
        *(sa.Column(name, TEXT(), nullable=False) for name in ("payment_method_id", "origin", "source_id")),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        *(sa.Column(name, TEXT(), nullable=False) for name in ("currency", "state", "note")),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("credited_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["household_id", "payment_method_id"], ["payment_method.household_id", "payment_method.id"]
        ),
        sa.PrimaryKeyConstraint("household_id", "id"),
        sa.UniqueConstraint("household_id", "origin", "source_id", name="one_credit_for_each_source"),
    )
    connection = op.get_bind()
    for row in connection.execute(WAITING).all():
        _, key, amount_minor = row.subject_id.split("/")
        values = {"key": key, "amount_minor": int(amount_minor), "household_id": row.household_id}
        rest = {"method_id": row.method_id, "currency": row.currency, "due_us": row.due_us}
        connection.execute(CREDIT, values | rest)
        moved = sa.text("UPDATE work SET step = 'credit', subject_id = :key WHERE id = :id")
        connection.execute(moved, {"key": key, "id": row.id})


def downgrade() -> None:
    raise NotImplementedError("what is owed to a balance would be forgotten; restore a backup")
