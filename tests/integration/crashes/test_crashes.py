"""A process of the gateway is killed, or sleeps through its lease, at every named point of every operation."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

import pytest
from _pytest.mark import ParameterSet

from gateway.domain.order import Order
from gateway.domain.payment import Mandate, MandateState, MethodState, Operation, PaymentMethod
from payments.money import Money
from tests.builders import HOME
from tests.integration.crashes.crash_process import Processes
from tests.integration.crashes.points import IN_A_TRANSACTION, Crash, CrashPoint
from tests.integration.crashes.stories import STORIES, Story, begin, second_account
from tests.integration.crashes.world import LEASE_OVER_US, Site, World
from tests.integration.payments.bank_process import BankProcess


@dataclass(frozen=True, slots=True)
class Case:
    """An operation that dies, or sleeps through its lease, at a point."""

    name: str
    point: CrashPoint
    how: Literal["die", "sleep"]

    def __str__(self) -> str:
        return f"{self.name}: {self.how} at {self.point.name.lower()}"


CASES = [
    Case(name, point, how)
    for name, story in STORIES.items()
    for point in CrashPoint
    for how in ("die", "sleep")
    if point not in story.besides and not (how == "sleep" and point in IN_A_TRANSACTION)
]


def _parameters() -> Iterator[ParameterSet]:
    """Leave each story one case in the ordinary run: another point each time, every third asleep, databases in turn."""
    for number, name in enumerate(STORIES):
        cases = [one for one in CASES if one.name == name]
        ordinary = [one for one in cases if one.how == ("die" if number % 3 else "sleep")]
        for database in ("sqlite", "postgresql"):
            is_its_turn = database == ("postgresql" if number % 2 else "sqlite")
            for case in cases:
                is_ordinary = is_its_turn and case == ordinary[number % len(ordinary)]
                marks = [] if is_ordinary else [pytest.mark.long]
                yield pytest.param(database, case, id=f"{case} on {database}", marks=marks)


def live_through(case: Case, site: Site, processes: Processes, bank: BankProcess) -> None:
    story = STORIES[case.name]
    with closing(World(site)) as world:
        begin(world, bank, site.account)
        bank.post("/accounts", token=second_account(world), currency="EUR", balance_minor=0)
        for account in (site.account, second_account(world)):
            if story.lost:
                bank.script(account, *story.lost)
        story.prepare(world, bank)
        subject = {"link": second_account(world), "unlink": "method"}.get(story.act, "")
        first = processes.begin(site, story.act, subject, Crash(story.step, case.point, case.how))
        assert processes.end_of(first) == ("died" if case.how == "die" else "asleep")
        world.clock.move(wall_us=LEASE_OVER_US)
        for worker in [processes.begin(site, "work") for _ in range(2)]:
            assert processes.end_of(worker) == "done"
        if case.how == "sleep":
            processes.wake(first)
            assert processes.end_of(first) == "done"
        world.work_to_rest()
        check(story, world, bank, was_written=case.how == "sleep" or case.point is not CrashPoint.INTENT_WRITTEN)


def check(story: Story, world: World, bank: BankProcess, *, was_written: bool) -> None:
    """Compare all that is true after the story with the bank's own book. `was_written`: the intent was committed."""
    accounts = (world.site.account, second_account(world))
    done = Counter[str]()
    theirs: dict[str, int] = {}
    for account in accounts:
        for one in bank.get(f"/book?account={account}")["operations"]:
            assert one["status"] == "succeeded"
            done[one["kind"]] += 1
            theirs[one["reference"]] = one["amount_minor"]
    last = {"link": "setup_mandate", "unlink": "revoke_mandate"}.get(story.act)
    wanted = Counter(dict(story.effects))
    if last is not None and not was_written:
        wanted -= Counter([last])
    assert done == wanted
    operations = world.rows(Operation)
    assert {one.state for one in operations} <= {"succeeded"}
    assert {one.id: one.amount_minor for one in operations}.items() <= theirs.items()
    assert world.differences() == []
    assert world.left_to_do() == []
    with world.shop.opened() as shop:
        assert len(shop.orders) == len(world.rows(Order)) == ("authorize" in done and "void" not in done)
    for mandate in world.rows(Mandate):
        assert mandate.state is (MandateState.REVOKED if done["revoke_mandate"] else MandateState.ACTIVE)
    for method in world.rows(PaymentMethod):
        assert method.state is (MethodState.REVOKED if done["revoke_mandate"] else MethodState.ACTIVE)
    if story.step == "credit":
        balance = world.providers.balance_of(HOME)
        assert balance == (Money(500, "EUR"), Money(0, "EUR"))


@pytest.mark.parametrize(("databases", "case"), list(_parameters()), indirect=["databases"])
def test_a_process_that_dies_or_sleeps_anywhere_leaves_one_effect_in_the_banks_book(
    case: Case, site: Site, processes: Processes, bank: BankProcess
) -> None:
    live_through(case, site, processes, bank)
