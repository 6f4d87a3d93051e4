"""Run every benchmark of the product and write the figures, with machine and date, to docs/BENCHMARKS.md.

``replenish bench --list`` names the benchmarks, one a line; ``replenish bench NAME --json`` prints one object, whose
text fields describe the run and whose numbers are its figures. Objects inside it are read the same way.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.postgres import PostgresServer

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "docs" / "BENCHMARKS.md"
REPLENISH = str(Path(sys.executable).with_name("replenish"))
DURABLE = {"fsync": "on", "full_page_writes": "on"}
LIMIT_SECONDS = 1800
HEAD = """# Benchmarks

Written by `make bench`: every `replenish bench NAME --json`, one after the other, on one machine. A figure says what
this machine did on this day beside whatever else it had to do; compare figures of one run, not of two machines.

| | |
| --- | --- |
"""


def main() -> int:
    """Run the benchmarks named in the arguments, or all; write the report only when every one has succeeded."""
    arguments = argparse.ArgumentParser(description="Run the benchmarks and write docs/BENCHMARKS.md.")
    arguments.add_argument("names", nargs="*", help="these alone, printed and not written")
    asked = arguments.parse_args().names
    names = asked or [line.split()[0] for line in replenish("--list").splitlines() if line.strip()]
    present = machine()
    sections = []
    with server() as options:
        for name in names:
            print(f"{name} …", flush=True)
            sections.append(section(name, json.loads(replenish(name, "--json", *options))))
    if asked:
        print("\n".join(sections))
        return 0
    REPORT.write_text(HEAD + table(present) + "\n" + "\n".join(sections))
    print(f"Wrote {REPORT.relative_to(ROOT)}.")
    return 0


@contextmanager
def server() -> Iterator[tuple[str, ...]]:
    """Run a PostgreSQL server of our own that waits for the disk; without one installed, SQLite alone is measured."""
    if subprocess.run(["sh", "scripts/find_postgres.sh"], cwd=ROOT, capture_output=True, check=False).returncode:
        yield ()
        return
    running = PostgresServer(DURABLE)
    try:
        yield ("--database-url", running.url("postgres"))
    finally:
        running.stop()


def replenish(*arguments: str) -> str:
    """Return what one ``replenish bench`` prints; its complaints go to the terminal, and a failure ends the report."""
    command = [REPLENISH, "bench", *arguments]
    return subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS, check=True
    ).stdout


def section(name: str, result: dict[str, object]) -> str:
    """Return one benchmark's part of the report: what it did in words, then its figures."""
    rows = list(flatten(result))
    words = [(key, value) for key, value in rows if isinstance(value, str)]
    figures = [(key, figure(value)) for key, value in rows if isinstance(value, int | float)]
    prose = "".join(f"{value}\n\n" if key in {"title", "what"} else f"{key}: {value}\n\n" for key, value in words)
    return f"## {name}\n\n{prose}| figure | value |\n| --- | ---: |\n{table(figures)}"


def flatten(result: dict[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    """Yield (name, value) of every leaf; an object's name stands before those inside it, a list's entries count."""
    for key, value in result.items():
        name = f"{above}{key}".replace("_", " ")
        if isinstance(value, list):
            yield from flatten({str(number): entry for number, entry in enumerate(value, 1)}, f"{name}, ")
        elif isinstance(value, dict):
            yield from flatten(value, f"{name}, ")
        else:
            yield name, value


def figure(value: object) -> str:
    """Return a number as people read it: thousands apart, three significant places below one thousand."""
    match value:
        case bool():
            return "yes" if value else "no"
        case float() if abs(value) < 1000:
            return f"{value:.3g}"
        case _:
            return f"{value:,.0f}"


def table(rows: list[tuple[str, str]]) -> str:
    """Return the rows of a Markdown table."""
    return "".join(f"| {name} | {value} |\n" for name, value in rows)


def machine() -> list[tuple[str, str]]:
    """Return what decides a figure: the day, the state of the code and the machine."""
    gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return [
        ("date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("code", commit or "not a git checkout"),
        ("processor", f"{processor()}, {os.cpu_count()} cores"),
        ("memory", f"{gigabytes:.0f} GiB"),
        ("system", f"{platform.system()} {platform.release()}"),
        ("Python", platform.python_version()),
        ("processes that ran or waited before", f"{os.getloadavg()[0]:.1f}, a minute's average"),
    ]


def processor() -> str:
    """Return the processor's name as the system tells it."""
    told = Path("/proc/cpuinfo")
    if told.exists():
        names = [
            line.partition(":")[2].strip() for line in told.read_text().splitlines() if line.startswith("model name")
        ]
    else:
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        names = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.splitlines()
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
