"""All settings, and the one place that reads the environment.

Every setting is an environment variable REPLENISH_<NAME>; a file `replenish.env` in the data directory gives defaults
for them (`replenish demo` writes one). The README lists them all.
"""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

ENV_FILE = "replenish.env"


class Settings(BaseSettings):
    """What an installation may choose."""

    model_config = SettingsConfigDict(env_prefix="REPLENISH_", extra="ignore")

    data_dir: Path = Field(Path("data"), description="Where databases, keys and state are kept.")
    database_url: str = Field("", description="The main database; empty: SQLite in the data directory.")
    web_host: str = Field("127.0.0.1", description="Address the web listens on.")
    web_port: int = Field(8000, ge=0, le=65535, description="Port the web listens on.")
    base_url: str = Field("", description="The address people use, such as https://home.example; empty: host and port.")
    mqtt_broker: Literal["embedded", "external"] = Field(
        "embedded", description="embedded: amqtt in this process; external: a session on Mosquitto."
    )
    mqtt_host: str = Field("127.0.0.1", description="Address of the broker, or to listen on when embedded.")
    mqtt_port: int = Field(1883, ge=0, le=65535, description="Port of the broker, or to listen on when embedded.")
    mqtt_secret: SecretStr = Field(SecretStr(""), description="The gateway's own secret at an external broker.")
    undo_seconds: float = Field(600.0, ge=0, le=86_400, description="Real time in which an approval can be undone.")
    calls_at_once: int = Field(
        16,
        ge=1,
        le=64,
        description="Calls to shops and payment providers a worker makes side by side; 1: one after the other.",
    )
    keep_inbox_days: int = Field(
        90,
        ge=1,
        le=36_500,
        description="Days for which a recorded message is kept as the device sent it, signature and all.",
    )
    clock_file: Path | None = Field(None, description="A demonstration's clock; empty: real time.")
    payment_settings: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="Settings of payment adapters by name, as JSON."
    )
    payment_secrets: dict[str, dict[str, SecretStr]] = Field(
        default_factory=dict, description="Secrets of payment adapters by name, as JSON."
    )
    log_format: Literal["console", "json"] = Field("console", description="How log lines look.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least level logged.")

    @property
    def main_database_url(self) -> str:
        """The URL of the main database."""
        return self.database_url or f"sqlite:///{self.sqlite_path}"

    @property
    def sqlite_path(self) -> Path:
        """The main database's file where it is SQLite's."""
        return self.data_dir / "replenish.db"

    @property
    def public_url(self) -> str:
        """The address people use, without a slash at its end."""
        host = f"[{self.web_host}]" if ":" in self.web_host else self.web_host
        return self.base_url.rstrip("/") or f"http://{host}:{self.web_port}"

    @property
    def inbox_path(self) -> Path:
        """The inbox's file."""
        return self.data_dir / "inbox.db"

    @property
    def keys_path(self) -> Path:
        """The vault's key file."""
        return self.data_dir / "keys.json"


def read_settings(data_dir: Path | None = None, **chosen: object) -> Settings:
    """Read settings: what was chosen on the command line, else the environment, else the data directory's file."""
    base = data_dir or Path(os.environ.get("REPLENISH_DATA_DIR", "data"))  # noqa: TID251 — this is the one place
    given = {name: value for name, value in chosen.items() if value is not None}
    return Settings(**{"_env_file": base / ENV_FILE, "data_dir": base, **given})  # type: ignore[arg-type]  # by pydantic


def write_env_file(data_dir: Path, values: dict[str, str]) -> None:
    """Write the data directory's settings file, readable by its owner only."""
    path = data_dir / ENV_FILE
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.writelines(f"REPLENISH_{name.upper()}='{_quoted(value)}'\n" for name, value in values.items())
    unfinished.replace(path)


def _quoted(value: str) -> str:
    """Return a value as it may stand between single quotes in a settings file."""
    return value.replace("\\", "\\\\").replace("'", "\\'")
