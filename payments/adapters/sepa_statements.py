"""Reads what a bank sends back: pain.002 (rejects), camt.054 and camt.053 (bookings and returns). Bytes to facts.

A file is believed whole or not at all: no DTD and no entity is read, its size, depth and number of elements are
limited, its control sums must be right and every IBAN in it must be one. The namespace's version (001.02, 001.08 …)
does not matter, for the elements read here are the same in all of them.
"""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree, EntitiesForbidden
from defusedxml.common import DefusedXmlException

from payments.adapters.sepa_account import is_iban, masked
from payments.errors import PaymentError
from payments.money import Money

MAX_BYTES = 10_000_000
MAX_DEPTH = 40
MAX_ELEMENTS = 500_000
MAX_TEXT = 140
MAX_NAME = 100
ROOTS = {"CstmrPmtStsRpt": "pain.002", "BkToCstmrStmt": "camt.053", "BkToCstmrDbtCdtNtfctn": "camt.054"}
BOOKED = "BOOK"
REJECTED = "RJCT"


class UnreadableFile(PaymentError):
    """A bank file of which nothing is believed; `reason` says why, without repeating what is in it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the bank's file cannot be used: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Rejected:
    """A payment the bank did not carry out; without `end_to_end_id` all of the file `message_id` was refused."""

    end_to_end_id: str
    message_id: str
    code: str


@dataclass(frozen=True, slots=True)
class Booked:
    """A booking on our account: positive came in. `return_code`: it takes back what `end_to_end_id` had brought."""

    end_to_end_id: str
    amount: Money
    charge: Money
    return_code: str
    counterpart: str

    @property
    def is_return(self) -> bool:
        """Whether it takes an earlier payment back."""
        return bool(self.return_code)


@dataclass(frozen=True, slots=True)
class BankFile:
    """What one file says. `statement` names a camt.053's statements, which alone are pay-outs; empty for the others."""

    kind: str
    statement: str
    rejected: tuple[Rejected, ...]
    booked: tuple[Booked, ...]


def read_bank_file(body: bytes) -> BankFile:
    """Read one file whole; raises UnreadableFile."""
    if len(body) > MAX_BYTES:
        raise UnreadableFile(f"it is larger than {MAX_BYTES} bytes")
    document = _parsed(body)
    report = next((child for child in document if _name(child) in ROOTS), None)
    if report is None:
        raise UnreadableFile("it is neither pain.002 nor camt.053 nor camt.054")
    kind = ROOTS[_name(report)]
    for found in _all(report, "IBAN"):
        if not is_iban(_text(found)):
            raise UnreadableFile(f"the check number of the IBAN {masked(_text(found))} is wrong")
    if kind == "pain.002":
        return BankFile(kind, "", tuple(_rejections(report)), ())
    statements = [child for child in report if _name(child) in {"Stmt", "Ntfctn"}]
    booked = tuple(booking for statement in statements for booking in _bookings(statement))
    return BankFile(kind, _statement_name(statements) if kind == "camt.053" else "", (), booked)


def _statement_name(statements: list[Element]) -> str:
    """Return a name of its own for the statements of a file: banks begin their numbers anew, so the day is in it."""
    name = "+".join(f"{_said(one, 'Id')}@{_said(one, 'CreDtTm')[:10]}" for one in statements)
    return name if len(name) <= MAX_NAME else hashlib.sha256(name.encode()).hexdigest()


def _parsed(body: bytes) -> Element:
    """Parse within the limits; element names lose their namespace later."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableFile("it is not UTF-8") from None
    depth = count = 0
    root: Element | None = None
    try:
        for event, element in ElementTree.iterparse(io.BytesIO(body), events=("start", "end"), forbid_dtd=True):
            if event == "end":
                depth -= 1
                continue
            root = element if root is None else root
            depth, count = depth + 1, count + 1
            if depth > MAX_DEPTH or count > MAX_ELEMENTS:
                raise UnreadableFile("it has too many elements, or they are too deep")
    except (DefusedXmlException, EntitiesForbidden):
        raise UnreadableFile("it declares a document type or an entity, which no bank file does") from None
    except (ParseError, ValueError, LookupError) as error:
        raise UnreadableFile(f"it is not whole XML: {error}") from None
    if root is None or _name(root) != "Document":
        raise UnreadableFile("it is no ISO 20022 document")
    return root


def _rejections(report: Element) -> Iterator[Rejected]:
    """Yield what was refused: single payments, or with one word all of a file."""
    group = _first(report, "OrgnlGrpInfAndSts")
    message_id = _said(group, "OrgnlMsgId") if group is not None else ""
    singles = [one for one in _all(report, "TxInfAndSts") if _said(one, "TxSts") == REJECTED]
    for one in singles:
        yield Rejected(_said(one, "OrgnlEndToEndId"), message_id, _code(_first(one, "StsRsnInf")))
    if group is not None and _said(group, "GrpSts") == REJECTED and not singles:
        yield Rejected("", message_id, _code(_first(group, "StsRsnInf")))


def _bookings(statement: Element) -> Iterator[Booked]:
    for entry in [child for child in statement if _name(child) == "Ntry"]:
        status = _first(entry, "Sts")
        if status is not None and (_text(status) or _said(status, "Cd")) != BOOKED:
            continue
        sign = _sign(entry)
        total = _amount(entry, "Amt") * sign
        details = _all(entry, "TxDtls")
        bookings = [_booking(detail, sign, total if len(details) == 1 else None) for detail in details]
        if not bookings:
            yield Booked("", Money(total, "EUR"), Money.zero("EUR"), "", "")
            continue
        batch = _first(entry, "Btch")
        if batch is not None and _said(batch, "NbOfTxs") not in {"", str(len(bookings))}:
            raise UnreadableFile(f"a batch of {_said(batch, 'NbOfTxs')} payments has {len(bookings)}")
        summed = sum(one.amount.amount_minor for one in bookings)
        charged = sum(one.charge.amount_minor for one in bookings)
        if summed - charged != total != summed:
            raise UnreadableFile(f"an entry of {Money(total, 'EUR')} has payments of {Money(summed, 'EUR')}")
        if summed == total:  # what the bank takes for it has an entry of its own
            bookings = [replace(one, charge=Money.zero("EUR")) for one in bookings]
        yield from bookings
    _check_summary(statement)


def _check_summary(statement: Element) -> None:
    """Compare the number and sum of entries with what the file says of itself, where it does."""
    summary = _first(statement, "TxsSummry")
    total = None if summary is None else _first(summary, "TtlNtries")
    if total is None:
        return
    entries = [child for child in statement if _name(child) == "Ntry"]
    if _said(total, "NbOfNtries") not in {"", str(len(entries))}:
        raise UnreadableFile(f"it says {_said(total, 'NbOfNtries')} entries and has {len(entries)}")
    if _said(total, "Sum") and _minor(_said(total, "Sum")) != sum(_amount(entry, "Amt") for entry in entries):
        raise UnreadableFile("the sum of its entries is not what it says")


def _booking(detail: Element, entry_sign: int, whole_entry: int | None) -> Booked:
    own = _first(detail, "CdtDbtInd", only_child=True)
    sign = entry_sign if own is None else _sign(detail)
    charges = sum(_amount(one, "Amt") for one in _all(detail, "Rcrd")) or sum(
        _amount(one, "Amt") for one in _all(detail, "Chrgs") if _first(one, "Rcrd") is None
    )
    instructed = _first(detail, "InstdAmt")
    told = None if instructed is None else _first(instructed, "Amt")
    if told is not None and told.get("Ccy") == "EUR":  # of a return: what was debited, without what the bank takes
        amount = _minor(_text(told)) * sign
    elif _first(detail, "TxAmt") is not None:
        amount = _amount(detail, "TxAmt") * sign
    elif (own_amount := _first(detail, "Amt", only_child=True)) is not None:
        amount = _minor(_text(own_amount)) * sign
    elif whole_entry is not None:
        amount = whole_entry + charges
    else:
        raise UnreadableFile("a payment of a batch has no amount")
    returned = _first(detail, "RtrInf")
    parties = _first(detail, "RltdPties")
    ibans = [] if parties is None else [_text(found) for found in _all(parties, "IBAN")]
    return Booked(
        _said(detail, "EndToEndId"),
        Money(amount, "EUR"),
        Money(charges, "EUR"),
        (_code(returned) or "MS03") if returned is not None else "",
        masked(ibans[0]) if ibans else "",
    )


def _sign(element: Element) -> int:
    match _said(element, "CdtDbtInd"):
        case "CRDT":
            return 1
        case "DBIT":
            return -1
        case other:
            raise UnreadableFile(f"a booking is neither credit nor debit: {other!r}")


def _amount(element: Element, name: str) -> int:
    """Return the first amount of that name below an element, in minor units."""
    found = _first(element, name)
    if found is not None and not _text(found):
        found = _first(found, "Amt")
    if found is None:
        raise UnreadableFile(f"an amount ({name}) is missing")
    if found.get("Ccy", "EUR") != "EUR":
        raise UnreadableFile(f"an amount is in {found.get('Ccy')!r}; direct debits are in EUR")
    return _minor(_text(found))


def _minor(text: str) -> int:
    """Return a decimal amount of euro in cents: "12.3" is 1230."""
    whole, _, part = text.partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 12) or len(part) > 2 or (part and not part.isdigit()):
        raise UnreadableFile(f"{text[:20]!r} is not an amount")
    return int(whole) * 100 + int(part.ljust(2, "0"))


def _code(reason: Element | None) -> str:
    why = None if reason is None else _first(reason, "Rsn")
    found = None if why is None else _first(why, "Cd")
    return "" if found is None else _text(found)[:10]


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _text(element: Element) -> str:
    return (element.text or "").strip()[:MAX_TEXT]


def _all(element: Element, name: str) -> list[Element]:
    return [found for found in element.iter() if found is not element and _name(found) == name]


def _first(element: Element, name: str, *, only_child: bool = False) -> Element | None:
    below = iter(element) if only_child else element.iter()
    return next((found for found in below if found is not element and _name(found) == name), None)


def _said(element: Element, name: str) -> str:
    found = _first(element, name)
    return "" if found is None else _text(found)
