"""Explanations: the numbers a forecast rests on, in words."""

from datetime import UTC, datetime

import pytest

from forecasting import (
    Depletion,
    Explanation,
    ForecastState,
    LevelTracker,
    Reading,
    UnknownDepletion,
    Why,
    WhyUnknown,
    amount,
    begin,
    date_range,
    explain,
    forecast,
    level_of,
    prior_for,
    start_tracking,
    track,
    update,
)
from forecasting.local_days import DAY_US

BERLIN = "Europe/Berlin"
MONDAY_US = int(datetime(2026, 10, 5, tzinfo=UTC).timestamp()) * 1_000_000
WEEK = [38.0, 38.0, 38.0, 38.0, 38.0, 60.0, 60.0]


def household(days: int, use: list[float] = WEEK, left: float = 240.0) -> tuple[ForecastState, LevelTracker, int]:
    state = begin(prior_for("coffee"), 1000.0)
    for day in range(days):
        state = update(state, use[day % 7], MONDAY_US + day * DAY_US, MONDAY_US + (day + 1) * DAY_US, "UTC")
    now_us = MONDAY_US + days * DAY_US
    tracker, _ = track(start_tracking("level", capacity=1000.0), Reading(now_us, left))
    return state, tracker, now_us


def said(state: ForecastState, tracker: LevelTracker, now_us: int, unit: str = "g") -> Explanation:
    return explain(forecast(state, level_of(tracker), now_us, BERLIN), state, tracker, unit, BERLIN)


def readable(explanation: Explanation) -> str:
    return explanation.text.replace("\u202f", " ").replace("\u00a0", " ")


def test_the_paragraph_is_made_of_its_parts() -> None:
    explanation = said(*household(56))
    text = readable(explanation)
    assert text.startswith("24 % left (240 g). You use about 44 g a day: 40 g on workdays, 55 g at weekends.")
    assert "This rests on 1 reading over 56 days." in text
    assert "8 of 10 outcomes fall on" in text
    assert "–" in text
    assert "!" not in text
    assert explanation.text == " ".join(reason.text for reason in explanation.reasons)
    assert [reason.why for reason in explanation.reasons] == [Why.LEVEL, Why.USE, Why.EVIDENCE, Why.OUTCOME]


def test_the_reasons_carry_their_numbers() -> None:
    state, tracker, now_us = household(56)
    explanation = said(state, tracker, now_us)
    values = {reason.why: reason.values for reason in explanation.reasons}
    outcome = forecast(state, level_of(tracker), now_us, BERLIN)
    assert isinstance(outcome, Depletion)
    assert values[Why.LEVEL]["left"] == 240.0
    assert values[Why.USE]["weekend"] > values[Why.USE]["workday"]
    assert values[Why.OUTCOME] == {"p10_us": outcome.p10_us, "p50_us": outcome.p50_us, "p90_us": outcome.p90_us}


def test_even_weeks_are_not_split() -> None:
    assert "weekends" not in readable(said(*household(56, use=[40.0] * 7)))
    wash_day = readable(said(*household(140, use=[20.0, 20.0, 80.0, 20.0, 20.0, 20.0, 20.0])))
    assert "on Wednesdays." in wash_day


def test_silence_is_said() -> None:
    state, tracker, now_us = household(56, left=900.0)
    assert "silent" not in readable(said(state, tracker, now_us + DAY_US))
    assert "It has been silent for 3 days" in readable(said(state, tracker, now_us + 3 * DAY_US))


def test_an_absence_is_said() -> None:
    state, _, now_us = household(56)
    for day in range(12):
        state = update(state, 0.0, now_us + day * DAY_US, now_us + (day + 1) * DAY_US, "UTC")
    later_us = now_us + 12 * DAY_US
    tracker, _ = track(start_tracking("level", capacity=1000.0), Reading(later_us, 240.0))
    assert "looks like an absence" in readable(said(state, tracker, later_us))


def test_a_new_slot_rests_on_what_is_usual() -> None:
    assert "on what is usual for such a supply" in readable(said(*household(0)))


def test_the_unknown_has_no_date_and_no_numbers() -> None:
    state = begin(prior_for("toner"), 100.0)
    tracker = start_tracking("level", capacity=100.0)
    explanation = said(state, tracker, MONDAY_US, unit="%")
    assert explanation.text.startswith("Nobody knows how much is left, so there is no date.")
    assert explanation.reasons[0].why is Why.UNKNOWN
    for why in WhyUnknown:
        assert explain(UnknownDepletion(MONDAY_US, why), state, tracker, "%", BERLIN).text


def test_plenty_lies_beyond_the_horizon_and_an_empty_slot_is_empty_now() -> None:
    state, _, now_us = household(56)
    full, _ = track(start_tracking("level", capacity=1e6), Reading(now_us, 1e6))
    assert "It lasts beyond" in readable(said(state, full, now_us))
    none, _ = track(start_tracking("level", capacity=1000.0), Reading(now_us, 0.0))
    text = readable(said(state, none, now_us))
    assert text.startswith("0 % left (0 g).")
    assert "It is most likely empty now." in text


def test_an_uncertain_level_is_said_to_be_about() -> None:
    tracker, _ = track(start_tracking("level", capacity=100.0), Reading(MONDAY_US, None, ordinal="low"))
    text = readable(said(begin(prior_for("toner"), 100.0), tracker, MONDAY_US, unit="%"))
    assert text.startswith("About 12 % left.")


def test_sealed_packs_and_pooled_slots_are_said_apart() -> None:
    state, tracker, now_us = household(56)
    outcome = forecast(state, level_of(tracker), now_us, BERLIN, spare=500.0)
    text = explain(outcome, state, tracker, "g", BERLIN).text.replace("\u202f", " ").replace("\u00a0", " ")
    assert text.startswith("24 % left (240 g) and 500 g in sealed packs.")
    text = (
        explain(outcome, state, tracker, "g", BERLIN, capacity=2000.0)
        .text.replace("\u202f", " ")
        .replace("\u00a0", " ")
    )
    assert text.startswith("12 % left (240 g)")


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        (0.0, "0 l"),
        (0.352, "0.35 l"),
        (0.3, "0.3 l"),
        (1.0, "1 l"),
        (12.4, "12 l"),
        (5140.2, "5140 l"),
        (0.0123, "0.012 l"),
        (7.4e-8, "0 l"),
    ],
)
def test_amounts_keep_two_figures_that_matter(quantity: float, expected: str) -> None:
    assert amount(quantity, "l").replace("\u202f", " ").replace("\u00a0", " ") == expected


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ((2026, 12, 1, 12), (2026, 12, 5, 12), "1–5 Dec"),
        ((2026, 11, 28, 12), (2026, 12, 3, 12), "28 Nov – 3 Dec"),
        ((2026, 12, 30, 12), (2027, 1, 2, 12), "30 Dec – 2 Jan 2027"),
        ((2027, 1, 3, 12), (2027, 1, 3, 13), "3 Jan 2027"),
        ((2026, 11, 30, 23, 30), (2026, 12, 1, 1), "1 Dec"),
    ],
)
def test_dates_are_the_households_own(first: tuple[int, ...], last: tuple[int, ...], expected: str) -> None:
    ends = [int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000 for parts in (first, last)]  # type: ignore[arg-type]
    assert date_range(ends[0], ends[1], BERLIN, now_us=MONDAY_US) == expected
