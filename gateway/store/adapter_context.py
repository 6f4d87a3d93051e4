"""What a payment adapter is given of the world: HTTP, its settings and secrets, and its own key-value memory."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx
from sqlalchemy import Engine

from gateway.domain.payment import PaymentMethod
from gateway.store.adapter_state import SqlKeyValueState
from gateway.store.vault import Vault
from payments import registry
from payments.adapter import PaymentAdapter
from payments.errors import ConfigError
from payments.transport import HttpxClient


@dataclass(frozen=True, slots=True)
class Context:
    """All of the world that one adapter sees."""

    http: HttpxClient
    settings: Mapping[str, str]
    state: SqlKeyValueState
    secrets: Mapping[str, str]
    clock_us: Callable[[], int]

    def now_us(self) -> int:
        """Return the present in policy time."""
        return self.clock_us()

    def secret(self, name: str) -> str:
        """Return a secret by name; raises ConfigError where there is none."""
        try:
            return self.secrets[name]
        except KeyError:
            raise ConfigError(f"the payment secret {name!r} is not set; see REPLENISH_PAYMENT_SECRETS") from None


class InstalledProviders:
    """The payment adapters by name, each made once; linked accounts' tokens are sealed and unsealed here."""

    def __init__(
        self,
        engine: Engine,
        vault: Vault,
        *,
        settings: Mapping[str, Mapping[str, str]],
        secrets: Mapping[str, Mapping[str, str]],
        now_us: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._vault = vault
        self._settings = settings
        self._secrets = secrets
        self._now_us = now_us
        # Without the environment's proxies: a provider is reached as its settings say.
        self._client = httpx.Client(trust_env=False)
        self._lock = threading.Lock()
        self._made: dict[str, PaymentAdapter] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The adapters that are installed."""
        return registry.installed()

    def open(self, name: str) -> PaymentAdapter:
        """Return the adapter; raises ConfigError for an unknown name or a missing setting."""
        with self._lock:
            if name not in self._made:
                context = Context(
                    http=HttpxClient(self._client),
                    settings=self._settings.get(name, {}),
                    state=SqlKeyValueState(self._engine, self._vault, name),
                    secrets=self._secrets.get(name, {}),
                    clock_us=self._now_us,
                )
                self._made[name] = registry.make(name, context)
            return self._made[name]

    def seal(self, token: str, *, household_id: str, method_id: str) -> bytes:
        """Return the sealed form in which a linked account's token is kept."""
        return self._vault.seal(token, household_id=household_id, row_id=method_id)

    def token(self, method: PaymentMethod) -> str:
        """Return the provider's token of a linked account."""
        return self._vault.unseal(method.token_sealed, household_id=method.household_id, row_id=method.id)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
