"""Where devices are heard: brokers' bytes → receive → commit → acknowledge.

Two ways in, one behaviour: ``EmbeddedIntake`` is a broker in this process, ``SessionIntake`` is the gateway's session
on an external one. Neither acknowledges anything before the inbox has committed it. The other way, ``CommandSender``
sends what members ask of devices.
"""

from gateway.intake.commands import CommandSender
from gateway.intake.credentials import Credentials
from gateway.intake.embedded import EmbeddedIntake
from gateway.intake.errors import BrokerMissing, IntakeCongested, IntakeError, ListenFailed
from gateway.intake.session import SessionIntake

__all__ = [
    "BrokerMissing",
    "CommandSender",
    "Credentials",
    "EmbeddedIntake",
    "IntakeCongested",
    "IntakeError",
    "ListenFailed",
    "SessionIntake",
]
