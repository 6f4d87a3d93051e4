"""`replenish bench`: every benchmark prints one object; on a scale that proves it works and measures nothing."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import structlog

from gateway.bench import BENCHMARKS
from gateway.cli import main
from tests.databases import PostgresDatabases
from tests.integration.cli.conftest import Replenish
from tests.postgres import SUPERUSER

SMALL: dict[str, dict[str, object]] = {
    "intake": {"DEVICES": 2, "MESSAGES_A_ROUND": 70, "ROUNDS": 2, "FSYNC_S": 0.01},
    "river": {"DEVICES": 1, "DAYS": 2, "FORECAST_ROUNDS": 1},
    "payments": {
        "CYCLES": 4,
        "CYCLES_TO_COUNT": 4,
        "ROUNDS": 1,
        "WORKERS": (1,),
        "HOUSEHOLDS": 2,
        "ledger.PAYMENTS": 400,
        "ledger.HOUSEHOLDS": 2,
        "ledger.POSTED": 3,
        "claim.WAITING": (10, 30),
        "claim.DUE": 10,
        "claim.CLAIMS": 2,
    },
}


@pytest.fixture(autouse=True)
def _unlogged(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is logged goes nowhere, and no logger keeps this test's captured standard error."""
    monkeypatch.setattr("gateway.cli.bench.configure_logging", lambda _settings: None)
    with structlog.testing.capture_logs():
        yield


TEXTS = {"title", "what", "postgresql"}


def figures_of(found: dict[str, Any]) -> Iterator[object]:
    for value in found.values():
        yield from figures_of(value) if isinstance(value, dict) else [value]


def scale_down(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for constant, value in SMALL[name].items():
        monkeypatch.setattr(f"gateway.bench.{constant if '.' in constant else f'{name}.{constant}'}", value)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *arguments])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_benchmarks_are_listed_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert [line.split()[0] for line in run(capsys, "--list").splitlines()] == list(BENCHMARKS) == list(SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_prints_one_object_of_texts_and_figures(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scale_down(monkeypatch, name)
    (line,) = run(capsys, name, "--json").splitlines()
    found = json.loads(line)
    assert found["title"] == BENCHMARKS[name].title
    figures = list(figures_of({key: value for key, value in found.items() if key not in TEXTS}))
    assert figures
    assert all(isinstance(value, int | float) and value > 0 for value in figures)


def test_a_benchmark_never_touches_an_installation_that_the_environment_names(
    replenish: Replenish, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLENISH_DATA_DIR", str(replenish.data_dir))
    monkeypatch.setenv("REPLENISH_DATABASE_URL", f"sqlite:///{replenish.data_dir}/theirs.db")
    scale_down(monkeypatch, "intake")
    run(capsys, "intake", "--json")
    assert not replenish.data_dir.exists()


def test_an_unknown_benchmark_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "speed"])
    assert capsys.readouterr().err == "replenish: name a benchmark: intake, river, payments\n"


def test_debits_are_measured_on_a_server_too_and_nothing_is_left_there(
    postgres: PostgresDatabases, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scale_down(monkeypatch, "payments")
    found = json.loads(run(capsys, "payments", "--json", "--database-url", postgres.server.url("postgres")))
    for key in ("cycles_per_s", "limit_per_s", "ratio_to_limit"):
        assert {database: set(by_workers) for database, by_workers in found[key].items()} == {
            "sqlite": {"1"},
            "postgresql": {"1"},
        }
    assert found["claim_ms"].keys() == {"sqlite", "postgresql"}
    with psycopg.connect(host=str(postgres.server.folder), user=SUPERUSER, dbname="postgres") as connection:
        assert connection.execute("SELECT 1 FROM pg_database WHERE datname LIKE 'replenish_bench%'").fetchall() == []


def test_a_server_that_is_none_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "payments", "--database-url", "sqlite:///here.db"])
    assert capsys.readouterr().err.splitlines()[-1] == (
        "replenish: --database-url is for a PostgreSQL server; SQLite is measured without it"
    )
