"""The operator's account at the bank: each payment is in it at once, each refund has left it at once."""

import sqlite3

from simulators.vrp_bank_book import TRANSACTIONS_PER_PAGE
from simulators.vrp_bank_shapes import shown


def transactions(db: sqlite3.Connection, client: str, since_us: int) -> list[dict[str, object]]:
    """A page of what came in and went out at or after an instant, oldest first."""
    rows = db.execute(
        "SELECT * FROM transactions WHERE client = ? AND at_us >= ? ORDER BY at_us, number LIMIT ?",
        (client, since_us, TRANSACTIONS_PER_PAGE),
    ).fetchall()
    return [
        {
            "TransactionId": f"transaction-{row['number']}",
            "InstructionIdentification": row["instruction"],
            "CreditDebitIndicator": "Credit" if row["amount_minor"] > 0 else "Debit",
            "Amount": shown(abs(row["amount_minor"])),
            "at_us": row["at_us"],
        }
        for row in rows
    ]
