"""Notices from the door to the step: no forged one keeps a genuine one out, and none grows old while it waits."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Engine, text

from gateway.domain.order import Order, OrderState
from gateway.domain.records import Notice, NoticeState
from gateway.store import migrate
from gateway.web.notices import keep
from tests.rig import Rig

GENUINE = {"x-signature": "good"}
FORGED = {"x-signature": "forged"}
HOUR_US = 3_600_000_000


def tell(rig: Rig, headers: dict[str, str]) -> None:
    """Let somebody tell us at the door that the order changed."""
    door: Any = SimpleNamespace(unit_of_work=rig.store, clock=rig.clock)
    keep(door, "merchant", "shop", headers, rig.the(Order).id.encode())


def states(rig: Rig) -> list[NoticeState]:
    return [one.state for one in rig.rows(Notice, None)]


def test_a_forged_notice_that_was_refused_keeps_no_genuine_one_out(with_order: Callable[..., Rig]) -> None:
    rig = with_order()
    rig.shop.ship()
    tell(rig, FORGED)
    rig.work_off()
    tell(rig, GENUINE)
    rig.work_off()
    assert states(rig) == [NoticeState.REFUSED, NoticeState.DONE]
    assert rig.the(Order).state is OrderState.SHIPPED


def test_a_forged_notice_that_still_waits_keeps_no_genuine_one_out(with_order: Callable[..., Rig]) -> None:
    rig = with_order()
    tell(rig, FORGED)
    tell(rig, GENUINE)
    rig.work_off()
    assert states(rig) == [NoticeState.REFUSED, NoticeState.DONE]


def test_what_waits_or_was_proven_is_not_kept_twice(with_order: Callable[..., Rig]) -> None:
    rig = with_order()
    tell(rig, GENUINE)
    tell(rig, GENUINE)
    rig.work_off()
    tell(rig, FORGED)
    tell(rig, GENUINE)
    assert states(rig) == [NoticeState.DONE]


def test_a_notice_does_not_grow_old_while_no_worker_runs(with_order: Callable[..., Rig]) -> None:
    rig = with_order()
    tell(rig, GENUINE | {"x-signed-us": str(rig.clock.wall)})
    rig.clock.wall += HOUR_US
    rig.work_off()
    assert states(rig) == [NoticeState.DONE]


def test_a_notice_that_came_long_after_it_was_signed_is_refused(with_order: Callable[..., Rig]) -> None:
    rig = with_order()
    tell(rig, GENUINE | {"x-signed-us": str(rig.clock.wall - HOUR_US)})
    rig.work_off()
    assert states(rig) == [NoticeState.REFUSED]


def test_a_notice_from_before_counts_as_having_come_when_it_was_noted(bare: Engine) -> None:
    engine = bare
    migrate.upgrade(engine, "0008")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO notice (id, source, name, headers, body, sha256, state, reason, received_us)"
                " VALUES ('n', 'merchant', 'shop', '{\"a\": \"b\"}', :body, '77', 'received', '', 7)"
            ),
            {"body": b"\x00\xff"},
        )
    migrate.upgrade(engine)
    with engine.connect() as connection:
        row = connection.execute(text("SELECT headers, body, received_us, received_wall_us FROM notice")).one()
    headers, body, *times = row
    assert (json.loads(headers) if isinstance(headers, str) else headers) == {"a": "b"}
    assert (body, times) == (b"\x00\xff", [7, 7])
