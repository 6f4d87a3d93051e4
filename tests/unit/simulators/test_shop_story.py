from collections import Counter

import pytest

from simulators.shop_catalogue import DAY_US
from simulators.shop_story import Outcome, Story, TakenLine, chance, tell

MONDAY_US = 1_772_442_000_000_000


def told(outcome: Outcome, *packs: int, seed: int = 1, key: str = "home/milk/0") -> Story:
    return tell(
        seed=seed,
        story_key=key,
        outcome=outcome,
        merchant_ref="RS-1",
        lines=[TakenLine(f"line-{index}", "milk", count, 100) for index, count in enumerate(packs)],
        delivery_minor=390,
        ordered_us=MONDAY_US,
        lead_days=1,
    )


@pytest.mark.parametrize("outcome", ["plain", "short", "late", "lost", "split"])
@pytest.mark.parametrize("packs", [(1,), (2,), (3, 1), (1, 1, 5)])
def test_parcels_hold_every_pack_once_and_bill_goods_and_delivery_once(
    outcome: Outcome, packs: tuple[int, ...]
) -> None:
    story = told(outcome, *packs)
    held: Counter[str] = Counter()
    for parcel in story.parcels:
        held.update({line.line_ref: line.packs for line in parcel.lines})
    assert held == {f"line-{index}": count for index, count in enumerate(packs)}
    assert sum(parcel.amount_minor for parcel in story.parcels) == sum(packs) * 100 + 390


@pytest.mark.parametrize("outcome", ["plain", "short", "late", "lost", "split"])
def test_whatever_happens_happens_after_the_order_and_in_order(outcome: Outcome) -> None:
    for number in range(50):
        story = told(outcome, 2, key=f"home/milk/{number}")
        for parcel in story.parcels:
            ends_us = parcel.arrives_us or parcel.lost_us
            assert ends_us is not None
            assert MONDAY_US < parcel.shipped_us < ends_us
            on_time = parcel.arrives_us is not None and parcel.arrives_us <= story.promised_us
            assert on_time == (outcome not in {"late", "lost"})


def test_a_short_parcel_lacks_one_pack_of_its_largest_line() -> None:
    (parcel,) = told("short", 1, 4).parcels
    assert [line.packs - line.packs_arriving for line in parcel.lines] == [0, 1]


def test_a_lost_parcel_is_given_up_three_days_after_its_promise() -> None:
    story = told("lost", 2)
    assert story.parcels[0].lost_us == story.promised_us + 3 * DAY_US


def test_faults_are_dealt_now_and_then_and_only_where_asked_for() -> None:
    dealt = Counter(chance(1, f"home/milk/{number}", 2, faults=True) for number in range(4000))
    spared = Counter(chance(1, f"home/milk/{number}", 2, faults=False) for number in range(4000))
    assert set(spared) == {"plain", "split"}
    for outcome, share in (("reject", 0.03), ("lost", 0.03), ("short", 0.05), ("late", 0.06), ("split", 0.12)):
        assert abs(dealt[outcome] / 4000 - share) < 0.015


def test_a_single_pack_is_never_short_nor_split_by_chance() -> None:
    dealt = {chance(1, f"home/milk/{number}", 1, faults=True) for number in range(2000)}
    assert dealt == {"plain", "reject", "lost", "late"}
