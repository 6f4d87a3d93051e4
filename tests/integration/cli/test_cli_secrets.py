"""A shop's secret opens for that shop alone, in data directories from before too."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from gateway.assembly import Gateway, assemble
from gateway.config import read_settings
from gateway.domain.records import MerchantAccount
from gateway.store import key_file, migrate
from gateway.store.engine import open_engine
from gateway.store.errors import VaultError
from gateway.store.merchant_secrets import seal_anew, seal_merchant, unseal_merchant
from gateway.store.vault import Vault
from tests.builders import build
from tests.integration.cli.conftest import Replenish

SHOPS = {"corner": "the corner's", "mill": "the mill's"}


@contextmanager
def opened(replenish: Replenish) -> Iterator[Gateway]:
    gateway = assemble(read_settings(replenish.data_dir))
    yield gateway
    gateway.close()


def secrets(gateway: Gateway) -> dict[str, str]:
    """Return the secrets as the gateway opens them."""
    with gateway.unit_of_work.read() as tx:
        accounts = tx.find(MerchantAccount, None)
    return {one.id: unseal_merchant(gateway.vault, one.id, one.secret_sealed) for one in accounts}


def old_form(vault: Vault, secret: str) -> bytes:
    return vault.seal(secret, household_id="operator", row_id="merchant")


def install_before(replenish: Replenish) -> None:
    """Leave a data directory of the version before, with two shops."""
    settings = read_settings(replenish.data_dir)
    replenish.data_dir.mkdir(mode=0o700)
    key_file.create(settings.keys_path)
    vault = Vault.open(settings.keys_path)
    engine = open_engine(settings.main_database_url)
    migrate.upgrade(engine, "0010")
    with engine.begin() as connection:
        for name, secret in SHOPS.items():
            connection.execute(
                text(
                    "INSERT INTO merchant (id, name, adapter, settings, secret_sealed, currency, lead_time_days)"
                    " VALUES (:id, 'Shop', 'http_shop', '{}', :sealed, 'EUR', 2)"
                ),
                {"id": name, "sealed": old_form(vault, secret)},
            )
    engine.dispose()


def test_one_shops_secret_in_anothers_row_does_not_open(installed: Replenish) -> None:
    with opened(installed) as gateway:
        sealed = {name: seal_merchant(gateway.vault, name, secret) for name, secret in SHOPS.items()}
        assert unseal_merchant(gateway.vault, "corner", sealed["corner"]) == "the corner's"
        swapped = build(MerchantAccount, id="corner", adapter="http_shop", secret_sealed=sealed["mill"])
        with pytest.raises(VaultError, match="does not belong to this row"):
            gateway.merchants.open(swapped)


def test_a_data_directory_from_before_keeps_its_shops_secrets(replenish: Replenish) -> None:
    install_before(replenish)
    assert replenish("init").status == 0
    with opened(replenish) as gateway:
        assert secrets(gateway) == SHOPS


def test_sealing_anew_that_was_interrupted_before_the_new_version_is_done_again(replenish: Replenish) -> None:
    install_before(replenish)
    settings = read_settings(replenish.data_dir)
    engine = open_engine(settings.main_database_url)
    seal_anew(engine, Vault.open(settings.keys_path))
    assert migrate.versions(engine)[0] == "0010"
    engine.dispose()
    assert replenish("init").status == 0
    with opened(replenish) as gateway:
        assert secrets(gateway) == SHOPS


def test_the_old_form_opens_no_more_once_the_data_directory_has_this_version(installed: Replenish) -> None:
    with opened(installed) as gateway, gateway.unit_of_work.begin() as tx:
        tx.add(build(MerchantAccount, id="corner", secret_sealed=old_form(gateway.vault, "taken from a copy")))
    said = installed("init")
    assert said.status == 1
    assert "does not belong to this database" in said.err
