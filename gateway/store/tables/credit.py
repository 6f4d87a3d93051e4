"""Money that comes into a household's stored balance."""

from sqlalchemy import UniqueConstraint

from gateway.store.tables.columns import Owned, big, maybe_big, of


class CreditRow(Owned, table=True):
    __tablename__ = "credit"
    __table_args__ = (
        of("payment_method", "payment_method_id"),
        # Whatever is repeated, a gift or a debit is credited once.
        UniqueConstraint("household_id", "origin", "source_id", name="one_credit_for_each_source"),
    )
    payment_method_id: str
    origin: str
    source_id: str
    amount_minor: int = big()
    currency: str
    state: str
    note: str
    created_us: int = big()
    credited_us: int | None = maybe_big()
