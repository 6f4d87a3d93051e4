"""the version from which a shop's secret is sealed to that shop alone

The tables are the same. `replenish init`, which has the keys, seals anew what is there before it comes here
(gateway.store.merchant_secrets); from here on the old form opens no more.
"""

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing in the tables changes."""


def downgrade() -> None:
    """Nothing in the tables changes."""
