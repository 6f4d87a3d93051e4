"""When a supply that is low is planned: on the full hour, from all that was heard until then."""

from collections.abc import Callable

from gateway.domain.replenishment import HOUR_US, MINUTE_US, Plan
from tests.homes import home, known_level
from tests.rig import Rig

AFTER_FIVE_PAST_US = 55 * MINUTE_US  # the clock of these tests begins at 18:05


def low(open_rig: Callable[..., Rig]) -> Rig:
    rig = open_rig(*home(), known_level("milk", 0.1))
    rig.enqueue("forecast", "milk")
    rig.work_off()
    return rig


def test_what_is_heard_within_an_hour_is_judged_together(open_rig: Callable[..., Rig]) -> None:
    rig = low(open_rig)
    assert rig.rows(Plan) == []
    (before,) = rig.waiting("plan")
    rig.enqueue("forecast", "milk")
    rig.work_off()
    assert rig.waiting("plan") == [before]
    rig.clock.advance(AFTER_FIVE_PAST_US)
    rig.work_off()
    assert rig.the(Plan).created_us % HOUR_US == 0


def test_a_thing_that_speaks_every_hour_on_the_hour_puts_no_plan_off(open_rig: Callable[..., Rig]) -> None:
    rig = low(open_rig)
    rig.clock.advance(AFTER_FIVE_PAST_US)
    rig.enqueue("forecast", "milk")
    rig.work_off()
    assert len(rig.rows(Plan)) == 1
