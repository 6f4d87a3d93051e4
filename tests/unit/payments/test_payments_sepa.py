"""The SEPA adapter against the bank of files: the contract, and what only files can do."""

import stat
from datetime import date, time, timedelta
from itertools import count
from pathlib import Path

import pytest

from payments.adapter import (
    Authorize,
    Authorized,
    Capture,
    Captured,
    Declined,
    DeclineKind,
    MandateActive,
    NotFound,
    OperationKind,
    PaymentAdapter,
    Pending,
    Refund,
    Refunded,
    Reversed,
    RevokeMandate,
    SetupMandate,
    Sync,
)
from payments.adapters.sepa import SepaAdapter
from payments.adapters.sepa_book import SepaBook
from payments.adapters.sepa_calendar import collection_day, is_business_day, next_at
from payments.adapters.sepa_inbox import Inbox
from payments.adapters.sepa_statements import MAX_BYTES, BankFile, Booked, Rejected, UnreadableFile, read_bank_file
from payments.contract import AdapterContract
from payments.errors import ConfigError, InvalidRequest
from payments.memory import MemoryContext
from payments.money import Money
from simulators.sepa_bank import break_file
from tests.rig import Bomb, Crash
from tests.sepa_world import SepaWorld, at, iban, settings_of


def euros(minor: int) -> Money:
    return Money(minor, "EUR")


class TestSepaKeepsTheContract(AdapterContract):
    accounts = count(1)

    @pytest.fixture(autouse=True)
    def _made(self, tmp_path: Path) -> None:
        self.world = SepaWorld(tmp_path)
        self.adapter = self.make_adapter()

    def make_adapter(self) -> PaymentAdapter:
        return self.world.adapter

    def open_method(self, funds: Money) -> str:
        assert funds.amount_minor > 0
        return f"{iban(next(self.accounts))} Ana Pérez"

    def decide(self) -> None:
        self.world.live(5)


@pytest.fixture
def world(tmp_path: Path) -> SepaWorld:
    return SepaWorld(tmp_path)


def link(world: SepaWorld, number: int = 1, reference: str = "mandate-1") -> tuple[str, str]:
    token = f"{iban(number)} Ana Pérez"
    active = world.adapter.setup_mandate(SetupMandate(reference, reference, token, euros(50_000)))
    assert isinstance(active, MandateActive)
    return token, active.mandate_ref


def debit(world: SepaWorld, name: str, minor: int = 1_234, number: int = 1) -> Pending:
    token, mandate = link(world, number, f"mandate-{number}")
    held = world.adapter.authorize(Authorize(f"a-{name}", f"a-{name}", euros(minor), token, mandate))
    assert isinstance(held, Authorized)
    started = world.adapter.capture(Capture(name, name, euros(minor), held.provider_ref))
    assert isinstance(started, Pending)
    return started


def outcome(world: SepaWorld, name: str, kind: OperationKind = OperationKind.CAPTURE) -> object:
    return world.adapter.sync(Sync(name, kind))


# The calendar


@pytest.mark.parametrize(
    ("day", "clock", "collected"),
    [
        ("2026-11-23", "10:30", "2026-11-24"),
        ("2026-11-23", "11:00", "2026-11-24"),
        ("2026-11-23", "11:01", "2026-11-25"),
        ("2026-11-27", "10:00", "2026-11-30"),
        ("2026-11-28", "10:00", "2026-12-01"),
        ("2026-12-23", "10:00", "2026-12-24"),
        ("2026-12-24", "10:00", "2026-12-28"),
        ("2026-12-24", "12:00", "2026-12-29"),
        ("2026-12-31", "10:00", "2027-01-04"),
        ("2026-04-02", "10:00", "2026-04-07"),
        ("2026-04-30", "10:00", "2026-05-04"),
    ],
)
def test_a_file_is_collected_on_the_business_day_after_the_one_it_was_handed_over_on(
    day: str, clock: str, collected: str
) -> None:
    assert collection_day(at(date.fromisoformat(day), clock), time(11)) == date.fromisoformat(collected)


def test_the_closing_days_of_2027_are_those_the_central_bank_names() -> None:
    closed = [date(2027, 1, 1), date(2027, 3, 26), date(2027, 3, 29), date(2027, 12, 25), date(2027, 12, 26)]
    first = date(2027, 1, 1)
    found = [
        day
        for day in (first + timedelta(days=one) for one in range(365))
        if not is_business_day(day) and day.weekday() < 5
    ]
    assert found == [day for day in closed if day.weekday() < 5]


def test_the_next_exchange_is_on_the_next_business_day_also_over_a_change_of_the_clock() -> None:
    friday = at(date(2026, 3, 27), "10:30")
    assert next_at(friday, time(10)) == at(date(2026, 3, 30), "10:00")


# Linking


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("DE89 3704 0044 0532 0130 01 Ana", "invalid_iban"),
        ("not an account", "invalid_iban"),
        ("", "invalid_iban"),
        ("DE89 3704 0044 0532 0130 00", "no_account_holder"),
        ("4111 1111 1111 1111 Ana", "invalid_iban"),
    ],
)
def test_what_is_not_an_account_is_refused_and_never_repeated(world: SepaWorld, typed: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        world.adapter.setup_mandate(SetupMandate("k", "r", typed, euros(100)))
    assert refused.value.code == code
    assert not typed or typed not in str(refused.value)


def test_the_mandate_a_customer_agrees_to_names_the_creditor_and_the_right_to_a_refund(world: SepaWorld) -> None:
    account = world.adapter.capabilities.account
    assert account is not None
    for words in ("Elm Street Shop", "DE98ZZZ09999999999", "eight weeks", "14 days"):
        assert words in account.hint


def test_a_mandate_that_was_idle_for_36_months_is_not_debited(world: SepaWorld) -> None:
    token, mandate = link(world)
    world.context.now = at(date(2029, 11, 23))
    assert isinstance(world.adapter.authorize(Authorize("a", "a", euros(1), token, mandate)), Authorized)
    world.context.now = at(date(2029, 11, 24))
    lapsed = world.adapter.authorize(Authorize("b", "b", euros(1), token, mandate))
    assert isinstance(lapsed, Declined)
    assert (lapsed.kind, lapsed.code) == (DeclineKind.MANDATE, "mandate_lapsed")


@pytest.mark.parametrize(
    "wrong", [{"creditor_iban": "DE00"}, {"creditor_id": ""}, {"cut_off": "noon"}, {"prenotify_days": "0"}]
)
def test_settings_that_are_wrong_are_refused_in_words(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        SepaAdapter(MemoryContext(settings_of(tmp_path) | wrong))


# A debit from file to file


def test_a_debit_goes_out_before_the_cut_off_and_is_booked_on_the_next_business_day(world: SepaWorld) -> None:
    world.context.now = at(date(2026, 11, 27), "09:00")
    debit(world, "d-1")
    world.adapter.exchange()
    assert list(world.outbox.glob("*.xml")) == []
    world.context.now = at(date(2026, 11, 27), "10:00")
    world.adapter.exchange()
    (sent,) = world.outbox.glob("*.xml")
    assert stat.S_IMODE(sent.stat().st_mode) == 0o600
    text = sent.read_text()
    assert "<ReqdColltnDt>2026-11-30</ReqdColltnDt>" in text
    assert "<SeqTp>FRST</SeqTp>" in text
    assert "<MndtId>mandate1</MndtId><DtOfSgntr>2026-11-27</DtOfSgntr>" in text
    world.bank.live(date(2026, 11, 29))
    assert isinstance(outcome(world, "d-1"), Pending)
    world.context.now = at(date(2026, 11, 30), "12:00")
    world.bank.live(date(2026, 11, 30))
    assert world.adapter.exchange().references == ("d-1",)
    assert outcome(world, "d-1") == Captured("d1", euros(1_234))
    assert world.bank.balance_minor() == 1_234
    assert world.bank.refused == []


def test_later_debits_recur_and_one_that_was_rejected_leaves_the_next_to_be_the_first(world: SepaWorld) -> None:
    world.bank.script[iban(1)] = {"reject": "AM04", "first": True}
    sequences = []
    for number in range(3):
        debit(world, f"d-{number}")
        world.adapter.exchange()
        (sent,) = world.outbox.glob("*.xml")
        sequences.append(sent.read_text().partition("<SeqTp>")[2][:4])
        world.live(7)
    assert sequences == ["FRST", "FRST", "RCUR"]
    first = outcome(world, "d-0")
    assert isinstance(first, Declined)
    assert (first.kind, first.code) == (DeclineKind.SOFT, "AM04")


@pytest.mark.parametrize(
    ("code", "kind"),
    [("AM04", "soft"), ("AC04", "hard"), ("MD01", "mandate"), ("MD06", "mandate"), ("MD07", "hard"), ("XX99", "soft")],
)
def test_a_return_weeks_later_reverses_the_debit_and_says_what_is_to_be_done(
    world: SepaWorld, code: str, kind: str
) -> None:
    world.bank.script[iban(1)] = {"return": code, "after_days": 42}
    debit(world, "d-1")
    world.live(5)
    assert isinstance(outcome(world, "d-1"), Captured)
    assert "d-1" in world.live(43)
    back = outcome(world, "d-1")
    assert isinstance(back, Reversed)
    assert (back.amount, back.code, back.kind.value) == (euros(1_234), code, kind)
    assert world.bank.kept_of("d1") == 0
    with pytest.raises(InvalidRequest, match="returned"):
        world.adapter.refund(Refund("r", "r", euros(1), "d1"))
    settled = world.adapter.list_settlements(0)
    assert [[line.amount.amount_minor for line in one.lines] for one in settled] == [[1_234], [-1_234]]
    assert [one.fee.amount_minor for one in settled] == [0, 300]


def test_what_comes_twice_late_and_in_any_order_comes_to_the_same(world: SepaWorld) -> None:
    world.bank.script[iban(1)] = {"return": "MD06", "after_days": 3}
    world.bank.hold_back = True
    debit(world, "d-1")
    debit(world, "d-2", number=2)
    world.live(10)
    assert isinstance(outcome(world, "d-1"), Pending)
    world.bank.send_late()
    world.live(1)
    for path in sorted((world.inbox / "done").iterdir()):
        world.bank.repeat(path.name)
    world.live(1)
    assert isinstance(outcome(world, "d-1"), Reversed)
    assert outcome(world, "d-2") == Captured("d2", euros(1_234))
    assert len(world.adapter.list_settlements(0)) == 2
    assert world.adapter.set_aside() == ()


def test_a_revoked_mandate_keeps_what_waits_from_the_bank(world: SepaWorld) -> None:
    debit(world, "d-1")
    world.adapter.revoke_mandate(RevokeMandate("k", "k", "mandate1"))
    world.live(5)
    refused = outcome(world, "d-1")
    assert isinstance(refused, Declined)
    assert refused.kind is DeclineKind.MANDATE
    assert world.bank.taken == {}


def test_a_refund_is_one_credit_transfer_to_the_account_that_was_debited(world: SepaWorld) -> None:
    debit(world, "d-1")
    world.live(5)
    refund = Refund("r-1", "r-1", euros(500), "d1")
    assert isinstance(world.adapter.refund(refund), Pending)
    assert isinstance(world.adapter.refund(refund), Pending)
    world.live(5)
    assert outcome(world, "r-1", OperationKind.REFUND) == Refunded("r1", euros(500))
    assert world.bank.taken["r1"].iban == iban(1)
    assert world.bank.balance_minor() == 1_234 - 500


def test_a_refund_that_the_bank_refuses_may_be_asked_for_anew(world: SepaWorld) -> None:
    debit(world, "d-1")
    world.live(4)
    world.bank.script[iban(1)] = {"reject": "AC04", "first": True}
    assert isinstance(world.adapter.refund(Refund("r-1", "r-1", euros(1_234), "d1")), Pending)
    world.live(3)
    assert isinstance(outcome(world, "r-1", OperationKind.REFUND), Declined)
    assert isinstance(world.adapter.refund(Refund("r-2", "r-2", euros(1_234), "d1")), Pending)
    world.live(5)
    assert outcome(world, "r-2", OperationKind.REFUND) == Refunded("r2", euros(1_234))
    assert world.bank.balance_minor() == 0


def test_a_refund_that_the_bank_sends_back_is_taken_back_and_may_be_given_anew(world: SepaWorld) -> None:
    debit(world, "d-1")
    world.live(4)
    world.bank.script[iban(1)] = {"return_transfer": "AC04", "after_days": 4, "first": True}
    world.adapter.refund(Refund("r-1", "r-1", euros(1_234), "d1"))
    world.live(4)
    assert outcome(world, "r-1", OperationKind.REFUND) == Refunded("r1", euros(1_234))
    assert "r-1" in world.live(4)
    found = outcome(world, "r-1", OperationKind.REFUND)
    assert isinstance(found, Reversed)
    assert (found.amount, found.code) == (euros(1_234), "AC04")
    assert world.adapter.set_aside() == ()
    lines = [line for one in world.adapter.list_settlements(0) for line in one.lines if line.reference == "r-1"]
    assert [line.amount for line in lines] == [euros(-1_234), euros(1_234)]
    assert isinstance(world.adapter.refund(Refund("r-2", "r-2", euros(1_234), "d1")), Pending)
    world.live(5)
    assert world.bank.balance_minor() == 0


@pytest.mark.parametrize(
    ("entry", "told", "charge"),
    [
        ("15.34", "<InstdAmt>{a}</InstdAmt><TxAmt>{b}</TxAmt>", 300),
        ("15.34", "<TxAmt>{a}</TxAmt>", 300),
        ("12.34", "<TxAmt>{a}</TxAmt>", 0),
    ],
)
def test_what_the_bank_takes_for_a_return_is_told_apart_from_it(entry: str, told: str, charge: int) -> None:
    amounts = told.format(a='<Amt Ccy="EUR">12.34</Amt>', b='<Amt Ccy="EUR">15.34</Amt>')
    body = (
        "<Document><BkToCstmrStmt><Stmt><Id>7</Id><CreDtTm>2027-01-08T18:00:00</CreDtTm>"
        f'<Ntry><Amt Ccy="EUR">{entry}</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts><NtryDtls><TxDtls>'
        f"<Refs><EndToEndId>d1</EndToEndId></Refs><AmtDtls>{amounts}</AmtDtls>"
        '<Chrgs><Amt Ccy="EUR">3.00</Amt></Chrgs><RtrInf><Rsn><Cd>MD06</Cd></Rsn></RtrInf></TxDtls></NtryDtls></Ntry>'
        "</Stmt></BkToCstmrStmt></Document>"
    )
    file = read_bank_file(body.encode())
    assert file.statement == "7@2027-01-08"
    (booked,) = file.booked
    assert (booked.amount, booked.charge, booked.return_code) == (euros(-1_234), euros(charge), "MD06")


def test_nothing_is_known_of_what_was_never_asked(world: SepaWorld) -> None:
    assert outcome(world, "never") == NotFound()


# Bad files


@pytest.mark.parametrize(
    "how",
    ["truncated", "bomb", "outside", "sum", "number", "amount", "iban", "latin", "deep", "other", "empty"],
)
def test_a_broken_file_is_kept_with_its_reason_moves_nothing_and_stops_no_other(world: SepaWorld, how: str) -> None:
    debit(world, "d-1")
    debit(world, "d-2", number=2)
    world.adapter.exchange()
    world.bank.live(date(2026, 11, 24))
    broken, whole = sorted(world.inbox.glob("*.xml"))
    (world.inbox / "0000.xml").write_bytes(broken.read_bytes())
    break_file(world.inbox / "0000.xml", how)
    broken.unlink()
    body = (world.inbox / "0000.xml").read_bytes()
    world.context.now = at(date(2026, 11, 24), "12:00")
    before = dict(world.state.rows)
    assert set(world.adapter.exchange().references) == {"d-1", "d-2"}  # by the whole one
    assert (world.inbox / "rejected" / "0000.xml").read_bytes() == body
    reason = (world.inbox / "rejected" / "0000.xml.reason.txt").read_text()
    assert reason.startswith("2026-11-24T11:00:00+00:00 ")
    assert [one.name for one in world.adapter.set_aside()] == ["0000.xml"]
    assert (world.inbox / "done" / whole.name).exists()
    assert before != world.state.rows


def test_a_file_beyond_all_reason_is_not_even_read(world: SepaWorld) -> None:
    with (world.inbox / "huge.xml").open("wb") as file:
        file.truncate(1_000_000_000)
    world.adapter.exchange()
    assert (world.inbox / "rejected" / "huge.xml").stat().st_size == 1_000_000_000
    with pytest.raises(UnreadableFile, match="larger"):
        read_bank_file(b"x" * (MAX_BYTES + 1))


def test_money_of_others_is_kept_for_the_operator_and_no_account_is_shown_whole(
    world: SepaWorld, tmp_path: Path
) -> None:
    other = SepaWorld(tmp_path / "other")
    debit(other, "theirs")
    other.adapter.exchange()
    other.bank.inbox = world.inbox
    other.bank.live(date(2026, 11, 24))
    world.live(1)
    notes = world.adapter.set_aside()
    assert len(notes) == 2
    assert all("belongs to nothing of ours" in one.reason for one in notes)
    assert iban(1) not in "".join(one.reason for one in notes)
    assert world.adapter.list_settlements(0) == ()


# Dying


def test_whatever_dies_between_two_lines_of_the_hand_over_each_debit_is_in_one_file(tmp_path: Path) -> None:
    for point in range(1, 200):
        world = SepaWorld(tmp_path / str(point))
        for number in (1, 2):
            debit(world, f"d-{number}", number=number)
        bomb = Bomb(point)
        _let_die(world, bomb)
        died = 0
        try:
            world.adapter.exchange()
        except Crash:
            died = 1
        bomb.at = 0
        for name in ("d-1", "d-2"):
            outcome(world, name)  # whoever looks puts it back into the queue where it must
        world.adapter.exchange()
        world.live(3)
        assert {name: world.bank.kept_of(name) for name in ("d1", "d2")} == {"d1": 1_234, "d2": 1_234}
        assert world.bank.refused == []
        assert outcome(world, "d-1") == Captured("d1", euros(1_234))
        if not died:
            assert point > 10
            return
    raise AssertionError("it never came to its end")


def test_whatever_dies_while_a_file_is_read_each_return_is_told_and_counted_once(tmp_path: Path) -> None:
    for point in range(1, 200):
        world = SepaWorld(tmp_path / str(point))
        world.bank.script[iban(1)] = {"return": "AC04", "after_days": 2}
        debit(world, "d-1")
        world.live(2)
        world.bank.live(date(2026, 11, 27))
        world.context.now = at(date(2026, 11, 27), "12:00")
        bomb = Bomb(point)
        _let_die(world, bomb)
        died = 0
        told: set[str] = set()
        try:
            told |= set(world.adapter.exchange().references)
        except Crash:
            died = 1
        bomb.at = 0
        told |= set(world.adapter.exchange().references)
        assert told == {"d-1"}
        assert isinstance(outcome(world, "d-1"), Reversed)
        names = [one.provider_ref for one in world.adapter.list_settlements(0)]
        assert len(set(names)) == 2
        if not died:
            assert len(names) == 2
            return
    raise AssertionError("it never came to its end")


def _let_die(world: SepaWorld, bomb: Bomb) -> None:
    """Let the adapter die before or after each write into its memory, and each move of a file."""
    state = world.state
    write = state.compare_and_set

    def compare_and_set(key: str, expected: str | None, new: str) -> bool:
        bomb.tick(f"before {key}")
        done = write(key, expected, new)
        bomb.tick(f"after {key}")
        return done

    state.compare_and_set = compare_and_set  # type: ignore[method-assign]


def test_a_debit_that_is_booked_after_the_bank_rejected_it_is_shown_to_the_operator(world: SepaWorld) -> None:
    ref = debit(world, "d-1").provider_ref
    inbox = Inbox(SepaBook(world.context.state), world.context.now)
    inbox.take(BankFile("pain.002", "", (Rejected(ref, "", "AM04"),), ()), "first.xml")
    inbox.take(BankFile("camt.054", "", (), (Booked(ref, euros(1_234), euros(0), "", ""),)), "second.xml")
    assert isinstance(outcome(world, "d-1"), Declined)
    (told,) = world.adapter.set_aside()
    assert told.name == "second.xml"
    assert "rejected before (AM04)" in told.reason
