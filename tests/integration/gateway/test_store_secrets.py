"""What is sealed at rest opens where it belongs and nowhere else, through every change of its key."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary, insert, select, text, update
from sqlmodel import SQLModel

from gateway.domain.household import Household
from gateway.domain.payment import PaymentMethod
from gateway.domain.records import MerchantAccount
from gateway.store import key_file, migrate, resealing
from gateway.store.adapter_state import SqlKeyValueState
from gateway.store.engine import open_engine, sqlite_url
from gateway.store.errors import VaultError
from gateway.store.merchant_secrets import seal_merchant, unseal_merchant
from gateway.store.resealing import SEALED, count_by_version, reseal
from gateway.store.tables import AdapterStateRow
from gateway.store.vault import Vault
from tests.builders import HOME, build
from tests.rig import Rig

OpenRig = Callable[..., Rig]
MANY = 2 * resealing.BATCH + 1

_state = AdapterStateRow.__table__  # type: ignore[attr-defined]  # SQLModel makes it


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A new key file."""
    path = tmp_path / "keys.json"
    key_file.create(path)
    return path


def test_a_sealed_secret_opens_only_where_it_belongs(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    vault = Vault.open(path)
    sealed = vault.seal("account-7", household_id=HOME, row_id="method")
    assert b"account-7" not in sealed
    assert vault.unseal(sealed, household_id=HOME, row_id="method") == "account-7"
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for moved, household_id, row_id in (
        (sealed, "else", "method"),
        (sealed, HOME, "other"),
        (changed, HOME, "method"),
        (b"\x00\x09" + sealed[2:], HOME, "method"),
    ):
        with pytest.raises(VaultError):
            vault.unseal(moved, household_id=household_id, row_id=row_id)


def test_an_old_key_still_opens_and_the_newest_seals() -> None:
    old = Vault({1: bytes(32)})
    both = Vault({1: bytes(32), 2: bytes([7] * 32)})
    sealed = old.seal("token", household_id=HOME, row_id="method")
    assert both.unseal(sealed, household_id=HOME, row_id="method") == "token"
    with pytest.raises(VaultError):
        old.unseal(both.seal("token", household_id=HOME, row_id="method"), household_id=HOME, row_id="method")


def test_an_existing_key_file_is_never_written_over(path: Path) -> None:
    first = path.read_text()
    key_file.create(path)
    assert path.read_text() == first
    with pytest.raises(VaultError):
        Vault.open(path.with_name("none.json"))


def test_a_key_file_that_was_changed_is_never_half_written_and_stays_private(path: Path) -> None:
    assert key_file.add_key(path) == 2
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(key_file.read(path)) == [1, 2]
    key_file.remove_keys(path, frozenset({1, 2}))
    assert sorted(key_file.read(path)) == [2]
    assert not path.with_suffix(".new").exists()


@pytest.mark.parametrize("damaged", ["", "{}", '{"keys": {"1": "00"}}', '{"keys": {"one": "00"}}', '{"keys": 7}'])
def test_a_damaged_key_file_is_said_to_be_so(path: Path, damaged: str) -> None:
    path.write_text(damaged)
    with pytest.raises(VaultError, match="is damaged; restore it"):
        Vault.open(path)


def test_a_process_that_runs_seals_under_a_new_key_without_a_restart(path: Path) -> None:
    running = Vault.open(path)
    before = running.seal("token", household_id=HOME, row_id="method")
    key_file.add_key(path)
    after = running.seal("token", household_id=HOME, row_id="method")
    assert (before[:2], after[:2]) == (b"\x00\x01", b"\x00\x02")
    for sealed in (before, after):
        assert running.unseal(sealed, household_id=HOME, row_id="method") == "token"


def test_every_column_of_sealed_bytes_is_brought_to_a_new_key() -> None:
    columns = {
        (table.name, column.name)
        for table in SQLModel.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary) and "sealed" in column.name
    }
    assert columns == {(one.table.name, one.column) for one in SEALED}


def test_what_an_adapter_remembers_is_not_readable_at_rest(open_rig: OpenRig, path: Path) -> None:
    rig = open_rig()
    state = SqlKeyValueState(rig.engine, Vault.open(path), "sepa")
    assert state.compare_and_set("account/1", None, "DE89370400440532013000")
    assert state.get("account/1") == "DE89370400440532013000"
    with rig.engine.connect() as connection:
        assert b"DE89" not in connection.execute(select(_state.c.sealed)).scalar_one()


def test_an_adapters_memory_changes_only_from_what_was_expected(open_rig: OpenRig, path: Path) -> None:
    state = SqlKeyValueState(open_rig().engine, Vault.open(path), "balance")
    assert not state.compare_and_set("a", "1", "2")
    assert state.compare_and_set("a", None, "1")
    assert not state.compare_and_set("a", None, "2")
    assert not state.compare_and_set("a", "0", "2")
    assert state.compare_and_set("a", "1", "2")
    assert state.get("a") == "2"
    assert state.get("b") is None


def test_one_adapters_memory_in_anothers_row_does_not_open(open_rig: OpenRig, path: Path) -> None:
    rig, vault = open_rig(), Vault.open(path)
    SqlKeyValueState(rig.engine, vault, "sepa").compare_and_set("account/1", None, "DE89370400440532013000")
    with rig.engine.begin() as connection:
        connection.execute(update(_state).values(adapter="stripe"))
    with pytest.raises(VaultError, match="does not belong to this row"):
        SqlKeyValueState(rig.engine, vault, "stripe").get("account/1")


def sealed_by(rig: Rig, vault: Vault) -> None:
    """Leave something in every column that is sealed."""
    state = SqlKeyValueState(rig.engine, vault, "sepa")
    for number in range(MANY):
        assert state.compare_and_set(f"account/{number:04}", None, f"secret {number}")
    rig.add(
        build(MerchantAccount, id="corner", secret_sealed=seal_merchant(vault, "corner", "the corner's")),
        build(PaymentMethod, id="visa", token_sealed=vault.seal("token", household_id=HOME, row_id="visa")),
    )


def opens(rig: Rig, vault: Vault) -> None:
    """Check that each still is what it was."""
    state = SqlKeyValueState(rig.engine, vault, "sepa")
    for number in range(MANY):
        assert state.get(f"account/{number:04}") == f"secret {number}"
    (account,) = rig.rows(MerchantAccount, None)
    assert unseal_merchant(vault, account.id, account.secret_sealed) == "the corner's"
    visa = rig.the(PaymentMethod, id="visa")
    assert vault.unseal(visa.token_sealed, household_id=HOME, row_id="visa") == "token"


def test_everything_is_sealed_anew_under_the_new_key_and_the_old_one_may_go(open_rig: OpenRig, path: Path) -> None:
    rig, vault = open_rig(build(Household)), Vault.open(path)
    sealed_by(rig, vault)
    key_file.add_key(path)
    assert reseal(rig.engine, vault) == MANY + 2
    assert count_by_version(rig.engine) == {2: MANY + 2}
    assert reseal(rig.engine, vault) == 0
    key_file.remove_keys(path, frozenset({1}))
    opens(rig, Vault.open(path))


def test_a_rotation_that_was_killed_goes_on_where_it_stopped(open_rig: OpenRig, path: Path) -> None:
    rig, vault = open_rig(build(Household)), Vault.open(path)
    sealed_by(rig, vault)
    key_file.add_key(path)
    with rig.engine.connect() as connection:
        first = next(iter(resealing._batches(connection, SEALED[-1])))
    with rig.engine.connect() as connection:
        assert resealing._write(connection, vault, SEALED[-1], first) == resealing.BATCH
    opens(rig, vault)
    assert reseal(rig.engine, vault) == MANY + 2 - resealing.BATCH
    opens(rig, vault)


def test_what_is_written_while_keys_are_rotated_is_neither_lost_nor_left_behind(open_rig: OpenRig, path: Path) -> None:
    rig, vault = open_rig(build(Household)), Vault.open(path)
    sealed_by(rig, vault)
    state = SqlKeyValueState(rig.engine, Vault.open(path), "balance")
    assert state.compare_and_set("book", None, "0")
    stop = threading.Event()
    written = [0]

    def write() -> None:
        while not stop.is_set():
            assert state.compare_and_set("book", str(written[0]), str(written[0] + 1))
            written[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    key_file.add_key(path)
    try:
        reseal(rig.engine, vault)
    finally:
        stop.set()
        writer.join()
    assert state.get("book") == str(written[0])
    assert set(count_by_version(rig.engine)) == {2}


def test_a_secret_that_does_not_open_stops_the_rotation_and_says_so(open_rig: OpenRig, path: Path) -> None:
    rig, vault = open_rig(), Vault.open(path)
    with rig.engine.begin() as connection:
        connection.execute(insert(_state).values(adapter="sepa", key="a", sealed=b"\x00\x01" + bytes(40)))
    key_file.add_key(path)
    with pytest.raises(VaultError, match="does not belong to this row"):
        reseal(rig.engine, vault)
    assert sorted(key_file.read(path)) == [1, 2]


def test_what_adapters_remembered_before_is_sealed_when_the_database_comes_to_this_version(
    tmp_path: Path, path: Path
) -> None:
    engine, vault = open_engine(sqlite_url(tmp_path)), Vault.open(path)
    migrate.upgrade(engine, "0011")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO adapter_state (adapter, key, value) VALUES ('balance', 'book', '17')"))
    migrate.upgrade(engine, vault=vault)
    assert SqlKeyValueState(engine, vault, "balance").get("book") == "17"
    engine.dispose()
