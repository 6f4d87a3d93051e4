"""Mosquitto as the broker: its configuration from the one at the top of the project, its password and access files.

The password file carries the stored hashes as they are: Mosquitto's `$7$` form is the form we keep.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from devices.errors import BadIdentity, BadSecretHash
from devices.provisioning import password_line
from devices.topics import ROOT, is_device_id
from gateway.intake.errors import BrokerMissing

GATEWAY_USER = "_gateway"
"""No device id may contain an underscore, so no device can be called this."""

START_TIMEOUT_SECONDS = 10.0
STOP_TIMEOUT_SECONDS = 20.0
WATCH_SECONDS = 1.0

# Debian keeps the program where an ordinary user's PATH does not look.
_PLACES = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
_INSTALLED = Path(__file__).parent / "mosquitto.conf"
_IN_PROJECT = Path(__file__).parents[2] / "mosquitto.conf"

_ACCESS = f"""\
user {GATEWAY_USER}
topic read {ROOT}/+/telemetry
topic read {ROOT}/+/status
topic write {ROOT}/+/ack
topic write {ROOT}/+/command

pattern write {ROOT}/%u/telemetry
pattern write {ROOT}/%u/status
pattern read {ROOT}/%u/ack
pattern read {ROOT}/%u/command
"""

_log = structlog.get_logger(__name__)

Devices = Iterable[tuple[str, str]]
"""(device id, stored secret hash) of every device that may connect."""


@dataclass(frozen=True, slots=True)
class MosquittoFiles:
    """What Mosquitto reads; all of it readable by its user alone."""

    configuration: Path
    passwords: Path
    access: Path


def write_configuration(directory: Path, devices: Devices, gateway_hash: str, port: int) -> MosquittoFiles:
    """Write configuration, password file and access rules into a directory, which also takes Mosquitto's own state.

    Raises:
        BadIdentity: a device id that could mean something else in these files; nothing is written.
        BadSecretHash: a hash that would not stay on its line; nothing is written.
    """
    files = MosquittoFiles(directory / "mosquitto.conf", directory / "passwords", directory / "access")
    passwords = _passwords(devices, gateway_hash)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    template = (_INSTALLED if _INSTALLED.exists() else _IN_PROJECT).read_text()
    values = {
        "@USER@": pwd.getpwuid(os.getuid()).pw_name,
        "@DIRECTORY@": str(directory.resolve()),
        "@PORT@": str(port),
        "@PASSWORDS@": str(files.passwords.resolve()),
        "@ACCESS@": str(files.access.resolve()),
    }
    for word, value in values.items():
        template = template.replace(word, value)
    _replace(files.configuration, template)
    _replace(files.passwords, passwords)
    _replace(files.access, _ACCESS)
    return files


class Mosquitto:
    """A Mosquitto of our own, as a child process.

    Raises:
        BrokerMissing: from ``start``: the program is not installed, or it does not listen within 10 s.
    """

    def __init__(self, directory: Path, devices: Devices, gateway_hash: str, port: int) -> None:
        self._gateway_hash = gateway_hash
        self._port = port
        self._files = write_configuration(directory, devices, gateway_hash, port)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns when it listens."""
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path=_PLACES)
        if program is None:
            raise BrokerMissing("mosquitto", "it is not installed (Debian and Ubuntu: apt-get install mosquitto)")
        self._process = subprocess.Popen([program, "-c", str(self._files.configuration)])  # noqa: S603 — our own file
        give_up_at_s = time.monotonic() + START_TIMEOUT_SECONDS
        while not _listens(self._port):
            status = self._process.poll()
            if status is not None:
                raise BrokerMissing(program, f"it ended with status {status}; its own message stands above")
            if time.monotonic() > give_up_at_s:
                self.stop()
                raise BrokerMissing(program, f"it does not listen on port {self._port}")
            time.sleep(0.02)

    def admit(self, devices: Devices) -> None:
        """Let exactly these devices connect from now on."""
        _replace(self._files.passwords, _passwords(devices, self._gateway_hash))
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process is None or self._process.poll() is not None

    def stop(self) -> None:
        """Ask it to save and end; kill it when it does not within 20 s."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def run(
    directory: Path, devices: Callable[[], Devices], gateway_hash: str, port: int, stopping: threading.Event
) -> None:
    """Run Mosquitto until ``stopping`` is set; look every second whether other devices may connect.

    Raises:
        BrokerMissing: it is not installed, did not start, or ended by itself.
    """
    admitted = sorted(devices())
    mosquitto = Mosquitto(directory, admitted, gateway_hash, port)
    mosquitto.start()
    _log.info("listening", broker="mosquitto", port=port, devices=len(admitted))
    try:
        while not stopping.wait(WATCH_SECONDS):
            if mosquitto.has_ended():
                raise BrokerMissing("mosquitto", "it ended by itself; its own message stands above")
            present = sorted(devices())
            if present != admitted:
                mosquitto.admit(present)
                admitted = present
                _log.info("devices_changed", broker="mosquitto", devices=len(admitted))
    finally:
        mosquitto.stop()


def _passwords(devices: Devices, gateway_hash: str) -> str:
    lines = [password_line(GATEWAY_USER, gateway_hash)]
    for device_id, secret_hash in devices:
        if not is_device_id(device_id):
            raise BadIdentity(f"not a device id: {device_id!r}")
        if not secret_hash.isprintable():
            raise BadSecretHash(f"the hash of {device_id} is not one line of text")
        lines.append(password_line(device_id, secret_hash))
    return "\n".join(lines) + "\n"


def _replace(path: Path, text: str) -> None:
    """Write the whole file or none of it, readable by nobody else: Mosquitto may read at any moment."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
