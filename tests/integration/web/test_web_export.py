"""Leaving with everything: one document that holds all of a household, nothing of another, and no secret."""

import dataclasses
from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.domain.household import Member
from gateway.domain.payment import PaymentMethod
from gateway.domain.stock import Device, Quarantined, Supply
from gateway.store import mapping
from gateway.web.api.export import ENTITIES, SECRETS
from gateway.web.sessions import issue_api_token, issue_link
from tests.fakes import FakeClock
from tests.integration.web.sample_household import HOUSE, NOW, full_house, household, world
from tests.web_client import WebClient

OUR_OWN = {"Operator", "MerchantAccount"}
"""What belongs to whoever runs the gateway, not to a household."""


@pytest.fixture
def web() -> Iterator[WebClient]:
    rows = full_house()
    other = household(id="other", household_id="other", name="Lake cabin")
    supply = next(row for row in rows if isinstance(row, Supply))
    with WebClient(world(*rows, other, replace(supply, id="theirs", household_id="other")), FakeClock()) as client:
        yield client


def token_of(web: WebClient, member_id: str) -> dict[str, str]:
    with web.unit_of_work.begin() as tx:
        token = issue_api_token(tx, tx.get(Member, HOUSE, member_id), name="Export", wall_us=NOW)
    return {"Authorization": f"Bearer {token}"}


def test_an_owner_takes_every_row_of_the_household_and_none_of_another(web: WebClient) -> None:
    answer = web.get("/api/v1/export", headers=token_of(web, "member-ana"))
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="replenish-2026-11-24.json"'
    document = answer.json()
    assert (document["format"], document["exported_at"]) == ("replenish-export/1", "2026-11-24T17:05:00Z")
    with web.unit_of_work.read() as tx:
        for name, entity in ENTITIES.items():
            assert [row["id"] for row in document["entities"][name]] == [row.id for row in tx.every(entity, HOUSE)]
    assert {row["household_id"] for rows in document["entities"].values() for row in rows} == {HOUSE}
    assert "Lake cabin" not in answer.text
    assert "theirs" not in answer.text


def test_no_secret_is_in_the_document(web: WebClient) -> None:
    with web.unit_of_work.begin() as tx:
        member = tx.get(Member, HOUSE, "member-ana")
        tx.save(replace(member, password_hash="argon2-of-ana"))
        tx.save(replace(tx.get(Device, HOUSE, "device-jura"), secret_hash="hash-of-the-jura"))
        tx.save(replace(tx.get(PaymentMethod, HOUSE, "method-bank"), token_sealed=b"sealed-token"))
        issue_link(tx, member, wall_us=NOW)
    web.sign_in("member-ana")
    answer = web.get("/api/v1/export", headers=token_of(web, "member-ana"))
    entities = answer.json()["entities"]
    assert entities["sessions"]
    assert entities["api_tokens"]
    assert entities["sign_in_links"]
    assert not [name for rows in entities.values() for row in rows for name in row if name in SECRETS]
    assert not [word for word in ("argon2", "hash-of-the-jura", b"sealed-token".hex(), "sha256") if word in answer.text]


def test_bytes_are_written_as_digits(web: WebClient) -> None:
    with web.unit_of_work.read() as tx:
        payloads = [row.payload.hex() for row in tx.every(Quarantined, HOUSE)]
    rows = web.get("/api/v1/export", headers=token_of(web, "member-ana")).json()["entities"]["quarantine"]
    assert payloads
    assert [row["payload"] for row in rows] == payloads


def test_every_kind_of_row_a_household_owns_is_exported() -> None:
    owned = {kind for kind in mapping.ROWS if "household_id" in {field.name for field in dataclasses.fields(kind)}}
    assert set(ENTITIES.values()) == owned
    assert {kind.__name__ for kind in mapping.ROWS.keys() - owned} == OUR_OWN


def test_only_an_owner_exports_and_only_so_often(web: WebClient) -> None:
    assert web.get("/api/v1/export", headers=token_of(web, "member-leo")).status_code == 403
    assert web.get("/api/v1/export").status_code == 401
    owner = token_of(web, "member-ana")
    codes = [web.get("/api/v1/export", headers=owner).status_code for _ in range(7)]
    assert codes == [200] * 6 + [429]


def test_the_settings_lead_an_owner_to_the_export(web: WebClient) -> None:
    web.sign_in("member-ana")
    assert 'href="/api/v1/export"' in web.get("/settings").text
    assert web.get("/api/v1/export").status_code == 200
    web.sign_in("member-iris")
    assert "/api/v1/export" not in web.get("/settings").text
