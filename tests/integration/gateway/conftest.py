"""A gateway over a real database for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rig import Rig


@pytest.fixture
def open_rig(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Return a function that opens a gateway with these rows; all are closed at the end."""
    rigs: list[Rig] = []

    def open_one(*entities: object) -> Rig:
        folder = tmp_path / f"gateway-{len(rigs)}"
        folder.mkdir()
        rigs.append(Rig(folder, *entities))
        return rigs[-1]

    yield open_one
    for rig in rigs:
        rig.close()
