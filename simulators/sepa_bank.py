"""A pretend bank that is reached by files: takes pain.008 and pain.001 from one folder, answers into another.

`python -m simulators sepa-bank --outbox DIR --inbox DIR --state DIR --today 2026-12-05 [--script FILE]` lives every
day since the last one up to today: takes the files that are there, books what is due, plays the returns of its
script, and writes pain.002, camt.054 and camt.053. The script is JSON by IBAN: {"DE…": {"reject": "AC04"}}
refuses before the booking, {"DE…": {"return": "MD06", "after_days": 42}} takes back after it, "return_transfer" sends a
transfer to it back; "first": true does so once.
"""

import argparse
import json
import sys
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from simulators.sepa_bank_files import Entry, FileRefused, Instruction, bookings, read_instructions, rejections

RETURN_CHARGE_MINOR = 300
MOST_DAYS = 4_000
Played: TypeAlias = str | int | bool
Stored: TypeAlias = dict[str, Any]


@dataclass
class SepaBank:
    """The bank's book. `outbox` and `inbox` are the customer's: it takes from the first and answers into the second."""

    outbox: Path
    inbox: Path
    today: date
    script: dict[str, dict[str, Played]] = field(default_factory=dict)
    waiting: list[Instruction] = field(default_factory=list)
    returns: list[tuple[date, Entry]] = field(default_factory=list)
    booked: list[tuple[date, Entry]] = field(default_factory=list)
    taken: dict[str, Instruction] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    hold_back: bool = False
    """Answers are kept until `send_late`, and then come all at once in the opposite order."""
    kept: list[tuple[str, bytes]] = field(default_factory=list)
    answers: int = 0

    def live(self, until: date) -> None:
        """Live every day up to and with `until`."""
        for _ in range(MOST_DAYS):
            self.work()
            if self.today >= until:
                return
            self.today += timedelta(days=1)

    def work(self) -> None:
        """Do what there is to do today; asked again on the same day, it does only what is new."""
        self._take_files()
        self._book_due()

    def balance_minor(self) -> int:
        """What the creditor's account gained here, less what the bank took for it."""
        return sum(entry.amount_minor - entry.charge_minor for _, entry in self.booked)

    def kept_of(self, end_to_end_id: str) -> int:
        """What of one debit stayed with the creditor."""
        return sum(entry.amount_minor for _, entry in self.booked if entry.end_to_end_id == end_to_end_id)

    def send_late(self) -> None:
        """Send what was held back, the newest first."""
        self.hold_back = False
        kept, self.kept = self.kept, []
        for name, body in reversed(kept):
            self._send(name, body)

    def repeat(self, name: str) -> None:
        """Send an answer that the customer has taken in once more, under another name."""
        for folder in (self.inbox / "done", self.inbox):
            path = folder / name
            if path.exists():
                self._send(f"again-{name}", path.read_bytes())
                return
        raise FileNotFoundError(name)

    # In

    def _take_files(self) -> None:
        for path in sorted(self.outbox.glob("*.xml")):
            body = path.read_bytes()
            path.unlink()  # as an EBICS client does once it was uploaded
            try:
                rows = read_instructions(body)
            except FileRefused as error:
                self.refused.append(str(error))
                self._send("pain002", rejections(error.message_id, (), error.code))
                continue
            self._take(rows)

    def _take(self, rows: list[Instruction]) -> None:
        refused = []
        for row in rows:
            if row.end_to_end_id in self.taken:
                code = "AM05"
            elif row.kind == "debit" and row.due <= self.today:
                code = "TM01"
            else:
                code = str(self._played(row.iban, "reject"))
                self.taken[row.end_to_end_id] = row
            if code:
                self.refused.append(f"{row.end_to_end_id}: {code}")
                refused.append(Entry(row.end_to_end_id, row.amount_minor, row.iban, code))
            else:
                self.waiting.append(row)
        if refused:
            self._send("pain002", rejections(rows[0].message_id, refused))

    def _played(self, iban: str, act: str) -> Played:
        """Return what the script has for an account; what is to happen once is forgotten."""
        part = self.script.get(iban, {})
        if act not in part:
            return ""
        if part.get("first"):
            self.script[iban] = {}
        return part[act]

    # Out

    def _book_due(self) -> None:
        due = [row for row in self.waiting if row.due <= self.today]
        self.waiting = [row for row in self.waiting if row.due > self.today]
        entries = [_booking(row) for row in due]
        for row in due:
            after_days = int(self.script.get(row.iban, {}).get("after_days", 3))
            is_debit = row.kind == "debit"
            code = self._played(row.iban, "return" if is_debit else "return_transfer")
            if code:
                charge_minor = RETURN_CHARGE_MINOR if is_debit else 0
                minor = -_booking(row).amount_minor
                back = Entry(row.end_to_end_id, minor, row.iban, str(code), charge_minor)
                self.returns.append((self.today + timedelta(days=after_days), back))
        entries += [entry for day, entry in self.returns if day <= self.today]
        self.returns = [(day, entry) for day, entry in self.returns if day > self.today]
        if not entries:
            return
        self.booked += [(self.today, entry) for entry in entries]
        self._send("camt054", bookings("camt.054", f"N-{self.answers + 1}", self.today, entries))
        self._send("camt053", bookings("camt.053", f"S-{self.answers + 1}", self.today, entries))

    def _send(self, name: str, body: bytes) -> None:
        self.answers += 1
        file_name = name if name.startswith("again-") else f"{self.today}-{self.answers:05d}-{name}.xml"
        if self.hold_back:
            self.kept.append((file_name, body))
            return
        part = self.inbox / f".{file_name}.part"
        part.write_bytes(body)
        part.rename(self.inbox / file_name)


def _booking(row: Instruction) -> Entry:
    return Entry(row.end_to_end_id, row.amount_minor if row.kind == "debit" else -row.amount_minor, row.iban)


def break_file(path: Path, how: str) -> None:
    """Break an answer that is on its way: cut it, put a bomb or a foreign entity into it, change a sum or an IBAN."""
    body = path.read_bytes()
    bomb = b'<!DOCTYPE Document [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    outside = b'<!DOCTYPE Document [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    head, rest = body.split(b"?>", 1)
    broken = {
        "truncated": body[: len(body) // 2],
        "bomb": head + b"?>" + bomb + rest.replace(b"<MsgId>", b"<MsgId>&b;", 1),
        "outside": head + b"?>" + outside + rest.replace(b"<MsgId>", b"<MsgId>&a;", 1),
        "sum": body.replace(b"<Sum>", b"<Sum>1", 1),
        "number": body.replace(b"<NbOfNtries>", b"<NbOfNtries>1", 1),
        "amount": body.replace(b'<Ntry><Amt Ccy="EUR">', b'<Ntry><Amt Ccy="EUR">1', 1),
        "iban": body.replace(b"<IBAN>DE", b"<IBAN>FR", 1),
        "latin": body.replace(b"<MsgId>", b"<MsgId>\xe9", 1),
        "deep": head + b"?>" + b"<a>" * 100 + b"</a>" * 100,
        "other": b"<html></html>",
        "empty": b"",
    }
    path.write_bytes(broken[how])


def main(argv: list[str] | None = None) -> int:
    """Live up to today and keep the book for the next time."""
    parser = argparse.ArgumentParser(prog="sepa-bank", description="A pretend bank that is reached by files.")
    parser.add_argument("--outbox", type=Path, required=True, help="the gateway's outbox_dir: files are taken from it")
    parser.add_argument("--inbox", type=Path, required=True, help="the gateway's inbox_dir: answers are put there")
    parser.add_argument("--state", type=Path, required=True, help="directory of its book")
    parser.add_argument("--today", type=date.fromisoformat, required=True, help="the day to live up to")
    parser.add_argument("--script", type=Path, help="JSON of what happens to which account")
    asked = parser.parse_args(argv)
    for folder in (asked.outbox, asked.inbox, asked.state):
        folder.mkdir(parents=True, exist_ok=True)
    today: date = asked.today
    book = asked.state / "sepa-bank.json"
    bank = SepaBank(asked.outbox, asked.inbox, today)
    if book.exists():
        _restore(bank, json.loads(book.read_text()))
    if asked.script is not None:
        bank.script = json.loads(asked.script.read_text())
    bank.live(today)
    part = book.with_suffix(".part")
    part.write_text(json.dumps(_stored(bank)))
    part.rename(book)
    summary = {"today": str(bank.today), "waiting": len(bank.waiting), "balance_minor": bank.balance_minor()}
    sys.stdout.write(json.dumps(summary) + "\n")
    return 0


def _stored(bank: SepaBank) -> Stored:
    return {
        "today": str(bank.today),
        "answers": bank.answers,
        "script": bank.script,
        "waiting": [_instruction(row) for row in bank.waiting],
        "taken": [_instruction(row) for row in bank.taken.values()],
        "returns": [[str(day), _entry(entry)] for day, entry in bank.returns],
        "booked": [[str(day), _entry(entry)] for day, entry in bank.booked],
    }


def _restore(bank: SepaBank, stored: Stored) -> None:
    bank.today, bank.answers = date.fromisoformat(stored["today"]), stored["answers"]
    bank.script = stored["script"]
    bank.waiting = [Instruction(**row | {"due": date.fromisoformat(row["due"])}) for row in stored["waiting"]]
    taken = [Instruction(**row | {"due": date.fromisoformat(row["due"])}) for row in stored["taken"]]
    bank.taken = {row.end_to_end_id: row for row in taken}
    bank.returns = [(date.fromisoformat(day), Entry(**entry)) for day, entry in stored["returns"]]
    bank.booked = [(date.fromisoformat(day), Entry(**entry)) for day, entry in stored["booked"]]


def _instruction(row: Instruction) -> Stored:
    return {name: str(row.due) if name == "due" else getattr(row, name) for name in Instruction.__slots__}


def _entry(entry: Entry) -> Stored:
    return {name: getattr(entry, name) for name in Entry.__slots__}


if __name__ == "__main__":
    sys.exit(main())
