"""Answers the questions of a reconciliation by statements over whole tables; both databases run the same text."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, text

from gateway.domain.payment import AttemptState, Funding, OperationKind, OperationState
from gateway.domain.reconciliation import Cause
from gateway.steps.ports import BookedSettlement, Finding, Moved

AT_ONCE = 500
FETCHED = 1_000
# Looked up three times as fast as an enumeration's own call, a million times in a run.
KINDS, STATES = {one.value: one for one in OperationKind}, {one.value: one for one in OperationState}
ATTEMPT_STATES, FUNDINGS = {one.value: one for one in AttemptState}, {one.value: one for one in Funding}

# The journal of each capture and refund that took effect, where its money is ours.
_BOOKED = """
    FROM operation AS one
    JOIN attempt ON attempt.household_id = one.household_id AND attempt.id = one.attempt_id
    JOIN payment_method AS method ON method.household_id = one.household_id AND method.id = attempt.payment_method_id
    LEFT JOIN journal ON journal.household_id = one.household_id AND journal.source_id = one.id
        AND journal.kind = one.kind
"""
_REVERSED = _BOOKED.replace("journal.kind = one.kind", "journal.kind = 'reversal'")
_GIVEN_AS_CREDIT = """EXISTS (
    SELECT 1 FROM credit WHERE credit.household_id = one.household_id AND credit.origin = 'refund'
        AND credit.source_id = one.id
)"""
_KEPT_HERE = f"(method.funding = 'balance' OR {_GIVEN_AS_CREDIT})"
_TOOK_EFFECT = "one.kind IN ('capture', 'refund') AND one.state IN ('succeeded', 'reversed')"
_LEGS_OF_ITS_JOURNAL = """
    FROM operation AS one
    JOIN journal ON journal.household_id = one.household_id AND journal.source_id = one.id AND journal.kind = one.kind
    JOIN posting ON posting.household_id = journal.household_id AND posting.journal_id = journal.id
"""
_LEGS_OF_ITS_REVERSAL = _LEGS_OF_ITS_JOURNAL.replace("journal.kind = one.kind", "journal.kind = 'reversal'")
_DEBITS = "SUM(CASE WHEN posting.amount_minor > 0 THEN posting.amount_minor ELSE 0 END)"
_SUMS = """
    SELECT household_id, attempt_id,
        SUM(CASE WHEN kind = 'capture' THEN amount_minor ELSE 0 END) AS captured_minor,
        SUM(CASE WHEN kind = 'capture' AND state = 'succeeded' THEN amount_minor ELSE 0 END) AS kept_minor,
        SUM(CASE WHEN kind = 'refund' AND state = 'succeeded' THEN amount_minor ELSE 0 END) AS refunded_minor
    FROM operation WHERE state IN ('succeeded', 'reversed') /*of household*/ GROUP BY household_id, attempt_id
"""
# Per attempt by its keys: SQLite would group all journals and postings at once with neither. CROSS JOIN is its word for
# "in this order".
_POSTINGS = "posting.household_id = journal.household_id AND posting.journal_id = journal.id"
_OF_ITSELF = f"""
    FROM journal CROSS JOIN posting
    WHERE journal.household_id = attempt.household_id AND journal.source_id = attempt.id AND {_POSTINGS}
"""
_OF_ITS_OPERATIONS = f"""
    FROM operation AS one CROSS JOIN journal CROSS JOIN posting
    WHERE one.household_id = attempt.household_id AND one.attempt_id = attempt.id
        AND journal.household_id = one.household_id AND journal.source_id = one.id AND {_POSTINGS}
"""
_DEBITED = f"COALESCE({_DEBITS}, 0)"
_BROKEN = """CASE WHEN COALESCE(SUM(posting.amount_minor), 0) = 0
    AND COALESCE(MIN(posting.currency), '') = COALESCE(MAX(posting.currency), '') THEN 0 ELSE 1 END"""
_HELD = "('unknown', 'requires_action', 'authorized', 'capture_pending', 'manual_review')"

STATEMENTS: dict[Cause, str] = {
    Cause.JOURNAL_UNBALANCED: """
        SELECT journal.household_id, journal.id, 0, left_over.minor, left_over.currency,
            journal.kind || ' ' || journal.source_id
        FROM (
            SELECT household_id, journal_id, currency, SUM(amount_minor) AS minor FROM posting
            WHERE 1 = 1 /*of household*/
            GROUP BY household_id, journal_id, currency HAVING SUM(amount_minor) <> 0
        ) AS left_over
        JOIN journal ON journal.household_id = left_over.household_id AND journal.id = left_over.journal_id
        UNION ALL
        SELECT household_id, id, 0, 0, '', kind || ' ' || source_id FROM journal
        WHERE kind <> 'settlement' AND NOT EXISTS (
            SELECT 1 FROM posting WHERE posting.household_id = journal.household_id AND posting.journal_id = journal.id
        ) /*of household*/
    """,
    Cause.CURRENCY_DIFFERS: f"""
        SELECT journal.household_id, journal.id, 0, 0, posting.currency, 'is on an account in ' || account.currency
        FROM posting
        JOIN account ON account.household_id = posting.household_id AND account.id = posting.account_id
        JOIN journal ON journal.household_id = posting.household_id AND journal.id = posting.journal_id
        WHERE posting.currency <> account.currency /*of posting.household*/
        GROUP BY journal.household_id, journal.id, posting.currency, account.currency
        UNION ALL
        SELECT one.household_id, journal.id, 0, 0, MIN(posting.currency), 'is for an operation in ' || one.currency
        {_LEGS_OF_ITS_JOURNAL}
        WHERE {_TOOK_EFFECT} /*of one.household*/ GROUP BY one.household_id, one.id, journal.id, one.currency
        HAVING MIN(posting.currency) <> one.currency AND MIN(posting.currency) = MAX(posting.currency)
    """,
    Cause.JOURNAL_MISSING: f"""
        SELECT one.household_id, one.id, one.amount_minor, 0, one.currency, one.kind {_BOOKED}
        WHERE {_TOOK_EFFECT} AND journal.id IS NULL AND method.funding <> 'merchant' /*of one.household*/
        UNION ALL
        SELECT one.household_id, one.id, one.amount_minor, 0, one.currency, 'reversal' {_REVERSED}
        WHERE one.state = 'reversed' AND journal.id IS NULL AND method.funding <> 'merchant' /*of one.household*/
    """,
    Cause.JOURNAL_WITHOUT_OPERATION: """
        SELECT journal.household_id, journal.id, 0, 0, '', journal.kind || ' ' || journal.source_id FROM journal
        LEFT JOIN operation AS one ON one.household_id = journal.household_id AND one.id = journal.source_id
            AND one.kind = journal.kind AND one.state IN ('succeeded', 'reversed')
        LEFT JOIN attempt ON attempt.household_id = one.household_id AND attempt.id = one.attempt_id
        LEFT JOIN payment_method AS method
            ON method.household_id = attempt.household_id AND method.id = attempt.payment_method_id
        WHERE journal.kind IN ('capture', 'refund') AND (one.id IS NULL OR method.funding = 'merchant')
            /*of journal.household*/
        UNION ALL
        SELECT journal.household_id, journal.id, 0, 0, '', journal.kind || ' ' || journal.source_id FROM journal
        LEFT JOIN operation AS one ON one.household_id = journal.household_id AND one.id = journal.source_id
            AND one.state = 'reversed'
        WHERE journal.kind = 'reversal' AND one.id IS NULL /*of journal.household*/
        UNION ALL
        SELECT journal.household_id, journal.id, 0, 0, '', journal.kind || ' ' || journal.source_id FROM journal
        LEFT JOIN attempt ON attempt.household_id = journal.household_id AND attempt.id = journal.source_id
        LEFT JOIN operation AS one ON one.household_id = journal.household_id AND one.id = journal.source_id
        WHERE journal.kind IN ('hold', 'release') AND attempt.id IS NULL AND (one.id IS NULL OR journal.kind = 'hold')
            /*of journal.household*/
    """,
    Cause.AMOUNT_DIFFERS: f"""
        SELECT one.household_id, one.id, one.amount_minor, {_DEBITS}, one.currency, one.kind
        {_LEGS_OF_ITS_JOURNAL}
        WHERE {_TOOK_EFFECT} /*of one.household*/
        GROUP BY one.household_id, one.id, one.amount_minor, one.currency, one.kind
        HAVING {_DEBITS} <> one.amount_minor AND SUM(posting.amount_minor) = 0
            AND MIN(posting.currency) = one.currency AND MAX(posting.currency) = one.currency
        UNION ALL
        SELECT one.household_id, one.id, one.amount_minor, {_DEBITS}, one.currency, 'reversal'
        {_LEGS_OF_ITS_REVERSAL}
        WHERE one.state = 'reversed' /*of one.household*/
        GROUP BY one.household_id, one.id, one.amount_minor, one.currency, one.kind
        HAVING {_DEBITS} <> one.amount_minor AND SUM(posting.amount_minor) = 0
            AND MIN(posting.currency) = one.currency AND MAX(posting.currency) = one.currency
    """,
    Cause.ACCOUNT_DIFFERS: f"""
        SELECT one.household_id, journal.id, 0, 0, one.currency, MIN(account.kind || ':' || account.owner) {_BOOKED}
        JOIN cart ON cart.household_id = attempt.household_id AND cart.id = attempt.cart_id
        JOIN posting ON posting.household_id = journal.household_id AND posting.journal_id = journal.id
        JOIN account ON account.household_id = posting.household_id AND account.id = posting.account_id
        WHERE {_TOOK_EFFECT} AND NOT (
            account.kind = 'merchant_payable' AND account.owner = cart.merchant_id
                AND (posting.amount_minor < 0) = (one.kind = 'capture')
            OR account.kind = CASE WHEN {_KEPT_HERE} THEN 'household_balance' ELSE 'provider_clearing' END
                AND account.owner = CASE WHEN {_KEPT_HERE} THEN one.household_id ELSE method.adapter END
                AND (posting.amount_minor > 0) = (one.kind = 'capture')
        ) /*of one.household*/
        GROUP BY one.household_id, journal.id, one.currency
    """,
    Cause.HOLD_BOOKED_OTHERWISE: f"""
        SELECT household_id, id, wanted_minor, held_minor - released_minor, currency, state
        FROM (
            SELECT attempt.household_id, attempt.id, attempt.currency, attempt.state,
                CASE WHEN attempt.state IN {_HELD} AND method.funding <> 'merchant' THEN attempt.amount_minor - (
                    SELECT COALESCE(SUM(one.amount_minor), 0) FROM operation AS one
                    WHERE one.household_id = attempt.household_id AND one.attempt_id = attempt.id
                        AND one.kind = 'capture' AND one.state IN ('succeeded', 'reversed')
                ) ELSE 0 END AS wanted_minor,
                (SELECT {_DEBITED} {_OF_ITSELF} AND journal.kind = 'hold') AS held_minor,
                (SELECT {_DEBITED} {_OF_ITSELF} AND journal.kind = 'release')
                    + (SELECT {_DEBITED} {_OF_ITS_OPERATIONS} AND journal.kind = 'release') AS released_minor
            FROM attempt
            JOIN payment_method AS method
                ON method.household_id = attempt.household_id AND method.id = attempt.payment_method_id
            WHERE 1 = 1 /*of attempt.household*/
        ) AS attempt
        WHERE CASE WHEN wanted_minor = held_minor - released_minor THEN 0
            WHEN state = 'manual_review' AND held_minor = released_minor THEN 0
            WHEN (SELECT {_BROKEN} {_OF_ITSELF} AND journal.kind IN ('hold', 'release')) = 1 THEN 0
            WHEN (SELECT {_BROKEN} {_OF_ITS_OPERATIONS} AND journal.kind = 'release') = 1 THEN 0
            ELSE 1 END = 1
    """,
    Cause.CAPTURE_ABOVE_APPROVAL: f"""
        SELECT approval.household_id, approval.id, approval.amount_minor, SUM(sums.kept_minor), approval.currency,
            'approval'
        FROM ({_SUMS}) AS sums
        JOIN attempt ON attempt.household_id = sums.household_id AND attempt.id = sums.attempt_id
        JOIN approval ON approval.household_id = attempt.household_id AND approval.id = attempt.approval_id
        GROUP BY approval.household_id, approval.id, approval.amount_minor, approval.currency
        HAVING SUM(sums.kept_minor) > approval.amount_minor
        UNION ALL
        SELECT attempt.household_id, attempt.id, attempt.amount_minor, sums.captured_minor, attempt.currency, 'payment'
        FROM ({_SUMS}) AS sums
        JOIN attempt ON attempt.household_id = sums.household_id AND attempt.id = sums.attempt_id
        JOIN approval ON approval.household_id = attempt.household_id AND approval.id = attempt.approval_id
        WHERE sums.captured_minor > attempt.amount_minor AND sums.kept_minor <= approval.amount_minor
    """,
    Cause.REFUND_ABOVE_CAPTURE: f"""
        SELECT attempt.household_id, attempt.id, sums.captured_minor, sums.refunded_minor, attempt.currency, 'payment'
        FROM ({_SUMS}) AS sums
        JOIN attempt ON attempt.household_id = sums.household_id AND attempt.id = sums.attempt_id
        WHERE sums.refunded_minor > sums.captured_minor
    """,
    Cause.RESERVATION_NOT_FREED: f"""
        SELECT attempt.household_id, attempt.id, 0, reservation.amount_minor, attempt.currency, attempt.state
        FROM attempt JOIN reservation
            ON reservation.household_id = attempt.household_id AND reservation.id = attempt.id
        WHERE attempt.state NOT IN {_HELD} AND attempt.state <> 'reversed' AND reservation.state = 'reserved'
            /*of attempt.household*/
    """,
    Cause.RESERVATION_MISSING: """
        SELECT attempt.household_id, attempt.id, attempt.amount_minor, 0, attempt.currency, attempt.state
        FROM attempt JOIN reservation
            ON reservation.household_id = attempt.household_id AND reservation.id = attempt.id
        WHERE attempt.state IN ('unknown', 'requires_action', 'authorized', 'capture_pending')
            AND reservation.state <> 'reserved' /*of attempt.household*/
    """,
    Cause.OPERATION_NOT_FOLLOWED: """
        SELECT one.household_id, one.id, one.amount_minor, 0, one.currency, one.kind || ', ' || one.state
        FROM operation AS one
        WHERE one.state IN ('created', 'unknown', 'pending') /*of one.household*/ AND NOT EXISTS (
            SELECT 1 FROM work WHERE work.subject_id = one.id AND work.step IN ('sync', 'refund')
        ) AND NOT EXISTS (
            SELECT 1 FROM work WHERE work.subject_id = one.subject_id AND work.step
                = CASE one.kind WHEN 'authorize' THEN 'authorize' WHEN 'capture' THEN 'capture' ELSE 'release' END
        )
    """,
}

_MOVED = """
    SELECT one.id, one.household_id, one.kind, one.state, one.amount_minor, one.currency, one.settled_ref,
        one.reversed_ref, attempt.id, attempt.state, method.adapter, method.funding
    FROM operation AS one
    JOIN attempt ON attempt.household_id = one.household_id AND attempt.id = one.attempt_id
    JOIN payment_method AS method ON method.household_id = one.household_id AND method.id = attempt.payment_method_id
"""
MOVED = text(f"{_MOVED} WHERE one.id IN :ids").bindparams(bindparam("ids", expanding=True))
MOVED_BY = text(f"{_MOVED} WHERE attempt.household_id = :household AND method.id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)
NOT_PAID_OUT = text(f"""
    SELECT one.household_id, one.id, one.amount_minor, 0, one.currency, one.kind {_BOOKED}
    WHERE one.kind IN ('capture', 'refund') AND one.state = 'succeeded' AND one.settled_ref = ''
        AND one.closed_us < :before AND method.adapter = :adapter AND method.funding = 'provider'
        AND NOT {_GIVEN_AS_CREDIT}
""")
TOP_UPS = text("""
    SELECT journal.household_id, journal.source_id, 0, -SUM(posting.amount_minor), posting.currency, journal.kind
    FROM journal
    JOIN posting ON posting.household_id = journal.household_id AND posting.journal_id = journal.id
    JOIN account ON account.household_id = posting.household_id AND account.id = posting.account_id
    WHERE journal.household_id = :household AND journal.kind IN ('gift', 'top_up')
        AND account.kind = 'household_balance'
    GROUP BY journal.household_id, journal.source_id, posting.currency, journal.kind
""")
# A pay-out that takes back as much as it brings has no legs.
BOOKED_SETTLEMENTS = text("""
    SELECT journal.source_id, COALESCE(MAX(posting.currency), ''),
        SUM(CASE WHEN account.kind = 'bank' THEN posting.amount_minor ELSE 0 END),
        SUM(CASE WHEN account.kind = 'fees' THEN posting.amount_minor ELSE 0 END)
    FROM journal
    LEFT JOIN posting ON posting.household_id = journal.household_id AND posting.journal_id = journal.id
    LEFT JOIN account ON account.household_id = posting.household_id AND account.id = posting.account_id
    WHERE journal.kind = 'settlement' AND journal.at_us >= :since
        AND SUBSTR(journal.source_id, 1, LENGTH(:named)) = :named
    GROUP BY journal.source_id
""")


class SqlExamination:
    """The questions of gateway.steps.ports.Examination, asked in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def findings(self, cause: Cause, household_id: str | None) -> Iterator[Finding]:
        """Yield what differs for a cause."""
        statement, parameters = STATEMENTS[cause], {} if household_id is None else {"household": household_id}
        for owner in ("", "posting.", "one.", "journal.", "attempt."):
            scope = f"AND {owner}household_id = :household" if household_id is not None else ""
            statement = statement.replace(f"/*of {owner}household*/", scope)
        if self._connection.dialect.name == "postgresql":  # to compile such a statement takes longer than to run it
            self._connection.execute(text("SET LOCAL jit = off"))
        yield from map(_finding, self._rows(text(statement), parameters))

    def moved(self, references: Iterable[str]) -> dict[str, Moved]:
        """Return the operations of these ids."""
        left = iter(references)
        found: dict[str, Moved] = {}
        while ids := list(islice(left, AT_ONCE)):
            found |= {row[0]: _moved(row) for row in self._connection.execute(MOVED, {"ids": ids})}
        return found

    def moved_by(self, household_id: str, method_ids: frozenset[str]) -> Iterator[Moved]:
        """Yield all operations of these linked accounts."""
        yield from map(_moved, self._rows(MOVED_BY, {"household": household_id, "ids": sorted(method_ids)}))

    def top_ups(self, household_id: str) -> Iterator[Finding]:
        """Yield a household's top-ups."""
        yield from map(_finding, self._rows(TOP_UPS, {"household": household_id}))

    def booked_settlements(self, adapter: str, since_us: int) -> Iterator[BookedSettlement]:
        """Yield an adapter's pay-outs as they were booked."""
        named = {"named": f"{adapter}/", "since": since_us}
        yield from map(_booked, self._rows(BOOKED_SETTLEMENTS, named))

    def not_paid_out(self, adapter: str, closed_before_us: int) -> Iterator[Finding]:
        """Yield what no pay-out brought."""
        parameters = {"adapter": adapter, "before": closed_before_us}
        yield from map(_finding, self._rows(NOT_PAID_OUT, parameters))

    def _rows(self, statement: Any, parameters: dict[str, Any]) -> Iterator[Any]:
        """Read an answer as it comes, never the whole of it."""
        options = {"yield_per": FETCHED}
        with self._connection.execute(statement, parameters, execution_options=options) as rows:
            yield from rows


def _finding(row: Any) -> Finding:
    # PostgreSQL sums 64-bit numbers as decimals.
    return Finding(row[0], row[1], int(row[2]), int(row[3]), row[4], row[5])


def _booked(row: Any) -> BookedSettlement:
    return BookedSettlement(row[0], row[1], int(row[2]), int(row[3]))


def _moved(row: Any) -> Moved:
    return Moved(
        row[0],
        row[1],
        KINDS[row[2]],
        STATES[row[3]],
        row[4],
        row[5],
        row[6],
        row[7],
        row[8],
        ATTEMPT_STATES[row[9]],
        row[10],
        FUNDINGS[row[11]],
    )
