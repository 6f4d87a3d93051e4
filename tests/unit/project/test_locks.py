"""The locks and the front-end files keep what the set-up promises."""

import ast
import json
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PYTHON_LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-node.txt")


def names(requirements: list[str]) -> set[str]:
    """Return the normalised names of requirements as written in pyproject.toml."""
    return {re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0].lower().replace("_", "-") for line in requirements}


def locked(lock: str) -> set[str]:
    """Return the names a Python lock pins."""
    return set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / lock).read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", [*PYTHON_LOCKS, "package-lock.json"])
def test_a_lock_names_no_host_and_no_path(lock: str) -> None:
    telltale = re.compile(r"https?:|file:/|index-url|find-links|trusted-host|resolved|\s/\w+/")
    assert [line for line in (ROOT / lock).read_text().splitlines() if telltale.search(line)] == []


@pytest.mark.parametrize("lock", PYTHON_LOCKS)
def test_every_pinned_python_package_has_its_hashes(lock: str) -> None:
    entries = re.split(r"^(?=[a-z0-9])", (ROOT / lock).read_text(), flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_every_locked_front_end_package_has_its_integrity() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert [name for name, package in packages.items() if name and not package.get("integrity")] == []


def test_the_locks_hold_all_that_the_project_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert names([*project["project"]["dependencies"], *project["build-system"]["requires"]]) <= locked(
        "requirements.txt"
    )
    assert names(project["dependency-groups"]["dev"]) <= locked("requirements-dev.txt") | locked("requirements.txt")


@pytest.mark.parametrize("room", ["gateway", "devices", "forecasting", "payments", "simulators"])
def test_a_room_imports_only_what_the_run_time_lock_brings(room: str) -> None:
    # Contract suites are run by the tests of adapters' authors: they alone may use pytest.
    trees = [ast.parse(path.read_text()) for path in (ROOT / room).rglob("*.py") if path.name != "contract.py"]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    tops = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    brought_by = packages_distributions()
    third_party = {top: names(brought_by.get(top, [top])) for top in tops if not (ROOT / top).is_dir()}
    assert {top for top, wanted in third_party.items() if not wanted & locked("requirements.txt")} == set()


def test_the_front_end_lock_is_that_of_package_json() -> None:
    wanted = json.loads((ROOT / "package.json").read_text())
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    pins = wanted["dependencies"] | wanted["devDependencies"]
    assert {name: packages[f"node_modules/{name}"]["version"] for name in pins} == pins


def test_the_icon_list_is_sorted_and_names_each_icon_once() -> None:
    icons = (ROOT / "scripts" / "icons.txt").read_text().split()
    assert icons == sorted(set(icons))


def test_every_vendored_file_that_a_page_names_is_laid_out() -> None:
    web = ROOT / "gateway" / "web"
    pages = [path for folder in ("templates", "static", "pages", "api") for path in (web / folder).rglob("*.*")]
    sources = [path for path in pages if path.suffix in {".html", ".css", ".js", ".py"} and "vendor" not in path.parts]
    named = {name for path in sources for name in re.findall(r"/static/vendor/([\w.-]+\w)", path.read_text())}
    assert {name for name in named if not (web / "static" / "vendor" / name).is_file()} == set()


def test_every_icon_that_a_page_names_is_in_the_sprite() -> None:
    web = ROOT / "gateway" / "web"
    sources = [*(web / "templates").rglob("*.html"), *web.rglob("*.py")]
    named = {name for path in sources for name in re.findall(r"""\bicon\(["']([a-z0-9-]+)["']""", path.read_text())}
    assert named <= set((ROOT / "scripts" / "icons.txt").read_text().split())
