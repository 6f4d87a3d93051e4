"""One person's look at the gateway: who it is, what stands on every page, and where an act leads back to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from gateway.domain.household import Member
from gateway.steps.ports import Transaction
from gateway.web.identity import PageMember
from gateway.web.pages.forms import Forms, Refused
from gateway.web.pages.rendering import answer
from gateway.web.services import Web, WebServices
from gateway.web.sessions import SignedIn
from gateway.web.views import household_header

DONE = {
    "cancel-asked": "The shop is asked to cancel. Nothing changes until it has confirmed.",
    "choosing": "Now choose the account on the provider's own page: the button below leads there, and back here.",
    "consent": "Allowed. We tell you each time the next account is debited.",
    "consent-ended": "Taken back. When an account declines, nothing is bought.",
    "device-frozen": "The device is frozen. It is still heard, and nothing is bought on its word.",
    "device-removed": "The device is removed. It is no longer let in; what it said is kept.",
    "device-unfrozen": "The device counts again.",
    "frozen": "Everything is frozen.",
    "household": "The household has its new name.",
    "level": "The level is corrected. The forecast follows.",
    "limits": "The limits are saved. They count from the next debit on.",
    "limits-asked": "The provider is asked. Until it agrees, the limits stay as they are.",
    "linked": "The account is linked.",
    "linking": "The account is noted; its provider has not said yes yet. See below what to do.",
    "looking": "We are asking the provider; this page shows its answer in a moment.",
    "method-frozen": "The account is frozen. Nothing is debited from it.",
    "method-unfrozen": "The account may be debited again.",
    "not-linked": "The account was not linked: its provider said no, or its page had lapsed. You can link it anew.",
    "not-returned": "What you brought back from the provider is not taken. Begin again on this page.",
    "named": "The account is named for it.",
    "ordered": "The order of the accounts is saved.",
    "pack": "It is the usual product now.",
    "paying-again": "The payment is asked for again; this page follows it.",
    "password": "The password is saved. Every other browser is signed out, and no sign-in link works any more.",
    "password-tokens": "The password is saved. Every other browser is signed out; no link and no token works any more.",
    "policy": "The policy is saved. The forecast follows.",
    "refill": "The new pack is noted. The forecast follows.",
    "role": "The role is changed.",
    "session": "That browser is signed out.",
    "shelf": "The shelf is counted. The forecast follows.",
    "slot": "Saved. The forecast follows.",
    "token": "The token is revoked.",
    "unfrozen": "The freeze is lifted; what waited goes on.",
    "unnamed": "It is paid by the accounts in their order again.",
    "withdrawn": "You have withdrawn from the contract. The acknowledgement stands below, with its time.",
    "unlinked": "The account is unlinked.",
}
"""What a page says after an act, by the word in its address: no address can make a page say anything else."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence above the page; `kind` is ok or out."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A request by a member who is signed in; `refused` is the form that brings the page again."""

    request: Request
    web: WebServices
    who: SignedIn
    refused: Refused | None = None

    @property
    def member(self) -> Member:
        """The person."""
        return self.who.member

    @property
    def household_id(self) -> str:
        """The only household this visit sees."""
        return self.who.household_id

    @property
    def now_us(self) -> int:
        """Policy time."""
        return self.web.clock.now_us()

    @property
    def wall_us(self) -> int:
        """Real time."""
        return self.web.clock.wall_us()

    def show(
        self,
        template: str,
        place: str,
        read: Callable[[Transaction], Mapping[str, Any]],
        *,
        status: int = 200,
        problem: str | None = None,
    ) -> Response:
        """Answer with a page: `read` brings what it shows, in one transaction with what stands on every page."""
        with self.web.unit_of_work.read() as tx:
            context = {**self.frame(tx, place, problem), **read(tx)}
        if self.refused is not None:
            status = self.refused.problem.status
        return answer(self.request, template, context, status=status)

    def frame(self, tx: Transaction, place: str, problem: str | None = None) -> dict[str, Any]:
        """Return what stands on every page."""
        said = DONE.get(self.request.query_params.get("done", ""))
        problem = self.refused.summary if self.refused is not None else problem
        notice = Notice("out", problem) if problem else Notice("ok", said) if said else None
        house = household_header(tx, self.household_id, self.member, now_us=self.now_us)
        return {"house": house, "current": place, "notice": notice, "forms": Forms(self.refused)}

    def change(self, work: Callable[[Transaction], object]) -> None:
        """Do one act in one transaction; a rule's refusal becomes the error page."""
        with self.web.unit_of_work.begin() as tx:
            work(tx)


def back(path: str, done: str = "", anchor: str = "") -> Response:
    """Lead to a page after an act: a reload there repeats nothing."""
    query = f"?done={done}" if done else ""
    return RedirectResponse(f"{path}{query}{f'#{anchor}' if anchor else ''}", 303)


def visit(request: Request, web: Web, who: PageMember) -> Visit:
    """Return the visit; nobody signed in is led to the sign-in page."""
    return Visit(request, web, who)


Visiting = Annotated[Visit, Depends(visit)]
