"""Makes an installation, or brings one to this version: database, keys, operator. Running it again changes nothing."""

from collections.abc import Iterator

from gateway.assembly import OPERATOR_HOUSEHOLD, Gateway, NewerDatabase, NotInitialised, assemble, new_id
from gateway.config import Settings
from gateway.domain.access import Operator
from gateway.domain.household import Household
from gateway.domain.payment import PaymentMethod
from gateway.domain.replenishment import DAY_US
from gateway.steps.prune import EVERYTHING
from gateway.store import key_file, merchant_secrets, migrate
from gateway.store.engine import open_engine
from gateway.store.vault import Vault


def initialise(settings: Settings, *, operator_email: str, tells_known: bool = False) -> Iterator[str]:
    """Make what is missing and say, a line each, what was done; `tells_known`: and what was there already."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not settings.database_url:
        # Made by SQLite it would be readable by whoever may look into the directory; what lies beside it follows it.
        settings.sqlite_path.touch(mode=0o600)
        settings.sqlite_path.chmod(0o600)
    engine = open_engine(settings.main_database_url)
    try:
        have, want = migrate.versions(engine)
        if have is not None and want is not None and migrate.is_newer(have):
            raise NewerDatabase(have, want)
        if not settings.keys_path.exists():
            if have is not None:
                # A new key would open nothing that the old one sealed.
                raise NotInitialised(f"{settings.keys_path} is missing beside its database; restore it from a backup")
            key_file.create(settings.keys_path)
            yield f"Keys: {settings.keys_path} (keep a copy apart from the database)"
        elif tells_known:
            yield f"Keys: {settings.keys_path} is there already"
        if have is not None and have < merchant_secrets.SINCE_VERSION:
            merchant_secrets.seal_anew(engine, Vault.open(settings.keys_path))
        if have != want:
            migrate.upgrade(engine, vault=Vault.open(settings.keys_path))
            yield f"Database: version {want}"
        elif tells_known:
            yield f"Database: version {want} already"
    finally:
        engine.dispose()
    gateway = assemble(settings)
    try:
        yield from _first_rows(gateway, operator_email, tells_known=tells_known)
    finally:
        gateway.close()


def _first_rows(gateway: Gateway, operator_email: str, *, tells_known: bool) -> Iterator[str]:
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
        known = tx.find(Operator, None, oldest=1)
        if not known:
            tx.add(
                Operator(id=new_id(), name="Operator", email=operator_email, created_wall_us=gateway.clock.wall_us())
            )
            yield f"Operator: {operator_email}"
        elif tells_known:
            yield f"Operator: {known[0].email} already"
        if not tx.is_waiting("prune", EVERYTHING):
            tx.enqueue("prune", None, EVERYTHING, due_us=now_us + DAY_US)
        # Pay-outs are asked for daily once an account is linked; after a restore the rows are made again here.
        for adapter in sorted({method.adapter for method in tx.every(PaymentMethod, None)}):
            tx.enqueue("settle", None, adapter, due_us=now_us)
