"""The pages: what they show, what they never do, and that foreign text stays text."""

import re
from collections.abc import Callable

import httpx
import pytest

from slotwatch.channels.inbox import InboxMessage
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database
from slotwatch.storage.inbox import saver
from slotwatch.usecases.desk import Desk
from slotwatch.web.contract import Operation
from slotwatch.web.openapi import operations
from slotwatch.web.pages.start import Link
from tests.integration.web.conftest import Api, client_of, make_app, running

ReadProblem = Callable[[httpx.Response], tuple[int, str]]

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
STRICT = re.compile(r"default-src 'none'; style-src 'self'; script-src 'self';")


async def keep(database: Database, clock: MovableClock, number: int = 1, **more: str | None) -> None:
    letter = {"subject": "Your slot has begun", "text": "Check in.", "html": None, **more}
    await saver(database, clock)(
        InboxMessage(
            channel="email" if letter["subject"] else "sms",
            key=f"{number}-email",
            to=letter.pop("to", None) or "mira@example.org",
            subject=letter["subject"],
            text=letter["text"] or "",
            html=letter["html"],
        )
    )


@pytest.mark.parametrize("path", ["/", "/docs", "/inbox", "/sign-in", "/stations"])
async def test_a_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert STRICT.match(answer.headers["content-security-policy"])
    assert not re.search(r"""(src|href)=["'](https?:)?//""", answer.text)
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bon\w+=|javascript:|style=", answer.text)
    for address in re.findall(r"""(?:src|href)=["'](/static/[^"']+)""", answer.text):
        found = await client.get(address)
        assert found.status_code == 200 and "immutable" in found.headers["cache-control"]


async def test_every_answer_carries_the_headers_that_bind_browsers(api: Api) -> None:
    for path in ("/", "/inbox", "/api/stations", "/api/nothing", "/metrics", "/static/inbox.js"):
        headers = (await api.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert not [name for name in headers if name.startswith("access-control-")]
        assert len(headers.get_list("content-security-policy")) == 1
        if not path.startswith("/static"):
            assert headers["cache-control"] == "no-store"


async def test_foreign_pages_get_no_word_through_cors(api: Api) -> None:
    answer = await api.call(
        "OPTIONS",
        "/api/users/bookings",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )
    assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_the_start_page_leads_to_what_is_there(desk: Desk, client: httpx.AsyncClient) -> None:
    assert 'href="/inbox"' in (await client.get("/")).text
    app = make_app(desk, links=[Link("Town", "/town", EVIL)])
    async with running(app), client_of(app) as other:
        page = (await other.get("/")).text
    assert 'href="/inbox"' not in page and 'href="/town"' in page and "<script>alert" not in page


async def test_the_inbox_shows_the_newest_first_and_older_ones_on_request(
    client: httpx.AsyncClient, database: Database, clock: MovableClock
) -> None:
    assert "Nothing here yet" in (await client.get("/inbox")).text
    for number in range(60):
        await keep(database, clock, number, subject=f"Letter number {number}.")
    page = (await client.get("/inbox")).text
    shown = [int(number) for number in re.findall(r"Letter number (\d+)", page)]
    assert shown == list(range(59, 9, -1))
    older = re.search(r'href="(/inbox\?before=\d+)"', page)
    assert older is not None
    rest = (await client.get(older[1])).text
    assert [int(number) for number in re.findall(r"Letter number (\d+)", rest)] == list(range(9, -1, -1))
    assert "data-refresh" in page and "data-refresh" not in rest
    assert "<html" not in (await client.get("/inbox/list")).text


async def test_a_message_stays_text_whatever_it_says(
    client: httpx.AsyncClient, database: Database, clock: MovableClock
) -> None:
    await keep(database, clock, to=f'"{EVIL}"@example.org', subject=EVIL, text=EVIL)
    for path in ("/inbox", "/inbox/list", "/inbox/1"):
        page = (await client.get(path)).text
        assert "<script>alert" not in page and "<img src=x" not in page
        assert "&lt;script&gt;" in page


async def test_the_html_of_a_mail_is_shown_in_a_sandbox_that_runs_nothing(
    client: httpx.AsyncClient, database: Database, clock: MovableClock, problem_of: ReadProblem
) -> None:
    await keep(database, clock, 1, html=f"<p>Hello</p>{EVIL}")
    await keep(database, clock, 2, subject=None)
    page = (await client.get("/inbox/1")).text
    frame = re.search(r"<iframe[^>]*>", page)
    assert frame is not None and 'src="/inbox/1/html"' in frame[0]
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame[0]
    mail = await client.get("/inbox/1/html")
    policy = mail.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "sandbox" in policy and "allow-scripts" not in policy
    assert mail.headers["x-frame-options"] == "SAMEORIGIN"
    assert "<iframe" not in (await client.get("/inbox/2")).text
    for path in ("/inbox/2/html", "/inbox/3", "/inbox/99999999999999999999", "/inbox/x"):
        assert problem_of(await client.get(path)) == (404, "not_found")


async def test_links_in_messages_lead_somewhere_that_tells_nothing(api: Api) -> None:
    booking = await api.booked()
    real = (await api.client.get(f"/bookings/{booking['bookingId']}")).text
    absent = (await api.client.get("/bookings/BK-000000000001")).text
    assert real.replace(booking["bookingId"], "BK-000000000001") == absent


def listed(api: Api) -> list[tuple[str, str, Operation]]:
    transport = api.client._transport
    assert isinstance(transport, httpx.ASGITransport)
    return operations(transport.app.routes)  # type: ignore[attr-defined]  # a Litestar


async def test_the_openapi_document_and_the_docs_name_every_operation(api: Api) -> None:
    document = (await api.client.get("/openapi.json")).json()
    page = (await api.client.get("/docs")).text
    assert document["openapi"].startswith("3.1")
    for method, path, operation in listed(api):
        written = document["paths"][path][method.lower()]
        assert written["summary"] == operation.summary
        assert f'id="{written["operationId"]}"' in page
        assert set(written.get("security", [{}])[0]) == (set() if operation.is_public else {"bearer"})


async def test_every_reference_in_the_openapi_document_leads_somewhere(api: Api) -> None:
    document = (await api.client.get("/openapi.json")).json()
    names = set(re.findall(r'#/components/schemas/(\w+)"', (await api.client.get("/openapi.json")).text))
    assert names <= set(document["components"]["schemas"])
    ids = [written["operationId"] for methods in document["paths"].values() for written in methods.values()]
    assert len(ids) == len(set(ids))
    closed = document["components"]["schemas"]["BookingRequest"]
    assert closed["additionalProperties"] is False and closed["required"] == ["connectorId", "startTime", "endTime"]


async def test_every_problem_type_is_an_anchor_of_the_docs(api: Api, problem_of: ReadProblem) -> None:
    page = (await api.client.get("/docs")).text
    for answer in (
        await api.get("/api/x"),
        await api.post("/api/users/bookings", {}),
        await api.client.get("/api/stations"),
    ):
        problem_of(answer)
        address, _, anchor = answer.json()["type"].partition("#")
        assert address == "/docs" and f'id="{anchor}"' in page
