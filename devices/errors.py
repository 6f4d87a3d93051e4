"""What can go wrong between a thing and the gateway.

DeviceError
├── BadInput                    bytes from outside that cannot be taken as what they claim to be; carries `reason`
│   ├── BadTopic
│   ├── BadEnvelope
│   │   └── BadSignature
│   ├── BadBody
│   └── BadAcknowledgement
├── BadIdentity                 a key or an id that cannot be one
├── BadUnit                     an unknown unit, or a conversion across dimensions
├── BadClock                    a clock file that cannot be read
├── BadSecretHash               a stored hash that is not in Mosquitto's `$7$` form
└── OutboxNotDrained            the gateway has not acknowledged everything in time
"""


class DeviceError(Exception):
    """Anything this room refuses."""


class BadInput(DeviceError):
    """Bytes from outside that are not what they claim to be.

    `reason` is a stable machine word (`bad-signature`, `not-json`, …): it is stored, counted and shown, so it never
    changes with the wording. `detail` is for people and may name what was found.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


class BadTopic(BadInput):
    """A topic outside `replenish/v1/{device_id}/…`."""


class BadEnvelope(BadInput):
    """Neither an RP1 envelope nor plain JSON with epoch and seq."""


class BadSignature(BadEnvelope):
    """The envelope can be read but was not signed by the key on record."""


class BadBody(BadInput):
    """The envelope is sound but what it carries is not a report."""


class BadAcknowledgement(BadInput):
    """A message on the ack topic that is not an acknowledgement."""


class BadIdentity(DeviceError):
    """A device id or a key that cannot be one."""


class BadUnit(DeviceError):
    """An unknown unit, or two units of different dimensions."""


class BadClock(DeviceError):
    """A clock file that is missing a field or is not a clock file."""


class BadSecretHash(DeviceError):
    """A stored secret hash that is not in the `$7$` form."""


class OutboxNotDrained(DeviceError):
    """Messages still wait for the gateway's acknowledgement after the time given."""

    def __init__(self, device_id: str, waiting: int, timeout_s: float) -> None:
        self.device_id = device_id
        self.waiting = waiting
        self.timeout_s = timeout_s
        super().__init__(f"{device_id}: {waiting} messages not acknowledged after {timeout_s:g} s")
