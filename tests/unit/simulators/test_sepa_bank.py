"""The bank of files: what it refuses, and that it goes on where it stopped."""

import json
from datetime import date
from pathlib import Path

import pytest

from payments.adapters.sepa_account import BankAccount
from payments.adapters.sepa_calendar import local
from payments.adapters.sepa_files import Creditor, DebitEntry, debit_file
from payments.adapters.sepa_statements import read_bank_file
from simulators.sepa_bank import main
from simulators.sepa_bank_files import FileRefused, is_valid_iban, read_instructions
from tests.sepa_world import CREDITOR_IBAN, at, iban

CREDITOR = Creditor("Elm Street Shop", CREDITOR_IBAN, "COBADEFFXXX", "DE98ZZZ09999999999")
MONDAY = date(2026, 11, 23)


def file_of(*minors: int) -> bytes:
    entries = [
        DebitEntry(f"d{at_}", minor, BankAccount(iban(at_), "", "Ana"), "m1", MONDAY, "RCUR", date(2026, 11, 24))
        for at_, minor in enumerate(minors, start=1)
    ]
    return debit_file(CREDITOR, "RPL-D1", local(at(MONDAY)), entries)


def test_a_whole_file_is_read_payment_for_payment() -> None:
    first, second = read_instructions(file_of(1_234, 5))
    assert (first.kind, first.end_to_end_id, first.amount_minor, first.iban) == ("debit", "d1", 1_234, iban(1))
    assert (second.amount_minor, second.sequence, second.mandate) == (5, "RCUR", "m1")


@pytest.mark.parametrize(
    ("good", "bad", "code"),
    [
        (b"<NbOfTxs>2", b"<NbOfTxs>3", "AM18"),
        (b"<CtrlSum>12.39", b"<CtrlSum>12.40", "AM10"),
        (b"<SeqTp>RCUR", b"<SeqTp>OFTN", "FF05"),
        (b"<Cd>CORE", b"<Cd>B2B", "FF05"),
        (b"<EndToEndId>d2", b"<EndToEndId>d1", "AM05"),
        (b"<EndToEndId>d2", b"<EndToEndId>d_2", "CH11"),
        (b'Ccy="EUR"', b'Ccy="USD"', "AM03"),
        (b"<IBAN>" + iban(2).encode(), b"<IBAN>DE00" + iban(2)[4:].encode(), "AC01"),
        (b"</Document>", b"", "FF01"),
        (b"?>", b'?><!DOCTYPE a [<!ENTITY b "c">]>', "FF01"),
    ],
)
def test_a_file_with_anything_wrong_is_refused_whole(good: bytes, bad: bytes, code: str) -> None:
    whole = file_of(1_234, 5)
    assert good in whole
    with pytest.raises(FileRefused) as refused:
        read_instructions(whole.replace(good, bad))
    assert refused.value.code == code


def test_the_check_number_of_an_iban_is_reckoned() -> None:
    assert is_valid_iban("DE89370400440532013000")
    assert not is_valid_iban("DE88370400440532013000")


def test_it_goes_on_where_it_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [arg for name in ("outbox", "inbox", "state") for arg in (f"--{name}", str(tmp_path / name))]
    script = tmp_path / "script.json"
    script.write_text(json.dumps({iban(1): {"return": "AM04", "after_days": 2}}))
    main([*folders, "--today", "2026-11-23", "--script", str(script)])
    (tmp_path / "outbox" / "one.xml").write_bytes(file_of(1_234, 5))
    for day, waiting, balance in (("2026-11-23", 2, 0), ("2026-11-24", 0, 1_239), ("2026-11-27", 0, 5 - 300)):
        capsys.readouterr()
        main([*folders, "--today", day])
        said = json.loads(capsys.readouterr().out)
        assert (said["waiting"], said["balance_minor"]) == (waiting, balance)
    statements = [read_bank_file(path.read_bytes()) for path in sorted((tmp_path / "inbox").glob("*camt053.xml"))]
    booked = [[(one.end_to_end_id, one.amount.amount_minor, one.return_code) for one in of.booked] for of in statements]
    assert booked == [[("d1", 1_234, ""), ("d2", 5, "")], [("d1", -1_234, "AM04")]]
