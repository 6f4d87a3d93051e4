"""What the bank decides: an operation takes effect, is declined, or is refused as a wrong request."""

import hashlib
import json
import sqlite3
from dataclasses import dataclass, replace

from simulators.bank_book import DAY_US, Row, account

HOLD_DAYS = 30
SHORT_HOLD_DAYS = 1

DECLINES = {
    "decline": ("soft", "insufficient_funds", "There is not enough money in the account."),
    "decline_hard": ("hard", "account_closed", "The account is closed."),
    "decline_mandate": ("mandate", "mandate_ended", "The customer took the permission to debit back."),
}


_FIND = {
    "mandate": "SELECT * FROM mandates WHERE id = ?",
    "hold": "SELECT * FROM holds WHERE id = ?",
    "capture": "SELECT * FROM movements WHERE provider_ref = ? AND kind = 'capture'",
}


class Refused(Exception):
    """A wrong request: it does nothing and is never right later. `status` is the HTTP status."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail


class Declined(Exception):
    """A decision against the customer's account: nothing moved."""

    def __init__(self, kind: str, code: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asks of the bank. `parent`: the account of a mandate, else the id of a mandate, hold or capture."""

    kind: str
    reference: str
    parent: str
    account: str
    amount_minor: int
    currency: str
    expires_us: int | None = None
    return_url: str | None = None
    hold_days: int = HOLD_DAYS

    @property
    def provider_ref(self) -> str:
        """The bank's own id: drawn from the reference, so that a story told twice has the same ids."""
        return f"{self.kind}_{hashlib.sha256(self.reference.encode()).hexdigest()[:24]}"

    @property
    def fingerprint(self) -> str:
        """What must be the same when a key comes back."""
        parts = (
            self.kind,
            self.reference,
            self.parent,
            self.account,
            self.amount_minor,
            self.currency,
            self.expires_us,
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def perform(db: sqlite3.Connection, order: Order, fault: str | None, now_us: int) -> Row:
    """Record the order and let it take effect, unless the fault says otherwise; raises Refused."""
    if operation(db, order.reference) is not None:
        raise Refused(409, "reference_used", f"{order.reference} was ordered before, under another key")
    status = {"pending": "pending", "requires_action": "requires_action"}.get(fault or "", "deciding")
    db.execute(
        "INSERT INTO operations VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL, ?, ?, ?)",
        (
            order.reference,
            order.provider_ref,
            order.kind,
            order.account,
            order.parent,
            order.amount_minor,
            order.currency,
            status,
            order.expires_us,
            order.return_url,
            now_us,
        ),
    )
    if fault == "short_hold":
        order = replace(order, hold_days=SHORT_HOLD_DAYS)
    if status == "deciding":
        return _decide(db, order, DECLINES.get(fault or ""), now_us)
    return operation(db, order.reference) or {}


def complete(db: sqlite3.Connection, reference: str, now_us: int) -> Row | None:
    """Decide an operation that was pending or waited for its customer; None where there is nothing to decide."""
    row = operation(db, reference)
    if row is None or row["status"] not in {"pending", "requires_action"}:
        return None
    columns = ("kind", "reference", "parent", "account", "amount_minor", "currency", "expires_us", "return_url")
    order = Order(**{column: row[column] for column in columns})
    try:
        return _decide(db, order, None, now_us)
    except Refused as refused:
        return _close(db, order, ("hard", refused.code, refused.detail))


def operation(db: sqlite3.Connection, reference: str) -> Row | None:
    """What stands under a reference."""
    row: Row | None = db.execute("SELECT * FROM operations WHERE reference = ?", (reference,)).fetchone()
    return row


# Every effect checks all before it writes anything: a decline leaves no trace but the operation itself.


def _decide(db: sqlite3.Connection, order: Order, decline: tuple[str, str, str] | None, now_us: int) -> Row:
    effect = {
        "setup_mandate": _mandate,
        "revoke_mandate": _revoke,
        "authorize": _hold,
        "capture": _capture,
        "void": _void,
        "refund": _refund,
    }[order.kind]
    if decline is None:
        try:
            effect(db, order, now_us)
        except Declined as declined:
            decline = (declined.kind, declined.code, declined.message)
    return _close(db, order, decline)


def _close(db: sqlite3.Connection, order: Order, decline: tuple[str, str, str] | None) -> Row:
    db.execute(
        "UPDATE operations SET status = ?, decline_kind = ?, code = ?, message = ? WHERE reference = ?",
        ("declined" if decline else "succeeded", *(decline or (None, None, None)), order.reference),
    )
    return operation(db, order.reference) or {}


def _mandate(db: sqlite3.Connection, order: Order, now_us: int) -> None:
    if order.expires_us is not None and order.expires_us <= now_us:
        raise Refused(422, "expired", "a mandate that has ended cannot begin")
    _same_currency(order, _account(db, order))
    db.execute(
        "INSERT INTO mandates VALUES (?, ?, ?, ?, ?, 'active')",
        (order.provider_ref, order.account, order.amount_minor, order.currency, order.expires_us),
    )


def _revoke(db: sqlite3.Connection, order: Order, _now_us: int) -> None:
    db.execute("UPDATE mandates SET state = 'revoked' WHERE id = ?", (order.parent,))


def _hold(db: sqlite3.Connection, order: Order, now_us: int) -> None:
    customer = _account(db, order)
    _same_currency(order, customer)
    mandate = find(db, "mandate", order.parent)
    if mandate["account"] != order.account:
        raise Refused(422, "wrong_account", "the mandate is for another account")
    if mandate["state"] != "active":
        raise Declined("mandate", "mandate_revoked", "The permission to debit was given back.")
    if mandate["expires_us"] is not None and now_us >= mandate["expires_us"]:
        raise Declined("mandate", "mandate_expired", "The permission to debit has ended.")
    if order.amount_minor > mandate["limit_minor"]:
        raise Declined("mandate", "over_limit", "The amount is above the limit of the permission to debit.")
    if order.amount_minor > customer["available_minor"]:
        raise Declined(*DECLINES["decline"])
    db.execute(
        "INSERT INTO holds VALUES (?, ?, ?, ?, ?, 0, 0, ?, ?)",
        (
            order.provider_ref,
            order.reference,
            order.account,
            order.parent,
            order.amount_minor,
            order.currency,
            now_us + order.hold_days * DAY_US,
        ),
    )
    db.execute(
        "UPDATE operations SET expires_us = ? WHERE reference = ?", (now_us + order.hold_days * DAY_US, order.reference)
    )


def _capture(db: sqlite3.Connection, order: Order, now_us: int) -> None:
    hold = find(db, "hold", order.parent)
    _same_currency(order, hold)
    if now_us >= hold["expires_us"]:
        raise Declined("soft", "hold_expired", "The reservation has ended.")
    if order.amount_minor > _left(hold):
        raise Refused(422, "over_capture", f"{_left(hold)} is left of the hold, not {order.amount_minor}")
    db.execute("UPDATE holds SET captured_minor = captured_minor + ? WHERE id = ?", (order.amount_minor, order.parent))
    db.execute(
        "UPDATE accounts SET balance_minor = balance_minor - ? WHERE token = ?", (order.amount_minor, order.account)
    )
    _move(db, order, now_us)


def unconfirmed(db: sqlite3.Connection, provider_ref: str) -> Row | None:
    """The authorization of that id that waits for its customer, or waited until it was called off."""
    row: Row | None = db.execute(
        "SELECT * FROM operations WHERE id = ? AND kind = 'authorize'"
        " AND (status = 'requires_action' OR code = 'called_off')",
        (provider_ref,),
    ).fetchone()
    return row


def _void(db: sqlite3.Connection, order: Order, _now_us: int) -> None:
    if waiting := unconfirmed(db, order.parent):
        if waiting["code"] is not None:
            raise Refused(422, "nothing_held", "it was called off before")
        called_off = ("declined", "soft", "called_off", "It was called off before it was confirmed.")
        db.execute(
            "UPDATE operations SET status = ?, decline_kind = ?, code = ?, message = ? WHERE reference = ?",
            (*called_off, waiting["reference"]),
        )
        db.execute(
            "UPDATE operations SET amount_minor = ? WHERE reference = ?", (waiting["amount_minor"], order.reference)
        )
        return
    hold = find(db, "hold", order.parent)
    if _left(hold) == 0:
        raise Refused(422, "nothing_held", "nothing is left of the hold")
    db.execute("UPDATE holds SET released_minor = released_minor + ? WHERE id = ?", (_left(hold), order.parent))
    db.execute("UPDATE operations SET amount_minor = ? WHERE reference = ?", (_left(hold), order.reference))


def _refund(db: sqlite3.Connection, order: Order, now_us: int) -> None:
    capture = find(db, "capture", order.parent)
    _same_currency(order, capture)
    refunded = db.execute(
        "SELECT COALESCE(SUM(amount_minor), 0) AS sum FROM operations"
        " WHERE parent = ? AND kind = 'refund' AND status = 'succeeded'",
        (order.parent,),
    ).fetchone()["sum"]
    if refunded + order.amount_minor > capture["amount_minor"]:
        raise Refused(422, "over_refund", f"{capture['amount_minor'] - refunded} can still be refunded")
    db.execute(
        "UPDATE accounts SET balance_minor = balance_minor + ? WHERE token = ?", (order.amount_minor, order.account)
    )
    _move(db, order, now_us)


def _move(db: sqlite3.Connection, order: Order, now_us: int) -> None:
    db.execute(
        "INSERT INTO movements (reference, provider_ref, kind, account, amount_minor, currency, at_us)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            order.reference,
            order.provider_ref,
            order.kind,
            order.account,
            order.amount_minor,
            order.currency,
            now_us,
        ),
    )


def _account(db: sqlite3.Connection, order: Order) -> Row:
    row = account(db, order.account)
    if row is None:
        raise Refused(404, "no_such_account", f"no account is called {order.account}")
    return row


def find(db: sqlite3.Connection, what: str, provider_ref: str) -> Row:
    """The mandate, hold or capture of that id; raises Refused."""
    row: Row | None = db.execute(_FIND[what], (provider_ref,)).fetchone()
    if row is None:
        raise Refused(404, f"no_such_{what}", f"no {what} is called {provider_ref}")
    return row


def _same_currency(order: Order, row: Row) -> None:
    if order.currency != row["currency"]:
        raise Refused(422, "currency_mismatch", f"it is kept in {row['currency']}, not in {order.currency}")


def _left(hold: Row) -> int:
    left: int = hold["amount_minor"] - hold["captured_minor"] - hold["released_minor"]
    return left
