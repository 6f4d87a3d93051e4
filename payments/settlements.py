"""What a provider paid out, and what its whole book shows: the other side of ours."""

from dataclasses import dataclass

from payments.errors import SettlementMismatch
from payments.money import Money
from payments.requests import OperationKind


@dataclass(frozen=True, slots=True)
class SettlementLine:
    """One capture (positive), or refund or reversal of a capture (negative) inside a pay-out; `reference`: ours."""

    reference: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Settlement:
    """One pay-out of the provider to the operator: `gross` is the sum of the lines, `net` = gross - fee arrived.

    Raises:
        SettlementMismatch: it does not add up, or speaks of several currencies.
    """

    provider_ref: str
    settled_at_us: int
    gross: Money
    fee: Money
    net: Money
    lines: tuple[SettlementLine, ...]

    def __post_init__(self) -> None:
        """Refuse what does not add up, before anybody books it."""
        amounts = [self.gross, self.fee, self.net, *(line.amount for line in self.lines)]
        currencies = {amount.currency for amount in amounts}
        if len(currencies) != 1:
            raise SettlementMismatch(self.provider_ref, f"it speaks of {', '.join(sorted(currencies))}")
        lines_minor = sum(line.amount.amount_minor for line in self.lines)
        if lines_minor != self.gross.amount_minor:
            raise SettlementMismatch(self.provider_ref, f"its lines are {lines_minor}, its gross is {self.gross}")
        if self.net != self.gross - self.fee:
            raise SettlementMismatch(self.provider_ref, f"{self.gross} less {self.fee} is not {self.net}")


@dataclass(frozen=True, slots=True)
class Movement:
    """Money under one of our references, as one side's book has it; AUTHORIZE is what is still held."""

    reference: str
    kind: OperationKind
    amount: Money
