"""Plant the faults that money must survive, one at a time in a copy of the project: the tests must catch each.

    make mutations                      # all of them
    make mutations ARGS="no-sync"       # those that are named; --list shows them

Exit status 1 when a fault survives, when one no longer fits the source, or when the tests fail without any.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from time import monotonic

ROOT = Path(__file__).resolve().parents[1]
WITHIN_S = 600
FAILED_TESTS = 1  # pytest's exit status; a fault that keeps tests from being collected is no fault they caught

GATEWAY = "tests/integration/gateway"
MONEY = f"{GATEWAY}/test_steps_money.py"
CRASHES = "tests/integration/crashes/test_crashes.py"


@dataclass(frozen=True, slots=True)
class Fault:
    """One edit of one file, and the tests that must fail with it: in these places, of these names (pytest's -k)."""

    name: str
    path: str
    before: str
    after: str
    tests: tuple[str, ...]
    named: str = ""


CAPTURES = """\
    operation = prepared.operation
    provider = services.providers.open(prepared.method.adapter)
    request = adapter.Capture(
        key=operation.id,
        reference=operation.id,
        amount=Money(operation.amount_minor, operation.currency),
        authorization_ref=prepared.authorization_ref,
    )
    outcome = call_provider(lambda: provider.capture(request), is_repeat=prepared.is_repeat)
"""

FAULTS = (
    Fault(
        "new-key-on-retry",
        "gateway/steps/authorize.py",
        "        key=operation.id,\n        reference=operation.id,\n",
        '        key=f"{operation.id}/{services.clock.wall_us()}",\n        reference=operation.id,\n',
        (MONEY,),
        "own_key",
    ),
    Fault(
        "new-operation-on-retry",
        "gateway/steps/capture.py",
        "    if all(one.state in NOT_COUNTED for one in mine):\n",
        "    if operation is None or is_repeat:\n",
        (MONEY,),
        "bad_answer_delays and capture",
    ),
    Fault(
        "call-before-intent",
        "gateway/steps/capture.py",
        CAPTURES,
        indent(CAPTURES, "    "),
        (CRASHES,),
        "capture and die and answered",
    ),
    Fault(
        "no-guard",
        "gateway/steps/money/outcomes.py",
        "    elif operation.state not in UNCLOSED_OPERATION_STATES:\n",
        "    elif operation_id is None:\n",
        (MONEY,),
        "late_answer",
    ),
    Fault(
        "late-resubmit",
        "gateway/steps/money/operations.py",
        "    return wall_us - sent_wall_us < (window_s - MARGIN_S) * SECOND_US\n",
        "    return wall_us >= sent_wall_us\n",
        (MONEY,),
        "forgot",
    ),
    Fault(
        "no-sync",
        "gateway/steps/money/undecided.py",
        "    wait_us = SYNC_AFTER_S[operation.syncs] * SECOND_US\n"
        '    tx.enqueue("sync", operation.household_id, operation.id, due_us=now_us,'
        " not_before_wall_us=wall_us + wait_us)\n",
        "",
        (MONEY,),
        "took_effect_is_found",
    ),
    Fault(
        "over-refund",
        "gateway/steps/money/refunds.py",
        "    amount_minor = min(amount_minor, captured.amount_minor - given_back_minor(operations, shipment))\n",
        "",
        (f"{GATEWAY}/test_steps_deliveries.py", f"{GATEWAY}/test_money_bounds.py"),
    ),
    Fault(
        "float-money",
        "payments/money.py",
        "        _require_integer(self.amount_minor)\n",
        "",
        ("tests/unit/payments/test_payments_money.py",),
    ),
    Fault(
        "swapped-tenant-row",
        "gateway/store/statements.py",
        '    return query.where(rows.c.household_id == bindparam(HOUSEHOLD)) if "household_id" in rows.c else query\n',
        "    return query\n",
        (f"{GATEWAY}/test_store_rows.py",),
        "another_households",
    ),
    Fault(
        "swapped-tenant-search",
        "gateway/store/statements.py",
        "    if scoped:\n        yield rows.c.household_id == bindparam(HOUSEHOLD)\n",
        "",
        (f"{GATEWAY}/test_store_rows.py",),
        "another_households or every_row",
    ),
    Fault(
        "swapped-sealed-row",
        "gateway/store/vault.py",
        "def _bound_to(household_id: str, row_id: str) -> bytes:\n",
        "def _bound_to(household_id: str, row_id: str) -> bytes:\n    household_id = row_id = ''\n",
        (f"{GATEWAY}/test_store_secrets.py",),
        "opens_only_where",
    ),
    Fault(
        "capture-above-approval",
        "gateway/steps/capture.py",
        "    amount_minor = min(shipment.owed_minor, left_minor)\n",
        "    amount_minor = max(shipment.owed_minor, left_minor)\n",
        (MONEY,),
        "above_the_approval",
    ),
    Fault(
        "reservation-not-counted",
        "gateway/steps/money/mandates.py",
        "        state=frozenset({ReservationState.RESERVED, ReservationState.USED}),\n",
        "        state=frozenset({ReservationState.USED}),\n",
        (f"{GATEWAY}/test_money_bounds.py",),
        "same_limit",
    ),
    Fault(
        "double-journal",
        "gateway/steps/money/books.py",
        "            continue\n",
        "            pass\n",
        (f"{GATEWAY}/test_steps_payouts.py",),
        "seen_again",
    ),
    Fault(
        "notice-believed",
        "payments/adapters/sandbox.py",
        "        if not secret or not hmac.compare_digest(given.encode(), expected.encode()):\n",
        "        if not secret or not given:\n",
        ("tests/unit/payments/test_payments_sandbox.py",),
    ),
    Fault(
        "notice-taken-for-the-outcome",
        "gateway/steps/notice.py",
        '                tx.enqueue("sync", operation.household_id, operation.id, due_us=now_us)\n',
        '                tx.save(replace(operation, state=type(operation.state)("succeeded")))\n',
        (f"{GATEWAY}/test_steps_unknown.py",),
        "notice",
    ),
    Fault(
        "freeze-ignored-before-hold",
        "gateway/steps/authorize.py",
        "    if (live or approval is not None) and is_frozen(tx, household_id):\n",
        "    if not household_id:\n",
        (f"{GATEWAY}/test_steps_freezing.py",),
    ),
    Fault(
        "freeze-ignored-before-order",
        "gateway/steps/place.py",
        "    frozen = is_frozen(tx, household_id)\n",
        "    frozen = False\n",
        (f"{GATEWAY}/test_steps_freezing.py",),
    ),
    Fault(
        "freeze-ignored-before-capture",
        "gateway/steps/capture.py",
        "    if _is_frozen(tx, order, attempt, method):\n",
        "    if not household_id:\n",
        (f"{GATEWAY}/test_steps_freezing.py",),
    ),
    Fault(
        "two-live-attempts",
        "gateway/store/migrations/versions/0002_money_by_hand_and_over_time.py",
        "        unique=True,\n        sqlite_where=STILL_LIVE,\n",
        "        sqlite_where=STILL_LIVE,\n",
        (f"{GATEWAY}/test_store_rows.py",),
        "at_most_one",
    ),
    Fault(
        "unknown-taken-for-a-no",
        "gateway/steps/money/calls.py",
        "        return Unknown(error.reason)\n",
        '        return Refused("lost", error.reason)\n',
        (MONEY,),
        "bad_answer_delays",
    ),
    Fault(
        "another-amount-taken-for-a-yes",
        "gateway/steps/money/outcomes.py",
        "outcome.amount == Money(operation.amount_minor, operation.currency)\n",
        "outcome.amount.amount_minor > 0\n",
        (MONEY,),
        "another_amount",
    ),
    Fault(
        "zombie-writes",
        "gateway/store/unit_of_work.py",
        "        if self.connection.execute(statements.FREE, mine).rowcount != 1:\n            raise LeaseLost(item)\n",
        "        self.connection.execute(statements.FREE, mine)\n",
        (
            MONEY,
            f"{GATEWAY}/test_leases.py",
        ),
        "zombie or lease_was_ended",
    ),
    Fault(
        "review-fails-by-itself",
        "gateway/steps/money/undecided.py",
        "    tx.save(replace(operation, state=OperationState.MANUAL_REVIEW, note=note))\n",
        "    tx.save(replace(operation, state=OperationState.FAILED, note=note))\n",
        (MONEY,),
        "nobody_can_tell",
    ),
    Fault(
        "limit-not-freed",
        "gateway/steps/money/attempts.py",
        "    use_of_limit(tx, ended, kept)\n    return ended\n",
        "    return ended\n",
        (MONEY,),
        "undo_while",
    ),
    Fault(
        "withdrawal-settled-twice",
        "gateway/steps/acts/withdraw.py",
        "    if withdrawal.state is WithdrawalState.SETTLED:\n",
        "    if withdrawal.state not in WithdrawalState:\n",
        (f"{GATEWAY}/test_steps_withdrawing.py",),
    ),
    Fault(
        "given-back-beside-a-reversal",
        "gateway/steps/money/reversals.py",
        "            call_off(tx, one, now_us)\n",
        "            pass\n",
        (f"{GATEWAY}/test_steps_debits_by_file.py", f"{GATEWAY}/test_steps_taken_back.py"),
    ),
    Fault(
        "next-account-without-consent",
        "gateway/steps/money/next_account.py",
        "    if not tx.find(Consent, cart.household_id, kind=ConsentKind.NEXT_ACCOUNT, ended_us=None):\n"
        "        return None\n",
        "",
        (f"{GATEWAY}/test_steps_next_account.py",),
        "without_consent",
    ),
    Fault(
        "announcement-not-awaited",
        "gateway/steps/money/announce.py",
        "    if capabilities.prenotify_days == 0:\n",
        "    if capabilities.prenotify_days >= 0:\n",
        (f"{GATEWAY}/test_steps_debits_by_file.py",),
        "announced_once",
    ),
    Fault(
        "merchants-debit-in-our-books",
        "gateway/steps/money/accounts.py",
        "    if method.funding is Funding.MERCHANT:\n        return None\n",
        "    if method.funding is Funding.MERCHANT:\n        return Route(ledger.SUSPENSE, ledger.SUSPENSE)\n",
        (f"{GATEWAY}/test_steps_merchant_debits.py",),
        "no_journal",
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant the chosen faults and say what became of each."""
    parser = argparse.ArgumentParser(description="Plant faults in copies of the project: the tests must catch each.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="the faults to plant; all without")
    parser.add_argument("--list", action="store_true", help="name the faults and plant none")
    options = parser.parse_args(arguments)
    if options.list:
        print(*(f"{fault.name:32} {fault.path}" for fault in FAULTS), sep="\n")
        return 0
    if strangers := set(options.names) - {fault.name for fault in FAULTS}:
        parser.error(f"no fault is called {', '.join(sorted(strangers))}; --list names them")
    chosen = [fault for fault in FAULTS if fault.name in options.names or not options.names]
    if misfits := [fault for fault in chosen if not fits(fault)]:
        print(*(f"{fault.name} does not fit {fault.path} any more" for fault in misfits), sep="\n")
        return 1
    survivors = [fault.name for fault in chosen if not _is_caught(fault)]
    print(
        f"{len(chosen) - len(survivors)} of {len(chosen)} caught" + "".join(f"; {name} SURVIVED" for name in survivors)
    )
    return 1 if survivors else 0


def fits(fault: Fault) -> bool:
    """Say whether a fault can be planted: what it replaces stands in its file, once."""
    return (ROOT / fault.path).read_text(encoding="utf-8").count(fault.before) == 1


def _is_caught(fault: Fault) -> bool:
    """Plant one fault in a copy of the project and run its tests there, after they passed without it."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder)
        for name in _project():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
        if (clean := _run(fault, copy)).returncode:
            print(f"{fault.name}: its tests fail without it\n{clean.stdout}")
            return False
        planted = copy / fault.path
        source = planted.read_text(encoding="utf-8")
        planted.write_text(source.replace(fault.before, fault.after), encoding="utf-8")
        begun_s = monotonic()
        ended = _run(fault, copy)
    caught = ended.returncode == FAILED_TESTS
    by = re.findall(r"^FAILED \S*::(\S+)", ended.stdout, re.MULTILINE)
    said = f"caught by {by[0]}" if caught and by else "SURVIVED" if not ended.returncode else f"broke:\n{ended.stdout}"
    print(f"{fault.name:32} {monotonic() - begun_s:5.1f} s  {said}", flush=True)
    return caught


def _run(fault: Fault, folder: Path) -> "subprocess.CompletedProcess[str]":
    # One database is enough to see a fault, and the embedded one needs no server.
    names = f"({fault.named}) and not postgresql" if fault.named else "not postgresql"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", names, *fault.tests]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WITHIN_S, check=False)


def _project() -> list[str]:
    """Return the files of the project, those included that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


if __name__ == "__main__":
    sys.exit(main())
