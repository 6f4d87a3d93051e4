"""`replenish bench`: every benchmark prints one object; on a scale that proves it works and measures nothing."""

import json
from collections.abc import Iterator

import pytest
import structlog

from gateway.bench import BENCHMARKS
from gateway.cli import main
from tests.integration.cli.conftest import Replenish

SMALL = {
    "intake": {"DEVICES": 2, "MESSAGES_A_ROUND": 70, "ROUNDS": 2, "FSYNC_S": 0.01},
    "river": {"DEVICES": 1, "DAYS": 2, "FORECAST_ROUNDS": 1},
    "claim": {"WAITING": (10, 30), "DUE": 10, "CLAIMS": 2, "FSYNC_S": 0.01},
    "payments": {
        "CYCLES": 2,
        "ROUNDS": 1,
        "ledger.PAYMENTS": 400,
        "ledger.HOUSEHOLDS": 2,
        "ledger.POSTED": 3,
    },
}


@pytest.fixture(autouse=True)
def _unlogged(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is logged goes nowhere, and no logger keeps this test's captured standard error."""
    monkeypatch.setattr("gateway.cli.bench.configure_logging", lambda _settings: None)
    with structlog.testing.capture_logs():
        yield


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
    for constant, value in SMALL[name].items():
        monkeypatch.setattr(f"gateway.bench.{constant if '.' in constant else f'{name}.{constant}'}", value)
    (line,) = run(capsys, name, "--json").splitlines()
    found = json.loads(line)
    assert found["title"] == BENCHMARKS[name].title
    figures = [value for key, value in found.items() if key not in {"title", "what"}]
    assert figures
    assert all(isinstance(value, int | float) and value > 0 for value in figures)


def test_a_benchmark_never_touches_an_installation_that_the_environment_names(
    replenish: Replenish, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLENISH_DATA_DIR", str(replenish.data_dir))
    monkeypatch.setenv("REPLENISH_DATABASE_URL", f"sqlite:///{replenish.data_dir}/theirs.db")
    for constant, value in SMALL["claim"].items():
        monkeypatch.setattr(f"gateway.bench.claim.{constant}", value)
    run(capsys, "claim", "--json")
    assert not replenish.data_dir.exists()


def test_an_unknown_benchmark_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "speed"])
    assert capsys.readouterr().err == "replenish: name a benchmark: intake, river, claim, payments\n"
