"""What a bank's reason for a rejected or returned direct debit leaves to be done.

Codes: ISO 20022 external code list ExternalStatusReason1Code / ExternalReturnReason1Code, as the EPC's guidance on
reason codes for SEPA direct debit R-transactions (EPC173-14) uses them.
"""

from dataclasses import dataclass
from types import MappingProxyType

from payments.adapter import DeclineKind

SOFT, HARD, MANDATE = DeclineKind.SOFT, DeclineKind.HARD, DeclineKind.MANDATE


@dataclass(frozen=True, slots=True)
class Reason:
    """What a code means for the next debit; `message` may be shown to a person."""

    kind: DeclineKind
    message: str


REASONS = MappingProxyType(
    {
        "AC01": Reason(HARD, "The account number is not right."),
        "AC04": Reason(HARD, "The account is closed."),
        "AC06": Reason(HARD, "The account is blocked for debits."),
        "AC13": Reason(HARD, "The account is of a kind that cannot be debited so."),
        "AG01": Reason(HARD, "Debits are forbidden on this account."),
        "AG02": Reason(SOFT, "The bank does not take this kind of debit."),
        "AM04": Reason(SOFT, "There was not enough money in the account."),
        "AM05": Reason(SOFT, "The bank took it for a debit sent twice."),
        "BE05": Reason(MANDATE, "The bank does not know the creditor."),
        "CNOR": Reason(HARD, "The bank takes no part in direct debits."),
        "DNOR": Reason(HARD, "The bank takes no part in direct debits."),
        "FF01": Reason(SOFT, "The bank could not read the file."),
        "MD01": Reason(MANDATE, "The bank knows of no valid mandate."),
        "MD02": Reason(MANDATE, "The mandate is not complete."),
        "MD06": Reason(MANDATE, "The account holder asked the bank for the money back."),
        "MD07": Reason(HARD, "The account holder has died."),
        "MS02": Reason(MANDATE, "The account holder refused the debit."),
        "MS03": Reason(SOFT, "The bank gives no reason."),
        "RC01": Reason(HARD, "The bank's code is not right."),
        "RR01": Reason(HARD, "The account is missing in what the law demands."),
        "RR02": Reason(HARD, "The name or address is missing in what the law demands."),
        "RR03": Reason(SOFT, "The creditor's name or address is missing in what the law demands."),
        "RR04": Reason(HARD, "The law forbids it."),
        "SL01": Reason(HARD, "The account holder lets the bank refuse debits such as these."),
        "TM01": Reason(SOFT, "The file came after the bank's cut-off."),
    }
)


def reason_of(code: str) -> Reason:
    """Return what a code means; one that is not in the list says nothing of account or mandate."""
    return REASONS.get(code, Reason(SOFT, f"The bank's reason is {code or 'not given'}."))
