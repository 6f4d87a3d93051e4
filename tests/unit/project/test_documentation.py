"""What the README says is so: every setting, command, adapter and step is in it, and nothing that is not there."""

import doctest
import importlib
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import SecretStr

from devices import decode_report, open_envelope
from gateway.bench import BENCHMARKS
from gateway.cli import app
from gateway.config import Settings
from gateway.steps import BRANCHES, RIVER
from gateway.web.api import docs, router

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "payments/README.md",
    "gateway/merchants/README.md",
    *(str(path.relative_to(ROOT)) for path in DECISIONS),
]


def commands() -> dict[str, set[str]]:
    """Every command as it is typed, with its options."""
    found: dict[str, set[str]] = {}

    def walk(command: Any, words: list[str]) -> None:  # noqa: ANN401 — click's own types are not typer's
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                walk(inner, [*words, name])
        else:
            options = {option for parameter in command.params for option in parameter.opts if option.startswith("-")}
            found[" ".join(words)] = options | {"--help"}

    walk(typer.main.get_command(app), ["replenish"])
    return found


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def table_rows(first_cell: str) -> list[str]:
    """The first cells of those rows of all tables that look like this."""
    return re.findall(rf"^\| ({first_cell}) \|", README, re.MULTILINE)


def said_default(value: object) -> str:
    """A default as the table says it; nothing where there is none."""
    match value:
        case SecretStr() | None | "":
            return ""
        case float():
            return f"`{value:g}`"
        case _:
            return f"`{value}`"


def test_every_setting_is_in_the_table_with_its_default_and_meaning() -> None:
    wanted = []
    for name, field in Settings.model_fields.items():
        default = said_default(field.get_default(call_default_factory=True))
        wanted.append(f"| `REPLENISH_{name.upper()}` |{f' {default}' if default else ''} | {field.description} |")
    assert re.findall(r"^\| `REPLENISH_.*$", README, re.MULTILINE) == wanted


def test_every_command_is_in_the_table() -> None:
    assert [cell.strip("`") for cell in table_rows("`replenish [a-z -]+`")] == list(commands())


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_named_exists(page: str) -> None:
    named = set(re.findall(r"`(?:\.venv/bin/)?(replenish [a-z-]+(?: [a-z-]+)?)", (ROOT / page).read_text()))
    known = {command for full in commands() for command in (full, " ".join(full.split()[:2]))}
    one_word = {full for full in commands() if len(full.split()) == 2}
    unknown = {name for name in named - known if " ".join(name.split()[:2]) not in one_word}
    assert unknown == set()


def test_every_command_line_shown_can_be_typed() -> None:
    lines = [
        line.partition("#")[0].strip()
        for block in blocks("sh")
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("replenish ")
    ]
    assert lines
    known = commands()
    for line in lines:
        words = shlex.split(line)
        name = next(" ".join(words[:length]) for length in (3, 2) if " ".join(words[:length]) in known)
        assert {word for word in words if word.startswith("--")} <= known[name], line


def test_every_make_target_is_named_and_every_one_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*?## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`make ([a-z-]+)", (ROOT / page).read_text())}
    named |= {name for block in blocks("sh") for name in re.findall(r"^make ([a-z-]+)", block, re.MULTILINE)}
    assert named == targets


def test_the_river_and_its_branches_stand_in_order_with_a_link_to_each_file() -> None:
    shown = re.findall(r"^\| \[(\w+)\]\((gateway/steps/\w+\.py)\) \|", README, re.MULTILINE)
    assert [name for name, _ in shown] == [*RIVER, *BRANCHES]
    assert [path for name, path in shown] == [f"gateway/steps/{name}.py" for name in (*RIVER, *BRANCHES)]


def test_every_adapter_is_documented_and_can_be_loaded() -> None:
    groups = PROJECT["entry-points"]
    assert groups
    for group, entries in groups.items():
        (row,) = re.findall(rf"^\| .*`{re.escape(group)}`.*$", README, re.MULTILINE)
        for name, value in entries.items():
            assert f"`{name}`" in row
            module, _, attribute = value.partition(":")
            assert callable(getattr(importlib.import_module(module), attribute))


def test_every_benchmark_is_listed_by_one_word() -> None:
    assert all(re.fullmatch(r"[a-z]+", name) for name in BENCHMARKS)


def test_the_examples_of_the_format_are_what_the_code_does() -> None:
    parsed = doctest.DocTestParser().get_doctest("".join(blocks("pycon")), {}, "README.md", "README.md", 0)
    assert len(parsed.examples) > 5
    result = doctest.DocTestRunner(verbose=False).run(parsed)
    assert result.failed == 0


def test_the_plain_message_shown_is_opened_and_read() -> None:
    (message,) = re.findall(r"-m '(\{.*\})'", README)
    opened = open_envelope(message.encode(), "fridge-3f9a", None)
    assert opened.signature == "unsigned"
    (reading,) = decode_report(opened.body, opened.content_type).readings
    assert (reading.slot, reading.quantity) == ("milk", 0.35)


def test_the_settings_shown_as_json_are_accepted() -> None:
    examples = re.findall(r"^REPLENISH_(PAYMENT_\w+)='(.*)'$", README, re.MULTILINE)
    assert len(examples) == 2
    Settings.model_validate({name.lower(): json.loads(value) for name, value in examples})


def test_every_address_of_the_api_that_is_shown_exists() -> None:
    web = FastAPI(docs_url=None)
    web.include_router(router)
    known = {re.sub(r"\{\w+\}", "*", path) for path in web.openapi()["paths"]}
    shown = {re.sub(r"\$\w+", "*", path) for path in re.findall(r"http://127\.0\.0\.1:8000(/api/[^\s\"?)]*)", README)}
    assert len(shown) > 3
    assert shown - {"/api/docs"} <= known
    assert "/docs" in {route.path for route in docs.router.routes if isinstance(route, APIRoute)}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text())
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


def test_every_picture_shown_is_one_that_make_pictures_takes() -> None:
    taken = (ROOT / "scripts" / "pictures.py").read_text()
    shown = re.findall(r"docs/pictures/(\w+)-(light|dark)-(\d+)\.png", README)
    assert shown
    for name, theme, width in shown:
        assert re.search(rf'"{name}"', taken), name
        assert re.search(rf'"{theme}"', taken)
        assert width in taken


def test_the_present_version_is_in_the_changelog() -> None:
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_decision_is_in_the_list() -> None:
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (ROOT / "docs" / "decisions" / "README.md").read_text())
    assert listed == sorted(path.name for path in (ROOT / "docs" / "decisions").glob("0*.md"))


def test_no_page_speaks_of_a_machine_it_was_written_on() -> None:
    telltale = re.compile(r"/work/|/home/|/root/|/tmp/|/Users/")
    assert [(page, found[0]) for page in PAGES if (found := telltale.findall((ROOT / page).read_text()))] == []
