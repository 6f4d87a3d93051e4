"""Payment adapters by name. A package offers one as an entry point of the group `replenish.payment_adapters`."""

from importlib.metadata import EntryPoint, entry_points

from payments.adapter import (
    PaymentAdapter,
)
from payments.context import AdapterContext
from payments.errors import ConfigError, UnknownAdapter

GROUP = "replenish.payment_adapters"


def installed() -> tuple[str, ...]:
    """The names there are, sorted; nothing is imported."""
    return tuple(sorted(_entries()))


def make(name: str, context: AdapterContext) -> PaymentAdapter:
    """Import and make one adapter. Raises UnknownAdapter, or ConfigError where its package cannot be imported."""
    entries = _entries()
    if name not in entries:
        raise UnknownAdapter(name, tuple(sorted(entries)))
    entry = entries[name]
    try:
        factory = entry.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"the payment adapter {name!r} ({entry.value}) cannot be imported: {error}") from error
    adapter: PaymentAdapter = factory(context)
    return adapter


def _entries() -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        if entry.name in found and found[entry.name].value != entry.value:
            # Whichever came first on the path would get the money; nobody chose that.
            raise ConfigError(f"two packages offer a payment adapter called {entry.name!r}: uninstall one")
        found[entry.name] = entry
    return found
