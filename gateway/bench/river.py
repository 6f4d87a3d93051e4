"""How fast what devices said becomes readings, levels and forecasts, beside opening and checking it alone."""

from time import perf_counter

from devices import Identity, Reading, Report, build_topic, decode_report, encode_report, open_envelope, provision, seal
from gateway.assembly import Gateway, make_worker
from gateway.bench.ground import START_US, Figures, Ground
from gateway.domain.replenishment import DAY_US, HOUR_US
from gateway.domain.stock import Supply
from gateway.steps.acts.equipment import NewDevice, add_device
from gateway.steps.acts.household import add_household
from gateway.steps.receive import Arrival, receive
from gateway.worker import Worker

DEVICES = 10
DAYS = 12
EVERY_US = 6 * HOUR_US
FORECAST_ROUNDS = 3
MOST_ROUNDS_A_DAY = 2_000


def measure_river(ground: Ground) -> Figures:
    """Live some weeks of several fridges through one worker, then forecast everything again and again."""
    gateway = ground.install()
    try:
        identities = _move_in(gateway)
        worker = make_worker(gateway, in_turn=True)
        messages, opened_s, river_s = 0, 0.0, 0.0
        for day in range(DAYS):
            arrivals = [one for identity in identities for one in _said(identity, day)]
            opened_s += _open_alone(arrivals, identities)
            ground.move_clock(START_US + (day + 1) * DAY_US)
            start = perf_counter()
            receive(arrivals, gateway.inbox, gateway.clock.now_us())
            _until_quiescent(worker)
            river_s += perf_counter() - start
            messages += len(arrivals)
        forecasts, forecast_s = _forecast_again(gateway, worker)
    finally:
        gateway.close()
    return {
        "what": f"{DEVICES} fridges with three slots say what is left every {EVERY_US // HOUR_US} hours for {DAYS} "
        "days, signed. One worker takes each day from the inbox to the forecasts (receive, record, forecast, plan; no "
        "shop is known, and the nightly second opinion is left out). Beside it the same messages are only opened, "
        "verified and decoded.",
        "messages_a_second_to_forecasts": messages / river_s,
        "messages_a_second_opened_alone": messages / opened_s,
        "river_as_a_part_of_opening_alone": opened_s / river_s,
        "messages": messages,
        "ms_a_forecast": 1000 * forecast_s / forecasts,
        "forecasts": forecasts,
    }


def _move_in(gateway: Gateway) -> list[Identity]:
    identities = []
    now_us = gateway.clock.now_us()
    with gateway.unit_of_work.begin() as tx:
        _, owner = add_household(
            tx,
            name="Bench Lane 1",
            time_zone="UTC",
            currency="EUR",
            owner_name="Ana",
            owner_email="ana@example.org",
            now_us=now_us,
        )
        for number in range(DEVICES):
            provisioned = provision("fridge", device_id=f"fridge-{number}")
            identity = Identity.from_seed(provisioned.device_id, 1)
            wanted = NewDevice("fridge", f"Fridge {number}", "", identity.public_key.hex())
            add_device(tx, owner, wanted, provisioned, now_us=now_us)
            identities.append(identity)
        for supply in tx.find(Supply, owner.household_id):
            tx.cancel_work("challenge", supply.id)
    return identities


def _said(identity: Identity, day: int) -> list[Arrival]:
    """One day of one fridge: every slot goes down by a tenth a day and is full again after eight."""
    topic, arrivals = build_topic(identity.device_id, "telemetry"), []
    for part in range(DAY_US // EVERY_US):
        left = 1.0 - 0.1 * (day % 8) - 0.025 * part
        readings = (
            Reading("milk", "left", round(2.0 * left, 3), "l"),
            Reading("eggs", "left", round(12 * left), "piece"),
            Reading("juice", "left", round(1.5 * left, 3), "l"),
        )
        body = encode_report(Report(START_US + day * DAY_US + part * EVERY_US, readings), "cbor")
        seq = day * (DAY_US // EVERY_US) + part + 1
        arrivals.append(Arrival(topic, seal(identity, 1, seq, body, "cbor"), identity.device_id))
    return arrivals


def _open_alone(arrivals: list[Arrival], identities: list[Identity]) -> float:
    keys = {identity.device_id: identity.public_key for identity in identities}
    start = perf_counter()
    for one in arrivals:
        assert one.sender is not None
        opened = open_envelope(one.payload, one.sender, keys[one.sender])
        decode_report(opened.body, opened.content_type)
    return perf_counter() - start


def _until_quiescent(worker: Worker) -> None:
    for _ in range(MOST_ROUNDS_A_DAY):
        if worker.is_quiescent():
            return
        worker.run_once()
    raise RuntimeError("the work of one day did not end")


def _forecast_again(gateway: Gateway, worker: Worker) -> tuple[int, float]:
    count, took_s = 0, 0.0
    for _ in range(FORECAST_ROUNDS):
        with gateway.unit_of_work.begin() as tx:
            supplies = tx.find(Supply, None)
            for supply in supplies:
                tx.cancel_work("plan", supply.id)
                tx.enqueue("forecast", supply.household_id, supply.id, due_us=gateway.clock.now_us())
        start = perf_counter()
        _until_quiescent(worker)
        took_s += perf_counter() - start
        count += len(supplies)
    return count, took_s
