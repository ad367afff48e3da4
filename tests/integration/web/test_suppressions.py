"""Addresses that get nothing any more: an operator sees them and lifts one by API, page and command line."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from slotwatch.domain.staff import StaffRole
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database
from tests.cli_runs import run
from tests.conftest import NOON, Town
from tests.integration.web.conftest import Api, bearer
from tests.integration.web.test_staff_pages import Somebody, person, site
from tests.support.crew import Crew

__all__ = ["site"]

ReadProblem = Callable[[httpx.Response], tuple[int, str]]
PATH = "/api/operator/suppressions"


@pytest.fixture
async def operator(
    site: httpx.AsyncClient, database: Database, town: Town, clock: MovableClock
) -> AsyncIterator[Somebody]:
    """An operator on the page."""
    somebody = await person(site, database, None, clock, StaffRole.OPERATOR)
    await somebody.get("/operator")
    yield somebody


async def _suppress(crew: Crew, *pairs: tuple[str, str], reason: str = "550 no such user") -> None:
    for number, (channel, address) in enumerate(pairs):
        await crew.execute(
            "INSERT INTO suppression (channel, address, reason, at)"
            " VALUES ($1, $2, $3, $4::timestamptz + $5 * interval '1 second')",
            *(channel, address, reason, NOON, number),
        )


async def test_suppressed_addresses_are_listed_the_newest_first_and_found(crew: Crew, town: Town, api: Api) -> None:
    program = api.as_caller(bearer("ops", "operator"))
    phone = "+15005550010"
    await _suppress(crew, ("email", "a@example.org"), ("sms", phone), ("whatsapp", phone), ("email", "b@example.org"))

    async def listed(**query: str) -> list[tuple[str, str]]:
        answer = (await program.get(PATH, params=query)).json()
        return [(one["channel"], one["address"]) for one in answer["items"]]

    first = (await program.get(f"{PATH}?limit=3")).json()
    rest = (await program.get(f"{PATH}?limit=3&cursor={first['nextCursor']}")).json()
    found = [one["address"] for one in first["items"] + rest["items"]]
    assert (found, rest["nextCursor"]) == (["b@example.org", phone, phone, "a@example.org"], None)
    assert first["items"][0]["reason"] == "550 no such user"
    assert await listed(address=phone) == [("whatsapp", phone), ("sms", phone)]
    assert await listed(address=phone, channel="sms") == [("sms", phone)]
    assert await listed(address=" A@Example.org") == [("email", "a@example.org")]
    assert await listed(channel="voice") == []
    assert (await api.get(PATH)).status_code == 403


async def test_a_lifted_address_is_written_to_again_and_the_log_says_who_lifted_it(
    crew: Crew, town: Town, api: Api, problem_of: ReadProblem
) -> None:
    program = api.as_caller(bearer("ops", "operator"))
    await _suppress(crew, ("email", "mira@example.org"), ("sms", "+15005550010"))
    body = {"address": "Mira@example.org", "channel": "email"}
    with capture_logs() as logs:
        answer = await program.call("DELETE", PATH, body)
    (lifted,) = answer.json()["items"]
    assert (answer.status_code, lifted["address"], lifted["channel"]) == (200, "mira@example.org", "email")
    (entry,) = [one for one in logs if one.get("action") == "suppression_lifted"]
    assert (entry["channel"], entry["address"], entry["actor"]) == ("email", "m•••@example.org", "operator:ops")
    assert problem_of(await program.call("DELETE", PATH, body)) == (404, "not_found")
    assert problem_of(await api.call("DELETE", PATH, body)) == (403, "forbidden_role")
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.deliver()
    assert await crew.deliveries(booking, "booking_confirmed") == {"email": "sent", "sms": "suppressed"}


async def test_an_operator_finds_an_address_on_the_page_and_lifts_it(operator: Somebody, crew: Crew) -> None:
    assert "No address is suppressed" in await operator.get("/operator")
    many = [("email", f"n{number}@example.org") for number in range(51)]
    await _suppress(crew, *many, reason="the mail bounced (Permanent General)")
    page = await operator.get("/operator")
    assert "n50@example.org" in page and "n0@example.org" not in page and "(Permanent General)" in page
    older = page.partition('href="/operator?suppressed=')[2].partition('"')[0].replace("&amp;", "&")
    assert "n0@example.org" in await operator.get(f"/operator?suppressed={older}")
    assert "n0@example.org" in await operator.get("/operator?address=N0@example.org")
    answer = await operator.post("/operator/suppressions/lift", channel="email", address="n0@example.org")
    assert (answer.status_code, answer.headers["location"]) == (303, "/operator?done=lift#suppressed")
    assert await crew.value("SELECT count(*) FROM suppression") == 50
    again = await operator.post("/operator/suppressions/lift", channel="email", address="n0@example.org")
    assert again.status_code == 404
    assert (
        await operator.post("/operator/suppressions/lift", channel="fax", address="n1@example.org")
    ).status_code == 404
    for broken in ("suppressed=x", "suppressed=WzFd"):
        await operator.get(f"/operator?{broken}", status=422)


async def test_the_command_line_lists_and_lifts(crew: Crew, database_url: str, tmp_path: Path) -> None:
    phone = "+15005550010"
    await _suppress(crew, ("email", "a@example.org"), ("sms", phone), ("whatsapp", phone))

    async def say(*words: str) -> str:
        said = await asyncio.to_thread(run, "suppressions", *words, data_dir=tmp_path, DATABASE_URL=database_url)
        return said.out.strip() if said.status == 0 else f"{said.status}: {said.err.strip().splitlines()[-1]}"

    listed = json.loads(await say("list", "--address", phone, "--json"))
    assert [one["channel"] for one in listed] == ["whatsapp", "sms"]
    assert "a@example.org" in await say("list", "--channel", "email")
    assert await say("lift", phone, "--channel", "sms") == f"{phone} may be written to again by sms."
    assert await say("lift", "A@example.org") == "a@example.org may be written to again by email."
    assert await say("lift", "A@example.org") == "1: This address is not suppressed."
    assert await say("lift", phone) == f"{phone} may be written to again by whatsapp."
    assert await say("list") == "No address is suppressed."
