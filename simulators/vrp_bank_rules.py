"""What the bank decides: whether a consent allows a payment, and what becomes of it."""

import hashlib
import json
import sqlite3
from datetime import UTC, datetime, timedelta

import msgspec

from simulators.vrp_bank_book import Row, move, one
from simulators.vrp_bank_shapes import (
    EPOCH,
    ConsentData,
    ControlParameters,
    PaymentData,
    PeriodicLimit,
    RefundData,
    Refused,
    instant,
    microseconds,
    pence,
    shown,
)

REASONS = {
    "reject": ("AM04", "There is not enough money in the account."),
    "reject_closed": ("AC04", "The account is closed."),
    "reject_mandate": ("MD01", "The customer took the permission back."),
}
NOT_DECIDED = frozenset({"PDNG", "ACSP"})


def make_id(kind: str, client: str, key: str) -> str:
    """The bank's own id: drawn from the request's key, so that a story told twice has the same ids."""
    return f"{kind}-{hashlib.sha256(f'{client}/{key}'.encode()).hexdigest()[:24]}"


def add_consent(db: sqlite3.Connection, client: str, consent_id: str, data: ConsentData, now_us: int) -> Row:
    """Record a consent that waits for its customer; raises Refused."""
    control = data.ControlParameters
    pence(control.MaximumIndividualAmount.Amount, control.MaximumIndividualAmount.Currency)
    for limit in control.PeriodicLimits:
        pence(limit.Amount, limit.Currency)
    if control.ValidToDateTime is not None and microseconds(control.ValidToDateTime) <= now_us:
        raise Refused(400, "U003", "a consent that has ended cannot begin", "ValidToDateTime")
    account = None
    if data.Initiation.DebtorAccount is not None:
        account = account_numbered(db, data.Initiation.DebtorAccount.Identification)["token"]
    db.execute(
        "INSERT INTO consents (id, client, data, status, account, created_us, updated_us)"
        " VALUES (?, ?, ?, 'AWAU', ?, ?, ?)",
        (consent_id, client, msgspec.json.encode(data).decode(), account, now_us, now_us),
    )
    return consent_of(db, client, consent_id)


def account_numbered(db: sqlite3.Connection, number: str) -> Row:
    """The customer's account of that number; raises Refused."""
    row = one(db, "SELECT * FROM accounts WHERE number = ?", number)
    if row is None:
        raise Refused(400, "U021", f"no account has the number {number}")
    return row


def consent_of(db: sqlite3.Connection, client: str, consent_id: str) -> Row:
    """A client's own consent; raises Refused."""
    row = one(db, "SELECT * FROM consents WHERE id = ? AND client = ?", consent_id, client)
    if row is None or row["status"] == "gone":
        raise Refused(400, "U011", f"no consent is called {consent_id}")
    return row


def control_of(consent: Row) -> ControlParameters:
    """What a consent allows."""
    return msgspec.json.decode(consent["data"], type=ConsentData).ControlParameters


def set_consent(db: sqlite3.Connection, consent_id: str, status: str, account: str | None, now_us: int) -> None:
    """Write what the customer decided; a consent that ends takes its tokens with it."""
    db.execute(
        "UPDATE consents SET status = ?, account = COALESCE(?, account), updated_us = ? WHERE id = ?",
        (status, account, now_us, consent_id),
    )
    if status != "AUTH":
        db.execute("UPDATE tokens SET state = 'revoked' WHERE consent = ?", (consent_id,))


def require_usable(consent: Row, now_us: int) -> ControlParameters:
    """What an authorised consent allows; raises Refused for one that may not be used now."""
    control = control_of(consent)
    begins, ends = control.ValidFromDateTime, control.ValidToDateTime
    if consent["status"] != "AUTH":
        raise Refused(400, "U009", f"the consent is {consent['status']}")
    if begins is not None and now_us < microseconds(begins):
        raise Refused(400, "U014", "the consent is not valid yet", "ValidFromDateTime")
    if ends is not None and now_us >= microseconds(ends):
        raise Refused(400, "U014", "the consent is not valid any more", "ValidToDateTime")
    return control


def require_within(db: sqlite3.Connection, consent: Row, amount_minor: int, now_us: int) -> None:
    """Hold a payment against each control parameter; raises Refused, naming the one that it breaches."""
    control = require_usable(consent, now_us)
    if amount_minor > control.MaximumIndividualAmount.minor:
        raise Refused(400, "U014", "it is above the amount of one payment", "MaximumIndividualAmount")
    for limit in control.PeriodicLimits:
        begun_us = microseconds(period_start(limit, _at(consent["created_us"]), _at(now_us)))
        spent = db.execute(
            "SELECT COALESCE(SUM(amount_minor), 0) AS sum FROM payments"
            " WHERE consent = ? AND created_us >= ? AND status IN ('PDNG', 'ACSP', 'ACSC')",
            (consent["id"], begun_us),
        ).fetchone()["sum"]
        if spent + amount_minor > pence(limit.Amount, limit.Currency):
            raise Refused(400, "U014", f"the limit of this {limit.PeriodType.lower()} is reached", "PeriodicLimits")


def period_start(limit: PeriodicLimit, made: datetime, now: datetime) -> datetime:
    """When the period began in which `now` lies. Unlike the standard, a first period is not cut in proportion.

    >>> from datetime import UTC, datetime
    >>> monthly = PeriodicLimit("Month", "Consent", "1.00", "GBP")
    >>> period_start(monthly, datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC)).date().isoformat()
    '2026-02-28'
    """
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"Day": 1, "Week": 7, "Fortnight": 14}.get(limit.PeriodType)
    if days is not None:
        if limit.PeriodAlignment == "Calendar" and days <= 7:
            return midnight - timedelta(days=now.weekday() if days == 7 else 0)
        return made + (now - made) // timedelta(days=days) * timedelta(days=days)
    months = {"Month": 1, "Half-year": 6, "Year": 12}[limit.PeriodType]
    if limit.PeriodAlignment == "Calendar":
        return midnight.replace(month=(now.month - 1) // months * months + 1, day=1)
    passed = (now.year - made.year) * 12 + now.month - made.month
    steps = passed // months
    begun = _months_later(made, steps * months)
    return begun if begun <= now else _months_later(made, (steps - 1) * months)


def pay(
    db: sqlite3.Connection,
    consent: Row,
    payment_id: str,
    data: PaymentData,
    fault: str | None,
    *,
    now_us: int,
    seen: int,
) -> Row:
    """Record a payment and decide it, unless the fault says otherwise; raises Refused. `seen`: looked up from then."""
    amount_minor = data.Instruction.InstructedAmount.minor
    if amount_minor == 0:
        raise Refused(400, "U002", "an amount is above zero", "InstructedAmount")
    asked = msgspec.json.decode(consent["data"], type=ConsentData)
    if data.Instruction.CreditorAccount != asked.Initiation.CreditorAccount or data.ConsentId != consent["id"]:
        raise Refused(400, "U008", "the payment is not what the consent is for", "CreditorAccount")
    require_within(db, consent, amount_minor, now_us)
    instruction = data.Instruction.InstructionIdentification
    if one(db, "SELECT 1 FROM payments WHERE client = ? AND instruction = ?", consent["client"], instruction):
        raise Refused(400, "U013", f"{instruction} was used before, under another key", "InstructionIdentification")
    status = {"pending": "PDNG", "in_process": "ACSP"}.get(fault or "", "deciding")
    db.execute(
        "INSERT INTO payments (id, client, consent, account, instruction, data, amount_minor, status, created_us,"
        " seen_from_wall_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            payment_id,
            consent["client"],
            consent["id"],
            consent["account"],
            instruction,
            msgspec.json.encode(data).decode(),
            amount_minor,
            status,
            now_us,
            seen,
        ),
    )
    if status == "deciding":
        return decide(db, payment_id, REASONS.get(fault or ""), now_us)
    return payment_row(db, payment_id)


def decide(db: sqlite3.Connection, payment_id: str, rejected: tuple[str, str] | None, now_us: int) -> Row:
    """Move the money, or reject the payment with its ISO 20022 reason."""
    row = payment_row(db, payment_id)
    account = one(db, "SELECT * FROM accounts WHERE token = ?", row["account"]) or {}
    if rejected is None and account["closed"]:
        rejected = REASONS["reject_closed"]
    if rejected is None and row["amount_minor"] > account["balance_minor"]:
        rejected = REASONS["reject"]
    if rejected is None:
        move(db, row["client"], row["instruction"], row["account"], row["amount_minor"], now_us)
    db.execute(
        "UPDATE payments SET status = ?, code = ?, reason = ? WHERE id = ?",
        ("RJCT" if rejected else "ACSC", *(rejected or (None, None)), payment_id),
    )
    return payment_row(db, payment_id)


def payment_row(db: sqlite3.Connection, payment_id: str) -> Row:
    """The payment of that id; raises Refused."""
    row = one(db, "SELECT * FROM payments WHERE id = ?", payment_id)
    if row is None:
        raise Refused(400, "U011", f"no payment is called {payment_id}")
    return row


def refund(db: sqlite3.Connection, client: str, refund_id: str, data: RefundData, *, now_us: int, seen: int) -> Row:
    """Send money of the operator's account back to whom it came from; raises Refused."""
    payment = payment_row(db, data.DomesticVRPId)
    amount_minor = data.InstructedAmount.minor
    back = db.execute(
        "SELECT COALESCE(SUM(amount_minor), 0) AS sum FROM refunds WHERE payment = ?", (payment["id"],)
    ).fetchone()["sum"]
    if payment["client"] != client or payment["status"] != "ACSC":
        raise Refused(400, "U011", f"{data.DomesticVRPId} is no payment of yours that was made")
    if not 0 < amount_minor <= payment["amount_minor"] - back:
        raise Refused(400, "U002", f"{payment['amount_minor'] - back} pence can still go back", "InstructedAmount")
    instruction = data.InstructionIdentification
    if one(db, "SELECT 1 FROM refunds WHERE client = ? AND instruction = ?", client, instruction):
        raise Refused(400, "U013", f"{instruction} was used before, under another key", "InstructionIdentification")
    db.execute(
        "INSERT INTO refunds (id, client, payment, account, instruction, amount_minor, status, created_us,"
        " seen_from_wall_us) VALUES (?, ?, ?, ?, ?, ?, 'ACSC', ?, ?)",
        (refund_id, client, payment["id"], payment["account"], instruction, amount_minor, now_us, seen),
    )
    move(db, client, instruction, payment["account"], -amount_minor, now_us)
    return one(db, "SELECT * FROM refunds WHERE id = ?", refund_id) or {}


def consent_shown(db: sqlite3.Connection, row: Row) -> dict[str, object]:
    """OBDomesticVRPConsentResponse."""
    data = json.loads(row["data"])
    times = {"CreationDateTime": instant(row["created_us"]), "StatusUpdateDateTime": instant(row["updated_us"])}
    shown_ = {"ConsentId": row["id"], "Status": row["status"], **times, **data}
    account = one(db, "SELECT * FROM accounts WHERE token = ?", row["account"])
    if account is not None and row["status"] == "AUTH":
        name = {"SchemeName": "UK.OBIE.SortCodeAccountNumber", "Identification": account["number"]}
        shown_["DebtorAccount"] = name | {"Name": account["label"]}
    return {"Data": shown_, "Risk": {}}


def payment_shown(row: Row) -> dict[str, object]:
    """OBDomesticVRPResponse."""
    data = json.loads(row["data"])
    times = {"CreationDateTime": instant(row["created_us"]), "StatusUpdateDateTime": instant(row["created_us"])}
    shown_ = {"DomesticVRPId": row["id"], "Status": row["status"], **times, **data}
    if row["code"] is not None:
        shown_["StatusReason"] = [{"StatusReasonCode": row["code"], "StatusReasonDescription": row["reason"]}]
    return {"Data": shown_, "Risk": {}}


def refund_shown(row: Row) -> dict[str, object]:
    """A refund in the words of the standard."""
    names = {"RefundId": row["id"], "DomesticVRPId": row["payment"], "InstructionIdentification": row["instruction"]}
    return {"Data": {**names, "Status": row["status"], "InstructedAmount": shown(row["amount_minor"])}}


def _at(at_us: int) -> datetime:
    return EPOCH + timedelta(microseconds=at_us)


def _months_later(made: datetime, months: int) -> datetime:
    """The same day some months later, or that month's last."""
    year, month = divmod(made.year * 12 + made.month - 1 + months, 12)
    next_month = datetime(year + (month == 11), (month + 1) % 12 + 1, 1, tzinfo=UTC)
    last = (next_month - timedelta(days=1)).day
    return made.replace(year=year, month=month + 1, day=min(made.day, last))
