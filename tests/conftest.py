"""What holds for every test, and the databases they run on."""

from collections.abc import Iterator

import pytest
import structlog

from tests.databases import Databases, PostgresDatabases, SqliteDatabases
from tests.postgres import PostgresServer


@pytest.fixture(scope="session", autouse=True)
def _plain_tracebacks() -> None:
    """Let faults be logged as the product logs them: the library's own way draws every local variable, for seconds."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ]
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to the long run what takes long on PostgreSQL only; the same stories run on SQLite each time."""
    for item in items:
        if item.get_closest_marker("long_on_postgresql") and "postgresql" in item.callspec.params.values():  # type: ignore[attr-defined]  # a parametrised function has one
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresDatabases]:
    """Databases on a PostgreSQL server of this process, started when the first is asked for: it takes a second."""
    server = PostgresServer()
    databases = PostgresDatabases(server)
    yield databases
    databases.close()
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Databases:
    """Each of the databases the gateway runs on: a test that asks for them, or for a rig, runs on both."""
    if request.param == "sqlite":
        return SqliteDatabases(request.getfixturevalue("tmp_path"))
    found: PostgresDatabases = request.getfixturevalue("postgres")
    return found
