"""Which providers an account may be linked at."""

from dataclasses import replace

import pytest

from gateway.domain.errors import Invalid
from gateway.steps.money.capabilities import NEEDED, require_served
from payments.adapters.balance import BalanceAdapter

ABLE = replace(BalanceAdapter.capabilities, title="Elm Bank")


def test_a_provider_that_can_do_all_that_is_needed_is_served() -> None:
    require_served(ABLE, "EUR")
    require_served(replace(ABLE, currencies=frozenset({"EUR", "USD"})), "EUR")


def test_a_provider_that_does_not_do_the_households_currency_is_refused() -> None:
    with pytest.raises(Invalid, match="Elm Bank does not do JPY"):
        require_served(replace(ABLE, currencies=frozenset({"EUR"})), "JPY")


@pytest.mark.parametrize("ability", NEEDED)
def test_a_provider_that_lacks_what_the_river_needs_is_refused(ability: str) -> None:
    with pytest.raises(Invalid, match=f"Elm Bank cannot {NEEDED[ability]}"):
        require_served(replace(ABLE, **{ability: False}), "EUR")
