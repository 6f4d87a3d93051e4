"""Run the gateway: init, serve, web, ingest, work, doctor, broker."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from devices.provisioning import hash_secret
from gateway.assembly import Gateway, make_command_sender, make_intake, make_web, make_worker
from gateway.cli.doctor import findings
from gateway.cli.findings import Weight
from gateway.cli.installation import initialise
from gateway.cli.locks import alone, beside_other_workers
from gateway.cli.terminal import CommandFailed, DataDir, err, open_gateway, out, say, settings_for
from gateway.intake import EmbeddedIntake, SessionIntake, mosquitto
from gateway.intake.mosquitto import GATEWAY_USER
from gateway.store.credentials import DeviceCredentials

broker = typer.Typer(help="A broker of its own beside the gateway.", no_args_is_help=True)
BACKLOG = 512
STOP_WORKER_WITHIN_S = 30
"""More than a worker gives to its calls; a step that stays inside takes milliseconds."""
Port = Annotated[int | None, typer.Option("--port", help="Port the web listens on.", min=0, max=65535)]
ExitWithParent = Annotated[bool, typer.Option("--exit-with-parent", help="Stop when standard input ends.")]


def register(app: typer.Typer) -> None:
    """Add the commands that run the gateway."""
    app.command()(init)
    app.command()(serve)
    app.command()(web)
    app.command()(ingest)
    app.command()(work)
    app.command()(doctor)


def init(
    data_dir: DataDir = None,
    operator: Annotated[str, typer.Option(help="The operator's e-mail address.")] = "operator@localhost",
) -> None:
    """Make the database, the keys and the first operator, or bring what is there to this version."""
    settings = settings_for(data_dir)
    for line in initialise(settings, operator_email=operator, tells_known=True):
        out.print(line)
    out.print("Next: `replenish household add NAME --owner-email YOU`, then `replenish serve`.")


def serve(data_dir: DataDir = None, port: Port = None, exit_with_parent: ExitWithParent = False) -> None:
    """Run everything in one process: broker or session, workers, web."""
    with (
        says_when_stopped(),
        _alone(settings_for(data_dir).data_dir),
        _opened_for_web(data_dir, port) as (gateway, listening),
        running_intake(gateway),
        running_worker(gateway),
    ):
        run_web(gateway, exit_with_parent=exit_with_parent, listening=listening)


def web(data_dir: DataDir = None, port: Port = None, exit_with_parent: ExitWithParent = False) -> None:
    """Run the pages and the API alone."""
    with says_when_stopped(), _opened_for_web(data_dir, port) as (gateway, listening):
        run_web(gateway, exit_with_parent=exit_with_parent, listening=listening)


def ingest(data_dir: DataDir = None, exit_with_parent: ExitWithParent = False) -> None:
    """Take in what devices say, alone: the embedded broker, or a session on an external one."""
    with says_when_stopped(), open_gateway(data_dir) as gateway, running_intake(gateway):
        wait_for_stop(exit_with_parent=exit_with_parent)


def work(data_dir: DataDir = None, exit_with_parent: ExitWithParent = False) -> None:
    """Run the steps that are due, alone; several of these share the work."""
    with says_when_stopped(), open_gateway(data_dir) as gateway, running_worker(gateway):
        wait_for_stop(exit_with_parent=exit_with_parent)


def doctor(data_dir: DataDir = None) -> None:
    """Say what is wrong with this installation and what to do; exit status 1 if anything is."""
    problems = 0
    for finding in findings(settings_for(data_dir)):
        say(f"{finding.weight:<8}{finding.text}")
        if finding.remedy:
            say(f"{'':8}{finding.remedy}")
        problems += finding.weight is Weight.PROBLEM
    if problems:
        raise typer.Exit(1)


@broker.command("mosquitto")
def broker_mosquitto(
    data_dir: DataDir = None,
    port: Annotated[
        int | None, typer.Option(help="Port on the loopback. [env: REPLENISH_MQTT_PORT]", min=1, max=65535)
    ] = None,
) -> None:
    """Run Mosquitto by the same rules: password file and topic rules are written from the devices on record."""
    with open_gateway(data_dir) as gateway:
        secret = gateway.settings.mqtt_secret.get_secret_value()
        if not secret:
            raise CommandFailed("choose the gateway's own secret at the broker: set REPLENISH_MQTT_SECRET")
        directory = gateway.settings.data_dir / "mosquitto"
        port = port or gateway.settings.mqtt_port
        # The salt only has to differ between installations; the secret is the operator's to choose well.
        gateway_hash = hash_secret(secret, GATEWAY_USER.encode().ljust(12, b"-"))
        stopping = threading.Event()
        _stop_on_signals(stopping.set)
        err.print(f"Mosquitto on 127.0.0.1:{port}; its files are in {directory}")
        with says_when_stopped():
            mosquitto.run(directory, DeviceCredentials(gateway.unit_of_work).everyone, gateway_hash, port, stopping)


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """Hold the data directory against a second `serve` or a demonstration; where there is none, others say so."""
    with alone(data_dir, "serve", "`replenish serve`") if data_dir.is_dir() else nullcontext():
        yield


@contextmanager
def _opened_for_web(data_dir: Path | None, port: int | None) -> Iterator[tuple[Gateway, socket.socket]]:
    """Listen, then open the gateway: the address of its pages holds the port that was really taken."""
    settings = settings_for(data_dir, web_port=port)
    with listen(settings.web_host, settings.web_port) as listening:
        taken = listening.getsockname()[1]
        with open_gateway(data_dir, web_port=taken) as gateway:
            err.print(f"Web on {gateway.settings.public_url}")
            yield gateway, listening


@contextmanager
def says_when_stopped(how_to_go_on: str = "") -> Iterator[None]:
    """Say at the end, when all is closed, that it ended as it was told to."""
    yield
    err.print(f"Stopped. {how_to_go_on}".rstrip(), markup=False)


@contextmanager
def running_intake(gateway: Gateway) -> Iterator[EmbeddedIntake | SessionIntake]:
    """Take messages in and send commands while the block runs.

    Alone: two would take each other's session at a broker.
    """
    with alone(gateway.settings.data_dir, "ingest", "another intake"):
        intake = make_intake(gateway)
        intake.start()
        try:
            with make_command_sender(gateway, intake):
                yield intake
        finally:
            intake.stop()


@contextmanager
def running_worker(gateway: Gateway) -> Iterator[None]:
    """Run what is due while the block runs; what a killed process had leased is worked on at once by the first."""
    with beside_other_workers(gateway.settings.data_dir, gateway.queue.end_leases):
        worker = make_worker(gateway)
        thread = threading.Thread(target=worker.run, name="worker", daemon=True)
        thread.start()
        try:
            yield
        finally:
            worker.stop()
            thread.join(timeout=STOP_WORKER_WITHIN_S)


def run_web(gateway: Gateway, *, listening: socket.socket, exit_with_parent: bool = False) -> None:
    """Serve pages and API until a signal (or the end of standard input) stops it."""
    server = make_web(gateway)

    def stop() -> None:
        server.should_exit = True

    # The server puts its own handler over these while it runs and raises the signal again when it has ended.
    on_signal, server_ends = _stop_on_signals(stop), server.handle_exit

    def handle_exit(sig: int, frame: FrameType | None) -> None:
        # In this order: told to exit already, the server would take a Ctrl-C for the second one and end by force.
        server_ends(sig, frame)
        on_signal()

    server.handle_exit = handle_exit  # type: ignore[method-assign]  # it looks its handler up on itself
    if exit_with_parent:
        _when_input_ends(stop)
    server.run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; a busy port is one clear sentence."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off only where the socket says that it is TCP: else every answer waits 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        reason = error.strerror or str(error)
        raise CommandFailed(
            f"cannot listen on {host}:{port} ({reason.lower()}); choose another port with --port"
        ) from None
    return listening


def wait_for_stop(*, exit_with_parent: bool) -> None:
    """Wait for SIGINT or SIGTERM, or the end of standard input."""
    stopping = threading.Event()
    _stop_on_signals(stopping.set)
    if exit_with_parent:
        _when_input_ends(stopping.set)
    stopping.wait()


def _stop_on_signals(stop: Callable[[], None]) -> Callable[..., None]:
    """Let Ctrl-C and SIGTERM say at once that they were heard, and stop; returns what they call."""
    say_stopping = stopping_said_once()

    def on_signal(*_: object) -> None:
        say_stopping()
        stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    return on_signal


def stopping_said_once() -> Callable[[], None]:
    """Return what says "Stopping …" the first time it is called, from a signal's handler too."""
    said = False

    def say_stopping() -> None:
        nonlocal said
        if not said:
            said = True
            # Not through a stream: the signal may have come in the middle of a line of it.
            os.write(2, "Stopping …\n".encode())

    return say_stopping


def _when_input_ends(stop: Callable[[], None]) -> None:
    def watch() -> None:
        sys.stdin.buffer.read()
        stop()

    threading.Thread(target=watch, name="parent", daemon=True).start()
