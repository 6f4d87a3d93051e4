import asyncio
from pathlib import Path

from devices import Identity, Reading, Report
from devices.client import Broker, DeviceClient
from devices.envelope import open_envelope
from tests.fakes import START_US
from tests.integration.intake.conftest import Gateway


def test_what_a_maker_s_client_reports_is_acknowledged_and_can_be_verified(gateway: Gateway, tmp_path: Path) -> None:
    identity = Identity.from_seed("fridge-a", 1)
    broker = Broker("127.0.0.1", gateway.port, gateway.devices["fridge-a"].secret)

    async def report_twenty_times() -> int:
        async with DeviceClient(identity, broker, tmp_path / "outbox.db") as client:
            for number in range(20):
                client.report(Report(START_US, (Reading("milk", "left", 1 - number / 20, "l"),)))
            await client.drained(10)
            return client.waiting()

    assert asyncio.run(report_twenty_times()) == 0
    rows = [row for row in gateway.inbox.read_after(0, 100) if row.kind == "telemetry"]
    assert len({row.seq for row in rows}) == 20
    for row in rows:
        assert open_envelope(row.payload, "fridge-a", identity.public_key).signature == "valid"
    assert gateway.inbox.read_rejected_after(0, 1) == []
