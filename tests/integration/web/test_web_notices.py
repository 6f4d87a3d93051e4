"""Notices are kept raw, once, and answered before anything is believed."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from gateway.domain.records import Notice, NoticeState
from gateway.web.notices import MAX_WAITING, RETRY_WAITING_S
from gateway.web.security import MAX_BODY_BYTES
from tests.fakes import FakeClock
from tests.integration.web.sample_household import SHOP, world
from tests.web_client import WebClient

SIGNED = {"X-Signature": "t=1,v1=abc", "Cookie": "replenish=x", "Authorization": "Basic x"}


@pytest.fixture
def web() -> Iterator[WebClient]:
    with WebClient(world(), FakeClock()) as client:
        yield client


def test_a_notice_is_kept_as_it_came_and_left_for_the_worker(web: WebClient) -> None:
    body = b'{"id": "n1", "orders": ["o1"]}'
    assert web.post(f"/notices/merchant/{SHOP}", content=body, headers=SIGNED).status_code == 202
    (notice,) = web.unit_of_work.rows(Notice)
    assert (notice.source, notice.name, notice.body, notice.state) == ("merchant", SHOP, body, NoticeState.RECEIVED)
    assert notice.headers["x-signature"] == "t=1,v1=abc"
    assert not {"cookie", "authorization"} & notice.headers.keys()
    assert [(row.step, row.subject_id) for row in web.unit_of_work.work] == [("notice", notice.id)]


def test_the_same_notice_twice_is_one_row(web: WebClient) -> None:
    for _ in range(3):
        assert web.post("/notices/payment/sandbox", content=b'{"id": "n1"}').status_code == 202
    assert web.post("/notices/payment/sandbox", content=b'{"id": "n2"}').status_code == 202
    assert len(web.unit_of_work.rows(Notice)) == 2


@pytest.mark.parametrize("path", ["/notices/payment/nobody", "/notices/merchant/nobody", "/notices/other/sandbox"])
def test_what_nobody_waits_for_is_not_stored(web: WebClient, path: str) -> None:
    answer = web.post(path, content=b"{}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert not web.unit_of_work.rows(Notice)


def test_a_notice_too_large_is_refused_in_a_sentence_and_the_log_says_from_whom(web: WebClient) -> None:
    said = f"A request's body may have at most {MAX_BODY_BYTES} bytes."

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(16):
            yield b"x" * 65_536

    with capture_logs() as logged:
        for body in (b"x" * 1_048_576, parts(), b"x" * (MAX_BODY_BYTES + 1)):
            answer = web.post("/notices/payment/sandbox", content=body)
            assert (answer.status_code, answer.json()["detail"]) == (413, said)
    assert [(one["path"], one["bytes"]) for one in logged] == [
        ("/notices/payment/sandbox", size) for size in ("1048576", "131072 or more", "65537")
    ]
    assert all(one["address"] and one["log_level"] == "warning" for one in logged)
    assert web.unit_of_work.rows(Notice) == []


def test_a_flood_is_asked_for_patience(web: WebClient) -> None:
    answers = [web.post("/notices/payment/sandbox", content=b"{}").status_code for _ in range(241)]
    assert answers[-2:] == [202, 429]


def test_what_waits_of_one_provider_is_bounded_and_says_when_to_come_again(web: WebClient) -> None:
    assert web.post("/notices/payment/sandbox", content=b"0").status_code == 202
    (first,) = web.unit_of_work.rows(Notice)
    with web.unit_of_work.begin() as tx:
        for number in range(1, MAX_WAITING):
            tx.add(replace(first, id=tx.new_id(), sha256=f"{number}"))
    answer = web.post("/notices/payment/sandbox", content=b"one more")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, str(RETRY_WAITING_S))
    assert answer.headers["content-type"] == "application/problem+json"
    assert web.post("/notices/payment/sandbox", content=b"0").status_code == 202
    assert web.post(f"/notices/merchant/{SHOP}", content=b"{}").status_code == 202
    with web.unit_of_work.begin() as tx:
        (waiting,) = tx.find(Notice, None, id=first.id)
        tx.save(replace(waiting, state=NoticeState.DONE))
    assert web.post("/notices/payment/sandbox", content=b"one more").status_code == 202
