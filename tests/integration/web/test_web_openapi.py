"""The API's description is complete: every operation named, tagged, with examples that fit and its refusals."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
from pydantic import TypeAdapter

from gateway.web.api.schemas import carts, common, devices, examples, money, stock
from tests.fakes import FakeClock, FakeUnitOfWork
from tests.web_client import WebClient

Json: TypeAlias = Any

METHODS = {"get", "post", "patch", "put", "delete"}


@pytest.fixture
def described() -> Iterator[Any]:
    with WebClient(FakeUnitOfWork(), FakeClock()) as web:
        yield web.get("/api/openapi.json").json()


def _operations(described: Json) -> list[tuple[str, Json]]:
    return [
        (f"{method} {path}", operation)
        for path, item in described["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_every_operation_has_an_answer_with_an_example(described: Json) -> None:
    for name, operation in _operations(described):
        content = operation["responses"]["200"]["content"]["application/json"]
        assert content["schema"]["$ref"], name
        assert content["example"], name


def test_every_operation_is_named_tagged_and_described(described: Json) -> None:
    operations = [operation for _, operation in _operations(described)]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    tags = {tag["name"] for tag in described["tags"]}
    for operation in operations:
        assert set(operation["tags"]) <= tags
        assert operation["description"]
        assert operation["security"] == [{"HTTPBearer": []}]


def test_every_refusal_is_a_problem_with_an_example(described: Json) -> None:
    for name, operation in _operations(described):
        refusals = {status: answer for status, answer in operation["responses"].items() if status != "200"}
        assert {"401", "422"} <= refusals.keys(), name
        if "{" in name:
            assert "404" in refusals, name
        for answer in refusals.values():
            assert list(answer["content"]) == ["application/problem+json"], name
            assert answer["content"]["application/problem+json"]["example"]["status"]
    assert "Problem" in described["components"]["schemas"]
    assert "HTTPValidationError" not in described["components"]["schemas"]


def test_every_list_is_paged(described: Json) -> None:
    for name, operation in _operations(described):
        if name.startswith("get") and operation["operationId"].startswith("list_"):
            parameters = {one["name"]: one["schema"] for one in operation["parameters"]}
            assert parameters["limit"]["maximum"] == 200, name
            assert "cursor" in parameters, name


@pytest.mark.parametrize(
    ("body", "example"),
    [
        (stock.HouseholdBody, examples.HOUSEHOLD_EXAMPLE),
        (stock.SupplyBody, examples.SUPPLY_EXAMPLE),
        (stock.PolicyBody, examples.POLICY_EXAMPLE),
        (devices.DeviceBody, examples.DEVICE_EXAMPLE),
        (devices.QuarantineBody, examples.QUARANTINE_EXAMPLE),
        (carts.CartBody, examples.CART_EXAMPLE),
        (carts.OrderBody, examples.ORDER_EXAMPLE),
        (money.PaymentBody, examples.PAYMENT_EXAMPLE),
        (money.PaymentDetailBody, examples.PAYMENT_DETAIL_EXAMPLE),
        (money.PostingBody, examples.POSTING_EXAMPLE),
        (money.AccountBody, examples.ACCOUNT_EXAMPLE),
        (money.MandateBody, examples.MANDATE_EXAMPLE),
        (money.MethodBody, examples.METHOD_EXAMPLE),
        (stock.ExportBody, examples.EXPORT_EXAMPLE),
        (common.Page[stock.SupplyBody], common.page_of(examples.SUPPLY_EXAMPLE)),
    ],
)
def test_every_example_is_a_true_answer(body: Json, example: Json) -> None:
    read = TypeAdapter(body).validate_python(example)
    assert TypeAdapter(body).dump_python(read, mode="json") == example


def test_the_description_can_be_read_without_leaving_the_house() -> None:
    with WebClient(FakeUnitOfWork(), FakeClock()) as web:
        page = web.get("/api/docs")
        assert page.status_code == 200
        assert "http://" not in page.text
        assert "https://" not in page.text
        assert web.get("/api/docs/start.js").headers["content-type"].startswith("text/javascript")


def test_the_description_follows_the_theme_of_the_pages() -> None:
    with WebClient(FakeUnitOfWork(), FakeClock()) as web:
        assert '<html lang="en" data-theme="auto">' in web.get("/api/docs").text
        web.http.cookies.set("theme", "dark")
        assert '<html lang="en" data-theme="dark">' in web.get("/api/docs").text
        assert "dark-mode" in web.get("/api/docs/theme.js").text
