"""The bank's own side: accounts, clients, what goes wrong next, what a customer does in the bank's app, the book."""

import hmac

from devices.clock import ClockFile, RealClock
from simulators.vrp_bank_book import VrpBook, add_client, one, open_account, whole_book
from simulators.vrp_bank_faults import parse_entry, write_script
from simulators.vrp_bank_notices import REVOKED, VrpNoticeSender
from simulators.vrp_bank_rules import set_consent
from simulators.vrp_bank_shapes import AccountBody, Answer, ClientBody, Refused, Request, ScriptBody, read


class VrpControl:
    """What whoever runs the bank may do; opened by its own token."""

    def __init__(self, book: VrpBook, clock: RealClock | ClockFile, sender: VrpNoticeSender, token: str) -> None:
        self._book = book
        self._clock = clock
        self._sender = sender
        self._token = token

    def require_token(self, request: Request) -> None:
        """Raise Refused unless the bank's own token came along."""
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            raise Refused(401, "invalid_token", "send the bank's own token")

    def whole_book(self, _: Request) -> Answer:
        """Everything the bank knows about money."""
        with self._book.transaction() as db:
            return Answer(200, whole_book(db))

    def open_account(self, request: Request) -> Answer:
        """Open a customer's account."""
        body = read(request, AccountBody)
        with self._book.transaction() as db:
            return Answer(200, open_account(db, body.token, body.label, body.balance_minor))

    def close_account(self, _: Request, token: str) -> Answer:
        """Close one."""
        with self._book.transaction() as db:
            db.execute("UPDATE accounts SET closed = 1 WHERE token = ?", (token,))
        return Answer(200, {"closed": token})

    def add_client(self, request: Request) -> Answer:
        """Let a client ask."""
        body = read(request, ClientBody)
        with self._book.transaction() as db:
            add_client(db, body.client_id, body.redirect_uri, body.jwks)
        return Answer(200, {"client_id": body.client_id})

    def script(self, request: Request) -> Answer:
        """Write what goes wrong next."""
        body = read(request, ScriptBody)
        try:
            entries = [parse_entry(entry) for entry in body.next]
        except ValueError as error:
            raise Refused(400, "U002", str(error)) from error
        with self._book.transaction() as db:
            write_script(db, body.account, entries)
        return Answer(200, {"added": len(entries)})

    def revoke_in_app(self, _: Request, consent_id: str) -> Answer:
        """What the customer does in the bank's own app."""
        with self._book.transaction() as db:
            row = one(db, "SELECT * FROM consents WHERE id = ?", consent_id)
            if row is None:
                raise Refused(404, "U011", f"no consent is called {consent_id}")
            now_us = self._clock.now_us()
            set_consent(db, consent_id, "CANC", None, now_us)
            self._sender.queue(db, row["client"], REVOKED, "domestic-vrp-consent", consent_id, None, now_us)
        return Answer(200, {"revoked": consent_id})

    def expire_tokens(self, _: Request) -> Answer:
        """End every access token."""
        with self._book.transaction() as db:
            ended = db.execute("UPDATE tokens SET until_wall_us = 0 WHERE kind = 'access'").rowcount
        return Answer(200, {"ended": ended})

    def forget_refresh_tokens(self, _: Request) -> Answer:
        """End every refresh token: each customer must come back to the bank's page."""
        with self._book.transaction() as db:
            ended = db.execute("UPDATE tokens SET state = 'revoked' WHERE kind = 'refresh'").rowcount
        return Answer(200, {"ended": ended})
