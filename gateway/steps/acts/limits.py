"""What a member says a mandate shall allow, and whether it is within reason."""

from dataclasses import dataclass

from gateway.domain.errors import Invalid
from gateway.domain.records import MerchantAccount
from gateway.domain.stock import Device, Supply
from gateway.steps.ports import Transaction

MOST_MINOR = 100_000_000
MOST_DEBITS = 1_000
MOST_IN_SCOPE = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """What a mandate allows, minor units of the account's currency. `standing`: it may say yes by itself.

    The ids narrow it to these merchants, devices or supplies; None means any.
    """

    standing: bool
    per_order_minor: int
    per_period_minor: int
    period_days: int
    per_merchant_minor: int | None = None
    price_tolerance_percent: float = 15.0
    valid_days: int | None = None
    per_period_count: int | None = None
    merchant_ids: tuple[str, ...] | None = None
    device_ids: tuple[str, ...] | None = None
    supply_ids: tuple[str, ...] | None = None

    def checked(self) -> "Limits":
        """Return them; raises Invalid for an amount or time out of reason."""
        for field, amount in (("per_order", self.per_order_minor), ("per_period", self.per_period_minor)):
            if not 1 <= amount <= MOST_MINOR:
                raise Invalid(field, "give an amount above zero and below a million")
        if self.per_merchant_minor is not None and not 1 <= self.per_merchant_minor <= MOST_MINOR:
            raise Invalid("per_merchant", "give an amount above zero and below a million")
        if not 1 <= self.period_days <= 366:
            raise Invalid("period_days", "choose between 1 and 366 days")
        if not 0 <= self.price_tolerance_percent <= 1000:
            raise Invalid("price_tolerance_percent", "choose between 0 and 1000")
        if self.valid_days is not None and not 1 <= self.valid_days <= 3660:
            raise Invalid("valid_days", "choose between 1 and 3660 days")
        if self.per_period_count is not None and not 1 <= self.per_period_count <= MOST_DEBITS:
            raise Invalid("per_period_count", f"choose between 1 and {MOST_DEBITS} debits, or leave it open")
        for field, ids in (
            ("merchants", self.merchant_ids),
            ("devices", self.device_ids),
            ("supplies", self.supply_ids),
        ):
            if ids is not None and not 1 <= len(ids) <= MOST_IN_SCOPE:
                raise Invalid(field, f"choose 1 to {MOST_IN_SCOPE}, or any")
        return self

    def require_known(self, tx: Transaction, household_id: str) -> None:
        """Raise Invalid for a scope that names what the household does not have."""
        scopes: tuple[tuple[str, type[object], tuple[str, ...] | None], ...] = (
            ("merchants", MerchantAccount, self.merchant_ids),
            ("devices", Device, self.device_ids),
            ("supplies", Supply, self.supply_ids),
        )
        for field, kind, ids in scopes:
            if any(tx.seek(kind, household_id, one) is None for one in ids or ()):
                raise Invalid(field, "one of them is not known here; choose from what there is")
