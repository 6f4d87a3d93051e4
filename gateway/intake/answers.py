"""What devices are told after a commit."""

from collections.abc import Iterable

from devices.acknowledgement import Rejection, acknowledge, encode_acknowledgement
from gateway.steps.receive import Committed, Receipt, Rejected, StatusKept


def acknowledgements(receipts: Iterable[Receipt]) -> dict[str, list[bytes]]:
    """The payloads for the ack topic of each device that sent something in this batch, in order.

    A rejected message is answered to the one who sent it, whatever topic it named; without a sender, nobody is told.
    """
    counted: dict[str, list[tuple[int, int]]] = {}
    rejected: dict[str, list[Rejection]] = {}
    for receipt in receipts:
        match receipt:
            case Committed(device_id, epoch, seq):
                counted.setdefault(device_id, []).append((epoch, seq))
            case Rejected(str() as sender, sha256, reason):
                rejected.setdefault(sender, []).append(Rejection(sha256, reason))
            case Rejected() | StatusKept():
                pass
    return {
        device_id: [
            encode_acknowledgement(answer)
            for answer in acknowledge(counted.get(device_id, ()), rejected.get(device_id, ()))
        ]
        for device_id in dict.fromkeys((*counted, *rejected))
    }
