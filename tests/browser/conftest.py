"""A vendor's board in a browser, for the tests that look at it from different sides."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from slotwatch.domain.booking import Booking
from slotwatch.processes.http import Listener
from tests.conftest import NOON, Town
from tests.integration.web.conftest import make_app
from tests.support.browser import browsing, carry, served
from tests.support.crew import Crew
from tests.support.signed_in import make_staff, staff_cookie

Enter = Callable[..., Awaitable[BrowserContext]]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with browsing() as browser:
        yield browser


@pytest.fixture
async def site(crew: Crew) -> AsyncIterator[Listener]:
    async with served(make_app(crew.desk)) as site:
        yield site


@pytest.fixture
async def in_grace(crew: Crew, town: Town) -> Booking:
    await crew.never_silent()
    slot = town.slot()
    booking = await crew.booked(town.driver, town.connectors[0], slot)
    await crew.live_until(slot.starts_at)
    return booking


@pytest.fixture
async def enter(browser: Browser, site: Listener, crew: Crew, town: Town) -> Enter:
    """The owner's browser, of a look if one is given."""

    async def come(**look: Any) -> BrowserContext:
        staff = await make_staff(crew.desk.database, town.vendor, now=NOON)
        context = await browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **look})
        await carry(context, await staff_cookie(crew.desk.database, staff, now=crew.clock.read()), site.url)
        return context

    return come


@pytest.fixture
async def board(enter: Enter, site: Listener, in_grace: Booking) -> Page:
    """The owner's board with that booking beside it."""
    page = await (await enter()).new_page()
    await page.goto(f"{site.url}/vendor")
    await expect(page.locator("#live")).to_have_attribute("data-state", "live")
    await page.locator(f"#{in_grace.ref}").click()
    await expect(page.locator("#panel .story")).to_have_attribute("data-booking", in_grace.ref)
    return page
