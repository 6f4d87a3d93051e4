"""The same seed tells the same story: again, on another broker, and through kills of the gateway at random moments.

"The same" is DESIGN.md's: carts, quantities, order states and balances (books.told).
"""

from difflib import unified_diff
from pathlib import Path
from pprint import pformat
from typing import Any

import pytest

from tests.e2e import books
from tests.e2e.sixty_days import DAYS, tell
from tests.e2e.town import Broker, Town

SEED = 7
KILLS = 10
FEW_DAYS = 20
FEWER_DAYS = 4

pytestmark = pytest.mark.timeout(900)

Told = dict[str, Any]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Told]:
    """The story without kills, as it stood after some days."""
    return live(tmp_path_factory.mktemp("undisturbed"), FEWER_DAYS, FEW_DAYS)


def live(folder: Path, *days: int, kills: int = 0, broker: Broker = "embedded") -> dict[int, Told]:
    """Live through the days and return what was told after each; whatever does not add up then is a failure."""
    with Town(folder, seed=SEED, broker=broker) as town:
        if kills:
            town.kill_at_random(kills, until_day=days[-1])
        stories = {}
        for day in days:
            tell(town, day + 1)
            stories[day] = books.told(town)
        assert town.times_killed == kills
        assert books.everything_wrong(town) == []
        assert town.check_ledger() == 0
        assert town.faults() == []
    return stories


def assert_same(expected: Told, told: Told, folder: Path) -> None:
    before, after = (pformat(one, width=120).splitlines() for one in (expected, told))
    different = list(unified_diff(before, after, "expected", "told", lineterm=""))
    if different:
        pytest.fail("\n".join([f"seed {SEED}, everything is in {folder}", *different]), pytrace=False)


def test_the_same_seed_tells_the_same_story(undisturbed: dict[int, Told], tmp_path: Path) -> None:
    assert_same(undisturbed[FEWER_DAYS], live(tmp_path, FEWER_DAYS)[FEWER_DAYS], tmp_path)


def test_ten_kills_at_random_moments_change_nothing(undisturbed: dict[int, Told], tmp_path: Path) -> None:
    assert_same(undisturbed[FEW_DAYS], live(tmp_path, FEW_DAYS, kills=KILLS)[FEW_DAYS], tmp_path)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_sixty_days_are_the_same_on_both_brokers_with_kills_and_without(tmp_path: Path) -> None:
    expected = live(tmp_path / "embedded", DAYS)[DAYS]
    others: tuple[tuple[Broker, int], ...] = (("embedded", KILLS), ("mosquitto", 0), ("mosquitto", KILLS))
    for broker, kills in others:
        folder = tmp_path / f"{broker}-{kills}"
        assert_same(expected, live(folder, DAYS, kills=kills, broker=broker)[DAYS], folder)
