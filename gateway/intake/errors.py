"""What can go wrong at the intake.

IntakeError
├── ListenFailed        the embedded broker cannot listen: the port is taken, or the address is not ours
├── BrokerMissing       Mosquitto is not installed, or did not start
└── IntakeCongested     the queue before the commit stayed full
"""


class IntakeError(Exception):
    """Base of what the intake raises."""


class ListenFailed(IntakeError):
    """Nothing listens; another program may hold the port."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"Cannot listen for devices on {host}:{port}: {reason}.")
        self.host = host
        self.port = port
        self.reason = reason


class BrokerMissing(IntakeError):
    """The external broker cannot be run here."""

    def __init__(self, program: str, reason: str) -> None:
        super().__init__(f"Cannot run {program}: {reason}.")
        self.program = program
        self.reason = reason


class IntakeCongested(IntakeError):
    """The queue before the commit stayed full: the disk is slower than the senders."""

    def __init__(self, queue_limit: int, waited_seconds: float) -> None:
        super().__init__(
            f"{queue_limit} messages waited for the commit for {waited_seconds:g} s; the disk is too slow."
        )
        self.queue_limit = queue_limit
        self.waited_seconds = waited_seconds
