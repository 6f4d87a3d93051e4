"""What goes wrong on purpose at the bank for variable recurring payments, by script.

A script entry is `KIND:FAULT`, for the next request of a kind ("payment:timeout_after"), or a fault alone, for the next
payment or refund. It belongs to a customer's account, or to `*` where no account is known yet (consent, token, lookup).
"""

import sqlite3

from simulators.vrp_bank_book import one

KINDS = frozenset({"consent", "token", "funds", "payment", "refund", "lookup", "revoke"})
FAULTS = {
    "ok": "nothing goes wrong",
    "reject": "rejected: not enough money (AM04)",
    "reject_closed": "rejected: the account is closed (AC04)",
    "reject_mandate": "rejected: the permission was taken back (MD01)",
    "pending": "accepted, decided a minute later (PDNG)",
    "in_process": "accepted, on its way, done a minute later (ACSP)",
    "drop_before": "no effect, the connection is cut",
    "timeout_before": "no effect, no answer",
    "500": "no effect, an internal error",
    "rate_limited": "no effect, 429",
    "delayed": "the connection is cut, and the request takes effect two seconds later",
    "drop_after": "takes effect, the connection is cut",
    "timeout_after": "takes effect, no answer",
    "500_after": "takes effect, an internal error",
    "garbage_after": "takes effect, an answer nobody can read",
    "wrong_amount": "takes effect, the answer says another amount",
    "lookup_lag": "takes effect, the connection is cut, and it is not found for a minute",
    "duplicate_notice": "the notice is sent twice",
    "no_notice": "no notice is sent",
}
NO_EFFECT = frozenset({"drop_before", "timeout_before", "500", "rate_limited", "delayed"})


def parse_entry(entry: str) -> tuple[str | None, str]:
    """Read a script entry as (kind or None, fault); raises ValueError."""
    kind, colon, fault = entry.rpartition(":")
    if fault not in FAULTS or (colon and kind not in KINDS):
        raise ValueError(f"{entry!r} is not a fault; known: {', '.join(FAULTS)}, each perhaps with KIND: in front")
    return kind or None, fault


def write_script(db: sqlite3.Connection, account: str, entries: list[tuple[str | None, str]]) -> None:
    """Add to what will go wrong."""
    db.executemany(
        "INSERT INTO script (account, kind, fault) VALUES (?, ?, ?)", [(account, *entry) for entry in entries]
    )


def next_fault(db: sqlite3.Connection, account: str, kind: str) -> str | None:
    """Take the next fault of an account, or of nobody's in particular."""
    row = one(
        db,
        "SELECT number, fault FROM script WHERE account IN (?, '*')"
        " AND (kind = ? OR kind IS NULL AND ?) ORDER BY number LIMIT 1",
        account,
        kind,
        kind in {"payment", "refund"},
    )
    if row is None:
        return None
    db.execute("DELETE FROM script WHERE number = ?", (row["number"],))
    return str(row["fault"])
