"""The append-only inbox, as `record` reads it."""

from collections.abc import Sequence
from typing import Protocol


class Inbox(Protocol):
    """The append-only inbox, as `record` reads it."""

    def read_after(self, cursor: int, limit: int) -> Sequence["InboxRow"]:
        """Return at most `limit` rows with an id above the cursor, oldest first."""
        ...

    def last_id(self) -> int:
        """Return the id of the newest committed row, 0 when empty."""
        ...

    def prune(self, recorded: int, rejected: int, *, before_us: int, limit: int) -> int:
        """Forget at most `limit` rows of each kind, up to these cursors, that came before; return the larger number."""
        ...

    def read_rejected_after(self, cursor: int, limit: int) -> Sequence["RejectedRow"]:
        """Return at most `limit` rejected rows with an id above the cursor, oldest first."""
        ...


class InboxRow(Protocol):
    """One committed message."""

    @property
    def id(self) -> int:
        """Grows with every commit; the cursor."""
        ...

    @property
    def kind(self) -> str:
        """Telemetry or status."""
        ...

    @property
    def device_id(self) -> str:
        """Whose topic it came on."""
        ...

    @property
    def sender(self) -> str:
        """Whom the broker vouched for."""
        ...

    @property
    def topic(self) -> str:
        """The whole topic."""
        ...

    @property
    def payload(self) -> bytes:
        """The envelope as it came."""
        ...

    @property
    def received_at_us(self) -> int:
        """Policy time of its arrival."""
        ...


class RejectedRow(Protocol):
    """One message that could not even be opened; the first bytes of its payload."""

    @property
    def id(self) -> int:
        """Grows with every commit; a cursor of its own."""
        ...

    @property
    def sender(self) -> str | None:
        """Whom the broker vouched for, if anybody."""
        ...

    @property
    def topic(self) -> str:
        """The whole topic."""
        ...

    @property
    def reason(self) -> str:
        """The stable machine word."""
        ...

    @property
    def payload(self) -> bytes:
        """Its first 8192 bytes."""
        ...

    @property
    def size_bytes(self) -> int:
        """How long it was."""
        ...

    @property
    def received_at_us(self) -> int:
        """Policy time of its arrival."""
        ...
