"""What a mandate is for: its devices, supplies, shops and number of orders; and which account is named for what."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.errors import Conflict, Invalid, NotAllowed, NotFound
from gateway.domain.household import Member, Role
from gateway.domain.payment import Attempt, Mandate, MethodState, PaymentMethod
from gateway.domain.preference import ChoiceKind, MethodChoice
from gateway.domain.stock import Slot
from gateway.steps.acts.accounts import choose_method, forget_choice, move_method, order_methods
from gateway.steps.acts.limits import Limits
from gateway.steps.acts.wallet import set_limits, unlink_account
from gateway.steps.approve import Approve
from gateway.steps.money.mandates import usable
from tests.builders import build
from tests.homes import home, known_level, supply
from tests.rig import Rig

OpenRig = Callable[..., Rig]
LIMITS = Limits(standing=True, per_order_minor=5_000, per_period_minor=20_000, period_days=30)
SECOND = (
    build(PaymentMethod, id="second", label="Second", token_sealed=b"sealed:second", rank=1),
    build(Mandate, id="second-mandate", payment_method_id="second", standing=True),
)


def standing(rig: Rig, **different: object) -> None:
    rig.save(replace(rig.rows(Mandate, id="mandate")[0], standing=True, **different))


def decided(rig: Rig) -> Cart:
    """Let the standing mandates decide on the milk."""
    rig.shop.sell("milk-usual", 120)
    rig.enqueue("forecast", "milk")
    rig.pass_days(0.1)
    return rig.the(Cart)


def at_home(open_rig: OpenRig, *more: object) -> Rig:
    return open_rig(*home(), known_level("milk", 0.15), *more)


SCOPES = [
    ({"device_ids": ("fridge",)}, ()),
    ({"device_ids": ("car",)}, ("the permission to debit does not allow the device Kitchen fridge",)),
    ({"supply_ids": ("milk",)}, ()),
    ({"supply_ids": ("coffee",)}, ("the permission to debit does not allow the supply Milk",)),
    ({"merchant_ids": ("shop",)}, ()),
    ({"merchant_ids": ("elsewhere",)}, ("the permission to debit does not allow the merchant Corner shop",)),
    ({"device_ids": ()}, ("the permission to debit does not allow the device Kitchen fridge",)),
]


@pytest.mark.parametrize(("scope", "why"), SCOPES)
def test_a_mandate_debits_by_itself_only_what_it_is_for(
    open_rig: OpenRig, scope: dict[str, tuple[str, ...]], why: tuple[str, ...]
) -> None:
    rig = at_home(open_rig)
    standing(rig, **scope)
    cart = decided(rig)
    assert cart.needs_person == why
    assert (cart.state is CartState.AWAITING_APPROVAL) is bool(why)
    assert bool(rig.rows(Attempt)) is not bool(why)


@pytest.mark.parametrize(("scope", "why"), SCOPES)
def test_not_even_a_person_takes_an_account_for_what_its_mandate_is_not_for(
    with_cart: OpenRig, scope: dict[str, tuple[str, ...]], why: tuple[str, ...]
) -> None:
    rig = with_cart()
    rig.save(replace(rig.the(Mandate), **scope))
    if why:
        with pytest.raises(Invalid):
            rig.say_yes()
    else:
        assert rig.say_yes().state is CartState.APPROVED


def test_what_no_device_asked_for_is_not_covered_by_a_device_mandate_however_much_else_is(open_rig: OpenRig) -> None:
    shelf = [one for one in supply("eggs", unit="pcs") if not isinstance(one, Slot)]
    rig = at_home(open_rig, *shelf)
    rig.save(replace(rig.the(Mandate), device_ids=("fridge",)))
    cart = decided(rig)
    assert in_order(rig, cart) == ["method"]
    rig.add(replace(rig.rows(Line)[0], id="eggs-line", supply_id="eggs", name="Eggs"))
    assert in_order(rig, cart) == []


def test_over_the_number_of_orders_a_person_is_asked_and_nothing_is_debited(open_rig: OpenRig) -> None:
    rig = at_home(open_rig)
    standing(rig, per_period_count=1)
    assert decided(rig).state is not CartState.AWAITING_APPROVAL
    rig.shop.ship()
    rig.pass_days(1)
    debited = rig.bank.debited_minor
    second = replace(rig.the(Cart), id="cart-2", state=CartState.AWAITING_APPROVAL, needs_person=())
    line = rig.rows(Line)[0]
    rig.add(second, replace(line, id="line-2", cart_id="cart-2"))
    rig.enqueue("approve", "cart-2")
    rig.work_off()
    (asked,) = rig.rows(Cart, id="cart-2")
    assert asked.state is CartState.AWAITING_APPROVAL
    assert asked.needs_person == ("the limit of 1 debits in 30 days is reached",)
    assert rig.bank.debited_minor == debited


def test_limits_and_scopes_are_changed_by_a_member_and_unknown_things_are_refused(open_rig: OpenRig) -> None:
    rig = at_home(open_rig)
    ana = rig.the(Member)
    wanted = replace(LIMITS, device_ids=("fridge",), supply_ids=("milk",), merchant_ids=("shop",), per_period_count=3)
    changed = set_limits(rig.services, ana, "mandate", wanted)
    assert (changed.device_ids, changed.supply_ids, changed.merchant_ids) == (("fridge",), ("milk",), ("shop",))
    assert (changed.per_period_count, rig.the(Mandate)) == (3, changed)
    for wrong in ({"device_ids": ("nobody's",)}, {"supply_ids": ()}, {"per_period_count": 0}):
        with pytest.raises(Invalid):
            set_limits(rig.services, ana, "mandate", replace(LIMITS, **wrong))  # type: ignore[arg-type]
    assert set_limits(rig.services, ana, "mandate", LIMITS).device_ids is None


# Which account for what


def choose(rig: Rig, kind: ChoiceKind, subject_id: str, method_id: str) -> None:
    with rig.store.begin() as tx:
        choose_method(tx, tx.get(Member, "home", "ana"), kind, subject_id, method_id)


def forget(rig: Rig, kind: ChoiceKind, subject_id: str) -> None:
    with rig.store.begin() as tx:
        forget_choice(tx, tx.get(Member, "home", "ana"), kind, subject_id)


@pytest.mark.parametrize(
    ("kind", "subject"), [(ChoiceKind.SUPPLY, "milk"), (ChoiceKind.DEVICE, "fridge"), (ChoiceKind.MERCHANT, "shop")]
)
def test_the_account_named_for_it_is_debited_by_a_yes_and_by_itself(
    open_rig: OpenRig, kind: ChoiceKind, subject: str
) -> None:
    by_itself = at_home(open_rig, *SECOND)
    standing(by_itself)
    choose(by_itself, kind, subject, "second")
    decided(by_itself)
    assert by_itself.the(Attempt).payment_method_id == "second"
    by_person = at_home(open_rig, SECOND[0], replace(SECOND[1], standing=False))
    choose(by_person, kind, subject, "second")
    decided(by_person)
    by_person.say_yes()
    by_person.work_off()
    assert by_person.the(Attempt).payment_method_id == "second"


def test_the_more_special_name_goes_before_the_more_general(open_rig: OpenRig) -> None:
    third = build(PaymentMethod, id="third", label="Third", token_sealed=b"sealed:third", rank=2)
    rig = at_home(open_rig, *SECOND, third, build(Mandate, id="third-mandate", payment_method_id="third"))
    choose(rig, ChoiceKind.MERCHANT, "shop", "method")
    choose(rig, ChoiceKind.DEVICE, "fridge", "second")
    choose(rig, ChoiceKind.SUPPLY, "milk", "third")
    cart = decided(rig)
    assert in_order(rig, cart) == ["third", "method", "second"]
    forget(rig, ChoiceKind.SUPPLY, "milk")
    assert in_order(rig, cart)[0] == "second"
    forget(rig, ChoiceKind.DEVICE, "fridge")
    assert in_order(rig, cart)[0] == "method"


def in_order(rig: Rig, cart: Cart) -> list[str]:
    with rig.store.read() as tx:
        return [method.id for method, _ in usable(tx, cart, rig.clock.now)]


def test_a_named_account_that_may_not_be_debited_asks_a_person_who_may_choose_another(open_rig: OpenRig) -> None:
    rig = at_home(open_rig, *SECOND)
    standing(rig)
    choose(rig, ChoiceKind.SUPPLY, "milk", "second")
    rig.save(replace(SECOND[0], state=MethodState.FROZEN))
    cart = decided(rig)
    assert (cart.state, cart.needs_person) == (CartState.AWAITING_APPROVAL, ("Second is frozen",))
    rig.decide(Approve(None, "method"))
    rig.work_off()
    assert rig.the(Attempt).payment_method_id == "method"


def test_lines_that_name_different_accounts_ask_a_person(open_rig: OpenRig) -> None:
    rig = at_home(open_rig, *SECOND, *supply("eggs", unit="pcs"), known_level("eggs", 0.05))
    standing(rig)
    choose(rig, ChoiceKind.SUPPLY, "milk", "second")
    choose(rig, ChoiceKind.SUPPLY, "eggs", "method")
    rig.shop.sell("eggs-usual", 120)
    rig.enqueue("forecast", "eggs")
    cart = decided(rig)
    assert cart.needs_person == ("different accounts are named for what it holds",)
    assert rig.rows(Attempt) == []


def test_accounts_are_asked_in_the_order_a_member_gives_them(open_rig: OpenRig) -> None:
    rig = at_home(open_rig, *SECOND)
    standing(rig)
    with rig.store.begin() as tx:
        ana = tx.get(Member, "home", "ana")
        assert [one.id for one in move_method(tx, ana, "method", up=True)] == ["method", "second"]
        assert [one.id for one in move_method(tx, ana, "second", up=True)] == ["second", "method"]
        with pytest.raises(Invalid):
            order_methods(tx, ana, ("method",))
        with pytest.raises(Invalid):
            move_method(tx, ana, "nobody's", up=True)
        with pytest.raises(NotAllowed):
            move_method(tx, replace(ana, role=Role.APPROVER), "method", up=True)
    decided(rig)
    assert rig.the(Attempt).payment_method_id == "second"


def test_a_name_goes_with_its_account_and_is_for_what_the_household_has(open_rig: OpenRig) -> None:
    rig = at_home(open_rig, *SECOND)
    choose(rig, ChoiceKind.SUPPLY, "milk", "second")
    choose(rig, ChoiceKind.SUPPLY, "milk", "method")
    choose(rig, ChoiceKind.DEVICE, "fridge", "second")
    assert {one.subject_id: one.payment_method_id for one in rig.rows(MethodChoice)} == {
        "milk": "method",
        "fridge": "second",
    }
    with pytest.raises(NotFound):
        choose(rig, ChoiceKind.DEVICE, "nobody's", "second")
    unlink_account(rig.services, rig.the(Member), "second")
    assert [one.subject_id for one in rig.rows(MethodChoice)] == ["milk"]
    with pytest.raises(Invalid):
        choose(rig, ChoiceKind.DEVICE, "fridge", "second")
    with pytest.raises(Conflict):
        set_limits(rig.services, rig.the(Member), "second-mandate", LIMITS)
