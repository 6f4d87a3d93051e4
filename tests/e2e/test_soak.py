"""The whole calendar with several seeds, on both brokers, with kills and without: always the same story."""

from pathlib import Path

import pytest

from tests.e2e import books
from tests.e2e.sixty_days import live
from tests.e2e.town import Broker

KILLS = 10
TELLINGS: tuple[tuple[Broker, int], ...] = (("embedded", KILLS), ("mosquitto", 0), ("mosquitto", KILLS))


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", [7, 11, 23])
def test_sixty_days_are_the_same_on_both_brokers_with_kills_and_without(seed: int, tmp_path: Path) -> None:
    expected = live(tmp_path / "embedded-0", seed=seed)
    for broker, kills in TELLINGS:
        folder = tmp_path / f"{broker}-{kills}"
        told = live(folder, seed=seed, broker=broker, kills=kills)
        assert books.differences(expected, told) == [], f"seed {seed}, everything is in {folder}"
