"""the ledger is append-only: the database itself refuses to change or delete a journal or a posting

Corrections are reversals. A household that leaves takes an export along; its journals stay, for they are the operator's
books too, and name nobody: accounts and operations go by ids. A migration that rebuilds one of these tables makes the
triggers anew. The index is made wide enough that sums over journals need not look at the table.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TABLES = ("journal", "posting")
SAYS = "the ledger is append-only: a journal is never changed or deleted, only reversed by another"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in TABLES:
            for verb in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_refuses_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{SAYS}'); END"
                )
    else:
        op.execute(
            "CREATE FUNCTION refuse_to_change_the_ledger() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{SAYS}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
        )
        for table in TABLES:
            op.execute(
                f"CREATE TRIGGER {table}_refuses_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_ledger()"
            )
    op.drop_index("posting_by_journal", table_name="posting")
    op.create_index("posting_by_journal", "posting", ["household_id", "journal_id", "currency", "amount_minor"])


def downgrade() -> None:
    op.drop_index("posting_by_journal", table_name="posting")
    op.create_index("posting_by_journal", "posting", ["household_id", "journal_id"])
    if op.get_bind().dialect.name == "sqlite":
        for table in TABLES:
            for verb in ("update", "delete"):
                op.execute(f"DROP TRIGGER {table}_refuses_{verb}")
    else:
        for table in TABLES:
            op.execute(f"DROP TRIGGER {table}_refuses_change ON {table}")
        op.execute("DROP FUNCTION refuse_to_change_the_ledger()")
