"""A PostgreSQL server of the tests' own: in a temporary folder, on a socket there, gone when the process is gone."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
from sqlalchemy import URL

ROOT = Path(__file__).parents[1]
SUPERUSER = "replenish"
START_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0

# It ends when its input ends, so the server outlives nobody, however this process ends; then its folder goes too.
GUARD = (
    'folder=$1; shift; "$@" </dev/null & server=$!; cat >/dev/null; kill -QUIT $server; wait $server; rm -rf "$folder"'
)

# Nobody here cuts the power. Whoever may look into the socket's folder is let in; others give a password.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "4GB",
    "shared_buffers": "64MB",
    "max_connections": "300",
    "jit": "off",
    "autovacuum_naptime": "10s",
    "log_min_messages": "fatal",
}
HOST_RULES = f"local all {SUPERUSER} trust\nlocal all all scram-sha-256\n"


class PostgresServer:
    """One running server; its superuser needs no password. `settings` are put over those of the tests."""

    def __init__(self, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        found = subprocess.run(["sh", "scripts/find_postgres.sh"], cwd=ROOT, capture_output=True, text=True, check=True)
        self._programs = Path(found.stdout.strip())
        # Not under pytest's own folders: a socket's path may have some hundred characters only.
        self.folder = Path(tempfile.mkdtemp(prefix="replenish-postgres-"))
        self._user = _server_user()
        if self._user is not None:
            shutil.chown(self.folder, self._user, pwd.getpwnam(self._user).pw_gid)
        data = self.folder / "data"
        self._run(
            "initdb", f"--pgdata={data}", f"--username={SUPERUSER}", "--auth=reject", "--no-sync", "--locale=C",
            "--encoding=UTF8", "--no-instructions",
        )  # fmt: skip
        (data / "pg_hba.conf").write_text(HOST_RULES)
        options = [option for name, value in (SETTINGS | settings).items() for option in ("-c", f"{name}={value}")]
        self._log = (self.folder / "log").open("wb")
        self._guard = subprocess.Popen(
            ["sh", "-c", GUARD, "guard", str(self.folder), str(self._programs / "postgres"), "-D", str(data),
             "-k", str(self.folder), *options],
            stdin=subprocess.PIPE, stdout=self._log, stderr=self._log, start_new_session=True, **self._as_user(),
        )  # fmt: skip
        self._wait()

    def url(self, database: str, *, user: str = SUPERUSER, password: str | None = None) -> str:
        """Return what goes into REPLENISH_DATABASE_URL."""
        url = URL.create("postgresql", user, password, database=database, query={"host": str(self.folder)})
        return url.render_as_string(hide_password=False)

    def execute(self, *statements: str) -> None:
        """Run statements that no transaction may hold, as the superuser."""
        with psycopg.connect(host=str(self.folder), user=SUPERUSER, dbname="postgres", autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def stop(self) -> None:
        """End it and what it has written."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait(STOP_WITHIN_S)
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait(self) -> None:
        until = time.monotonic() + START_WITHIN_S
        while True:
            try:
                return self.execute()
            except psycopg.OperationalError:
                if self._guard.poll() is not None or time.monotonic() > until:
                    raise AssertionError((self.folder / "log").read_text()) from None
                time.sleep(0.02)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments], cwd=self.folder, capture_output=True, check=True, **self._as_user()
        )

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        account = pwd.getpwnam(self._user)
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _server_user() -> str | None:
    """Return who runs the server where we may not: it refuses to be run by root."""
    if os.geteuid() != 0:
        return None
    known = {one.pw_name for one in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"
