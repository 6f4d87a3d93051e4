"""Sixty days in a small town, with real processes and real protocols; what happens when stands in sixty_days.py.

Rosa Street has a standing mandate, the Lake cabin's carts are approved by a person (twice in a browser), and Mill Lane
pays from a stored balance. The story is told once, and each test looks at it from another side; then it is told again
with the gateway killed ten times, and its first days on another broker, and must be the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.domain.approval import Approval
from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.order import Order, OrderLine, OrderState
from gateway.domain.payment import Operation, OperationKind, OperationState
from gateway.domain.replenishment import DAY_US
from gateway.domain.stock import Device
from tests.databases import PostgresDatabases
from tests.e2e import books
from tests.e2e.people import a_browser
from tests.e2e.sixty_days import DAYS, FREEZE, live, tell
from tests.e2e.town import BEGINS_US, Town

SEED = 7
KILLS = 10
FEW_DAYS = 6

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]


@dataclass(frozen=True)
class Lived:
    """The town after its sixty days, and how its story stood after the first few and after all of them."""

    town: Town
    few_days: books.Story
    all_days: books.Story


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    folder = tmp_path_factory.mktemp("sixty-days")
    with a_browser() as browser, Town(folder, seed=SEED, browser=browser) as town:
        tell(town, FEW_DAYS + 1)
        few_days = books.told(town)
        tell(town)
        assert town.day == DAYS + 1
        yield Lived(town, few_days, books.told(town))


@pytest.fixture(scope="module")
def town(lived: Lived) -> Town:
    return lived.town


def test_every_pack_is_accounted_for(town: Town) -> None:
    assert books.lost_packs(town) == [], town.where_to_look()


def test_the_ledger_agrees_with_itself_and_with_the_bank(town: Town) -> None:
    assert town.check_ledger() == 0, town.where_to_look()


def test_no_secret_stands_in_a_log_or_readable_in_a_database(town: Town) -> None:
    assert town.leaks() == [], town.where_to_look()


def test_nothing_was_debited_twice_or_beyond_what_was_approved(town: Town) -> None:
    assert books.wrong_debits(town) == [], town.where_to_look()


def test_what_was_short_or_lost_came_back_to_the_cent(town: Town) -> None:
    assert books.missing_refunds(town) == [], town.where_to_look()


def test_every_order_ended_or_is_plainly_on_its_way(town: Town) -> None:
    assert books.unexplained_orders(town) == [], town.where_to_look()


def test_the_gateway_met_with_no_fault_of_its_own(town: Town) -> None:
    assert town.faults() == [], town.where_to_look()


def test_quarantine_holds_only_what_the_fridges_with_the_bad_sensor_said(town: Town) -> None:
    held = books.quarantined(town)
    fridges = {one.id for one in town.all_of(Device) if one.kind == "fridge"}
    assert {(one.reason, one.detail) for one in held} == {("negative", "eggs says -1.0")}
    assert {one.sender for one in held} <= fridges


def test_carts_were_approved_by_mandate_by_a_program_and_in_the_browser(town: Town) -> None:
    rosa, lake, mill = (town.all_of(Approval, household) for household in town.households)
    assert sum(one.by_mandate for one in rosa) >= 5
    assert sum(one.by_mandate for one in mill) >= 3
    assert len(lake) >= 5
    assert not any(one.by_mandate for one in lake)
    assert sum("in the browser" in line for line in town.chronicle) == 2


def test_the_declined_hold_bought_nothing_and_was_tried_anew(town: Town) -> None:
    (declined,) = town.all_of(Cart, town.rosa, state=CartState.DECLINED)
    assert town.all_of(Order, town.rosa, cart_id=declined.id) == []
    assert [one for one in town.all_of(Order, town.rosa) if one.created_us > declined.created_us]


def test_unknown_outcomes_were_looked_up_until_they_were_known(town: Town) -> None:
    captures = [one for one in town.all_of(Operation, town.lake, kind=OperationKind.CAPTURE) if one.syncs]
    holds = [one for one in town.all_of(Operation, town.rosa, kind=OperationKind.AUTHORIZE) if one.syncs]
    # One of each is in the story; where the machine is slow the bank's answer may come too late for another.
    assert captures
    assert holds
    assert {one.state for one in (*captures, *holds)} == {OperationState.SUCCEEDED}


def test_the_late_delivery_came_and_was_called_late(town: Town) -> None:
    (late,) = town.all_of(Order, town.mill, late=True)
    assert late.state in {OrderState.DELIVERED, OrderState.CLOSED}


def test_the_short_delivery_lacked_one_pack_and_closed(town: Town) -> None:
    (short,) = [one for one in town.all_of(OrderLine, town.rosa) if one.packs_refunded]
    assert (short.packs_delivered, short.packs_refunded) == (short.packs - 1, 1)


def test_the_lost_parcel_freed_its_supplies_for_a_new_order(town: Town) -> None:
    (lost,) = town.all_of(Order, town.lake, state=OrderState.LOST)
    supplies = {one.supply_id for one in town.all_of(OrderLine, town.lake, order_id=lost.id)}
    later = {one.id for one in town.all_of(Order, town.lake) if one.created_us > lost.created_us}
    assert supplies <= {one.supply_id for one in town.all_of(OrderLine, town.lake) if one.order_id in later}


def test_the_refused_order_cost_nothing(town: Town) -> None:
    (refused,) = town.all_of(Order, town.rosa, state=OrderState.REJECTED)
    kinds = {one.kind for one in town.all_of(Operation, town.rosa, attempt_id=refused.attempt_id)}
    assert kinds == {OperationKind.AUTHORIZE, OperationKind.VOID}


def test_the_skipped_cart_ended_and_the_snoozed_one_was_asked_anew(town: Town) -> None:
    (skipped,) = town.all_of(Cart, town.lake, state=CartState.SKIPPED)
    (snoozed,) = [one for one in town.all_of(Cart, town.lake, state=CartState.EXPIRED) if "snoozed" in one.note]
    supplies = {one.supply_id for one in town.all_of(Line, town.lake, cart_id=snoozed.id)}
    ids = {one.cart_id for one in town.all_of(Line, town.lake) if one.supply_id in supplies}
    asked_us = [
        one.created_us for one in town.all_of(Cart, town.lake) if one.id in ids and one.created_us > snoozed.created_us
    ]
    assert skipped.created_us < snoozed.created_us
    assert min(asked_us) >= (snoozed.snoozed_until_us or 0)


def test_nothing_was_bought_for_the_frozen_household(town: Town) -> None:
    begins, ends = (BEGINS_US + (day - 1) * DAY_US for day in FREEZE)
    assert [one for one in town.all_of(Order, town.mill) if begins < one.created_us <= ends] == []
    assert [one for one in town.all_of(Cart, town.mill) if one.created_us > ends]


def test_ten_kills_at_random_moments_change_nothing(lived: Lived, tmp_path: Path) -> None:
    told = live(tmp_path, seed=SEED, kills=KILLS)
    assert books.differences(lived.all_days, told) == [], tmp_path


def test_the_first_days_are_the_same_on_mosquitto_with_pages_intake_and_worker_apart(
    lived: Lived, tmp_path: Path
) -> None:
    told = live(tmp_path, FEW_DAYS, seed=SEED, broker="mosquitto", apart=True)
    assert books.differences(lived.few_days, told) == [], tmp_path


def test_the_first_days_are_the_same_on_postgresql_with_pages_intake_and_worker_apart_and_each_of_them_killed(
    lived: Lived, postgres: PostgresDatabases, tmp_path: Path
) -> None:
    with postgres.bare() as url:
        told = live(tmp_path, FEW_DAYS, seed=SEED, kills=3, apart=True, database_url=url)
    assert books.differences(lived.few_days, told) == [], tmp_path
