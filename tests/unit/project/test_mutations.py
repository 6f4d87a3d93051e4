"""The faults of scripts/mutations.py: each can still be planted, and those the project promises to catch are there."""

import ast
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
MUTATIONS = runpy.run_path(str(ROOT / "scripts" / "mutations.py"))
FAULTS: tuple[Any, ...] = MUTATIONS["FAULTS"]
PROMISED = {
    "new-key-on-retry",
    "call-before-intent",
    "no-guard",
    "late-resubmit",
    "no-sync",
    "over-refund",
    "float-money",
    "swapped-tenant-row",
}


@pytest.mark.parametrize(
    ("path", "before", "after", "tests"),
    [pytest.param(one.path, one.before, one.after, one.tests, id=one.name) for one in FAULTS],
)
def test_a_fault_still_fits_the_source_and_is_a_program_once_planted(
    path: str, before: str, after: str, tests: tuple[str, ...]
) -> None:
    source = (ROOT / path).read_text(encoding="utf-8")
    assert source.count(before) == 1
    assert ast.dump(ast.parse(source.replace(before, after))) != ast.dump(ast.parse(source))
    assert all((ROOT / place).exists() for place in tests)


def test_every_promised_fault_is_planted_and_none_twice() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names))
    assert set(names) >= PROMISED
