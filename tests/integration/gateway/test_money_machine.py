"""Thousands of stories of faults, repeats, crashes and clock jumps, each replayed from the seed in its test's name."""

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.databases import Databases
from tests.integration.gateway.money_machine import MoneyMachine

STEPS = 30
# The stories are the same, and a statement takes longer on a server.
ORDINARY = {"sqlite": 20, "postgresql": 5}
LONG = {"sqlite": 250, "postgresql": 50}
SEEDS = range(1, 19)
"""With both databases 5,400 stories, in shares that several processes take from each other."""


def live_through_stories(databases: Databases, number: int, stories: int) -> None:
    chosen = settings(
        max_examples=stories,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    machine = seed(number)(lambda: MoneyMachine(databases))
    run_state_machine_as_test(machine, settings=chosen)


def test_no_story_of_faults_repeats_and_crashes_moves_money_wrongly(databases: Databases) -> None:
    live_through_stories(databases, 0, ORDINARY[databases.name])


@pytest.mark.long
@pytest.mark.parametrize("number", SEEDS)
def test_no_story_from_this_seed_moves_money_wrongly(databases: Databases, number: int) -> None:
    live_through_stories(databases, number, LONG[databases.name])
