"""What is wrong with an installation, and what to do. Nothing is changed; shops and providers are only asked."""

import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from devices.errors import BadClock
from gateway.assembly import OPERATOR_HOUSEHOLD, Gateway, assemble
from gateway.config import ENV_FILE, Settings
from gateway.domain.household import Household
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import Operation, OperationState, PaymentMethod
from gateway.domain.records import MerchantAccount
from gateway.steps.ports import MerchantError, StoreUnavailable
from gateway.steps.receive import InboxUnavailable
from gateway.store import migrate
from gateway.store.engine import open_engine
from gateway.store.vault import VaultError
from gateway.store.work_queue import Waiting
from payments.adapter import OperationKind, Sync, Unknown
from payments.errors import PaymentError

LEAST_FREE_BYTES = 200 * 1024 * 1024
PROBE_S = 2.0
MOST_REASON_CHARACTERS = 200
PROBE_REFERENCE = "doctor"
WEB = Path(__file__).parent.parent / "web"
VENDOR = WEB / "static" / "vendor"
PAGE_SOURCES = frozenset({".html", ".css", ".js", ".py"})
NAMED_VENDOR_FILE = re.compile(r"/static/vendor/([\w.-]+\w)")


class Weight(StrEnum):
    """How much a finding matters: only a problem makes `replenish doctor` fail."""

    OK = "ok"
    TO_DO = "to do"
    PROBLEM = "PROBLEM"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `remedy` says what to do when it is not as it should be."""

    weight: Weight
    text: str
    remedy: str = ""


def findings(settings: Settings) -> Iterator[Finding]:
    """Look at everything a running gateway needs; what cannot be looked at behind a problem is left out."""
    yield from _data_directory(settings)
    if not settings.keys_path.exists():
        yield Finding(
            Weight.PROBLEM, f"no {settings.keys_path.name} in {settings.data_dir}", _remedy_for_keys(settings)
        )
        return
    for path in (settings.keys_path, settings.data_dir / ENV_FILE):
        if path.exists():
            yield _secret_file(path)
    if _secret_file(settings.keys_path).weight is Weight.PROBLEM:
        return  # no command opens it then
    try:
        with closing(_Opened(settings.main_database_url)) as database:
            looks = list(_database(database.engine))
    except (SQLAlchemyError, StoreUnavailable) as error:
        reason = getattr(error, "orig", None) or error
        yield Finding(Weight.PROBLEM, f"the database cannot be opened: {reason}", "check REPLENISH_DATABASE_URL")
        return
    yield from looks
    if any(look.weight is Weight.PROBLEM for look in looks):
        return
    yield _front_end()
    yield _web_address(settings)
    yield _broker_address(settings)
    try:
        gateway = assemble(settings)
    except (VaultError, InboxUnavailable) as error:
        yield Finding(Weight.PROBLEM, str(error), "restore the files of this data directory from one backup")
        return
    with closing(gateway):
        yield from _inside(gateway)


class _Opened:
    """An engine that `closing` can close."""

    def __init__(self, url: str) -> None:
        self.engine = open_engine(url)

    def close(self) -> None:
        self.engine.dispose()


def _data_directory(settings: Settings) -> Iterator[Finding]:
    path = settings.data_dir
    if not path.is_dir():
        yield Finding(Weight.PROBLEM, f"no data directory {path}", "run `replenish init`, or name it with --data-dir")
        return
    try:
        with tempfile.TemporaryFile(dir=path):
            yield Finding(Weight.OK, f"data directory {path.resolve()} can be written")
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        yield Finding(Weight.PROBLEM, f"data directory {path.resolve()} cannot be written: {why}", "check its owner")
    free = shutil.disk_usage(path).free
    enough = free > LEAST_FREE_BYTES
    yield _judge(enough, f"{free // 2**20} MiB free on its disk", "make room: what cannot be kept is not acknowledged")


def _secret_file(path: Path) -> Finding:
    private = path.stat().st_mode & 0o077 == 0
    if private:
        return Finding(Weight.OK, f"{path.name} is readable by its owner alone")
    return Finding(Weight.PROBLEM, f"{path.name} can be read by others", f"run `chmod 600 {path}`")


def _remedy_for_keys(settings: Settings) -> str:
    if settings.database_url or (settings.data_dir / "replenish.db").exists():
        return "restore it from a backup: without it nothing sealed in the database can be opened"
    return "run `replenish init`"


def _database(engine: Engine) -> Iterator[Finding]:
    have, want = migrate.versions(engine)
    if have is not None and want is not None and have > want:
        newer = f"the database is at version {have}, newer than this program, which knows {want}"
        yield Finding(Weight.PROBLEM, newer, "install the version of replenish that made it")
        return
    yield _judge(have == want, f"database at version {have or 'none'} of {want}", "run `replenish init`")
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            said = connection.execute(text("PRAGMA quick_check(1)")).scalar()
        yield _judge(said == "ok", f"the database's own check says: {said}", "restore it from a backup")


def _front_end() -> Finding:
    """Every vendored file that a page names lies there; they are not in the repository."""
    sources = [path for path in WEB.rglob("*.*") if path.suffix in PAGE_SOURCES and VENDOR not in path.parents]
    named = {name for path in sources for name in NAMED_VENDOR_FILE.findall(path.read_text())}
    missing = sorted(name for name in named if not (VENDOR / name).is_file())
    if missing:
        return Finding(Weight.PROBLEM, f"front-end files are missing: {', '.join(missing)}", "run `make front`")
    return Finding(Weight.OK, f"{len(named)} front-end files")


def _web_address(settings: Settings) -> Finding:
    host, port = settings.web_host, settings.web_port
    if port == 0 or not _answers(host, port):
        return Finding(Weight.OK, f"web on {host}:{port} is free")
    try:
        # No proxy of the environment stands between a program and its own machine.
        with httpx.Client(trust_env=False, timeout=PROBE_S) as client:
            ours = client.get(f"http://{_reachable(host)}:{port}/healthz").is_success
    except httpx.HTTPError:
        ours = False
    if ours:
        return Finding(Weight.OK, f"web on {host}:{port} answers")
    remedy = "stop it, or choose another port with --port or REPLENISH_WEB_PORT"
    return Finding(Weight.PROBLEM, f"another program holds {host}:{port}, where the web would listen", remedy)


def _broker_address(settings: Settings) -> Finding:
    host, port = settings.mqtt_host, settings.mqtt_port
    answers = port != 0 and _answers(host, port)
    if settings.mqtt_broker == "embedded":
        return Finding(Weight.OK, f"embedded broker on {host}:{port} " + ("answers" if answers else "is free"))
    if not settings.mqtt_secret.get_secret_value():
        return Finding(Weight.PROBLEM, "the gateway has no secret at its broker", "set REPLENISH_MQTT_SECRET")
    remedy = "start it: `replenish broker mosquitto`, or check REPLENISH_MQTT_HOST and REPLENISH_MQTT_PORT"
    return _judge(answers, f"external broker on {host}:{port} " + ("answers" if answers else "does not answer"), remedy)


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((_reachable(host).strip("[]"), port), timeout=PROBE_S):
            return True
    except OSError:
        return False


def _reachable(host: str) -> str:
    """Return an address to connect to: who listens everywhere is found on the loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 — nothing is bound here
    return f"[{host}]" if ":" in host else host


def _inside(gateway: Gateway) -> Iterator[Finding]:
    try:
        gateway.clock.now_us()
    except BadClock as error:
        yield Finding(Weight.PROBLEM, f"the clock file: {error}", "unset REPLENISH_CLOCK_FILE for real time")
    with gateway.unit_of_work.read() as tx:
        households = sum(one.id != OPERATOR_HOUSEHOLD for one in tx.every(Household, None))
        shops = list(tx.every(MerchantAccount, None))
        methods = list(tx.every(PaymentMethod, None))
        unpaid = tx.count(Order, None, state=OrderState.PAYMENT_DUE)
        undecided = tx.count(Operation, None, state=OperationState.MANUAL_REVIEW)
    yield _present(households, "household", "add one: `replenish household add NAME --owner-email YOU`")
    yield _present(len(shops), "shop", "add one: `replenish merchant add ID …`; without a shop nothing can be ordered")
    for shop in shops:
        yield _shop(gateway, shop)
    for name in sorted({method.adapter for method in methods} | set(gateway.settings.payment_settings)):
        yield _payment_adapter(gateway, name)
    yield from _sealed(gateway, methods)
    failing = gateway.queue.waiting(failing_only=True)
    yield _judge(not failing, f"rows of work that keep failing: {len(failing)}", _first_failure(failing))
    remedy = "see Orders and Money in the pages; the household is told too"
    yield _judge(not unpaid, f"orders shipped and not paid: {unpaid}", remedy)
    remedy = "compare `replenish ledger check` with the provider's own pages"
    yield _judge(not undecided, f"payments that a person has to look at: {undecided}", remedy)


def _first_failure(failing: list[Waiting]) -> str:
    """Name the first row and the first line of why; the log has the rest."""
    if not failing:
        return ""
    reason = failing[0].last_error.partition("\n")[0][:MOST_REASON_CHARACTERS]
    return f"the first is {failing[0].step} {failing[0].subject_id}: {reason}"


def _shop(gateway: Gateway, shop: MerchantAccount) -> Finding:
    """Ask the shop about an order it cannot know: address, token and form are then proven, and nothing is ordered."""
    try:
        gateway.merchants.open(shop).status(PROBE_REFERENCE)
    except (MerchantError, VaultError) as error:
        remedy = f"check that it runs; put its address or token right with `replenish merchant add {shop.id} --replace`"
        return Finding(Weight.PROBLEM, f"shop {shop.id}: {error}", remedy)
    return Finding(Weight.OK, f"shop {shop.id} answers")


def _payment_adapter(gateway: Gateway, name: str) -> Finding:
    """Ask the provider about an operation it cannot know."""
    remedy = "check that it runs, and REPLENISH_PAYMENT_SETTINGS and REPLENISH_PAYMENT_SECRETS"
    try:
        answer = gateway.providers.open(name).sync(Sync(PROBE_REFERENCE, OperationKind.AUTHORIZE))
    except PaymentError as error:
        return Finding(Weight.PROBLEM, f"payment adapter {name}: {error}", remedy)
    if isinstance(answer, Unknown):
        return Finding(Weight.PROBLEM, f"payment adapter {name}: {answer.reason}", remedy)
    return Finding(Weight.OK, f"payment adapter {name} answers")


def _sealed(gateway: Gateway, methods: list[PaymentMethod]) -> Iterator[Finding]:
    for method in methods:
        try:
            gateway.providers.token(method)
        except VaultError as error:
            remedy = "restore the key file that belongs to this database, or link the account again"
            yield Finding(Weight.PROBLEM, f"the linked account {method.label!r}: {error}", remedy)
            return


def _present(count: int, what: str, remedy: str) -> Finding:
    if count:
        return Finding(Weight.OK, f"{count} {what}{'' if count == 1 else 's'}")
    return Finding(Weight.TO_DO, f"no {what} yet", remedy)


def _judge(good: bool, text: str, remedy: str) -> Finding:
    return Finding(Weight.OK, text) if good else Finding(Weight.PROBLEM, text, remedy)
