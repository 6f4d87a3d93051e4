"""What is wrong with an installation, and what to do. Nothing is changed; shops and providers are only asked."""

import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from gateway.assembly import assemble
from gateway.cli.doctor_contents import contents
from gateway.cli.findings import Finding, Weight, judge
from gateway.config import ENV_FILE, Settings
from gateway.steps.ports import StoreUnavailable
from gateway.steps.receive import InboxUnavailable
from gateway.store import migrate
from gateway.store.engine import UnknownDatabase, open_engine
from gateway.store.errors import VaultError
from gateway.store.server import unfit

LEAST_FREE_BYTES = 200 * 1024 * 1024
PROBE_S = 2.0
WEB = Path(__file__).parent.parent / "web"
VENDOR = WEB / "static" / "vendor"
PAGE_SOURCES = frozenset({".html", ".css", ".js", ".py"})
NAMED_VENDOR_FILE = re.compile(r"/static/vendor/([\w.-]+\w)")


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
    except (SQLAlchemyError, StoreUnavailable, UnknownDatabase) as error:
        reason = getattr(error, "orig", None) or error
        yield Finding(Weight.PROBLEM, f"the database cannot be opened: {reason}", "check REPLENISH_DATABASE_URL")
        return
    yield from looks
    if any(look.weight is Weight.PROBLEM for look in looks):
        return
    yield _front_end()
    web = _web_address(settings)
    yield web
    yield _broker_address(settings, is_serving=web.text.endswith("answers"))
    try:
        gateway = assemble(settings)
    except (VaultError, InboxUnavailable) as error:
        yield Finding(Weight.PROBLEM, str(error), "restore the files of this data directory from one backup")
        return
    with closing(gateway):
        yield from contents(gateway)


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
    yield judge(enough, f"{free // 2**20} MiB free on its disk", "make room: what cannot be kept is not acknowledged")


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
    if have is not None and want is not None and migrate.is_newer(have):
        newer = f"the database is at version {have}, newer than this program, which knows {want}"
        yield Finding(Weight.PROBLEM, newer, "install the version of replenish that made it")
        return
    yield judge(have == want, f"database at version {have or 'none'} of {want}", "run `replenish init`")
    for wrong in unfit(engine):
        yield Finding(Weight.PROBLEM, f"the database server: {wrong}", "see the README, On PostgreSQL")
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            said = connection.execute(text("PRAGMA quick_check(1)")).scalar()
        yield judge(said == "ok", f"the database's own check says: {said}", "restore it from a backup")


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


def _broker_address(settings: Settings, *, is_serving: bool) -> Finding:
    host, port = settings.mqtt_host, settings.mqtt_port
    answers = port != 0 and _answers(host, port)
    if settings.mqtt_broker == "embedded":
        if not answers and is_serving and port != 0:
            # `replenish web` alone has no broker: that is a way to run it, with `ingest` beside it.
            text = f"the web answers, but no broker on {host}:{port}: no device can be heard"
            return Finding(
                Weight.PROBLEM, text, "start `replenish serve`, or `replenish ingest` beside `replenish web`"
            )
        if port == 0:
            return Finding(Weight.OK, f"embedded broker on {host} takes a free port when it starts")
        return Finding(Weight.OK, f"embedded broker on {host}:{port} " + ("answers" if answers else "is free"))
    if not settings.mqtt_secret.get_secret_value():
        return Finding(Weight.PROBLEM, "the gateway has no secret at its broker", "set REPLENISH_MQTT_SECRET")
    remedy = "start it: `replenish broker mosquitto`, or check REPLENISH_MQTT_HOST and REPLENISH_MQTT_PORT"
    return judge(answers, f"external broker on {host}:{port} " + ("answers" if answers else "does not answer"), remedy)


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
