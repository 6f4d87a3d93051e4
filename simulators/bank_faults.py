"""What goes wrong on purpose: by script, by the name of an account, or at random from a seed.

A script entry is a fault, for the next authorize, capture, void or refund, or `KIND:FAULT` to wait for the next
operation of a kind ("capture:timeout_after"). "ok" lets one operation pass. An account whose token ends in `+FAULT`
("anna+decline") has that fault at each hold that the bank does not know yet. Chance leaves mandates alone.
"""

import hashlib
import sqlite3

MONEY_KINDS = frozenset({"authorize", "capture", "void", "refund"})
KINDS = MONEY_KINDS | frozenset({"setup_mandate", "revoke_mandate"})

FAULTS = {
    "ok": "nothing goes wrong",
    "decline": "declined: not enough money",
    "decline_hard": "declined: the account is closed",
    "decline_mandate": "declined: the permission was taken back",
    "pending": "accepted, decided a minute later",
    "short_hold": "held for a day only, as the answer says",
    "requires_action": "the customer must confirm at the bank's page",
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
    "slow": "takes effect, answered two seconds later",
    "duplicate_notice": "the notice is sent twice",
    "late_notice": "the notice is sent five seconds late, after younger ones",
    "no_notice": "no notice is sent",
}
NO_EFFECT = frozenset({"drop_before", "timeout_before", "500", "rate_limited", "delayed"})
RANDOM_FAULTS = (
    "drop_before",
    "drop_after",
    "500",
    "500_after",
    "delayed",
    "duplicate_notice",
    "late_notice",
    "no_notice",
)


def parse_entry(entry: str) -> tuple[str | None, str]:
    """Read a script entry as (kind or None, fault); raises ValueError."""
    kind, colon, fault = entry.rpartition(":")
    if fault not in FAULTS or (colon and kind not in KINDS):
        raise ValueError(f"{entry!r} is not a fault; known: {', '.join(FAULTS)}, each perhaps with KIND: in front")
    return kind or None, fault


def write_script(db: sqlite3.Connection, account: str, entries: list[tuple[str | None, str]]) -> None:
    """Add to what will go wrong with an account."""
    db.executemany(
        "INSERT INTO script (account, kind, fault) VALUES (?, ?, ?)", [(account, *entry) for entry in entries]
    )


def next_fault(db: sqlite3.Connection, account: str, kind: str, *, is_new: bool, seed: int, rate: float) -> str | None:
    """Take the account's next fault. `is_new`: the key was not seen before. `rate` is the chance of a random one."""
    row = db.execute(
        "SELECT number, fault FROM script"
        " WHERE account = ? AND (kind = ? OR kind IS NULL AND ?) ORDER BY number LIMIT 1",
        (account, kind, kind in MONEY_KINDS),
    ).fetchone()
    if row is not None:
        db.execute("DELETE FROM script WHERE number = ?", (row["number"],))
        return str(row["fault"])
    _, plus, named = account.rpartition("+")
    if plus and named in FAULTS and kind == "authorize" and is_new:
        return named
    if rate > 0 and kind in MONEY_KINDS:
        return _random_fault(db, account, seed, rate)
    return None


def _random_fault(db: sqlite3.Connection, account: str, seed: int, rate: float) -> str | None:
    # The account's own count of requests, not the bank's: other accounts then cannot shift this one's story.
    row = db.execute("SELECT requests FROM accounts WHERE token = ?", (account,)).fetchone()
    if row is None:
        return None
    db.execute("UPDATE accounts SET requests = requests + 1 WHERE token = ?", (account,))
    digest = hashlib.sha256(f"{seed}/{account}/{row['requests']}".encode()).digest()
    if int.from_bytes(digest[:8]) >= rate * 2**64:
        return None
    return RANDOM_FAULTS[digest[8] % len(RANDOM_FAULTS)]
