"""What the web is handed by the assembly, and how a request reaches it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from gateway.steps.ports import Clock, Services, UnitOfWork


@dataclass(frozen=True, slots=True)
class WebServices:
    """Everything the web stands on.

    `steps` is what the acts of members are handed. `base_url` is how people reach it ("https://home.example"), and
    decides which Host headers are answered. `secure_cookies` is false only on loopback without TLS. `not_ready` says,
    a sentence each, what /readyz waits for.
    """

    steps: Services
    base_url: str
    secure_cookies: bool
    not_ready: Callable[[], tuple[str, ...]]

    @property
    def unit_of_work(self) -> UnitOfWork:
        """Where transactions come from."""
        return self.steps.unit_of_work

    @property
    def clock(self) -> Clock:
        """The two times."""
        return self.steps.clock

    @property
    def undo_us(self) -> int:
        """How long an approval can be undone, real time."""
        return self.steps.undo_us


def web_services(request: Request) -> WebServices:
    """Return the services of the application that answers this request."""
    return cast("WebServices", request.app.state.services)


Web = Annotated[WebServices, Depends(web_services)]
