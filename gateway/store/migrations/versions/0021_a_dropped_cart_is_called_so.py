"""a dropped cart is called so

"Withdrawn" is kept for a customer's withdrawal from a contract. What is stored under the old words takes the new ones.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

CART = sa.text("UPDATE cart SET state = :now WHERE state = :before")
MESSAGE = sa.text("UPDATE message SET kind = :now WHERE kind = :before")


def upgrade() -> None:
    connection = op.get_bind()
    connection.execute(CART, {"before": "withdrawn", "now": "dropped"})
    connection.execute(MESSAGE, {"before": "mandate_withdrawn", "now": "mandate_ended"})


def downgrade() -> None:
    connection = op.get_bind()
    connection.execute(CART, {"before": "dropped", "now": "withdrawn"})
    connection.execute(MESSAGE, {"before": "mandate_ended", "now": "mandate_withdrawn"})
