"""The files a bank is sent: direct debits (pain.008) and credit transfers for refunds (pain.001), checked by schema."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sepaxml import SepaDD, SepaTransfer
from sepaxml.validation import ValidationError, try_valid_xml

from payments.adapters.sepa_account import BankAccount
from payments.errors import ConfigError

DEBITS, CREDITS = "pain.008.001.08", "pain.001.001.09"


@dataclass(frozen=True, slots=True)
class Creditor:
    """Who collects, as the files and the customers' statements name it."""

    name: str
    iban: str
    bic: str
    creditor_id: str


@dataclass(frozen=True, slots=True)
class DebitEntry:
    """One direct debit: minor units of euro, FRST or RCUR, under a mandate signed on a day."""

    end_to_end_id: str
    amount_minor: int
    debtor: BankAccount
    mandate: str
    signed_on: date
    sequence: str
    collect_on: date


@dataclass(frozen=True, slots=True)
class CreditEntry:
    """One credit transfer: minor units of euro, back to a customer."""

    end_to_end_id: str
    amount_minor: int
    payee: BankAccount
    pay_on: date


def debit_file(creditor: Creditor, message_id: str, created: datetime, entries: Sequence[DebitEntry]) -> bytes:
    """Return a pain.008 file; raises ConfigError when what was configured does not make a valid one."""
    config = {"name": creditor.name, "IBAN": creditor.iban, "batch": True, "currency": "EUR"}
    config |= {"creditor_id": creditor.creditor_id} | _bic(creditor.bic)
    file = SepaDD(config, schema=DEBITS, clean=True)
    for entry in entries:
        file.add_payment(
            {
                "name": entry.debtor.name,
                "IBAN": entry.debtor.iban,
                "amount": entry.amount_minor,
                "type": entry.sequence,
                "collection_date": entry.collect_on,
                "mandate_id": entry.mandate,
                "mandate_date": entry.signed_on,
                "description": f"Order {entry.end_to_end_id}",
                "endtoend_id": entry.end_to_end_id,
            }
            | _bic(entry.debtor.bic)
        )
    return _finished(file.export(validate=False), DEBITS, message_id, created)


def credit_file(creditor: Creditor, message_id: str, created: datetime, entries: Sequence[CreditEntry]) -> bytes:
    """Return a pain.001 file; raises ConfigError when what was configured does not make a valid one."""
    config = {"name": creditor.name, "IBAN": creditor.iban, "batch": True, "currency": "EUR"} | _bic(creditor.bic)
    file = SepaTransfer(config, schema=CREDITS, clean=True)
    for entry in entries:
        file.add_payment(
            {
                "name": entry.payee.name,
                "IBAN": entry.payee.iban,
                "amount": entry.amount_minor,
                "execution_date": entry.pay_on,
                "description": f"Refund {entry.end_to_end_id}",
                "endtoend_id": entry.end_to_end_id,
            }
            | _bic(entry.payee.bic)
        )
    return _finished(file.export(validate=False), CREDITS, message_id, created)


def _bic(bic: str) -> dict[str, str]:
    return {"BIC": bic} if bic else {}


def _finished(document: bytes, schema: str, message_id: str, created: datetime) -> bytes:
    """Put our own message id and time in place of the library's random and real ones, and check against the schema."""
    document = re.sub(rb"<MsgId>[^<]*</MsgId>", f"<MsgId>{message_id}</MsgId>".encode(), document, count=1)
    stamp = created.replace(tzinfo=None).isoformat(timespec="seconds")
    document = re.sub(rb"<CreDtTm>[^<]*</CreDtTm>", f"<CreDtTm>{stamp}</CreDtTm>".encode(), document, count=1)
    try:
        try_valid_xml(document, schema)
    except ValidationError as error:
        reason = getattr(error.__cause__, "reason", None) or "the schema refuses it"
        raise ConfigError(f"the file {message_id} would not be valid {schema}: {reason}") from None
    return document
