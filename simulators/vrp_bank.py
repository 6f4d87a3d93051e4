"""A pretend bank of the Open Banking (UK) standard, version 4.0: `python -m simulators vrp-bank --port 0 --state DIR`.

A client asks for a consent to variable recurring payments, the customer agrees on the bank's page, and from then on the
client may take payments within the consent's control parameters. Money arrives at once in the operator's account, from
which refunds go back: that, and to find a payment by the client's own name of it, each real bank has in its own way.
It tells clients by security event tokens and goes wrong on purpose (vrp_bank_faults.py). It survives being killed.
It prints {"ready": true, "port": …} on standard output when it listens, on the loopback address only.
"""

import argparse
import json
import signal
import sys
import threading
import traceback
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from devices.clock import ClockFile, RealClock
from devices.errors import BadClock
from simulators.bank import own_token, wait_for_parent
from simulators.vrp_bank_book import VrpBook, add_client
from simulators.vrp_bank_desk import VrpDesk
from simulators.vrp_bank_http import VrpServer
from simulators.vrp_bank_jose import BankKey, public_jwk
from simulators.vrp_bank_notices import VrpNoticeSender

TICK_S = 0.2
LISTEN_S = 0.05


class VrpBank:
    """The whole bank over one directory; `start` listens, `close` ends it."""

    def __init__(self, state: Path, clock: RealClock | ClockFile, *, token: str, notify: str | None, port: int) -> None:
        state.mkdir(parents=True, exist_ok=True)
        key = BankKey(state / "signing-key.pem")
        self._book = VrpBook(state / "vrp-bank.sqlite")
        self._sender = VrpNoticeSender(self._book, key, notify, clock.wall_us)
        self.desk = VrpDesk(self._book, clock, key, self._sender, token)
        try:
            self._server = VrpServer(port, self.desk)
        except OSError:
            self._book.close()
            raise
        self._serving = threading.Thread(target=self._server.serve_forever, args=(LISTEN_S,))

    def let_in(self, client_id: str, redirect_uri: str, key: Path) -> None:
        """Register a client by the key it signs with; raises ValueError for a file that holds no RSA key."""
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
        if not isinstance(private, rsa.RSAPrivateKey):
            raise ValueError(f"{key} holds no RSA key")  # noqa: TRY004 — what the file says is wrong, not who calls
        with self._book.transaction() as db:
            add_client(db, client_id, redirect_uri, {"keys": [public_jwk(private.public_key(), client_id)]})

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_port

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._serving.start()

    def close(self) -> None:
        """Stop serving and close the book."""
        self._server.shutdown()
        self._serving.join()
        self._server.server_close()
        self._sender.close()
        self._book.close()


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM, Ctrl-C or, with --exit-with-parent, the end of standard input. Return the exit status."""
    options = _parse(argv)
    clock = ClockFile(options.clock) if options.clock else RealClock()
    options.state.mkdir(parents=True, exist_ok=True)
    try:
        clock.now_us()
        token = options.token or own_token(options.state / "token")
        bank = VrpBank(options.state, clock, token=token, notify=options.notify, port=options.port)
    except BadClock as error:
        sys.stderr.write(f"vrp-bank: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"vrp-bank: cannot listen on port {options.port}: {error.strerror}\n")
        return 1
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    if options.exit_with_parent:
        threading.Thread(target=wait_for_parent, args=(stop,), daemon=True).start()
    if options.client_key:
        try:
            bank.let_in(options.client_id, options.redirect_uri, options.client_key)
        except (OSError, ValueError) as error:
            sys.stderr.write(f"vrp-bank: the client's key cannot be read: {error}\n")
            return 1
    bank.start()
    sys.stdout.write(json.dumps({"ready": True, "port": bank.port}) + "\n")
    sys.stdout.flush()
    while not stop.wait(TICK_S):
        _tick(bank.desk)
    bank.close()
    return 0


def _tick(desk: VrpDesk) -> None:
    try:
        desk.tick()
    except Exception:  # noqa: BLE001 — the loop's outermost line: the bank stays open and says what went wrong
        traceback.print_exc()


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="vrp-bank", description="A pretend bank for variable recurring payments.")
    parser.add_argument("--port", type=int, required=True, help="where to listen on 127.0.0.1; 0 chooses")
    parser.add_argument("--state", type=Path, required=True, help="directory of its book and its signing key")
    parser.add_argument("--clock", type=Path, help="clock file of a demonstration; else real time")
    parser.add_argument("--token", help="opens /control and /book; else STATE/token, made at the first start")
    parser.add_argument("--notify", metavar="URL", help="where notices are sent")
    parser.add_argument("--client-key", type=Path, metavar="PEM", help="let a client in that signs with this key")
    parser.add_argument("--client-id", default="replenish", help="what that client is called, and its key")
    parser.add_argument(
        "--redirect-uri",
        default="http://127.0.0.1:8000/money/returned/openbanking",
        help="where customers of that client are sent back to",
    )
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when standard input ends")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
