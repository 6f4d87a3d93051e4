"""Puts the gateway together: the one place that names concrete classes, real clocks and real randomness."""

import logging
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import uuid6
import uvicorn
from sqlalchemy import Engine, inspect

from devices.clock import ClockFile, RealClock
from gateway.config import Settings
from gateway.domain.payment import PaymentMethod
from gateway.domain.records import MerchantAccount
from gateway.domain.replenishment import DAY_US, SECOND_US
from gateway.intake import CommandSender, EmbeddedIntake, SessionIntake
from gateway.intake.mosquitto import GATEWAY_USER
from gateway.merchants import InstalledMerchants
from gateway.steps.ports import Clock, Services
from gateway.store import migrate
from gateway.store.adapter_context import InstalledProviders
from gateway.store.credentials import DeviceCredentials
from gateway.store.engine import open_engine
from gateway.store.errors import VaultError
from gateway.store.inbox import SqliteInbox
from gateway.store.merchant_secrets import unseal_merchant
from gateway.store.unit_of_work import SqlUnitOfWork
from gateway.store.vault import Vault
from gateway.store.work_queue import WorkQueue
from gateway.web.app import create_app
from gateway.web.pages import end_streams_when
from gateway.web.services import WebServices
from gateway.worker import Worker

OPERATOR_HOUSEHOLD = "operator"
STOP_WITHIN_S = 3


class NotInitialised(Exception):
    """The data directory holds no gateway yet, or one of another version; the message says what to run."""


class NotWritable(Exception):
    """The data directory belongs to somebody else, or lies on a disk that may only be read."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(f"the data directory {data_dir} cannot be written; check its owner and its disk")
        self.data_dir = data_dir


class NoBrokerSecret(Exception):
    """An external broker lets nobody in without a secret, and there is none by default."""

    def __init__(self) -> None:
        super().__init__("the gateway has no secret at its broker; set REPLENISH_MQTT_SECRET")


class NewerDatabase(NotInitialised):
    """A later version of the program made the database; nothing in it was touched."""

    def __init__(self, have: str, want: str) -> None:
        super().__init__(
            f"the database is at version {have}, newer than this program, which knows {want}; "
            "install the version of replenish that made it"
        )
        self.have = have
        self.want = want


@dataclass(frozen=True)
class Gateway:
    """Everything one process of the gateway stands on. Made by `assemble`, ended by `close`."""

    settings: Settings
    clock: Clock
    engine: Engine
    unit_of_work: SqlUnitOfWork
    inbox: SqliteInbox
    vault: Vault
    providers: InstalledProviders
    merchants: InstalledMerchants
    services: Services
    queue: WorkQueue

    def close(self) -> None:
        """Close connections and files."""
        self.merchants.close()
        self.providers.close()
        self.inbox.close()
        self.engine.dispose()


def assemble(settings: Settings) -> Gateway:
    """Open an installation that `replenish init` made; raises NotInitialised."""
    vault = _open_vault(settings)
    # Also who only reads writes beside the databases; asked here, since SQLite says it in other words.
    if not os.access(settings.data_dir, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise NotWritable(settings.data_dir)
    clock: Clock = RealClock() if settings.clock_file is None else ClockFile(settings.clock_file)
    engine = open_engine(settings.main_database_url, calls_at_once=settings.calls_at_once)
    unit_of_work = SqlUnitOfWork(engine, new_id, clock.wall_us)
    try:
        _check_version(engine)
        _check_keys(vault, unit_of_work)
        inbox = SqliteInbox(settings.inbox_path)
    except VaultError as error:
        engine.dispose()
        raise VaultError(f"the key file {settings.keys_path} does not belong to this database: {error}") from error
    except BaseException:
        engine.dispose()
        raise
    providers = InstalledProviders(
        engine,
        vault,
        settings=settings.payment_settings,
        secrets={
            adapter: {name: secret.get_secret_value() for name, secret in named.items()}
            for adapter, named in settings.payment_secrets.items()
        },
        now_us=clock.now_us,
    )
    merchants = InstalledMerchants(unseal=lambda account: unseal_merchant(vault, account.id, account.secret_sealed))
    services = Services(
        unit_of_work=unit_of_work,
        clock=clock,
        inbox=inbox,
        merchants=merchants,
        providers=providers,
        public_url=settings.public_url,
        undo_us=round(settings.undo_seconds * SECOND_US),
        keep_inbox_us=settings.keep_inbox_days * DAY_US,
    )
    return Gateway(
        settings=settings,
        clock=clock,
        engine=engine,
        unit_of_work=unit_of_work,
        inbox=inbox,
        vault=vault,
        providers=providers,
        merchants=merchants,
        services=services,
        queue=WorkQueue(engine, new_id(), clock.wall_us, place=_place(settings)),
    )


def _place(settings: Settings) -> str:
    """Return where this process works: what no other machine and no other data directory on this one is called."""
    return f"{socket.gethostname()}:{settings.data_dir.resolve()}/"


def _open_vault(settings: Settings) -> Vault:
    """Read the keys; raises NotInitialised where there is no gateway, VaultError where only the keys are missing."""
    if not settings.keys_path.exists() and not _has_database(settings):
        raise NotInitialised(f"{settings.data_dir} holds no gateway yet; run `replenish init` first")
    return Vault.open(settings.keys_path)


def _has_database(settings: Settings) -> bool:
    if not settings.database_url:
        return settings.sqlite_path.exists()  # to ask it would make it
    engine = open_engine(settings.database_url)
    try:
        return migrate.versions(engine)[0] is not None
    finally:
        engine.dispose()


def _check_keys(vault: Vault, unit_of_work: SqlUnitOfWork) -> None:
    """Open the newest thing that was sealed; raises VaultError for the keys of another installation."""
    with unit_of_work.read() as tx:
        for account in tx.find(MerchantAccount, None, newest=1):
            unseal_merchant(vault, account.id, account.secret_sealed)
        for method in tx.find(PaymentMethod, None, newest=1):
            vault.unseal(method.token_sealed, household_id=method.household_id, row_id=method.id)


def _check_version(engine: Engine) -> None:
    have, want = migrate.versions(engine)
    if have is not None and want is not None and migrate.is_newer(have):
        raise NewerDatabase(have, want)
    if have != want:
        raise NotInitialised(
            f"the database is at version {have or 'none'}, this program needs {want}; run `replenish init`"
        )


def new_id() -> str:
    """Return a UUIDv7: ids grow with real time, so rows read by id come in the order they were written."""
    return str(uuid6.uuid7())


def make_worker(gateway: Gateway, *, in_turn: bool = False) -> Worker:
    """Return a worker over this gateway's rows; `in_turn` makes one call after the other, whatever the settings say."""
    return Worker(gateway.services, gateway.queue, calls_at_once=1 if in_turn else gateway.settings.calls_at_once)


def make_intake(gateway: Gateway) -> EmbeddedIntake | SessionIntake:
    """Return the intake the settings choose; it is not started."""
    settings = gateway.settings
    # A connection of its own: the intake alone writes, and never waits for a reader's lock.
    inbox = SqliteInbox(settings.inbox_path)
    credentials, host, port = DeviceCredentials(gateway.unit_of_work), settings.mqtt_host, settings.mqtt_port
    if settings.mqtt_broker == "embedded":
        return EmbeddedIntake(inbox, credentials, gateway.clock, host=host, port=port)
    secret = settings.mqtt_secret.get_secret_value()
    if not secret:
        raise NoBrokerSecret
    return SessionIntake(inbox, credentials, gateway.clock, host=host, port=port, username=GATEWAY_USER, secret=secret)


def make_command_sender(gateway: Gateway, intake: EmbeddedIntake | SessionIntake) -> CommandSender:
    """Return what sends members' commands by this intake, while its `with` block runs."""
    return CommandSender(intake, gateway.unit_of_work, gateway.clock)


def make_web(gateway: Gateway) -> uvicorn.Server:
    """Return the web server; it is not started."""
    settings = gateway.settings
    app = create_app(
        WebServices(
            steps=gateway.services,
            base_url=settings.public_url,
            secure_cookies=settings.public_url.startswith("https://"),
            not_ready=lambda: not_ready(gateway),
        )
    )
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.web_host,
            port=settings.web_port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )
    )
    # An open page's stream would keep the server from stopping.
    end_streams_when(app, lambda: server.should_exit)
    return server


def not_ready(gateway: Gateway) -> tuple[str, ...]:
    """Say, a sentence each, what is missing before requests can be served."""
    have, want = migrate.versions(gateway.engine)
    if have != want:
        return (f"The database is at version {have}, this program needs {want}.",)
    return () if inspect(gateway.engine).has_table("household") else ("The database is empty.",)


def configure_logging(settings: Settings) -> None:
    """Send structlog and the libraries' own loggers to standard error; locals are never printed, they hold secrets."""
    level = getattr(logging, settings.log_level.upper())
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    tail = [structlog.processors.format_exc_info] if settings.log_format == "json" else []
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *tail,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=max(level, logging.WARNING), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )
