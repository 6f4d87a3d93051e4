"""Notices from the door to the step: no forged one keeps a genuine one out, and none grows old while it waits."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, text

from gateway.domain.approval import Approval
from gateway.domain.cart import Cart, CartState
from gateway.domain.household import Household
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    Mandate,
    Operation,
    OperationState,
    PaymentMethod,
    Posting,
)
from gateway.domain.records import MerchantAccount, Notice, NoticeState
from gateway.store import migrate
from gateway.web.notices import keep
from tests.builders import build
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


NEXT_DOOR = "next-door"


def next_door(adapter: str = "sandbox") -> list[object]:
    """Another household, whose hold may have been made or not."""
    of_it = {
        PaymentMethod: {"id": "their-method", "adapter": adapter},
        Mandate: {"id": "their-mandate", "payment_method_id": "their-method"},
        Cart: {"id": "their-cart", "state": CartState.APPROVED},
        Approval: {
            "id": "their-approval",
            "cart_id": "their-cart",
            "member_id": None,
            "mandate_id": "their-mandate",
            "payment_method_id": "their-method",
        },
        Attempt: {
            "id": "their-attempt",
            "cart_id": "their-cart",
            "approval_id": "their-approval",
            "payment_method_id": "their-method",
            "mandate_id": "their-mandate",
            "state": AttemptState.UNKNOWN,
        },
        Operation: {
            "id": "theirs",
            "attempt_id": "their-attempt",
            "subject_id": "their-cart",
            "state": OperationState.UNKNOWN,
            "provider_ref": "",
            "closed_us": None,
        },
    }
    household = build(Household, id=NEXT_DOOR, household_id=NEXT_DOOR)
    return [household, *(build(entity, household_id=NEXT_DOOR, **said) for entity, said in of_it.items())]


def all_that_stands(rig: Rig) -> list[object]:
    kinds = (Mandate, PaymentMethod, Cart, Attempt, Operation, Order, Posting)
    return [row for kind in kinds for row in rig.rows(kind, None)]


def say(rig: Rig, body: bytes, adapter: str = "sandbox") -> Notice:
    door: Any = SimpleNamespace(unit_of_work=rig.store, clock=rig.clock)
    keep(door, "payment", adapter, GENUINE, body)
    rig.run_round()
    return rig.the(Notice)


def test_a_notice_about_another_household_causes_a_look_up_there_and_nothing_here(
    with_order: Callable[..., Rig],
) -> None:
    rig = with_order()
    rig.add(*next_door())
    before, sent, waiting = all_that_stands(rig), list(rig.bank.sent), rig.waiting()
    told = say(rig, b"theirs")
    assert (told.state, told.reason) == (NoticeState.DONE, "")
    assert all_that_stands(rig) == before
    assert rig.bank.sent == sent
    assert [row for row in rig.waiting() if row not in waiting] == [("sync", "theirs", rig.clock.now)]


@pytest.mark.parametrize("reference", [b"theirs", b"their-mandate"])
def test_what_one_provider_says_of_an_account_at_another_is_not_looked_up(
    with_order: Callable[..., Rig], reference: bytes
) -> None:
    rig = with_order()
    rig.add(*next_door("openbanking"))
    before, waiting = all_that_stands(rig), rig.waiting()
    told = say(rig, reference)
    assert (told.state, told.reason) == (NoticeState.DONE, "names something this gateway does not know")
    assert (all_that_stands(rig), rig.waiting()) == (before, waiting)


def test_what_one_shop_says_of_an_order_at_another_is_not_looked_up(with_order: Callable[..., Rig]) -> None:
    rig = with_order(build(MerchantAccount, id="corner"))
    waiting = rig.waiting()
    door: Any = SimpleNamespace(unit_of_work=rig.store, clock=rig.clock)
    keep(door, "merchant", "corner", GENUINE, rig.the(Order).id.encode())
    rig.run_round()
    assert rig.the(Notice).reason == "names something this gateway does not know"
    assert rig.waiting() == waiting


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
