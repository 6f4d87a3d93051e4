"""Who may run on a data directory: one `serve` or demonstration, one intake, any number of workers.

Locks of the operating system on files beside the databases; they end with the process, however it ends.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.terminal import CommandFailed


@contextmanager
def alone(data_dir: Path, name: str, what: str) -> Iterator[None]:
    """Hold one role on a data directory; raises CommandFailed, naming who has it, if it is taken."""
    with (data_dir / f"{name}.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or what
            raise CommandFailed(
                f"{holder} already runs in {data_dir.resolve()}; stop it or name another --data-dir"
            ) from None
        lock.truncate(0)
        lock.write(what)
        lock.flush()
        yield


@contextmanager
def beside_other_workers(data_dir: Path, when_first: Callable[[], None]) -> Iterator[None]:
    """Be one of the workers on a data directory; the first begins with `when_first`, before another can be one."""
    with (data_dir / "work.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            when_first()
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield
