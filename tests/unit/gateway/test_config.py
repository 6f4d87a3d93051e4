"""What the settings file of a data directory gives back."""

from pathlib import Path

import pytest

from gateway.config import read_settings, write_env_file


@pytest.mark.parametrize(
    "secret", ["plain", "the town's own", 'with "double" quotes', "back\\slash", "ends in \\", "#"]
)
def test_a_secret_of_any_letters_is_read_as_it_was_written(tmp_path: Path, secret: str) -> None:
    write_env_file(tmp_path, {"mqtt_secret": secret})
    assert read_settings(tmp_path).mqtt_secret.get_secret_value() == secret
