from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.merchants.shop_process import Listener, ShopProcess


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ShopProcess]:
    with ShopProcess(tmp_path / "shop") as running:
        yield running


@pytest.fixture(scope="module")
def standing_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopProcess]:
    """One shop for tests that leave its clock alone and share no references."""
    with ShopProcess(tmp_path_factory.mktemp("shop")) as running:
        yield running


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as listening:
        yield listening
