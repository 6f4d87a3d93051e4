"""Makes an installation, or brings one to this version: database, keys, operator. Running it again changes nothing."""

from collections.abc import Iterator

from gateway.assembly import OPERATOR_HOUSEHOLD, Gateway, NewerDatabase, NotInitialised, assemble, new_id
from gateway.config import Settings
from gateway.domain.access import Operator
from gateway.domain.household import Household
from gateway.domain.payment import PaymentMethod
from gateway.domain.replenishment import DAY_US
from gateway.steps.prune import EVERYTHING
from gateway.store import merchant_secrets, migrate
from gateway.store.engine import open_engine
from gateway.store.vault import Vault


def initialise(settings: Settings, *, operator_email: str) -> Iterator[str]:
    """Make what is missing and say, a line each, what was done."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = open_engine(settings.main_database_url)
    try:
        have, want = migrate.versions(engine)
        if have is not None and want is not None and have > want:
            raise NewerDatabase(have, want)
        if not settings.keys_path.exists():
            if have is not None:
                # A new key would open nothing that the old one sealed.
                raise NotInitialised(f"{settings.keys_path} is missing beside its database; restore it from a backup")
            Vault.create(settings.keys_path)
            yield f"Keys: {settings.keys_path} (keep a copy apart from the database)"
        if have is not None and have < merchant_secrets.SINCE_VERSION:
            merchant_secrets.seal_anew(engine, Vault.open(settings.keys_path))
        if have != want:
            migrate.upgrade(engine)
            yield f"Database: version {want}"
    finally:
        engine.dispose()
    gateway = assemble(settings)
    try:
        yield from _first_rows(gateway, operator_email)
    finally:
        gateway.close()


def _first_rows(gateway: Gateway, operator_email: str) -> Iterator[str]:
    now_us = gateway.clock.now_us()
    with gateway.unit_of_work.begin() as tx:
        if tx.seek(Household, OPERATOR_HOUSEHOLD, OPERATOR_HOUSEHOLD) is None:
            tx.add(
                Household(
                    id=OPERATOR_HOUSEHOLD,
                    household_id=OPERATOR_HOUSEHOLD,
                    name="The operator's own book",
                    time_zone="UTC",
                    currency="EUR",
                    frozen_since_us=None,
                    created_us=now_us,
                )
            )
        if not tx.find(Operator, None, oldest=1):
            tx.add(
                Operator(id=new_id(), name="Operator", email=operator_email, created_wall_us=gateway.clock.wall_us())
            )
            yield f"Operator: {operator_email}"
        if not tx.is_waiting("prune", EVERYTHING):
            tx.enqueue("prune", None, EVERYTHING, due_us=now_us + DAY_US)
        # Pay-outs are asked for daily once an account is linked; after a restore the rows are made again here.
        for adapter in sorted({method.adapter for method in tx.every(PaymentMethod, None)}):
            tx.enqueue("settle", None, adapter, due_us=now_us)
