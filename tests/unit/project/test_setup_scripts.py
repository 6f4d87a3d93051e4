"""Set-up without what it needs ends in one sentence that says what to install: fake programs stand on the PATH."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
SHELL = shutil.which("sh") or "/bin/sh"
WITHIN_S = 120

# A Python of a version, with venv or without. A fake knows what it is asked by its words.
PYTHON = """\
case "$2" in
    *print*version_info*) echo {version} ;;
    *version_info*) exit {is_too_old} ;;
    *venv*) exit {has_no_venv} ;;
    *executable*) echo "$0" ;;
esac
"""
# An npm of a version; asked for anything else it says what it was asked.
NPM = 'if [ "$1" = --version ]; then echo {version}; else echo "npm {version}: $*"; fi\n'

Answer: TypeAlias = "subprocess.CompletedProcess[str]"
Place = Callable[[str, str], None]
Run = Callable[..., Answer]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Put a program of a few lines of shell somewhere below the working directory; `bin` alone is on the PATH."""

    def place(path: str, lines: str) -> None:
        program = tmp_path / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!{SHELL}\n{lines}")
        program.chmod(0o755)

    return place


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run one of the scripts where nothing but the fakes can be found."""

    def run(script: str, *arguments: str, shell: str = SHELL) -> Answer:
        return subprocess.run(
            [shell, str(SCRIPTS / script), *arguments],
            cwd=tmp_path,
            env={"PATH": str(tmp_path / "bin")},
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )

    return run


def python(version: str, *, is_too_old: bool = False, has_no_venv: bool = False) -> str:
    return PYTHON.format(version=version, is_too_old=int(is_too_old), has_no_venv=int(has_no_venv))


def assert_refused(answer: Answer, *words: str) -> None:
    """Nothing was printed for a program to use, and one sentence of one line says what is wrong."""
    assert answer.returncode == 1
    assert answer.stdout == ""
    (sentence,) = answer.stderr.splitlines()
    assert [one for one in words if one not in sentence] == []


def test_without_any_python_one_sentence_says_what_to_install(run: Run) -> None:
    assert_refused(run("find_python.sh"), "needs Python 3.11 or newer", "none was found", "python3-venv")


def test_a_python_too_old_is_named_with_its_version(run: Run, place: Place) -> None:
    place("bin/python3", python("3.9", is_too_old=True))
    assert_refused(run("find_python.sh"), "needs Python 3.11 or newer", "python3 is 3.9", "PYTHON=")


def test_a_python_without_venv_is_named_with_the_package_it_lacks(run: Run, place: Place) -> None:
    place("bin/python3", python("3.12", has_no_venv=True))
    assert_refused(run("find_python.sh"), "python3 cannot make virtual environments", "python3-venv")


def test_a_missing_venv_is_said_before_an_older_python_that_would_not_do_either(run: Run, place: Place) -> None:
    place("bin/python3.13", python("3.13", has_no_venv=True))
    place("bin/python3", python("3.9", is_too_old=True))
    assert_refused(run("find_python.sh"), "python3.13 cannot make virtual environments")


def test_an_empty_shim_is_no_python(run: Run, place: Place) -> None:
    place("bin/python3", "echo 'install the developer tools first' >&2; exit 1\n")
    assert_refused(run("find_python.sh"), "none was found")


def test_a_python_that_was_named_but_does_not_run_is_called_so(run: Run, place: Place) -> None:
    place("bin/python3", python("3.12"))
    assert_refused(run("find_python.sh", "python9"), "PYTHON=python9 does not run")


def test_the_newest_python_that_will_do_is_printed(run: Run, place: Place, tmp_path: Path) -> None:
    place("bin/python3.13", python("3.13", has_no_venv=True))
    place("bin/python3.12", python("3.12"))
    place("bin/python3", python("3.9", is_too_old=True))
    answer = run("find_python.sh")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, f"{tmp_path}/bin/python3.12\n", "")


def test_the_machines_own_npm_is_used_when_it_reads_our_lock(run: Run, place: Place) -> None:
    place("bin/npm", NPM.format(version="10.8.2"))
    answer = run("npm.sh", "ci", "--ignore-scripts")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "npm 10.8.2: ci --ignore-scripts\n", "")


@pytest.mark.parametrize("version", ["6.14.18", "unknown"])
def test_an_npm_that_cannot_read_our_lock_is_passed_over(run: Run, place: Place, version: str) -> None:
    place("bin/npm", NPM.format(version=version))
    place(".venv/bin/npm", NPM.format(version="10.8.2"))
    assert run("npm.sh", "ci").stdout == "npm 10.8.2: ci\n"


def test_without_npm_the_locked_one_is_installed_into_the_virtual_environment(run: Run, place: Place) -> None:
    place("unpacked/npm", NPM.format(version="10.8.2"))
    place(".venv/bin/pip", f'{shutil.which("cp")} unpacked/npm .venv/bin/npm; echo "pip $*" >&2\n')
    answer = run("npm.sh", "ci")
    assert (answer.returncode, answer.stdout) == (0, "npm 10.8.2: ci\n")
    assert "--require-hashes --requirement requirements-node.txt" in answer.stderr


def test_an_npm_that_pip_brings_but_that_does_not_run_here_is_one_sentence(run: Run, place: Place) -> None:
    place(".venv/bin/pip", "exit 0\n")
    answer = run("npm.sh", "ci")
    assert answer.returncode == 1
    assert answer.stdout == ""
    installing, sentence = answer.stderr.splitlines()
    assert installing.startswith("npm was not found: installing")
    assert sentence.startswith("Node.js does not run here: install Node.js with npm 7 or newer")


def test_without_npm_and_without_a_registry_one_sentence_says_what_to_install(run: Run, place: Place) -> None:
    place(".venv/bin/pip", "echo 'ERROR: no matching distribution' >&2; exit 1\n")
    answer = run("npm.sh", "ci")
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.splitlines()[-1].startswith("Node.js could not be installed: ")
    assert "npm 7 or newer" in answer.stderr.splitlines()[-1]


def real_tools(tmp_path: Path, *names: str) -> None:
    """Put real programs that the script itself is written with beside the fakes."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    for name in names:
        where = shutil.which(name)
        assert where is not None
        (tmp_path / "bin" / name).symlink_to(where)


def set_up_tests(run: Run) -> Answer:
    return run("test_setup.sh", shell=shutil.which("bash") or "/bin/bash")


def test_a_browser_a_broker_and_a_database_that_are_missing_and_may_not_be_installed_fail_the_tests_and_are_named(
    run: Run, place: Place, tmp_path: Path
) -> None:
    real_tools(tmp_path, "sh", "sed", "uname")
    place("scripts/find_chromium.sh", "exit 1")
    place("scripts/find_postgres.sh", "exit 1")
    answer = set_up_tests(run)
    assert answer.returncode == 1
    assert "Please install what is missing:" in answer.stderr
    for part in ("chromium", "mosquitto", "postgresql"):
        assert part in answer.stderr


def test_what_apt_get_could_not_bring_still_fails_the_tests(run: Run, place: Place, tmp_path: Path) -> None:
    real_tools(tmp_path, "sh", "sed", "uname", "grep", "tr", "env")
    place("scripts/find_chromium.sh", "exit 0")
    place("scripts/find_postgres.sh", "exit 0")
    place("bin/id", "echo 0")
    place("bin/apt-get", "exit 100")
    answer = set_up_tests(run)
    assert answer.returncode == 1
    assert "apt-get could not." in answer.stderr
    assert "mosquitto" in answer.stderr


def test_what_is_there_already_is_not_installed_again(run: Run, place: Place, tmp_path: Path) -> None:
    real_tools(tmp_path, "sh", "sed", "uname")
    for name in ("scripts/find_chromium.sh", "scripts/find_postgres.sh", "bin/mosquitto", "bin/mosquitto_passwd"):
        place(name, "exit 0")
    place("bin/apt-get", "exit 100")
    answer = set_up_tests(run)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
