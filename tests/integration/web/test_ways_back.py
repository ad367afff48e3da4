"""After a failure: the link that is offered leads to a page, and what was asked of that page is not lost."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape

import httpx
import pytest
from litestar import Litestar

from slotwatch.domain.ids import ref
from slotwatch.domain.staff import StaffRole
from slotwatch.outbox.notice_tokens import NoticeTokens
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.embedded import EmbeddedPostgres
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.rotating_codes import RotatingCodes
from slotwatch.web.pages.driver import DRIVER_PAGES, OPEN_PAGES
from slotwatch.web.pages.operator import OPERATOR_PAGES
from slotwatch.web.pages.vendor import BAY_PAGES, MANAGER_PAGES, OWNER_PAGES, VENDOR_PAGES
from tests.conftest import NOON, Town
from tests.integration.web.conftest import client_of, make_app, running
from tests.support.crew import Crew
from tests.support.forms import PERSON, Guest
from tests.support.outage import lost
from tests.support.signed_in import driver_cookie, make_staff, staff_cookie

HOUR = timedelta(hours=1)
OF_DRIVERS = (*OPEN_PAGES, *BAY_PAGES, *DRIVER_PAGES)
OF_VENDORS = (*VENDOR_PAGES, *MANAGER_PAGES, *OWNER_PAGES)


@pytest.fixture
def app(desk: Desk) -> Litestar:
    """The application."""
    return make_app(desk)


@pytest.fixture
async def site(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it."""
    async with running(app), client_of(app) as client:
        yield client


@pytest.fixture
async def mira(site: httpx.AsyncClient, desk: Desk, town: Town, clock: MovableClock) -> Guest:
    """The driver of the town, signed in."""
    return Guest(site, await driver_cookie(desk.database, town.driver.id, now=clock.read()))


async def member(site: httpx.AsyncClient, desk: Desk, vendor: int | None, role: StaffRole) -> Guest:
    staff = await make_staff(desk.database, vendor, now=NOON, role=role)
    return Guest(site, await staff_cookie(desk.database, staff, now=NOON))


async def refused(guest: Guest, path: str, **fields: str) -> httpx.Response:
    """A form without the proof that it is ours, as from a tab that was open before the last sign-in."""
    jar = "; ".join(f"{name}={value}" for name, value in guest.cookies.items())
    return await guest.client.post(path, data=fields, headers={**PERSON, "Cookie": jar})


def offered(html: str) -> str:
    """Where the first button of the page leads."""
    found = re.search(r'<a role="button" class="" href="([^"]+)"', html)
    assert found is not None, html
    return unescape(found[1])


async def test_whatever_form_fails_the_way_back_is_a_page(
    app: Litestar, site: httpx.AsyncClient, mira: Guest, desk: Desk, town: Town, crew: Crew, subtests: pytest.Subtests
) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    tokens: NoticeTokens = app.state.notice_tokens
    values = {
        "booking_id": booking.ref,
        "station_id": ref("ST", town.station),
        "connector_id": ref("CN", town.connectors[0]),
        "code": ref("CN", town.connectors[0]),
        "token": tokens.check_in_token(booking.id),
    }
    await crew.execute(
        "INSERT INTO dispute (booking_id, vendor_id, statement, opened_at) VALUES ($1, $2, 'I was there', $3)",
        *(booking.id, town.vendor, NOON),
    )
    owner = await member(site, desk, town.vendor, StaffRole.OWNER)
    operator = await member(site, desk, None, StaffRole.OPERATOR)
    tried = 0
    for guest, pages in ((mira, OF_DRIVERS), (owner, OF_VENDORS), (operator, OPERATOR_PAGES)):
        for template in sorted(path for one in pages if "POST" in one.http_methods for path in one.paths):
            path = re.sub(r"\{(\w+):\w+\}", lambda found: values.get(found[1], "1"), template)
            with subtests.test(template):
                answer = await refused(guest, path)
                assert answer.status_code == 403
                await guest.open(offered(answer.text))
                assert guest.status == 200 and "</h1>" in guest.seen.text  # type: ignore[union-attr]
                await guest.open(path)
                assert guest.status == 200, "a browser that opens its tabs again asks for the address of the form"
                tried += 1
    assert tried > 35


async def test_after_a_lost_database_the_way_back_is_the_page_with_the_button(
    mira: Guest, town: Town, crew: Crew, server: EmbeddedPostgres, database_url: str
) -> None:
    await crew.never_silent()
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(town.slot().starts_at)
    path = f"/bookings/{booking.ref}"
    await mira.open(path)
    async with lost(server, database_url):
        await mira.send(f"{path}/check-in")
        assert mira.status == 503 and mira.seen is not None
        again = offered(mira.seen.text)
    assert again == path
    await mira.open(again)
    assert "You are checked in" in await mira.send(f"{path}/check-in")


async def test_a_page_that_failed_is_offered_again_with_all_that_was_asked_of_it(
    mira: Guest, town: Town, server: EmbeddedPostgres, database_url: str
) -> None:
    station, connector = ref("ST", town.station), ref("CN", town.connectors[0])
    chosen = f"/stations/{station}/book?connector={connector}&start=2026-03-02T18:00:00Z&minutes=60"
    scanned = f"/c/{connector}?k=a%22%3Eb&seen=1.2"
    async with lost(server, database_url):
        for path in (chosen, scanned):
            await mira.open(path)
            assert mira.status == 503 and mira.seen is not None
            assert offered(mira.seen.text) == path
    assert "Book this slot?" in await mira.open(chosen)


async def test_a_form_that_failed_leads_back_to_what_it_was_about(
    mira: Guest, site: httpx.AsyncClient, desk: Desk, town: Town, server: EmbeddedPostgres, database_url: str
) -> None:
    station, connector = ref("ST", town.station), ref("CN", town.connectors[0])
    book, remove = f"/stations/{station}/book", f"/vendor/stations/{station}/remove"
    owner = await member(site, desk, town.vendor, StaffRole.OWNER)
    nobody = Guest(site)
    await mira.open(f"{book}?connector={connector}&start=2026-03-02T18:00:00Z&minutes=60")
    await owner.open(f"{remove}?connector={connector}")
    await nobody.open("/sign-in?next=/settings%3Fa%3Db")
    async with lost(server, database_url):
        await mira.send(book)
        await owner.send(remove)
        await nobody.send("/sign-in", address="mira@example.org")
        assert (mira.status, owner.status, nobody.status) == (503, 503, 503)
        ways = [offered(one.seen.text) for one in (mira, owner, nobody) if one.seen is not None]
    assert "Monday, 2 March 2026, 18:00" in await mira.open(ways[0])
    assert "Remove connector 1A of Harbour" in await owner.open(ways[1]), "the bay, not the whole station"
    await nobody.open(ways[2])
    assert nobody.seen is not None and 'name="next" value="/settings?a=b"' in nobody.seen.text


async def test_a_fresh_code_that_was_seen_still_counts_after_a_failure(
    app: Litestar, mira: Guest, town: Town, crew: Crew, server: EmbeddedPostgres, database_url: str
) -> None:
    await crew.never_silent()
    await crew.execute("UPDATE station SET rotating_code = true")
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(town.slot().starts_at)
    codes: RotatingCodes = app.state.rotating_codes
    scanned = f"/c/{ref('CN', town.connectors[0])}"
    await mira.open(f"{scanned}?k={codes.code(town.connectors[0], crew.clock.read())}")
    async with lost(server, database_url):
        await mira.send(scanned)
        assert mira.status == 503 and mira.seen is not None
        again = offered(mira.seen.text)
    await crew.live_for(timedelta(minutes=5))
    await mira.open(again)
    assert "You are checked in" in await mira.send(scanned)


async def test_whose_session_ended_meanwhile_comes_back_to_the_page_of_the_form(
    mira: Guest, town: Town, crew: Crew
) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.execute("DELETE FROM session")
    answer = await refused(mira, f"/bookings/{booking.ref}/check-in")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next=/bookings/{booking.ref}")


async def test_programs_and_other_methods_are_still_told_what_an_address_takes(mira: Guest, town: Town) -> None:
    path = "/settings/notifications"
    answer = await mira.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    answer = await mira.client.delete(path, headers=PERSON)
    assert answer.status_code == 405 and offered(answer.text) == "/settings"
    answer = await mira.client.get("/api/users/me/browsers", headers=PERSON)
    assert "text/html" not in answer.headers["content-type"]
