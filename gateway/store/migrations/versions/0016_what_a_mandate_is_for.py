"""what a mandate is for, which account is named for what, and standing consents"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SCOPES = (("merchant_id", "merchant_ids"), ("supply_id", "supply_ids"))


def upgrade() -> None:
    with op.batch_alter_table("mandate") as batch:
        for name in ("merchant_ids", "device_ids", "supply_ids"):
            batch.add_column(sa.Column(name, sa.JSON(), nullable=True))
        batch.add_column(sa.Column("per_period_count", sa.Integer(), nullable=True))
    mandates = _mandates()
    for before, after in SCOPES:
        for row in op.get_bind().execute(sa.select(mandates).where(mandates.c[before].is_not(None))):
            _set(mandates, row, {after: [getattr(row, before)]})
    with op.batch_alter_table("mandate") as batch:
        for before, _ in SCOPES:
            batch.drop_column(before)
    _create("method_choice", ["kind", "subject_id", "payment_method_id"], "payment_method", "payment_method_id")
    with op.batch_alter_table("method_choice") as batch:
        batch.create_unique_constraint("one_choice_for_each", ["household_id", "kind", "subject_id"])
    _create("consent", ["kind", "words", "member_id", "ended_by"], "member", "member_id", "given_us", "ended_us")


def downgrade() -> None:
    raise NotImplementedError("a permission would become wider than it was given; restore a backup")


def _mandates() -> sa.TableClause:
    return sa.table(
        "mandate",
        sa.column("household_id", sa.String()),
        sa.column("id", sa.String()),
        *(sa.column(before, sa.String()) for before, _ in SCOPES),
        *(sa.column(after, sa.JSON(none_as_null=True)) for _, after in SCOPES),
    )


def _set(mandates: sa.TableClause, row: sa.Row, values: dict[str, object]) -> None:
    is_it = (mandates.c.household_id == row.household_id) & (mandates.c.id == row.id)
    op.get_bind().execute(sa.update(mandates).where(is_it).values(values))


def _create(name: str, texts: list[str], owner: str, key: str, given: str = "", ended: str = "") -> None:
    text = sqlmodel.sql.sqltypes.AutoString
    instants = [sa.Column(given, sa.BigInteger(), nullable=False), sa.Column(ended, sa.BigInteger())] if given else []
    op.create_table(
        name,
        sa.Column("household_id", text(length=64), nullable=False),
        sa.Column("id", text(length=64), nullable=False),
        *(sa.Column(one, text(), nullable=False) for one in texts),
        *instants,
        sa.ForeignKeyConstraint(["household_id", key], [f"{owner}.household_id", f"{owner}.id"]),
        sa.PrimaryKeyConstraint("household_id", "id"),
    )
