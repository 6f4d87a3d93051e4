"""A pretend shop, its own process: a catalogue, orders, parcels and notices over HTTP on loopback.

    python -m simulators shop --port 0 --state DIR [--clock FILE] [--seed 1] [--token T] [--notify URL]
                              [--faults none|some] [--exit-with-parent]

Without --token it makes one and keeps it in DIR/token. When it listens it prints one line of JSON:
{"ready": true, "port": 40123}. It stops on SIGTERM or SIGINT, and with --exit-with-parent when its input ends.
"""

import argparse
import json
import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from devices.clock import ClockFile, RealClock
from simulators.shop_book import Book
from simulators.shop_catalogue import load_catalogue
from simulators.shop_counter import Counter
from simulators.shop_http import ShopServer
from simulators.shop_notices import Notifier

POLL_S = 0.1  # how long the server may take to notice that it is to stop


def main(argv: Sequence[str]) -> int:
    """Run the shop until it is told to stop; returns the exit status."""
    options = _options(argv)
    logging.basicConfig(stream=sys.stderr, format="shop: %(message)s")
    options.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    token = options.token or _kept_token(options.state / "token")
    clock = ClockFile(options.clock) if options.clock else RealClock()
    book = Book(options.state / "shop.sqlite")
    notifier = (
        Notifier(book=book, url=options.notify, token=token, now_us=clock.now_us, wall_us=clock.wall_us)
        if options.notify
        else None
    )
    counter = Counter(
        book=book,
        catalogue=load_catalogue(options.seed),
        seed=options.seed,
        faults=options.faults == "some",
        token=token,
        now_us=clock.now_us,
    )
    try:
        server = ShopServer(options.port, counter=counter, notifier=notifier, token=token)
    except OSError as error:
        sys.stderr.write(f"The shop cannot listen on port {options.port}: {error.strerror}. Choose another --port.\n")
        return 2
    _serve(server, exit_with_parent=options.exit_with_parent)
    if notifier is not None:
        notifier.close()
    book.close()
    return 0


def _serve(server: ShopServer, *, exit_with_parent: bool) -> None:
    stop = server.stopping
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threads = [threading.Thread(target=server.serve_forever, args=(POLL_S,), name="http")]
    if server.notifier is not None:
        threads.append(threading.Thread(target=server.notifier.run, args=(stop,), name="notices"))
    for thread in threads:
        thread.start()
    if exit_with_parent:
        # A daemon: it sits in a read that only the parent can end.
        threading.Thread(target=_watch_parent, args=(stop,), daemon=True, name="parent").start()
    sys.stdout.write(json.dumps({"ready": True, "port": server.server_port}) + "\n")
    sys.stdout.flush()
    stop.wait()
    server.shutdown()
    server.server_close()
    for thread in threads:
        thread.join()


def _watch_parent(stop: threading.Event) -> None:
    # Below sys.stdin: its lock would still be held at the end of the process, and Python aborts on that.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stop.set()


def _kept_token(path: Path) -> str:
    """The token in the file; made at the first start, readable by its owner only."""
    if not path.exists():
        unfinished = path.with_name(path.name + ".new")
        unfinished.touch(mode=0o600)
        unfinished.write_text(secrets.token_urlsafe(32), encoding="ascii")
        unfinished.replace(path)
    return path.read_text(encoding="ascii").strip()


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulators shop", description="A pretend shop over HTTP.")
    parser.add_argument("--port", type=int, default=0, help="port on loopback; 0 takes a free one")
    parser.add_argument("--state", type=Path, required=True, help="directory of its memory")
    parser.add_argument("--clock", type=Path, help="clock file to follow; real time without it")
    parser.add_argument("--seed", type=int, default=1, help="the same seed tells the same story")
    parser.add_argument("--token", help="bearer token its customer shows; made and kept in the state without it")
    parser.add_argument("--notify", help="address that is told of every change of an order")
    parser.add_argument("--faults", choices=("none", "some"), default="none", help="rejected, short, late, lost orders")
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when standard input ends")
    return parser.parse_args(argv)
