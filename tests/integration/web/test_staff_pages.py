"""The pages of staff: who gets in, what is whose, and forms that come from our own page only."""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from slotwatch.domain.ids import ref
from slotwatch.domain.staff import StaffRole
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.dispute import dispute
from slotwatch.web.pages.operator import OPERATOR_PAGES
from slotwatch.web.pages.vendor import MANAGER_PAGES, OWNER_PAGES, VENDOR_PAGES
from tests.conftest import Town
from tests.integration.test_alerts import look, past
from tests.integration.web.conftest import client_of, make_app, running
from tests.support.crew import Crew
from tests.support.signed_in import driver_cookie, make_staff, staff_cookie

HTML = {"Accept": "text/html"}
PAGES = (*VENDOR_PAGES, *MANAGER_PAGES, *OWNER_PAGES, *OPERATOR_PAGES)
CSRF = re.compile(r'"X-CSRF": "([0-9a-f]+)"')


class Somebody:
    """A browser of one person: keeps the cookie, sends the proof of forms along."""

    def __init__(self, client: httpx.AsyncClient, cookies: dict[str, str]) -> None:
        self.client = client
        self.cookies = cookies
        self.csrf = ""

    async def get(self, path: str, status: int = 200) -> str:
        """The page."""
        answer = await self.client.get(path, headers={**HTML, **self._cookie()})
        assert answer.status_code == status, answer.text
        found = CSRF.search(answer.text)
        self.csrf = found[1] if found else self.csrf
        return answer.text

    async def post(self, path: str, **fields: str) -> httpx.Response:
        """A form, as our page sends it."""
        return await self.client.post(path, data={"csrf": self.csrf, **fields}, headers={**HTML, **self._cookie()})

    def _cookie(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}


@pytest.fixture
async def site(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """The application."""
    app = make_app(desk, frontend_url="https://slots.example.org")
    async with running(app), client_of(app) as client:
        yield client


@pytest.fixture
async def owner(site: httpx.AsyncClient, database: Database, town: Town, clock: MovableClock) -> Somebody:
    """An owner of the town's vendor, on a page."""
    somebody = await person(site, database, town.vendor, clock)
    await somebody.get("/vendor/stations")
    return somebody


async def person(
    site: httpx.AsyncClient,
    database: Database,
    vendor: int | None,
    clock: MovableClock,
    role: StaffRole = StaffRole.OWNER,
) -> Somebody:
    staff_id = await make_staff(database, vendor, now=clock.read(), role=role)
    return Somebody(site, await staff_cookie(database, staff_id, now=clock.read()))


def routes(handlers: Any) -> Iterator[tuple[str, str]]:
    for handler in handlers:
        assert isinstance(handler, HTTPRouteHandler)
        for method in handler.http_methods - {"HEAD", "OPTIONS"}:
            for path in handler.paths:
                yield str(method), path


def filled(template: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+):\w+\}", lambda found: values.get(found[1], "1"), template)


async def test_nobody_gets_in_without_signing_in(site: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for method, template in routes(PAGES):
        with subtests.test(f"{method} {template}"):
            answer = await site.request(method, filled(template, {}), headers=HTML)
            assert answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")


async def test_drivers_and_the_wrong_staff_find_nothing_or_are_told_to_ask(
    site: httpx.AsyncClient, database: Database, town: Town, clock: MovableClock, subtests: pytest.Subtests
) -> None:
    driver = Somebody(site, await driver_cookie(database, town.driver.id, now=clock.read()))
    operator = await person(site, database, None, clock, StaffRole.OPERATOR)
    attendant = await person(site, database, town.vendor, clock, StaffRole.ATTENDANT)
    manager = await person(site, database, town.vendor, clock, StaffRole.MANAGER)
    for who, handlers, status in (
        (driver, PAGES, 404),
        (operator, (*VENDOR_PAGES, *MANAGER_PAGES, *OWNER_PAGES), 404),
        (attendant, (*MANAGER_PAGES, *OWNER_PAGES), 403),
        (manager, OWNER_PAGES, 403),
        (manager, OPERATOR_PAGES, 404),
    ):
        for method, template in routes(handlers):
            if method == "GET":
                with subtests.test(template, who=next(iter(who.cookies.values()))[:4], status=status):
                    await who.get(filled(template, {}), status)


async def test_what_is_another_vendors_looks_absent(
    site: httpx.AsyncClient,
    crew: Crew,
    database: Database,
    town: Town,
    clock: MovableClock,
    owner: Somebody,
    subtests: pytest.Subtests,
) -> None:
    booking = await no_show(crew, town)
    await dispute(crew.desk, town.driver.id, booking.id, "I was there.")
    await past(crew, town, missed=8)
    await look(crew)
    rival = await person(site, database, town.other_vendor, clock)
    await rival.get("/vendor/stations")
    of_ours = {
        "station_id": ref("ST", town.station),
        "connector_id": ref("CN", town.connectors[0]),
        "booking_id": booking.ref,
        "alert_id": "1",
        "person_id": "1",
    }
    form = {"role": "manager", "decision": "refund", "note": "x", "name": "x", "bookings": "keep"}
    for method, template in routes((*MANAGER_PAGES, *OWNER_PAGES)):
        if "{" not in template or not set(re.findall(r"\{(\w+):", template)) <= set(of_ours):
            continue
        with subtests.test(f"{method} {template}"):
            path = filled(template, of_ours)
            if method == "GET":
                await rival.get(path, 404)
            else:
                assert (await rival.post(path, **form)).status_code == 404
    for path in ("/vendor/stations", "/vendor/disputes", "/vendor/alerts", "/vendor/staff"):
        page = await rival.get(path)
        assert not any(word in page for word in ("Harbour", booking.ref, "Ada-owner-1"))
    assert "Harbour" in await owner.get("/vendor/stations") and booking.ref in await owner.get("/vendor/disputes")
    assert await crew.value("SELECT count(*) FROM dispute WHERE decided_at IS NULL") == 1


async def no_show(crew: Crew, town: Town) -> Any:
    """A booking that expired, with everything told."""
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.never_silent()
    await crew.live_for(timedelta(minutes=95))
    return await crew.load(booking)


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}],
    ids=["site", "origin", "no proof"],
)
async def test_a_form_of_somebody_elses_page_changes_nothing(
    owner: Somebody, crew: Crew, town: Town, headers: dict[str, str]
) -> None:
    path = f"/vendor/stations/{ref('ST', town.station)}/remove"
    data = {"bookings": "keep", **({"csrf": owner.csrf} if headers else {})}
    answer = await owner.client.post(path, data=data, headers={**HTML, **owner._cookie(), **headers})
    assert answer.status_code == 403
    assert await crew.value("SELECT count(*) FROM station WHERE removed_at IS NOT NULL") == 0
