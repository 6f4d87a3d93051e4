"""The counter at which files change hands: folders that an EBICS client empties and fills.

A file is handed over at most once, whatever dies or comes twice: payments move from waiting into a batch in one
change; each try to write the batch claims a number of its own, and writes beside the folder's files, out of the bank's
sight; only the number that is then recorded, with its check sum, is ever moved into sight.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from payments.adapters.sepa_book import MOST_WAITING, Batch, Outgoing, Sent, SepaBook
from payments.adapters.sepa_statements import MAX_BYTES, BankFile, UnreadableFile, read_bank_file
from payments.errors import ConfigError, RateLimited

MOST_FILES = 200
SECOND_US = 1_000_000
FULL_AGAIN_S = 3600.0

Write = Callable[[Batch], bytes]
Take = Callable[[BankFile, str], None]


@dataclass(frozen=True, slots=True)
class Desk:
    """One outbox and one inbox. `prefix` begins every message id, unique to this installation at its bank."""

    book: SepaBook
    outbox: Path
    inbox: Path
    prefix: str

    # What we send

    def queue(self, name: str, end_to_end_id: str) -> None:
        """Let a payment wait for the next file; raises RateLimited when too many do."""

        def rule(there: Outgoing | None) -> Outgoing:
            there = there or Outgoing()
            in_file = there.batch.payments if there.batch is not None else ()
            if end_to_end_id in {*there.waiting, *in_file}:
                return there
            if len(there.waiting) >= MOST_WAITING:
                raise RateLimited(FULL_AGAIN_S)
            return replace(there, waiting=(*there.waiting, end_to_end_id))

        self.book.change(f"outgoing/{name}", Outgoing, rule)

    def hand_over(
        self, name: str, write: Write, now_us: int, day: str, *, held_back: frozenset[str] = frozenset()
    ) -> tuple[str, ...]:
        """Finish the file that was begun, or make the day's of all that waits; return the payments that went out.

        `held_back`: payments that stay where they wait.
        """

        def begin(there: Outgoing | None) -> Outgoing:
            there = there or Outgoing()
            due = tuple(one for one in there.waiting if one not in held_back)
            if there.batch is not None or not due or there.day == day:
                return there
            number = there.number + 1
            batch = Batch(f"{self.prefix}-{name[0].upper()}{number:08d}", due, now_us)
            return Outgoing(tuple(one for one in there.waiting if one in held_back), batch, number, day)

        outgoing = self.book.change(f"outgoing/{name}", Outgoing, begin)
        if outgoing.batch is None:
            return ()
        batch = outgoing.batch if outgoing.batch.sha256 else self._written(name, outgoing.batch, write)
        if batch is None:
            return ()
        self._move_into_sight(batch)
        sent = Sent(batch.payments, batch.sha256)
        self.book.change(f"batch/{batch.message_id}", Sent, lambda _: sent)
        self.book.change(f"outgoing/{name}", Outgoing, lambda there: _ended(there, batch.message_id))
        return batch.payments

    def _written(self, name: str, begun: Batch, write: Write) -> Batch | None:
        """Write the batch under a number of our own; None when somebody else came after us."""

        def claim(there: Outgoing | None) -> Outgoing:
            if there is None or there.batch is None or there.batch.message_id != begun.message_id:
                return there or Outgoing()
            if there.batch.sha256:
                return there
            return replace(there, batch=replace(there.batch, tries=there.batch.tries + 1))

        mine = self.book.change(f"outgoing/{name}", Outgoing, claim).batch
        if mine is None or mine.message_id != begun.message_id or mine.sha256:
            return mine
        content = write(mine)
        if not content:  # nothing of it is to be sent any more
            self.book.change(f"outgoing/{name}", Outgoing, lambda there: _ended(there, mine.message_id))
            return None
        _write_through(self._part(mine), content)
        written = replace(mine, sha256=hashlib.sha256(content).hexdigest())

        def record(there: Outgoing | None) -> Outgoing:
            if there is not None and there.batch == mine:
                return replace(there, batch=written)
            return there or Outgoing()

        after = self.book.change(f"outgoing/{name}", Outgoing, record).batch
        if after != written:
            self._part(mine).unlink(missing_ok=True)
            return None
        return written

    def _move_into_sight(self, batch: Batch) -> None:
        """Give the written file its name; where it is gone, that was done before, and the bank may have taken it."""
        try:
            self._part(batch).rename(self.outbox / f"{batch.message_id}.xml")
        except FileNotFoundError:
            return
        _sync_folder(self.outbox)

    def _part(self, batch: Batch) -> Path:
        return self.outbox / f".{batch.message_id}.{batch.tries}.part"

    # What we get

    def take_in(self, take: Take, now_us: int) -> None:
        """Read every file that came, once each; one that cannot be used is put aside with the reason."""
        for path in sorted(self.inbox.glob("*.xml"))[:MOST_FILES]:
            if not path.is_file() or path.is_symlink():
                continue
            try:
                self._take_one(path, take)
            except UnreadableFile as error:
                self._reject(path, error.reason, now_us)

    def _take_one(self, path: Path, take: Take) -> None:
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableFile(f"it is larger than {MAX_BYTES} bytes")
        body = path.read_bytes()
        sha256 = hashlib.sha256(body).hexdigest()
        if self.book.read(f"seen/{sha256}", Sent) is None:
            take(read_bank_file(body), path.name)
            self.book.change(f"seen/{sha256}", Sent, lambda _: Sent((), sha256))
        self._put(path, "done")

    def _reject(self, path: Path, reason: str, now_us: int) -> None:
        """Keep the file and say why beside it."""
        self.book.note(path.name, reason, now_us)
        when = datetime.fromtimestamp(now_us / SECOND_US, UTC).isoformat(timespec="seconds")
        folder = self._folder("rejected")
        (folder / f"{path.name}.reason.txt").write_text(f"{when} {reason}\n")
        self._put(path, "rejected")

    def _put(self, path: Path, where: str) -> None:
        """Move a file away; another of the same name keeps its place and this one gets a number."""
        folder = self._folder(where)
        target, number = folder / path.name, 1
        while target.exists():
            number += 1
            target = folder / f"{path.stem}-{number}{path.suffix}"
        path.rename(target)

    def _folder(self, name: str) -> Path:
        folder = self.inbox / name
        folder.mkdir(exist_ok=True)
        return folder


def open_folder(path: str, setting: str) -> Path:
    """Return a folder that is there; raises ConfigError."""
    folder = Path(path)
    if not path or not folder.is_dir():
        raise ConfigError(f"the setting {setting} of sepa must name a folder that exists; it is {path!r}")
    return folder


def _ended(there: Outgoing | None, message_id: str) -> Outgoing:
    if there is not None and there.batch is not None and there.batch.message_id == message_id:
        return replace(there, batch=None)
    return there or Outgoing()


def _write_through(path: Path, content: bytes) -> None:
    """Write a file only its owner may read, onto the disk itself."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
