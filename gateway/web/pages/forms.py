"""Forms: reading what a person wrote, and showing a form again with what is wrong beside its fields.

A handler that takes a form is marked with the page the form stands on (`shown_on`). What it refuses comes back as that
page: entries kept, a message at each field. Templates ask `forms.at(action)` for what their form holds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, TypeAlias, TypeVar

from fastapi import Request, Response

from gateway.domain.errors import Invalid
from gateway.web.problems import Problem
from payments.errors import MoneyError
from payments.money import Money, exponent

Page = Callable[..., Response]
Entries: TypeAlias = Mapping[str, tuple[str, ...]]
"""What a form held, by field: a group of boxes sends one value for each that is ticked."""
Handler = TypeVar("Handler", bound=Callable[..., Response])

SECRETS = frozenset({"password", "present"})
"""Entries that are never written into a page again."""

EXAMPLE_MINOR = 1_890
"""Shown to whoever wrote an amount that cannot be read."""

_PAGES: dict[Callable[..., Any], Page] = {}


def shown_on(page: Page) -> Callable[[Handler], Handler]:
    """Mark a form's handler with the page that shows the form."""

    def mark(handler: Handler) -> Handler:
        _PAGES[handler] = page
        return handler

    return mark


def page_of(request: Request) -> Callable[..., Response] | None:
    """Return the page whose form was sent, ready to be called with the visit; None where no page is marked."""
    page = _PAGES.get(request.scope.get("endpoint"))  # type: ignore[arg-type]  # None is no handler
    if page is None:
        return None
    named = {name: value for name, value in request.path_params.items() if name in signature(page).parameters}
    return lambda visit: page(visit, **named)


@dataclass(frozen=True, slots=True)
class Refused:
    """A form that was sent to `action` and not accepted: what it held, and what is wrong."""

    action: str
    entries: Entries
    problem: Problem

    @property
    def summary(self) -> str:
        """Return the sentence above the page; it also says what is wrong with an entry that no field shows."""
        errors = self.problem.errors
        if not errors:
            return self.problem.detail
        if len(errors) > 1:
            return "Nothing was changed. Look at the fields that are marked."
        ((name, why),) = errors
        return f"Nothing was changed. {name.replace('_', ' ').capitalize()}: {why}."


@dataclass(frozen=True, slots=True)
class Form:
    """One form on a page: its entries and errors where it is the one that was refused, else neither."""

    id: str
    refused: bool = False
    entries: Entries = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str, default: object = "") -> object:
        """Return what the person wrote, else what stands there to begin with."""
        if not self.refused or name in SECRETS or name not in self.entries:
            return default
        return self.entries[name][-1]

    def ticked(self, name: str, value: str = "yes", *, default: bool = False) -> bool:
        """Return whether a box is ticked: an unticked one is not sent."""
        return value in self.entries.get(name, ()) if self.refused else default

    def error(self, name: str) -> str:
        """Return what is wrong with a field, empty where nothing is."""
        return self.errors.get(name, "")

    def is_first(self, name: str) -> bool:
        """Return whether a field is the first that is wrong: the one to go on at."""
        return next(iter(self.errors), None) == name


@dataclass(frozen=True, slots=True)
class Forms:
    """The forms of one page, as its template asks for them."""

    refused: Refused | None = None

    def at(self, action: str, **marks: str) -> Form:
        """Return the form that is sent to `action`; `marks` are hidden entries that tell like forms apart."""
        form_id = "-".join(part for part in [*action.split("/"), *marks.values()] if part)
        refused = self.refused
        if refused is None or refused.action != action:
            return Form(form_id)
        if any(value not in refused.entries.get(name, ()) for name, value in marks.items()):
            return Form(form_id)
        return Form(form_id, refused=True, entries=refused.entries, errors=dict(refused.problem.errors))


def amount_of(text: str, currency: str, *, named: str = "amount") -> int:
    """Return an amount as people write it ("18.90" or "18,90") in minor units; raises Invalid.

    >>> amount_of(" 18,9 ", "EUR")
    1890
    """
    try:
        return Money.parse(text.strip().replace(",", "."), currency).amount_minor
    except MoneyError:
        raise Invalid(named, f"write it as {written(EXAMPLE_MINOR, currency)}") from None


def amount_pattern(currency: str) -> str:
    """Return what `amount_of` reads, as the pattern of a field: as many decimals as the currency has.

    >>> amount_pattern("EUR"), amount_pattern("JPY")
    ('[0-9]+([.,][0-9]{1,2})?', '[0-9]+')
    """
    digits = exponent(currency)
    return f"[0-9]+([.,][0-9]{{1,{digits}}})?" if digits else "[0-9]+"


def written(amount_minor: int, currency: str) -> str:
    """Return an amount as a form shows it.

    >>> written(1890, "EUR")
    '18.90'
    """
    return Money(amount_minor, currency).format()
