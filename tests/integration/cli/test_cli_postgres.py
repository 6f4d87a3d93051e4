"""An installation on PostgreSQL, made with the README's own words; and what is said when it cannot be."""

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.databases import PostgresDatabases
from tests.integration.cli.conftest import Replenish
from tests.integration.cli.running import Running
from tests.postgres import PostgresServer

README = Path(__file__).resolve().parents[3] / "README.md"
PASSWORD = "p@ss/word:7"

_numbers = count(1)


@pytest.fixture
def server(postgres: PostgresDatabases) -> PostgresServer:
    return postgres.server


@pytest.fixture
def name(server: PostgresServer) -> Iterator[str]:
    """A role and a database of that name, made as the README says."""
    name = f"gateway_{next(_numbers)}"
    (words,) = re.findall(r"^```sql\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    words = words.replace("'PASSWORD'", f"'{PASSWORD}'").replace("replenish", name)
    server.execute(*words.strip().splitlines())
    yield name
    server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"DROP ROLE {name}")


@pytest.fixture
def on_postgres(replenish: Replenish, server: PostgresServer, name: str, monkeypatch: pytest.MonkeyPatch) -> Replenish:
    monkeypatch.setenv("REPLENISH_DATABASE_URL", server.url(name, user=name, password=PASSWORD))
    return replenish


def test_an_installation_is_made_looked_at_and_used_as_the_readme_says(on_postgres: Replenish) -> None:
    made = on_postgres("init")
    assert made.status == 0, made
    assert "Database: version" in made.out
    assert on_postgres("init").status == 0
    assert not (on_postgres.data_dir / "replenish.db").exists()
    added = on_postgres("household", "add", "Elm Road 3", "--owner-email", "ana@example.org")
    assert added.status == 0, added
    looked = on_postgres("doctor")
    problems = [line for line in looked.lines if "PROBLEM" in line]
    # The tests' server does not wait for the disk, and that is said.
    assert len(problems) == 1
    assert "fsync" in problems[0]
    assert PASSWORD not in looked.out + looked.err


def test_a_gateway_serves_on_it_and_ends_in_peace(on_postgres: Replenish) -> None:
    assert on_postgres("init").status == 0
    with on_postgres.process("serve") as process:
        serving = Running(process)
        address = serving.said("Web on ").removeprefix("Web on ")
        assert httpx.get(address + "/readyz", timeout=20, trust_env=False).status_code == 200
        assert serving.stop() == 0


def test_a_wrong_password_is_said_and_never_printed(
    replenish: Replenish, server: PostgresServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLENISH_DATABASE_URL", server.url(name, user=name, password="another-secret"))
    said = replenish.refused("init")
    assert "password authentication failed" in said
    assert "another-secret" not in said


def test_a_database_that_is_not_there_is_named(
    replenish: Replenish, server: PostgresServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLENISH_DATABASE_URL", server.url("nowhere", user=name, password=PASSWORD))
    assert 'database "nowhere" does not exist' in replenish.refused("init")


def test_a_server_that_does_not_answer_is_said(replenish: Replenish, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLENISH_DATABASE_URL", "postgresql://replenish:secret-7@127.0.0.1:1/replenish")
    said = replenish.refused("init")
    assert "port 1 failed" in said
    assert "secret-7" not in said


def test_a_role_that_may_make_no_tables_is_said(
    replenish: Replenish, server: PostgresServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(server.url(name), autocommit=True) as connection:
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        connection.execute(f"ALTER DATABASE {name} OWNER TO CURRENT_USER".encode())
    monkeypatch.setenv("REPLENISH_DATABASE_URL", server.url(name, user=name, password=PASSWORD))
    said = replenish("init")
    assert said.status == 1
    assert "permission denied for schema public" in said.err


def test_a_database_of_another_version_is_told_apart_and_not_touched(
    on_postgres: Replenish, server: PostgresServer, name: str
) -> None:
    assert on_postgres("init").status == 0
    for version, said in (("9999", "newer than this program"), ("0010", "run `replenish init`")):
        with psycopg.connect(server.url(name), autocommit=True) as connection:
            connection.execute("UPDATE alembic_version SET version_num = %s", (version,))
        assert said in on_postgres.refused("household", "list")


@pytest.mark.parametrize("url", ["mysql://a:secret-7@b/c", "postgresql://a:secret-7@b:port/c", "secret-7"])
def test_a_url_of_something_else_is_refused_and_never_printed(
    replenish: Replenish, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("REPLENISH_DATABASE_URL", url)
    said = replenish.refused("init")
    assert said.startswith("REPLENISH_DATABASE_URL ")
    assert "secret-7" not in said
