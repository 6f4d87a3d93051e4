"""How the pretend household uses its appliances, and how well each appliance can tell.

Slots, units and capacities come from `devices.kinds()`; here stands only what nature and people add.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

# room: topped up from the cupboard when a unit fits · replace: a new one goes in when the old one is (nearly) used up ·
# pour: poured in when (nearly) empty · driver: filled up at a station, by the driver himself
Refill = Literal["room", "replace", "pour", "driver"]

Week = tuple[float, float, float, float, float, float, float]
EVEN: Week = (1, 1, 1, 1, 1, 1, 1)
WEEKEND: Week = (0.85, 0.85, 0.85, 0.85, 0.9, 1.3, 1.4)
WASH_DAYS: Week = (0.5, 0.3, 0.9, 0.3, 0.6, 2.6, 1.8)
OFFICE: Week = (1.4, 1.3, 1.4, 1.3, 1.1, 0.3, 0.2)
COMMUTE: Week = (1.2, 1.1, 1.1, 1.1, 1.3, 0.9, 0.3)

WAKING = tuple(range(7, 22))
MEALS = (7, 8, 12, 13, 18, 19)
FEEDING = (7, 12, 18)
WORKING = tuple(range(8, 19))
ROADS = (7, 8, 16, 17, 18)


@dataclass(frozen=True, slots=True)
class SlotHabit:
    """The use of one slot, in its unit.

    Attributes:
        per_day: mean use on a day of weight 1.
        portion: mean amount taken at a time.
        refill: how it is filled again.
        unit_pack: what one pack in the cupboard holds.
        week: weight of each weekday, Monday first.
        hours: local hours in which it is used.
        away_share: share of the use that goes on while nobody is home.
        burst_per_day: how often, on average, much is taken at once (a big print job, a cake).
        burst: between which amounts that is.
        whole: only whole numbers are taken.
        noise: standard deviation of what the sensor says; while in use, of what it says then.
        quantum: the smallest step the sensor knows.
        rubbish_share: share of the readings in which the sensor says nonsense.
    """

    per_day: float
    portion: float
    refill: Refill
    unit_pack: float
    week: Week = EVEN
    hours: tuple[int, ...] = WAKING
    away_share: float = 0.0
    burst_per_day: float = 0.0
    burst: tuple[float, float] = (0.0, 0.0)
    whole: bool = False
    noise: float = 0.0
    noise_in_use: float = 0.0
    quantum: float = 0.01
    rubbish_share: float = 0.0


@dataclass(frozen=True, slots=True)
class ApplianceHabit:
    """One kind of appliance.

    Attributes:
        slots: by slot name.
        together: its slots are used at the same moments (a wash takes detergent and softener).
        has_clock: whether its messages carry its own time.
        clock_ahead_us: how far its clock is ahead of the true one.
        silent_day_share: share of the days on which it is switched off and says nothing.
        resend_share: share of its reports after which it sends one of its old messages again.
    """

    slots: Mapping[str, SlotHabit]
    together: bool = False
    has_clock: bool = True
    clock_ahead_us: int = 0
    silent_day_share: float = 0.0
    resend_share: float = 0.0


def _toner(per_day: float) -> SlotHabit:
    return SlotHabit(
        per_day=per_day,
        portion=0.3,
        refill="replace",
        unit_pack=100.0,
        week=OFFICE,
        hours=WORKING,
        burst_per_day=0.02,
        burst=(4.0, 11.0),
        quantum=1.0,
    )


HABITS: Mapping[str, ApplianceHabit] = MappingProxyType({
    "fridge": ApplianceHabit({
        "milk": SlotHabit(
            per_day=0.75, portion=0.12, refill="room", unit_pack=1.0, week=WEEKEND, hours=MEALS, burst_per_day=0.03,
            burst=(0.5, 1.0), noise=0.02, quantum=0.05,
        ),
        "eggs": SlotHabit(
            per_day=1.9, portion=1.5, refill="room", unit_pack=6.0, week=WEEKEND, hours=MEALS, burst_per_day=0.04,
            burst=(4, 6), whole=True, quantum=1.0, rubbish_share=0.02,
        ),
        "juice": SlotHabit(
            per_day=0.45, portion=0.22, refill="room", unit_pack=1.0, week=WEEKEND, noise=0.03, quantum=0.05,
        ),
    }),
    "printer": ApplianceHabit(
        {
            "toner-black": _toner(2.0),
            "toner-cyan": _toner(0.9),
            "toner-magenta": _toner(0.8),
            "toner-yellow": _toner(0.85),
        },
        silent_day_share=0.08,
    ),
    "car": ApplianceHabit(
        {
            "fuel": SlotHabit(
                per_day=3.6, portion=1.3, refill="driver", unit_pack=50.0, week=COMMUTE, hours=ROADS,
                burst_per_day=0.04, burst=(9.0, 18.0), noise=0.15, noise_in_use=1.8, quantum=0.2,
            ),
            "adblue": SlotHabit(
                per_day=0.16, portion=0.058, refill="pour", unit_pack=5.0, week=COMMUTE, hours=ROADS, noise=0.03,
                quantum=0.1,
            ),
        },
        together=True,
        clock_ahead_us=90_000_000,
    ),
    "coffee-machine": ApplianceHabit({
        "beans": SlotHabit(
            per_day=58.0, portion=9.0, refill="pour", unit_pack=500.0, week=WEEKEND, burst_per_day=0.03,
            burst=(60.0, 110.0), quantum=1.0,
        ),
    }),
    "pet-feeder": ApplianceHabit(
        {
            "food": SlotHabit(
                per_day=210.0, portion=70.0, refill="room", unit_pack=1500.0, hours=FEEDING, away_share=1.0, noise=35.0,
                quantum=10.0,
            ),
        },
        resend_share=0.06,
    ),
    "water-filter": ApplianceHabit(
        {
            "cartridge": SlotHabit(
                per_day=5.2, portion=0.6, refill="replace", unit_pack=150.0, week=WEEKEND, quantum=0.1,
            ),
        },
        has_clock=False,
    ),
    "washing-machine": ApplianceHabit(
        {
            "detergent": SlotHabit(
                per_day=54.0, portion=60.0, refill="pour", unit_pack=1500.0, week=WASH_DAYS, quantum=1.0,
            ),
            "softener": SlotHabit(
                per_day=25.0, portion=28.0, refill="room", unit_pack=750.0, week=WASH_DAYS, noise=4.0, quantum=5.0,
            ),
        },
        together=True,
    ),
})  # fmt: skip
