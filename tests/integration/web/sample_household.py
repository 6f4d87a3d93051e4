"""A household of sample rows for the pages: real-looking, with every state a supply, a cart or an order can be in."""

from dataclasses import replace

import forecasting
from gateway.domain.approval import Approval, ApprovalState
from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.household import Household, Member, Role
from gateway.domain.order import LineState, Order, OrderLine, OrderState, Shipment, ShipmentState
from gateway.domain.payment import (
    Account,
    Attempt,
    AttemptState,
    Funding,
    JournalEntry,
    Mandate,
    MandateState,
    MethodState,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
    Posting,
    Reservation,
    ReservationState,
)
from gateway.domain.records import MerchantAccount, Message
from gateway.domain.replenishment import DAY_US, HOUR_US, MINUTE_US, Forecast, Plan, PlanState, Policy, SecondOpinion
from gateway.domain.stock import (
    Device,
    DeviceState,
    Level,
    Measure,
    PackOption,
    Quarantined,
    Reading,
    Refill,
    Slot,
    Supply,
    Verdict,
)
from tests.fakes import START_US, FakeUnitOfWork

HOUSE = "house"
SHOP = "merchant-shop"
NOW = START_US


def household(**changes: object) -> Household:
    """The account."""
    plain = Household(
        id=HOUSE,
        household_id=HOUSE,
        name="Rosa Street 12",
        time_zone="Europe/Madrid",
        currency="EUR",
        frozen_since_us=None,
        created_us=NOW - 90 * DAY_US,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def people() -> list[object]:
    """An owner, an approver and a viewer."""
    names = [
        ("ana", "Ana Marín", Role.OWNER),
        ("leo", "Leo Marín", Role.APPROVER),
        ("iris", "Iris Okafor", Role.VIEWER),
    ]
    return [
        Member(
            id=f"member-{key}",
            household_id=HOUSE,
            name=name,
            email=f"{key}@example.org",
            role=role,
            password_hash=None,
            created_us=NOW - 90 * DAY_US,
        )
        for key, name, role in names
    ]


def shop() -> MerchantAccount:
    """The one shop."""
    return MerchantAccount(
        id=SHOP,
        name="Bio & Home Market",
        adapter="http_shop",
        settings={},
        secret_sealed=b"",
        currency="EUR",
        lead_time_days=3,
    )


def device(key: str, kind: str, name: str, room: str, **changes: object) -> Device:
    """A thing that reports."""
    plain = Device(
        id=f"device-{key}",
        household_id=HOUSE,
        kind=kind,
        name=name,
        room=room,
        state=DeviceState.ACTIVE,
        public_key="ab" * 32,
        secret_hash="hash",
        owned_from_us=NOW - 90 * DAY_US,
        owned_until_us=None,
        online=True,
        last_seen_us=NOW - 12 * MINUTE_US,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def stocked(
    key: str,
    name: str,
    icon: str,
    unit: str,
    capacity: float,
    device_key: str,
    *,
    left: float | None,
    daily: float,
    sealed: float = 0.0,
    reorder: float | None = None,
    measure: Measure = Measure.LEVEL,
    word: str | None = None,
    signed: bool = True,
    target_days: float = 21,
    heard_min: int = 12,
) -> list[object]:
    """One supply in one slot: its level, its readings, its policy and its forecast."""
    slot_id, supply_id = f"slot-{key}", f"supply-{key}"
    rows: list[object] = [
        Supply(
            id=supply_id,
            household_id=HOUSE,
            name=name,
            kind=key,
            unit=unit,
            icon=icon,
            sealed_quantity=sealed,
            quiet_until_us=0,
            created_us=NOW - 60 * DAY_US,
        ),
        Slot(
            id=slot_id,
            household_id=HOUSE,
            device_id=f"device-{device_key}",
            supply_id=supply_id,
            name=key,
            kind=key,
            measure=measure,
            unit=unit,
            capacity=capacity,
        ),
        Policy(
            id=supply_id,
            household_id=HOUSE,
            supply_id=supply_id,
            enabled=True,
            service_level=0.95,
            target_days=target_days,
            minimum_quantity=0.0,
            lead_time_days=3.0,
            approval_days=0.6,
            decide_hours=36.0,
            price_tolerance_percent=10.0,
        ),
        Level(
            id=slot_id,
            household_id=HOUSE,
            slot_id=slot_id,
            quantity=left,
            sd=0.1,
            state=word,
            consumed=(),
            as_of_us=NOW - heard_min * MINUTE_US,
            epoch=1,
            reading_id=None,
            signed=signed,
            by_hand=False,
            tracker=forecasting.start_tracking("level", capacity=capacity).to_dict(),
        ),
    ]
    if left is None:
        return rows
    readings: list[Reading] = []
    quantity, at = left, NOW - heard_min * MINUTE_US
    for step in range(60):
        readings.append(
            Reading(
                id=f"reading-{(at - NOW) // MINUTE_US + 10**6:07d}-{key}",
                household_id=HOUSE,
                device_id=f"device-{device_key}",
                slot_id=slot_id,
                inbox_id=step,
                epoch=1,
                seq=600 - step,
                at_us=at,
                device_us=at,
                server_us=at,
                measure="left",
                quantity=round(quantity, 2),
                unit=unit,
                state=None,
                signed=signed,
                verdict=Verdict.OUTLIER if step == 9 else Verdict.COUNTED,
                reason="far from the readings around it" if step == 9 else "",
            )
        )
        at -= 8 * HOUR_US + (step % 3) * HOUR_US
        quantity += daily / 3 * (0.55 + (step * 7 % 10) / 10)
        if quantity > capacity:
            quantity = max(capacity * 0.1, 0.02)
    rows += readings
    total = left + sealed
    spread = 0.22
    band = tuple(
        (
            max(0.0, total - daily * day * (1 + spread)),
            max(0.0, total - daily * day),
            max(0.0, total - daily * day * (1 - spread)),
        )
        for day in range(61)
    )
    days = total / daily
    bounds = [round(NOW + days / (1 + k * spread) * DAY_US) for k in (1, 0, -1)]
    beyond = days > 60
    rows.append(
        Forecast(
            id=f"forecast-{key}",
            household_id=HOUSE,
            supply_id=supply_id,
            made_us=NOW - 5 * MINUTE_US,
            on_hand=total,
            capacity=capacity,
            p10_us=None if beyond else bounds[0],
            p50_us=None if beyond else bounds[1],
            p90_us=None if beyond else bounds[2],
            beyond=beyond,
            order_by_us=None if beyond else bounds[0] - 4 * DAY_US,
            reorder_quantity=daily * 5 if reorder is None else reorder,
            daily_use=daily,
            model="gamma renewal",
            signed=signed,
            fresh_until_us=NOW + DAY_US,
            reasons=(
                "14 readings over 4 weeks count; one was set aside as an outlier.",
                "Mondays and Saturdays use about a third more than other days.",
                "Delivery takes 3 days and you usually answer within 14 hours.",
            ),
            evidence=tuple(
                {
                    "slot_id": slot_id,
                    "reading_id": reading.id,
                    "quantity": reading.quantity,
                    "at_us": reading.at_us,
                    "signed": reading.signed,
                }
                for reading in readings[:14]
            ),
            band=band,
            current=True,
        )
    )
    return rows


def pack(key: str, name: str, detail: str, size: float, price: int, rank: int = 0) -> PackOption:
    """A pack that refills a supply."""
    return PackOption(
        id=f"pack-{key}-{rank}",
        household_id=HOUSE,
        supply_id=f"supply-{key}",
        merchant_id=SHOP,
        sku=f"sku-{key}-{rank}",
        gtin="4006381333931",
        name=name,
        detail=detail,
        pack_size=size,
        rank=rank,
        last_price_minor=price,
    )


def plan(key: str, *, days: float, packs: int = 1, state: PlanState = PlanState.OPEN, name: str = "") -> Plan:
    """What to buy and by when."""
    return Plan(
        id=f"plan-{key}{name}",
        household_id=HOUSE,
        supply_id=f"supply-{key}",
        forecast_id=f"forecast-{key}",
        merchant_id=SHOP,
        pack_option_id=f"pack-{key}-0",
        packs=packs,
        order_by_us=NOW + round(days * DAY_US),
        needed_by_us=NOW + round((days + 4) * DAY_US),
        signed=True,
        fresh_until_us=NOW + DAY_US,
        state=state,
        reasons=("It may run out before a delivery could come.", "One pack lasts about three weeks."),
        policy={"service_level": 0.95, "target_days": 21, "lead_time_days": 3, "approval_days": 0.6},
        created_us=NOW - 2 * HOUR_US,
    )


def line(key: str, cart_id: str, pack_option: PackOption, *, packs: int = 1, before: int | None = None) -> Line:
    """One line of a cart, with another pack the shop offers."""
    price = pack_option.last_price_minor or 0
    return Line(
        id=f"line-{cart_id}-{key}",
        household_id=HOUSE,
        cart_id=cart_id,
        plan_id=f"plan-{key}" if cart_id == "cart-waiting" else f"plan-{key}-{cart_id}",
        supply_id=f"supply-{key}",
        pack_option_id=pack_option.id,
        sku=pack_option.sku,
        gtin=pack_option.gtin,
        name=pack_option.name,
        detail=pack_option.detail,
        pack_size=pack_option.pack_size,
        packs=packs,
        unit_price_minor=price,
        price_before_minor=before,
        alternatives=(
            {
                "sku": "sku-other",
                "gtin": "4006381333948",
                "name": "Caffè Aurora dark roast",
                "detail": "1 kg, organic",
                "pack_size": pack_option.pack_size,
                "unit_price_minor": round(price * 0.87),
                "in_stock": True,
            },
            {
                "sku": "sku-large",
                "gtin": "4006381333955",
                "name": "Highland single origin",
                "detail": "2 packs of 500 g, Fairtrade",
                "pack_size": pack_option.pack_size * 2,
                "unit_price_minor": round(price * 2.2),
                "in_stock": True,
            },
        ),
        why="24\u202f% left, empty 1–5 Dec",
    )


def cart(cart_id: str, state: CartState, lines: list[Line], **changes: object) -> list[object]:
    """A cart and its lines."""
    plain = Cart(
        id=cart_id,
        household_id=HOUSE,
        merchant_id=SHOP,
        state=state,
        version=1,
        currency="EUR",
        goods_minor=sum(one.amount_minor for one in lines),
        delivery_minor=0,
        free_delivery_from_minor=2500,
        delivery_price_minor=390,
        quote_ref="quote",
        promised_us=NOW + 3 * DAY_US,
        decide_by_us=NOW + 40 * HOUR_US,
        snoozed_until_us=None,
        signed=True,
        needs_person=(),
        note="",
        created_us=NOW - HOUR_US,
    )
    return [replace(plain, **changes), *lines]  # type: ignore[arg-type]


def money_rows() -> list[object]:
    """Two linked accounts, a general and a standing mandate, and what is used of them."""
    methods = [("bank", "sandbox", "Sandbox Bank, ending 4242", 0), ("balance", "balance", "Stored balance", 1)]
    rows: list[object] = [
        PaymentMethod(
            id=f"method-{key}",
            household_id=HOUSE,
            adapter=adapter,
            token_sealed=b"",
            label=label,
            currency="EUR",
            state=MethodState.ACTIVE,
            rank=rank,
            created_us=NOW - 80 * DAY_US,
            funding=Funding.BALANCE if adapter == "balance" else Funding.PROVIDER,
        )
        for key, adapter, label, rank in methods
    ]
    for key, method, standing, per_order, per_period in [
        ("general", "bank", False, 10000, 18000),
        ("standing", "bank", True, 2500, 6000),
        ("balance", "balance", False, 5000, 10000),
    ]:
        rows.append(
            Mandate(
                id=f"mandate-{key}",
                household_id=HOUSE,
                payment_method_id=f"method-{method}",
                provider_ref="mandate",
                state=MandateState.ACTIVE,
                standing=standing,
                currency="EUR",
                per_order_minor=per_order,
                per_period_minor=per_period,
                period_days=30,
                per_merchant_minor=None,
                merchant_ids=(SHOP,) if standing else None,
                device_ids=None,
                supply_ids=None,
                price_tolerance_percent=10.0,
                valid_from_us=NOW - 80 * DAY_US,
                valid_until_us=None,
            )
        )
    rows.append(
        Reservation(
            id="attempt-past",
            household_id=HOUSE,
            mandate_id="mandate-general",
            merchant_id=SHOP,
            amount_minor=9620,
            at_us=NOW - 8 * DAY_US,
            state=ReservationState.USED,
        )
    )
    return rows


def bought(
    cart_id: str,
    lines: list[Line],
    *,
    order_state: OrderState,
    line_state: LineState,
    attempt_state: AttemptState = AttemptState.CAPTURED,
    days_ago: float = 6,
    by_mandate: bool = False,
    late: bool = False,
    refill_seen: bool = False,
    delivered: int | None = None,
    note: str = "",
) -> list[object]:
    """A cart that was approved, paid and ordered, with everything that followed."""
    at = NOW - round(days_ago * DAY_US)
    total = sum(one.amount_minor for one in lines)
    order_id, attempt_id = f"order-{cart_id}", f"attempt-{cart_id}"
    came = order_state in {OrderState.DELIVERED, OrderState.CLOSED}
    shipped = came or order_state in {OrderState.SHIPPED, OrderState.LOST, OrderState.PAYMENT_DUE}
    operations = [(OperationKind.AUTHORIZE, OperationState.SUCCEEDED)]
    if shipped:
        failed = order_state is OrderState.PAYMENT_DUE
        operations.append((OperationKind.CAPTURE, OperationState.DECLINED if failed else OperationState.SUCCEEDED))
    rows: list[object] = [
        *cart(cart_id, CartState.ORDERED, lines, promised_us=at + 3 * DAY_US, created_us=at, note=note),
        *(
            replace(plan(one.plan_id.split("-")[1], days=-days_ago, state=PlanState.BOUGHT), id=one.plan_id)
            for one in lines
        ),
        Approval(
            id=f"approval-{cart_id}",
            household_id=HOUSE,
            cart_id=cart_id,
            cart_version=1,
            member_id=None if by_mandate else "member-ana",
            mandate_id="mandate-standing" if by_mandate else "mandate-general",
            payment_method_id="method-bank",
            by_mandate=by_mandate,
            amount_minor=total,
            currency="EUR",
            state=ApprovalState.STANDING,
            at_us=at,
            send_not_before_wall_us=at,
        ),
        Attempt(
            id=attempt_id,
            household_id=HOUSE,
            cart_id=cart_id,
            approval_id=f"approval-{cart_id}",
            payment_method_id="method-bank",
            mandate_id="mandate-general",
            amount_minor=total,
            currency="EUR",
            state=attempt_state,
            note="",
            created_us=at,
        ),
        *(
            Operation(
                id=f"operation-{cart_id}-{kind}",
                household_id=HOUSE,
                attempt_id=attempt_id,
                kind=kind,
                subject_id=attempt_id,
                amount_minor=total,
                currency="EUR",
                state=state,
                provider_ref="sb_9f21",
                note="",
                created_us=at + index * DAY_US,
                sent_wall_us=at,
                closed_us=at + index * DAY_US + MINUTE_US,
                syncs=0,
            )
            for index, (kind, state) in enumerate(operations)
        ),
        Order(
            id=order_id,
            household_id=HOUSE,
            cart_id=cart_id,
            attempt_id=attempt_id,
            merchant_id=SHOP,
            merchant_ref="B-20261",
            state=order_state,
            currency="EUR",
            total_minor=total,
            promised_us=at + 3 * DAY_US,
            placed_us=at + 5 * MINUTE_US,
            closed_us=at + 4 * DAY_US if order_state is OrderState.CLOSED else None,
            late=late,
            looks=0,
            note=note,
            created_us=at,
        ),
        *(
            OrderLine(
                id=f"order{one.id}",
                household_id=HOUSE,
                order_id=order_id,
                cart_line_id=one.id,
                supply_id=one.supply_id,
                sku=one.sku,
                name=one.name,
                pack_size=one.pack_size,
                packs=one.packs,
                packs_shipped=one.packs if shipped else 0,
                packs_delivered=(one.packs if delivered is None else delivered) if came else 0,
                packs_refunded=0,
                unit_price_minor=one.unit_price_minor,
                state=line_state,
                refill_seen=refill_seen,
                refill_id=None,
                delivered_us=at + 3 * DAY_US if came else None,
            )
            for one in lines
        ),
    ]
    if shipped:
        rows.append(
            Shipment(
                id=f"shipment-{cart_id}",
                household_id=HOUSE,
                order_id=order_id,
                merchant_ref="P-881",
                state=ShipmentState.DELIVERED if came else ShipmentState.SHIPPED,
                amount_minor=total,
                currency="EUR",
                shipped_us=at + DAY_US,
                delivered_us=at + 3 * DAY_US if came else None,
            )
        )
    if shipped and order_state is not OrderState.PAYMENT_DUE:
        rows += journal(cart_id, total, at + DAY_US)
    return rows


def journal(cart_id: str, amount_minor: int, at_us: int) -> list[object]:
    """The two legs of a capture."""
    return [
        JournalEntry(
            id=f"journal-{cart_id}",
            household_id=HOUSE,
            source_id=f"operation-{cart_id}-capture",
            kind="capture",
            memo="Bio & Home Market, B-20261",
            reverses_id=None,
            pending=False,
            at_us=at_us,
        ),
        *(
            Posting(
                id=f"posting-{cart_id}-{account}",
                household_id=HOUSE,
                journal_id=f"journal-{cart_id}",
                account_id=account,
                amount_minor=amount_minor * sign,
                currency="EUR",
            )
            for account, sign in (("account-clearing", 1), ("account-payable", -1))
        ),
    ]


def accounts() -> list[object]:
    """The ledger accounts the journals touch."""
    chart = [
        ("clearing", "provider_clearing", "sandbox"),
        ("payable", "merchant_payable", SHOP),
    ]
    return [
        Account(id=f"account-{key}", household_id=HOUSE, kind=kind, owner=owner, currency="EUR")
        for key, kind, owner in chart
    ]


def full_house() -> list[object]:
    """A household in the middle of its life: something low, something waiting, something on its way, something odd."""
    coffee = pack("coffee", "Espresso beans Verona", "1 kg", 1000, 1890)
    soap = pack("detergent", "Liquid detergent Sensitive", "2.7 l, 50 washes", 2700, 1349)
    milk = pack("milk", "Organic whole milk", "6 × 1 l", 6, 894)
    food = pack("petfood", "Dry cat food", "4 kg", 4000, 2490)
    black = pack("black", "Black toner, 2,600 pages", "", 100, 5490)
    waiting = [line("coffee", "cart-waiting", coffee, before=1800), line("detergent", "cart-waiting", soap)]
    return [
        household(),
        *people(),
        shop(),
        device("fridge", "fridge", "Liebherr fridge", "Kitchen"),
        device("jura", "coffee-machine", "Jura E8", "Kitchen", last_seen_us=NOW - 3 * MINUTE_US),
        device("miele", "washing-machine", "Miele WWD 320", "Utility room", last_seen_us=NOW - 198 * MINUTE_US),
        device("feeder", "pet-feeder", "PetKit feeder", "Hall", last_seen_us=NOW - 35 * MINUTE_US),
        device("printer", "printer", "Brother L2445", "Study", online=False, last_seen_us=NOW - 52 * HOUR_US),
        device("filter", "water-filter", "Brita tap filter", "Kitchen", state=DeviceState.FROZEN),
        *stocked("coffee", "Coffee beans", "coffee", "g", 1000, "jura", left=240, daily=30, reorder=300, heard_min=3),
        *stocked(
            "detergent", "Liquid detergent", "washing-machine", "ml", 3000, "miele", left=270, daily=64, heard_min=198
        ),
        *stocked("milk", "Milk", "milk", "l", 4, "fridge", left=1.4, daily=0.55, sealed=2.0, reorder=1.1, heard_min=22),
        *stocked("eggs", "Eggs", "egg", "piece", 24, "fridge", left=15, daily=1.3, reorder=5, heard_min=21),
        *stocked(
            "petfood", "Dry cat food", "cat", "g", 4000, "feeder", left=1500, daily=115, reorder=880, heard_min=35
        ),
        *stocked(
            "black", "Black toner", "printer", "%", 100, "printer", left=67, daily=0.8, reorder=12, heard_min=3120
        ),
        *stocked(
            "yellow",
            "Yellow toner",
            "printer",
            "%",
            100,
            "printer",
            left=None,
            daily=1,
            measure=Measure.ORDINAL,
            word="low",
        ),
        *stocked("water", "Filter cartridge", "droplets", "l", 150, "filter", left=None, daily=1),
        coffee,
        soap,
        milk,
        food,
        black,
        pack("coffee", "Caffè Aurora dark roast", "1 kg", 1000, 1649, rank=1),
        *money_rows(),
        *accounts(),
        plan("coffee", days=0.5, state=PlanState.CARTED),
        plan("detergent", days=0.5, state=PlanState.CARTED),
        plan("petfood", days=6),
        plan("eggs", days=9),
        *cart("cart-waiting", CartState.AWAITING_APPROVAL, waiting),
        *bought(
            "cart-1-milk",
            [line("milk", "cart-1-milk", milk)],
            order_state=OrderState.SHIPPED,
            line_state=LineState.SHIPPED,
            days_ago=1.5,
        ),
        *bought(
            "cart-0-coffee",
            [line("coffee", "cart-0-coffee", coffee, packs=2)],
            order_state=OrderState.CLOSED,
            line_state=LineState.CLOSED,
            days_ago=34,
            refill_seen=True,
            by_mandate=True,
        ),
        *bought(
            "cart-0-soap",
            [line("detergent", "cart-0-soap", soap, packs=2)],
            order_state=OrderState.CLOSED,
            line_state=LineState.SHORT,
            days_ago=12,
            delivered=1,
            late=True,
        ),
        *bought(
            "cart-0-black",
            [line("black", "cart-0-black", black)],
            order_state=OrderState.LOST,
            line_state=LineState.LOST,
            days_ago=20,
            note="The parcel was lost on the way; nothing is owed.",
        ),
        SecondOpinion(
            id="supply-coffee",
            household_id=HOUSE,
            supply_id="supply-coffee",
            made_us=NOW - 14 * HOUR_US,
            model="seasonal exponential smoothing",
            p10_us=NOW + 6 * DAY_US,
            p50_us=NOW + 8 * DAY_US,
            p90_us=NOW + 11 * DAY_US,
            note="It sees a weekly rhythm and agrees within a day.",
        ),
        Refill(
            id="refill-1",
            household_id=HOUSE,
            slot_id="slot-coffee",
            supply_id="supply-coffee",
            at_us=NOW - 31 * DAY_US,
            size=1000.0,
            level_before=80.0,
            level_after=1000.0,
            reading_id=None,
            order_line_id="orderline-cart-0-coffee-coffee",
        ),
        Refill(
            id="refill-2",
            household_id=HOUSE,
            slot_id="slot-coffee",
            supply_id="supply-coffee",
            at_us=NOW - 9 * DAY_US,
            size=500.0,
            level_before=120.0,
            level_after=620.0,
            reading_id=None,
            order_line_id=None,
        ),
        Quarantined(
            id="quarantine-1",
            household_id=HOUSE,
            device_id="device-miele",
            inbox_id=77,
            sender="device-miele",
            topic="replenish/v1/device-miele/telemetry",
            reason="not_a_number",
            detail="left is NaN",
            payload=b'{"epoch":1,"seq":44,"ts":null,"readings":[{"slot":"softener","left":NaN}]}',
            received_us=NOW - 4 * HOUR_US,
        ),
        Quarantined(
            id="quarantine-2",
            household_id=HOUSE,
            device_id="device-printer",
            inbox_id=78,
            sender="device-printer",
            topic="replenish/v1/device-printer/telemetry",
            reason="bad_signature",
            detail="the signature does not fit the registered key",
            payload=bytes(range(256)),
            received_us=NOW - 3 * DAY_US,
        ),
        Message(
            id="message-1",
            household_id=HOUSE,
            kind="cart_waiting",
            text="An order of 32.39\u00a0€ waits for your OK.",
            subject="carts/cart-waiting",
            at_us=NOW - HOUR_US,
            read_us=None,
        ),
    ]


def world(*rows: object) -> FakeUnitOfWork:
    """A database with the rows; without any, the full house."""
    return FakeUnitOfWork(*(rows or full_house()))
