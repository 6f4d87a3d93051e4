"""A pretend bank with an HTTP interface and a book of its own: `python -m simulators bank --port 0 --state DIR`.

It holds, moves and refunds customers' money for one operator under mandates, pays the operator once a day, tells it by
signed notices, and goes wrong on purpose (bank_faults.py). It survives being killed; it forgets nothing it answered.
It prints {"ready": true, "port": …} on standard output when it listens, on the loopback address only.
"""

import argparse
import contextlib
import json
import os
import secrets
import signal
import sys
import threading
import traceback
from pathlib import Path

from devices.clock import ClockFile, RealClock
from devices.errors import BadClock
from simulators.bank_book import Book
from simulators.bank_desk import Chance, Desk
from simulators.bank_http import BankServer
from simulators.bank_notices import NoticeSender, Target

TICK_S = 0.2


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM, Ctrl-C or, with --exit-with-parent, the end of standard input. Return the exit status."""
    options = _parse(argv)
    options.state.mkdir(parents=True, exist_ok=True)
    token = options.token or own_token(options.state / "token")
    clock = ClockFile(options.clock) if options.clock else RealClock()
    notice_secret = options.notice_secret or _notice_secret(options.state / "notice-secret") or token
    target = Target(options.notify, notice_secret) if options.notify else None
    try:
        clock.now_us()
    except BadClock as error:
        sys.stderr.write(f"bank: {error}\n")
        return 1
    book = Book(options.state / "bank.sqlite")
    sender = NoticeSender(book, target, clock.wall_us)
    desk = Desk(book, clock, sender, Chance(options.faults, options.seed))
    try:
        server = BankServer(options.port, desk, token)
    except OSError as error:
        sys.stderr.write(f"bank: cannot listen on port {options.port}: {error.strerror}\n")
        book.close()
        return 1
    desk.site = f"http://127.0.0.1:{server.server_port}"

    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    if options.exit_with_parent:
        threading.Thread(target=wait_for_parent, args=(stop,), daemon=True).start()
    serving = threading.Thread(target=server.serve_forever, args=(TICK_S,))
    serving.start()
    sys.stdout.write(json.dumps({"ready": True, "port": server.server_port}) + "\n")
    sys.stdout.flush()
    while not stop.wait(TICK_S):
        _tick(desk)
    server.shutdown()
    serving.join()
    server.server_close()
    sender.close()
    book.close()
    return 0


def _tick(desk: Desk) -> None:
    try:
        desk.tick()
    except Exception:  # noqa: BLE001 — the loop's outermost line: the bank stays open and says what went wrong
        traceback.print_exc()


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bank", description="A pretend bank over HTTP.")
    parser.add_argument("--port", type=int, required=True, help="where to listen on 127.0.0.1; 0 chooses")
    parser.add_argument("--state", type=Path, required=True, help="directory of its book")
    parser.add_argument("--clock", type=Path, help="clock file of a demonstration; else real time")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random faults")
    parser.add_argument("--faults", type=float, default=0.0, help="chance of a random fault in each request, 0 to 1")
    parser.add_argument("--token", help="bearer token of its interface; else STATE/token, made at the first start")
    parser.add_argument("--notify", metavar="URL", help="where notices are sent")
    parser.add_argument("--notice-secret", help="secret that signs the notices; else STATE/notice-secret, or the token")
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when standard input ends")
    return parser.parse_args(argv)


def own_token(path: Path) -> str:
    """The token of a bank's interface, made at the first start and readable by its owner alone."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="ascii").strip()
    token = secrets.token_urlsafe(32)
    path.touch(mode=0o600)
    path.write_text(token, encoding="ascii")
    return token


def _notice_secret(path: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="ascii").strip()
    return ""


def wait_for_parent(stop: threading.Event) -> None:
    """Set `stop` when standard input ends."""
    # Unbuffered: a thread that waits inside a buffered stream makes the interpreter abort at its end.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
