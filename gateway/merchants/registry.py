"""Merchant adapters by name. A package offers one as an entry point of the group `replenish.merchant_adapters`.

MerchantRefused
├── UnknownMerchant        no installed package offers an adapter of that name
└── MerchantMisconfigured  the adapter cannot be imported, or does not accept the account's settings
"""

import threading
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, runtime_checkable

from gateway.domain.records import MerchantAccount
from gateway.merchants.context import MerchantContext
from gateway.steps.ports import Merchant, MerchantRefused

GROUP = "replenish.merchant_adapters"


class UnknownMerchant(MerchantRefused):
    """No installed package offers a merchant adapter called `name`; `known` are the names there are."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no merchant adapter is called {name!r}; installed: {', '.join(known) or 'none'}")
        self.name = name
        self.known = known


class MerchantMisconfigured(MerchantRefused):
    """The operator must act: the message says what is wrong with the account or the installation."""


@runtime_checkable
class Closable(Protocol):
    """An adapter that holds something open, such as connections."""

    def close(self) -> None:
        """Let it go."""
        ...


class InstalledMerchants:
    """The `Merchants` port over the installed adapters. Safe to use from several threads.

    `unseal` returns an account's secret. An adapter is made once per account and
    made anew when the account was changed, so that connections are kept open between steps.
    """

    def __init__(
        self,
        *,
        unseal: Callable[[MerchantAccount], str],
        entries: Iterable[EntryPoint] | None = None,
    ) -> None:
        self._unseal = unseal
        self._entries = _by_name(entry_points(group=GROUP) if entries is None else entries)
        self._lock = threading.Lock()
        self._opened: dict[str, tuple[MerchantAccount, Merchant]] = {}
        self._replaced: list[Merchant] = []

    @property
    def names(self) -> tuple[str, ...]:
        """The adapters there are, sorted; nothing is imported."""
        return tuple(sorted(self._entries))

    def open(self, account: MerchantAccount) -> Merchant:
        """Return the adapter for one shop; raises UnknownMerchant or MerchantMisconfigured."""
        with self._lock:
            known = self._opened.get(account.id)
            if known is not None and known[0] == account:
                return known[1]
            merchant = self._make(account)
            if known is not None:
                # Another thread may be using it this moment; it is closed with the rest.
                self._replaced.append(known[1])
            self._opened[account.id] = (account, merchant)
            return merchant

    def close(self) -> None:
        """Close the adapters that hold something open (those with a `close`)."""
        with self._lock:
            for _, merchant in self._opened.values():
                _close(merchant)
            for merchant in self._replaced:
                _close(merchant)
            self._opened.clear()
            self._replaced.clear()

    def _make(self, account: MerchantAccount) -> Merchant:
        entry = self._entries.get(account.adapter)
        if entry is None:
            raise UnknownMerchant(account.adapter, self.names)
        try:
            factory = entry.load()
        except (ImportError, AttributeError) as error:
            raise MerchantMisconfigured(
                f"the merchant adapter {entry.name!r} ({entry.value}) cannot be imported: {error}"
            ) from error
        context = MerchantContext(
            settings=account.settings,
            secret=self._unseal(account),
            currency=account.currency,
        )
        merchant: Merchant = factory(context)
        return merchant


def _close(merchant: Merchant) -> None:
    if isinstance(merchant, Closable):
        merchant.close()


def _by_name(entries: Iterable[EntryPoint]) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in entries:
        if entry.name in found and found[entry.name].value != entry.value:
            # Whichever came first on the path would get the orders; nobody chose that.
            raise MerchantMisconfigured(f"two packages offer a merchant adapter called {entry.name!r}: uninstall one")
        found[entry.name] = entry
    return found
