"""Sixty days in the town, told so that every kind of trouble comes once: on which day what goes wrong, and for whom.

Whatever is not written here goes well. What an entry announces happens to the next cart or order it fits.
"""

from collections.abc import Callable
from pathlib import Path

from tests.e2e import books
from tests.e2e.kills import Kills, Part
from tests.e2e.town import STEPS_A_DAY, Broker, Town

DAYS = 60
FREEZE = (12, 16)
"""Mill Lane is frozen from the beginning of one day to that of the other."""


def calendar(town: Town) -> dict[int, list[Callable[[], None]]]:
    """The days on which something is going to happen."""
    rosa, lake, mill = town.households
    bo = town.person_of(lake)
    return {
        # Bo approves the cabin's first two carts in a browser; the others by a program of his.
        1: [lambda: bo.next_answers.extend(["yes, in the browser", "yes, in the browser"])],
        # Ana's account is short of money once: the next hold is declined, and tried again a day later.
        3: [lambda: town.bank.next(rosa.account, "authorize:decline")],
        # The bank takes the cabin's money and its answer is lost: the outcome is unknown until it is looked up.
        5: [lambda: town.bank.next(lake.account, "capture:timeout_after")],
        # The next delivery to Mill Lane is late.
        6: [lambda: town.shop.next(mill.id, "late")],
        # The next delivery to Rosa Street lacks a pack.
        7: [lambda: town.shop.next(rosa.id, "short")],
        # The next parcel to the cabin is lost.
        8: [lambda: town.shop.next(lake.id, "lost")],
        # Bo skips one cart, and wants to be asked about another in two days.
        11: [lambda: bo.next_answers.extend(["skip", "snooze"])],
        # Chen freezes everything for four days.
        FREEZE[0]: [lambda: town.freeze(mill)],
        FREEZE[1]: [lambda: town.unfreeze(mill)],
        # Rosa Street's next hold is taken, and the bank says 500.
        18: [lambda: town.bank.next(rosa.account, "authorize:500_after")],
        # The shop refuses one order of Rosa Street's.
        24: [lambda: town.shop.next(rosa.id, "reject")],
    }


def tell(town: Town, until_day: int = DAYS + 1) -> None:
    """Live from the present day to the beginning of another one."""
    entries = calendar(town)
    while town.day < until_day:
        for act in entries.get(town.day, []):
            act()
        town.live_until(town.day + 1)


def live(
    folder: Path,
    days: int = DAYS,
    *,
    seed: int,
    kills: int = 0,
    broker: Broker = "embedded",
    apart: bool = False,
    database_url: str = "",
) -> books.Story:
    """Live through the days in a town of its own and return its story; what does not add up then is a failure.

    `apart`: pages, intake and worker are processes of their own, and each kill strikes one of them.
    """
    parts = (Part.WORK, Part.TELLING) if apart else tuple(Part)  # people may not answer again in a few days
    moments = Kills(seed=seed, times=kills, steps=days * STEPS_A_DAY, parts=parts)
    with Town(folder, seed=seed, broker=broker, kills=moments, apart=apart, database_url=database_url) as town:
        tell(town, days + 1)
        assert moments.done == kills
        assert books.everything_wrong(town) == []
        assert town.check_ledger() == 0
        assert town.faults() == []
        return books.told(town)
