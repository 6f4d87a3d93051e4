"""The web as it is, but for the price of a password's hash: tests/unit/gateway/test_web_sessions.py pays it in full."""

from collections.abc import Iterator
from functools import partial

import pytest
from pwdlib.hashers.argon2 import Argon2Hasher


@pytest.fixture(scope="package", autouse=True)
def _cheap_hashes() -> Iterator[None]:
    cheap = partial(Argon2Hasher, time_cost=1, memory_cost=64, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.web.sessions.Argon2Hasher", cheap)
        yield
