"""The river and its branches: a file a verb beside this one. Steps meet only in rows; the worker runs what is due.

    receive → record → forecast → plan → fill → approve → authorize → place → capture → observe

A step that stays inside takes (transaction, item, now) and changes rows in the worker's transaction. A step that calls
out takes (item, services) and is prepare, call, settle: no transaction is open while it calls. Both are for one
household; the operator's own steps read for all of them. Intake calls receive, the web calls approve for a person; all
else is found by gateway/worker in the rows of work, the yes of a standing mandate (approve_by_mandate.py) too.

Rooms inside: `acts` is what people do, `money` and `goods` what several steps share, `ports` what the steps ask of the
world.
"""

from collections.abc import Callable
from types import MappingProxyType

from gateway.domain.records import HouseholdItem, WorkItem
from gateway.steps.approve_by_mandate import approve_by_mandate
from gateway.steps.authorize import authorize
from gateway.steps.cancel import cancel
from gateway.steps.capture import capture
from gateway.steps.challenge import challenge
from gateway.steps.credit import credit
from gateway.steps.exchange import exchange
from gateway.steps.expire import expire
from gateway.steps.fill import fill
from gateway.steps.forecast import forecast
from gateway.steps.notice import notice
from gateway.steps.observe import observe
from gateway.steps.place import place
from gateway.steps.plan import plan
from gateway.steps.ports import Services, Transaction
from gateway.steps.prune import prune
from gateway.steps.record import record
from gateway.steps.refund import refund
from gateway.steps.release import release
from gateway.steps.renew import renew
from gateway.steps.revoke import revoke
from gateway.steps.set_up import set_up
from gateway.steps.settle import settle
from gateway.steps.sync import sync

Inside = Callable[[Transaction, HouseholdItem, int], None]
CallsOut = Callable[[HouseholdItem, Services], None]
ForOperator = Callable[[WorkItem, Services], None]

RIVER = ("receive", "record", "forecast", "plan", "fill", "approve", "authorize", "place", "capture", "observe")
BRANCHES = (
    "release",
    "renew",
    "cancel",
    "sync",
    "notice",
    "refund",
    "expire",
    "exchange",
    "settle",
    "set_up",
    "revoke",
    "credit",
    "challenge",
    "prune",
)

INSIDE: MappingProxyType[str, Inside] = MappingProxyType({"forecast": forecast, "plan": plan, "expire": expire})
CALLS_OUT: MappingProxyType[str, CallsOut] = MappingProxyType(
    {
        "fill": fill,
        "approve": approve_by_mandate,
        "authorize": authorize,
        "place": place,
        "capture": capture,
        "observe": observe,
        "release": release,
        "renew": renew,
        "cancel": cancel,
        "sync": sync,
        "refund": refund,
        "set_up": set_up,
        "revoke": revoke,
        "credit": credit,
        "challenge": challenge,
    }
)
FOR_OPERATOR: MappingProxyType[str, ForOperator] = MappingProxyType(
    {"record": record, "notice": notice, "exchange": exchange, "settle": settle, "prune": prune}
)

__all__ = ["BRANCHES", "CALLS_OUT", "FOR_OPERATOR", "INSIDE", "RIVER", "CallsOut", "ForOperator", "Inside"]
