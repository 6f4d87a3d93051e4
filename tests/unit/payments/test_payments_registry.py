from importlib.metadata import EntryPoint

import pytest

from payments import registry
from payments.adapters.balance import BalanceAdapter
from payments.errors import ConfigError, UnknownAdapter
from payments.memory import MemoryContext


@pytest.fixture
def context() -> MemoryContext:
    return MemoryContext()


def test_both_adapters_of_this_package_are_installed() -> None:
    assert {"balance", "openbanking", "sandbox"} <= set(registry.installed())


def test_an_adapter_is_made_by_its_name(context: MemoryContext) -> None:
    assert isinstance(registry.make("balance", context), BalanceAdapter)


def test_an_unknown_name_is_answered_with_the_names_there_are(context: MemoryContext) -> None:
    with pytest.raises(UnknownAdapter, match=r"no payment adapter is called 'paypall'; installed: .*balance"):
        registry.make("paypall", context)


def test_an_adapter_that_cannot_be_imported_is_the_operators_to_repair(
    context: MemoryContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = EntryPoint("broken", "payments.adapters.nowhere:Adapter", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [broken] if group == registry.GROUP else [])
    with pytest.raises(ConfigError, match=r"'broken'.*cannot be imported"):
        registry.make("broken", context)


def test_two_adapters_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    two = [EntryPoint("bank", f"package_{number}:Adapter", registry.GROUP) for number in (1, 2)]
    monkeypatch.setattr(registry, "entry_points", lambda group: two if group == registry.GROUP else [])
    with pytest.raises(ConfigError, match="two packages"):
        registry.installed()
