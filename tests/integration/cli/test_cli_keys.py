"""`replenish keys`: list, rotate, retire."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.assembly import Gateway, assemble
from gateway.cli.locks import alone
from gateway.config import read_settings
from gateway.store import key_file
from gateway.store.adapter_state import SqlKeyValueState
from tests.integration.cli.conftest import Replenish


@contextmanager
def opened(replenish: Replenish) -> Iterator[Gateway]:
    gateway = assemble(read_settings(replenish.data_dir))
    yield gateway
    gateway.close()


def remember(replenish: Replenish, key: str) -> None:
    with opened(replenish) as gateway:
        assert SqlKeyValueState(gateway.engine, gateway.vault, "balance").compare_and_set(key, None, "a secret")


def test_keys_are_rotated_and_the_old_one_retired(installed: Replenish) -> None:
    remember(installed, "a")
    assert installed("keys", "list").lines == ["key 1  seals now  1 secrets"]
    said = installed("keys", "rotate")
    assert said.status == 0
    assert "Sealed anew: 1 secrets under key 2." in said.out
    assert installed("keys", "list").lines == ["key 1  only opens  0 secrets", "key 2  seals now  1 secrets"]
    assert installed("keys", "retire").lines == ["Retired: key 1."]
    assert installed("keys", "list").lines == ["key 2  seals now  1 secrets"]
    with opened(installed) as gateway:
        assert SqlKeyValueState(gateway.engine, gateway.vault, "balance").get("a") == "a secret"


def test_no_key_is_shown(installed: Replenish) -> None:
    said = [installed("keys", *words) for words in (("list",), ("rotate",), ("list",), ("retire",))]
    keys = json.loads((installed.data_dir / "keys.json").read_text())["keys"].values()
    for key in keys:
        assert all(key not in one.out + one.err for one in said)


def test_a_key_that_still_opens_something_is_not_retired(installed: Replenish) -> None:
    remember(installed, "a")
    key_file.add_key(installed.data_dir / "keys.json")
    refused = installed.refused("keys", "retire")
    assert refused == "secrets are still sealed under older keys (1 under key 1); run `replenish keys rotate`"


def test_a_rotation_that_was_interrupted_is_finished_and_no_third_key_made(installed: Replenish) -> None:
    remember(installed, "a")
    key_file.add_key(installed.data_dir / "keys.json")
    remember(installed, "b")
    assert "Key 2 is there already" in installed("keys", "rotate").out
    assert installed("keys", "list").lines == ["key 1  only opens  0 secrets", "key 2  seals now  2 secrets"]


def test_two_rotations_at_once_are_refused(installed: Replenish) -> None:
    with alone(installed.data_dir, "keys", "replenish keys"):
        assert "already runs in" in installed.refused("keys", "rotate")
