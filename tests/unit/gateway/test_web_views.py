"""The words and numbers pages and API are made of."""

from dataclasses import replace

import pytest

from gateway.domain.approval import Approval
from gateway.domain.cart import Cart, CartState
from gateway.domain.errors import NotFound
from gateway.domain.household import Member
from gateway.domain.order import LineState, Order, OrderLine, OrderState, Shipment
from gateway.domain.payment import (
    Account,
    Attempt,
    AttemptState,
    JournalEntry,
    Operation,
    OperationKind,
    OperationState,
    Posting,
)
from gateway.domain.replenishment import DAY_US, HOUR_US, Forecast, Plan, Policy
from gateway.domain.stock import Level, Measure, PackOption, Quarantined, Reading, Refill, Slot, Supply, Verdict
from gateway.web.views import (
    PaymentChain,
    book_page,
    cart_view,
    coming_up,
    device_activity,
    devices_view,
    household_header,
    ledger_csv,
    money_view,
    order_view,
    orders_view,
    payment_chain,
    quarantine_rows,
    supplies_view,
    supply_view,
)
from gateway.web.views.levels import read_history
from tests.fakes import FakeUnitOfWork
from tests.integration.web.sample_household import (
    HOUSE,
    NOW,
    accounts,
    device,
    full_house,
    household,
    pack,
    stocked,
    world,
)


def _rows(unit_of_work: FakeUnitOfWork | None = None) -> dict[str, object]:
    with (unit_of_work or world()).read() as tx:
        return {row.id.removeprefix("supply-"): row for row in supplies_view(tx, HOUSE, now_us=NOW).rows}


def test_the_headline_says_the_fact_and_the_worst_comes_first() -> None:
    with world().read() as tx:
        view = supplies_view(tx, HOUSE, now_us=NOW)
    assert view.headline == f"{ {3: 'Three', 4: 'Four'}[len(view.low)] } supplies are running low"
    assert view.rows[0].state == "out"
    assert [row.state for row in view.rows][-1] == "unknown"
    assert view.summary.startswith("One order is waiting for your OK.")


def test_a_supply_says_when_it_runs_out_and_what_is_planned() -> None:
    rows = _rows()
    assert rows["coffee"].plan == "Waiting for your OK"
    assert rows["coffee"].run_out.startswith("Runs out ")
    assert rows["milk"].plan.startswith("Arrives ")
    assert rows["petfood"].plan == "Order planned 30 Nov"
    assert rows["black"].run_out == "Lasts past Jan"


def test_an_ordinal_thing_says_its_word_and_an_unknown_one_says_so() -> None:
    rows = _rows()
    assert (rows["yellow"].level, rows["yellow"].run_out, rows["yellow"].state) == ("Low", "Says it is low", "low")
    assert (rows["water"].level, rows["water"].run_out, rows["water"].level_percent) == (
        "Unknown",
        "Level not known",
        None,
    )


def test_one_unknown_slot_makes_the_sum_unknown_not_smaller() -> None:
    rows = full_house()
    shared = [
        replace(row, supply_id="supply-coffee") if isinstance(row, Slot) and row.id == "slot-water" else row
        for row in rows
    ]
    assert _rows(FakeUnitOfWork(*shared))["coffee"].quantity is None


@pytest.mark.parametrize(
    ("p10_days", "p90_days", "words"),
    [
        (4, 6, "Runs out 28–30 Nov"),
        (0.1, 0.2, "Runs out today"),
        (-3, -1, "Probably empty"),
        (-1, 2, "Runs out 24–26 Nov"),
        (20, None, "Runs out 14 Dec or later"),
        (90, None, "Lasts past Jan"),
    ],
)
def test_a_run_out_is_a_range_of_days(p10_days: float, p90_days: float | None, words: str) -> None:
    rows = FakeUnitOfWork(*full_house())
    with rows.begin() as tx:
        (forecast,) = tx.find(Forecast, HOUSE, supply_id="supply-eggs")
        p90 = None if p90_days is None else NOW + round(p90_days * DAY_US)
        tx.save(replace(forecast, p10_us=NOW + round(p10_days * DAY_US), p90_us=p90))
    assert _rows(rows)["eggs"].run_out == words


def test_a_policy_that_is_off_plans_nothing() -> None:
    rows = FakeUnitOfWork(*full_house())
    with rows.begin() as tx:
        tx.save(replace(tx.get(Policy, HOUSE, "supply-black"), enabled=False))
    assert _rows(rows)["black"].plan == "Not reordered"


def _changed(kind: type, entity_id: str, **changes: object) -> FakeUnitOfWork:
    rows = FakeUnitOfWork(*full_house())
    with rows.begin() as tx:
        tx.save(replace(tx.get(kind, HOUSE, entity_id), **changes))
    return rows


def test_a_known_quantity_counts_more_than_the_devices_word() -> None:
    rows = _rows(_changed(Level, "slot-black", quantity=92.0, state="low"))
    assert (rows["black"].level, rows["black"].state) == ("92\u202f%", "ok")
    rows = _rows(_changed(Level, "slot-black", quantity=0.0, state="ok"))
    assert rows["black"].state == "out"
    rows = _rows(_changed(Level, "slot-yellow", state="empty"))
    assert (rows["yellow"].level, rows["yellow"].state) == ("Empty", "out")


def test_an_empty_device_with_packs_on_the_shelf_is_low_and_says_so() -> None:
    rows = _changed(Level, "slot-coffee", quantity=0.0)
    with rows.begin() as tx:
        tx.save(replace(tx.get(Supply, HOUSE, "supply-coffee"), sealed_quantity=1000.0))
    coffee = _rows(rows)["coffee"]
    assert (coffee.state, coffee.amount) == ("low", "Empty, 1\u00a0kg on the shelf")
    assert (coffee.left, coffee.shelf) == ("Empty", "1\u00a0kg on the shelf")


def test_a_supply_without_a_product_is_watched_and_never_ordered() -> None:
    rows = FakeUnitOfWork(*(row for row in full_house() if not isinstance(row, PackOption | Plan | Cart | OrderLine)))
    with rows.begin() as tx:
        tx.save(replace(tx.get(Supply, HOUSE, "supply-milk"), kind="fuel"))
        for forecast in tx.find(Forecast, HOUSE):
            tx.save(replace(forecast, order_by_us=NOW - DAY_US, p10_us=NOW + DAY_US, p90_us=NOW + 3 * DAY_US))
    shown = _rows(rows)
    assert (shown["eggs"].plan, shown["eggs"].plan_kind) == ("No product chosen", "none")
    assert (shown["milk"].plan, shown["milk"].state) == ("Bought elsewhere", "low")
    assert (shown["milk"].order_by_us, shown["milk"].reorder_percent) == (None, None)
    with rows.read() as tx:
        assert not [item for item in coming_up(tx, HOUSE, now_us=NOW) if item.kind == "order"]
        assert orders_view(tx, HOUSE, now_us=NOW, wall_us=NOW).planned == ()
        page = supply_view(tx, HOUSE, "supply-milk", now_us=NOW)
    assert (page.reorder_at, page.chart.reorder) == ("", None)


def test_a_supply_that_nothing_reports_is_listed_while_some_of_it_is_left() -> None:
    rows = FakeUnitOfWork(*full_house())
    with rows.begin() as tx:
        for key in ("water", "eggs", "milk"):
            tx.save(replace(tx.get(Slot, HOUSE, f"slot-{key}"), supply_id=None))
        tx.save(replace(tx.get(Supply, HOUSE, "supply-eggs"), sealed_quantity=6.0))
    shown = _rows(rows)
    assert "water" not in shown
    assert (shown["eggs"].run_out, shown["eggs"].amount) == ("No device reports it", "6\u00a0pieces on the shelf")
    assert shown["milk"].plan.startswith("Arrives ")


def test_the_chart_ends_its_history_where_its_band_begins() -> None:
    with world().read() as tx:
        view = supply_view(tx, HOUSE, "supply-milk", now_us=NOW)
    chart = view.chart
    now = chart.now_index
    assert len({len(chart.x), len(chart.history), len(chart.low), len(chart.likely), len(chart.high)}) == 1
    assert list(chart.x) == sorted(set(chart.x))
    assert chart.x[now] == NOW // 1_000_000
    assert chart.history[now] is not None
    assert chart.history[now + 1] is None
    assert chart.low[now - 1] is None
    assert all(low <= likely <= high for low, likely, high in _from(now, chart))
    assert chart.delivery_x is not None
    assert chart.top >= max(value for value in chart.high if value is not None)
    assert view.table[0].likely


def _from(now: int, chart: object) -> list[tuple[float, float, float]]:
    return list(zip(chart.low[now:], chart.likely[now:], chart.high[now:], strict=True))


def test_a_counters_past_level_is_walked_back_over_its_refill() -> None:
    slot = Slot(
        id="s", household_id=HOUSE, device_id="d", supply_id="x", name="beans", kind="beans",
        measure=Measure.COUNTER, unit="g", capacity=1000,
    )  # fmt: skip
    level = Level(
        id="s", household_id=HOUSE, slot_id="s", quantity=900.0, sd=1, state=None, consumed=(), as_of_us=NOW,
        epoch=1, reading_id=None, signed=True, by_hand=False, tracker={},
    )  # fmt: skip
    counters = [(4, 5000.0), (3, 5050.0), (2, 5100.0), (1, 5150.0), (0, 5200.0)]
    readings = [
        Reading(
            id=f"r{9 - days}", household_id=HOUSE, device_id="d", slot_id="s", inbox_id=1, epoch=1, seq=9 - days,
            at_us=NOW - days * DAY_US, device_us=None, server_us=NOW, measure="used_total", quantity=used, unit="g",
            state=None, signed=True, verdict=Verdict.COUNTED, reason="",
        )
        for days, used in counters
    ]  # fmt: skip
    refill = Refill(
        id="f", household_id=HOUSE, slot_id="s", supply_id="x", at_us=NOW - 2 * DAY_US + HOUR_US, size=850.0,
        level_before=100, level_after=950, reading_id=None, order_line_id=None,
    )  # fmt: skip
    with FakeUnitOfWork(household(), slot, level, refill, *readings).read() as tx:
        history = read_history(tx, HOUSE, [slot], {"s": level}, since_us=NOW - 4 * DAY_US, now_us=NOW)
    daily = [value for at_us, value in history if (NOW - at_us) % DAY_US == 0]
    assert daily == [250.0, 200.0, 150.0, 950.0, 900.0]


def test_the_decision_card_compares_prices_for_the_same_amount() -> None:
    with world().read() as tx:
        card = cart_view(tx, HOUSE, "cart-waiting", now_us=NOW, wall_us=NOW)
    coffee = card.lines[0]
    assert (coffee.change, coffee.fewer, coffee.more) == ("+0.90\u00a0€", None, 2)
    assert [one.consequence for one in coffee.alternatives] == [
        "In this order",
        "Saves 13\u202f% on the amount",
        "Costs 10\u202f% more",
    ]
    assert card.deadline == "Decide by Thu 10:05"
    assert card.limit is not None
    assert card.limit.words == "128.59\u00a0€ of 180.00\u00a0€ monthly limit after this order"
    assert not card.limit.over
    assert card.default.startswith("Nothing is bought unless you approve")


def test_a_limit_that_would_be_passed_is_said() -> None:
    rows = FakeUnitOfWork(*full_house())
    with rows.begin() as tx:
        tx.save(replace(tx.get(Cart, HOUSE, "cart-waiting"), goods_minor=9000))
        card = cart_view(tx, HOUSE, "cart-waiting", now_us=NOW, wall_us=NOW)
    assert card.limit is not None
    assert card.limit.over
    assert card.limit.words == "6.20\u00a0€ over your monthly limit of 180.00\u00a0€"


def test_a_snooze_says_what_may_be_empty_by_then() -> None:
    with world().read() as tx:
        card = cart_view(tx, HOUSE, "cart-waiting", now_us=NOW, wall_us=NOW)
    assert [option.words for option in card.snooze_options] == ["Tomorrow", "In 3 days", "In a week"]
    assert "may be empty before it arrives" in card.snooze_options[-1].consequence


@pytest.mark.parametrize(
    ("cart_id", "states"),
    [
        ("cart-waiting", []),
        ("cart-1-milk", ["done", "done", "done", "done", "later", "later"]),
        ("cart-0-coffee", ["done"] * 6),
        ("cart-0-black", ["done", "done", "done", "done", "failed"]),
    ],
)
def test_a_receipt_shows_how_far_it_came(cart_id: str, states: list[str]) -> None:
    with world().read() as tx:
        view = cart_view(tx, HOUSE, cart_id, now_us=NOW, wall_us=NOW)
    assert [step.state for step in view.steps] == states


def test_a_receipt_names_the_day_the_shop_promised_with_the_order() -> None:
    rows = _changed(Order, "order-cart-1-milk", promised_us=NOW + 5 * DAY_US)
    with rows.begin() as tx:
        view = cart_view(tx, HOUSE, "cart-1-milk", now_us=NOW, wall_us=NOW)
        assert (view.promised_us, view.delivery_day) == (NOW + 5 * DAY_US, "Sun 29 Nov")
        assert view.subtitle == "Bio & Home Market, arrives Sun 29 Nov"
        tx.save(replace(tx.get(Order, HOUSE, "order-cart-1-milk"), late=True))
        late = cart_view(tx, HOUSE, "cart-1-milk", now_us=NOW, wall_us=NOW)
    assert late.subtitle == "Bio & Home Market, late, was due Sun 29 Nov"


def test_until_the_shop_has_the_order_every_page_says_the_one_day_it_quoted_with_about() -> None:
    rows = FakeUnitOfWork(*full_house())
    later = NOW + 6 * DAY_US
    with rows.begin() as tx:
        cart = replace(tx.get(Cart, HOUSE, "cart-waiting"), promised_us=NOW + DAY_US, quoted_us=NOW)
        tx.save(cart)
        asked = cart_view(tx, HOUSE, cart.id, now_us=later, wall_us=later)
        tx.save(replace(cart, state=CartState.HELD))
        said = cart_view(tx, HOUSE, cart.id, now_us=later, wall_us=later)
        (coffee,) = [row for row in supplies_view(tx, HOUSE, now_us=later).rows if row.id == "supply-coffee"]
        chart = supply_view(tx, HOUSE, "supply-coffee", now_us=later).chart
    assert asked.delivery_day == said.delivery_day == "Tue 1 Dec"
    assert said.subtitle == "Bio & Home Market, arrives about Tue 1 Dec"
    assert coffee.plan == "Arrives about Tue 1 Dec"
    assert chart.delivery_x == (later + DAY_US) // 1_000_000


@pytest.mark.parametrize("state", [CartState.SKIPPED, CartState.SNOOZED, CartState.EXPIRED])
def test_only_a_yes_can_be_undone(state: CartState) -> None:
    rows = FakeUnitOfWork(*full_house())
    with rows.begin() as tx:
        approval = tx.get(Approval, HOUSE, "approval-cart-1-milk")
        still = replace(approval, id="approval-w", cart_id="cart-waiting", send_not_before_wall_us=NOW + DAY_US)
        tx.add(still)
        cart = tx.get(Cart, HOUSE, "cart-waiting")
        tx.save(replace(cart, state=CartState.APPROVED))
        assert cart_view(tx, HOUSE, cart.id, now_us=NOW, wall_us=NOW).undoable
        tx.save(replace(cart, state=state, snoozed_until_us=NOW + DAY_US))
        view = cart_view(tx, HOUSE, cart.id, now_us=NOW, wall_us=NOW)
    assert (view.undoable, view.undo_seconds) == (False, None)


def test_every_state_of_a_cart_and_an_order_has_words() -> None:
    for cart_state in CartState:
        rows = FakeUnitOfWork(*full_house())
        with rows.begin() as tx:
            tx.save(replace(tx.get(Cart, HOUSE, "cart-waiting"), state=cart_state, snoozed_until_us=NOW))
            assert cart_view(tx, HOUSE, "cart-waiting", now_us=NOW, wall_us=NOW).title
            orders_view(tx, HOUSE, now_us=NOW, wall_us=NOW)
            supplies_view(tx, HOUSE, now_us=NOW)
    for order_state in OrderState:
        rows = FakeUnitOfWork(*full_house())
        with rows.begin() as tx:
            tx.save(replace(tx.get(Order, HOUSE, "order-cart-1-milk"), state=order_state))
            assert order_view(tx, HOUSE, "order-cart-1-milk", now_us=NOW, wall_us=NOW).words
            supplies_view(tx, HOUSE, now_us=NOW)


def test_orders_are_sorted_by_what_they_need() -> None:
    with world().read() as tx:
        view = orders_view(tx, HOUSE, now_us=NOW, wall_us=NOW)
    assert view.headline == "One order waits for your OK"
    assert [one.cart_id for one in view.under_way] == ["cart-1-milk"]
    assert {one.cart_id for one in view.past} == {"cart-0-coffee", "cart-0-soap", "cart-0-black"}
    assert view.planned


def test_the_agenda_is_in_order_and_says_about() -> None:
    with world().read() as tx:
        items = coming_up(tx, HOUSE, now_us=NOW)
    assert [item.at_us for item in items] == sorted(item.at_us for item in items)
    assert {"decision", "delivery", "order"} <= {item.kind for item in items}
    assert all(item.about.startswith("about ") for item in items if item.kind == "order" and item.about)


def test_what_is_on_its_way_is_not_planned_once_more() -> None:
    with world().read() as tx:
        planned = {item.supply_id for item in coming_up(tx, HOUSE, now_us=NOW) if item.kind == "order"}
    assert "supply-milk" not in planned
    assert "supply-petfood" in planned


def test_a_household_that_can_buy_nothing_yet_is_told_what_to_do() -> None:
    rows = [
        household(),
        device("jura", "coffee-machine", "Jura E8", "Kitchen"),
        *stocked("coffee", "Coffee beans", "coffee", "g", 1000, "jura", left=40, daily=30),
    ]
    with FakeUnitOfWork(*rows).read() as tx:
        new = supplies_view(tx, HOUSE, now_us=NOW)
    with FakeUnitOfWork(*rows, pack("coffee", "Espresso beans", "1 kg", 1000, 1890)).read() as tx:
        chosen = supplies_view(tx, HOUSE, now_us=NOW)
    with world().read() as tx:
        ready = supplies_view(tx, HOUSE, now_us=NOW)
    assert new.summary == "Nothing can be ordered yet."
    assert [(step.words, step.href) for step in new.next_steps] == [
        ("Choose what refills Coffee beans", "/supplies/supply-coffee#packs-h"),
        ("Link the account it is paid from", "/money"),
    ]
    assert [step.href for step in chosen.next_steps] == ["/money"]
    assert ready.next_steps == ()


def test_devices_that_are_offline_are_not_said_to_be_heard() -> None:
    fridge = device("fridge", "fridge", "Liebherr fridge", "Kitchen", online=False)
    jura = device("jura", "coffee-machine", "Jura E8", "Kitchen")
    with FakeUnitOfWork(household(), fridge, jura).read() as tx:
        assert devices_view(tx, HOUSE, now_us=NOW).headline == "Liebherr fridge is offline"
    with FakeUnitOfWork(household(), fridge, replace(jura, online=False)).read() as tx:
        assert devices_view(tx, HOUSE, now_us=NOW).headline == "Two devices are offline"


def test_what_is_empty_has_no_day_to_come_unless_packs_stand_on_the_shelf() -> None:
    def coffee(sealed: float) -> str:
        rows = [
            household(),
            device("jura", "coffee-machine", "Jura E8", "Kitchen"),
            *stocked("coffee", "Coffee beans", "coffee", "g", 1000, "jura", left=0.0, daily=30, sealed=sealed),
        ]
        with FakeUnitOfWork(*rows).read() as tx:
            return supplies_view(tx, HOUSE, now_us=NOW).rows[0].run_out

    assert coffee(0.0) == "Empty now"
    assert coffee(900.0).startswith("Opens the next pack, ")


def test_what_devices_said_is_said_in_good_english_and_marked_where_unsigned() -> None:
    rows = FakeUnitOfWork(*full_house())
    with rows.begin() as tx:
        (newest,) = tx.find(Reading, HOUSE, newest=1)
        tx.save(replace(newest, signed=False))
        items = device_activity(tx, HOUSE, now_us=NOW)
    assert not any(item.words.endswith("is left") for item in items)
    assert {item.signed for item in items} == {True, False}


def test_a_level_set_by_hand_is_shown_as_the_page_says_it_and_not_as_signed() -> None:
    rows = _changed(Level, "slot-coffee", quantity=2.952, by_hand=True)
    with rows.read() as tx:
        (slot,) = supply_view(tx, HOUSE, "supply-coffee", now_us=NOW).slots
    assert (slot.shown, slot.by_hand) == ("3", True)


def test_what_came_is_not_announced_as_arriving() -> None:
    with world().read() as tx:
        assert "A refill arrives Thu 26 Nov." in supplies_view(tx, HOUSE, now_us=NOW).summary
    rows = _changed(OrderLine, "orderline-cart-1-milk-milk", state=LineState.DELIVERED)
    with rows.read() as tx:
        assert "arrives" not in supplies_view(tx, HOUSE, now_us=NOW).summary


def test_spares_of_what_is_measured_in_percent_are_counted_whole() -> None:
    assert _rows(_changed(Supply, "supply-black", sealed_quantity=200.0))["black"].shelf == "2 spare on the shelf"


def test_devices_say_who_is_silent_and_what_could_not_be_counted() -> None:
    with world().read() as tx:
        view = devices_view(tx, HOUSE, now_us=NOW)
    assert [row.name for row in view.silent] == ["Brother L2445"]
    assert view.headline == "Brother L2445 is silent"
    payloads = {row.payload[:8] for row in view.quarantine}
    assert payloads == {'{"epoch"', "00 01 02"}
    assert any("not counted" in item.words for item in view.activity) or view.activity


def test_a_payment_leads_from_the_debit_to_the_signatures() -> None:
    with world().read() as tx:
        chain = payment_chain(tx, HOUSE, "attempt-cart-0-coffee")
    assert chain.payment.captured == chain.payment.amount
    assert chain.approval.who == "Your standing permission"
    (line,) = chain.lines
    assert line.signature_words == "Every reading signed by its device"
    assert line.readings[0].signature == "Signature verified, key abababab…"
    assert [reading.at_us for reading in line.readings] == sorted((one.at_us for one in line.readings), reverse=True)


def test_money_shows_what_is_left_and_csv_runs_no_formula() -> None:
    rows = FakeUnitOfWork(*full_house())
    with rows.begin() as tx:
        view = money_view(tx, HOUSE, now_us=NOW)
        lines = list(ledger_csv(tx, HOUSE))
        postings = list(tx.every(Posting, HOUSE))
    general = next(row for row in view.mandates if row.id == "mandate-general")
    assert (general.left, general.meter.used) == ("83.80\u00a0€", "96.20\u00a0€")
    assert lines[0].startswith("at,journal,kind,layer")
    assert len(lines) == 1 + len(postings)
    assert all(not cell.startswith(("=", "@")) for line in lines for cell in line.split(","))


def test_a_balance_is_said_as_people_count_it() -> None:
    postings = [
        JournalEntry(
            id="j",
            household_id=HOUSE,
            source_id="t",
            kind="top_up",
            memo="",
            reverses_id=None,
            pending=False,
            at_us=NOW,
        ),
        Account(id="a-bank", household_id=HOUSE, kind="bank", owner="", currency="EUR"),
        Account(id="a-mine", household_id=HOUSE, kind="household_balance", owner="", currency="EUR"),
        Posting(id="p1", household_id=HOUSE, journal_id="j", account_id="a-bank", amount_minor=4000, currency="EUR"),
        Posting(id="p2", household_id=HOUSE, journal_id="j", account_id="a-mine", amount_minor=-4000, currency="EUR"),
    ]
    with FakeUnitOfWork(household(), *postings).read() as tx:
        accounts = money_view(tx, HOUSE, now_us=NOW).accounts
    assert [(row.name, row.balance, row.balance_minor) for row in accounts] == [
        ("Bank", "40.00\u00a0€", 4000),
        ("Your balance", "40.00\u00a0€", -4000),
    ]


def test_the_name_plate_counts_what_waits() -> None:
    with world().read() as tx:
        header = household_header(tx, HOUSE, tx.get(Member, HOUSE, "member-ana"), now_us=NOW)
    assert (header.detail, header.waiting, header.member_initials) == ("3 people, 6 devices", 1, "AM")


def test_an_empty_household_has_a_page_too() -> None:
    with FakeUnitOfWork(household()).read() as tx:
        assert supplies_view(tx, HOUSE, now_us=NOW).headline == "Nothing is watched yet"
        assert orders_view(tx, HOUSE, now_us=NOW, wall_us=NOW).headline == "No order needs you"
        assert devices_view(tx, HOUSE, now_us=NOW).headline == "No device yet"
        assert money_view(tx, HOUSE, now_us=NOW).methods == ()
        assert coming_up(tx, HOUSE, now_us=NOW) == ()


def test_a_supply_just_added_says_that_nothing_is_known() -> None:
    rows = [row for row in stocked("new", "New", "package", "l", 1, "x", left=None, daily=1) if isinstance(row, Supply)]
    with FakeUnitOfWork(household(), *rows).read() as tx:
        view = supply_view(tx, HOUSE, "supply-new", now_us=NOW)
        with pytest.raises(NotFound):
            supply_view(tx, HOUSE, "supply-other", now_us=NOW)
    assert view.row.run_out == "No device reports it"
    assert view.chart.likely == (None,) * len(view.chart.x)


def held(attempt_id: str, at_us: int) -> list[object]:
    """A hold of 20 EUR for an attempt, and what the provider was asked."""
    return [
        Operation(
            id=f"asked-{attempt_id}",
            household_id=HOUSE,
            attempt_id=attempt_id,
            kind=OperationKind.AUTHORIZE,
            subject_id=attempt_id,
            amount_minor=2000,
            currency="EUR",
            state=OperationState.SUCCEEDED,
            provider_ref="hold",
            note="",
            created_us=at_us,
            sent_wall_us=at_us,
            closed_us=at_us,
            syncs=0,
        ),
        *written("hold", attempt_id, 2000, at_us, pending=True),
    ]


def written(kind: str, source_id: str, amount_minor: int, at_us: int, *, pending: bool = False) -> list[object]:
    """A journal of two legs."""
    sign = -1 if kind == "release" else 1
    return [
        JournalEntry(
            id=f"{kind}-{source_id}",
            household_id=HOUSE,
            source_id=source_id,
            kind=kind,
            memo="",
            reverses_id=None,
            pending=pending,
            at_us=at_us,
        ),
        *(
            Posting(
                id=f"{kind}-{source_id}-{account}",
                household_id=HOUSE,
                journal_id=f"{kind}-{source_id}",
                account_id=f"account-{account}",
                amount_minor=leg * sign * amount_minor,
                currency="EUR",
            )
            for account, leg in (("clearing", 1), ("payable", -1))
        ),
    ]


def test_a_hold_says_that_it_stands_only_until_its_payment_ends() -> None:
    rows = [
        household(),
        *accounts(),
        *held("open", NOW),
        *held("captured", NOW - DAY_US),
        *written("release", "asked-captured", 2000, NOW, pending=True),
        *held("voided", NOW - DAY_US),
        *written("release", "voided", 2000, NOW, pending=True),
    ]
    with FakeUnitOfWork(*rows).begin() as tx:
        page = book_page(tx, HOUSE, limit=10)
    assert {entry.id: entry.held for entry in page.entries if entry.words == "Held for an order"} == {
        "hold-open": True,
        "hold-captured": False,
        "hold-voided": False,
    }


def test_the_ledger_is_in_the_order_of_time_whatever_was_written_first() -> None:
    rows = [household(), *accounts()]
    for place, days in enumerate((3, 1, 2, 5, 4)):
        rows += written("capture", f"op-{place}", 100 + days, NOW - days * DAY_US)
    with FakeUnitOfWork(*rows).begin() as tx:
        first = book_page(tx, HOUSE, limit=3)
        second = book_page(tx, HOUSE, limit=3, before=first.older)
        with pytest.raises(NotFound):
            book_page(tx, HOUSE, limit=3, account_id="another")
    said = [entry.amount for entry in first.entries + second.entries]
    assert said == [f"1.0{days}\u00a0€" for days in (1, 2, 3, 4, 5)]
    assert second.older is None
    assert first.entries[0].legs == ("Clearing at sandbox +1.01\u00a0€", "Owed to merchant-shop \u22121.01\u00a0€")


def spoiled(number: int, *, reason: str = "negative", hours_ago: float = 1) -> Quarantined:
    return Quarantined(
        id=f"spoiled-{number:02d}",
        household_id=HOUSE,
        device_id="device-fridge",
        inbox_id=number,
        sender="device-fridge",
        topic="replenish/v1/device-fridge/telemetry",
        reason=reason,
        detail="eggs says -1.0",
        payload=f"bytes {number}".encode(),
        received_us=NOW - round(hours_ago * HOUR_US),
    )


def test_like_messages_that_could_not_be_counted_are_told_once() -> None:
    rows = [household(), device("fridge", "fridge", "Liebherr fridge", "Kitchen")]
    rows += [spoiled(number, hours_ago=12 - number) for number in range(10)]
    rows.append(spoiled(10, reason="bad-signature", hours_ago=0.5))
    with FakeUnitOfWork(*rows).begin() as tx:
        odd, alike = quarantine_rows(tx, HOUSE, now_us=NOW)
        view = devices_view(tx, HOUSE, now_us=NOW)
    assert (odd.reason, odd.times, odd.times_words) == ("Bad signature", 1, "")
    assert (alike.reason, alike.times, alike.payload) == ("Negative", 10, "bytes 9")
    assert (alike.when, alike.times_words) == ("15:05", "10 times since 06:05")
    assert view.summary == "Eleven messages could not be counted."


def test_a_new_device_has_not_reported_yet_and_is_silent_only_later() -> None:
    new = device("new", "fridge", "Second fridge", "Cellar", last_seen_us=None, owned_from_us=NOW - HOUR_US)
    with FakeUnitOfWork(household(), new).begin() as tx:
        view = devices_view(tx, HOUSE, now_us=NOW)
        later = devices_view(tx, HOUSE, now_us=NOW + 3 * DAY_US)
    assert (view.headline, view.summary, view.silent) == ("Second fridge has not reported yet", "", ())
    assert view.devices[0].status == "Has not reported yet"
    assert (later.headline, later.devices[0].status) == ("Second fridge is silent", "Silent, never heard from")


def test_the_average_use_of_pieces_keeps_its_decimals() -> None:
    rows = FakeUnitOfWork(
        household(),
        *stocked("eggs", "Eggs", "egg", "piece", 12, "fridge", left=6, daily=0.4),
        device("fridge", "fridge", "F", ""),
    )
    with rows.begin() as tx:
        assert supply_view(tx, HOUSE, "supply-eggs", now_us=NOW).daily_use == "0.4\u00a0pieces a day on average"


def chain_of(*changed: object, attempt_id: str = "attempt-cart-0-coffee") -> PaymentChain:
    unit_of_work = world()
    with unit_of_work.begin() as tx:
        for row in changed:
            tx.save(row) if tx.seek(type(row), HOUSE, row.id) else tx.add(row)  # type: ignore[attr-defined]
        return payment_chain(tx, HOUSE, attempt_id)


def operation(kind: OperationKind, state: OperationState, amount_minor: int) -> Operation:
    with world().read() as tx:
        (captured,) = tx.find(Operation, HOUSE, attempt_id="attempt-cart-0-coffee", kind=OperationKind.CAPTURE)
    return replace(captured, id="operation-more", kind=kind, state=state, amount_minor=amount_minor)


def test_a_refund_is_said_in_the_chains_headline_and_names_its_parcel() -> None:
    back = operation(OperationKind.REFUND, OperationState.SUCCEEDED, 179)
    with world().read() as tx:
        (parcel,) = tx.find(Shipment, HOUSE, order_id="order-cart-0-coffee")
    chain = chain_of(replace(back, subject_id=f"{parcel.id}/returned"))
    assert chain.headline == "37.80\u00a0€ was debited, 1.79\u00a0€ given back, and this is why"
    assert chain.operations[-1].subject.startswith("of the parcel shipped ")


def test_an_outcome_that_is_not_known_is_neither_good_nor_bad_news() -> None:
    with world().read() as tx:
        attempt = tx.get(Attempt, HOUSE, "attempt-cart-0-black")
        asked = tx.find(Operation, HOUSE, attempt_id=attempt.id)
    chain = chain_of(
        replace(attempt, state=AttemptState.UNKNOWN),
        *(replace(one, state=OperationState.UNKNOWN) for one in asked),
        attempt_id=attempt.id,
    )
    assert (chain.tone, chain.headline) == ("low", "54.90\u00a0€: outcome not known yet; we are asking")


def test_a_hold_names_the_journal_written_under_its_payment() -> None:
    chain = chain_of(*written("hold", "attempt-cart-0-coffee", 3780, NOW, pending=True))
    assert chain.operations[0].journals == ("hold-attempt-cart-0-coffee",)


def test_a_plan_says_only_what_its_forecast_does_not() -> None:
    with world().read() as tx:
        planned = tx.get(Plan, HOUSE, "plan-coffee-cart-0-coffee")
        forecast = tx.get(Forecast, HOUSE, planned.forecast_id)
    (line,) = chain_of(replace(planned, reasons=(*forecast.reasons, "Order now."))).lines
    assert line.plan_reasons == ("Order now.",)


def test_a_sent_order_shows_where_it_stands_beside_the_supplies() -> None:
    with world().read() as tx:
        shipped = cart_view(tx, HOUSE, "cart-1-milk", now_us=NOW, wall_us=NOW)
        waiting = cart_view(tx, HOUSE, "cart-waiting", now_us=NOW, wall_us=NOW)
    assert [step.key for step in shipped.steps][:2] == ["approved", "held"]
    assert [step.key for step in shipped.latest] == ["shipped", "delivered", "refilled"]
    assert waiting.latest == waiting.steps == ()
