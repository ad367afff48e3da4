"""After a failure, in a real browser: the button that is offered works, and what was typed is still there."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from slotwatch.domain.lifecycle import State
from slotwatch.storage.embedded import EmbeddedPostgres
from tests.conftest import NOON, Town
from tests.integration.web.conftest import make_app
from tests.support.browser import LOOKS, browsing, carry, served, sticking_out
from tests.support.crew import Crew
from tests.support.outage import lost
from tests.support.signed_in import driver_cookie, make_staff, staff_cookie

pytestmark = pytest.mark.browser

SHOTS = os.environ.get("SLOTWATCH_SHOTS")
LINES = "\n".join(["I stood there and nobody let me in, as so often."] * 81)
"""Fits as browsers count; with two letters for each line break it would not."""


@asynccontextmanager
async def opened(crew: Crew, cookies: dict[str, str], look: str) -> AsyncIterator[tuple[Page, str]]:
    """A page of somebody who is signed in, and where the site is."""
    async with served(make_app(crew.desk)) as site, browsing() as browser:
        context = await browser.new_context(**LOOKS[look])
        await carry(context, cookies, site.url)
        yield await context.new_page(), site.url


async def is_fit_to_see(page: Page, name: str) -> None:
    if SHOTS:
        await page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)
    results = await Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    assert await sticking_out(page) <= 0


@pytest.mark.parametrize("look", ["phone-light", "desktop-dark"])
async def test_a_driver_in_grace_checks_in_after_the_database_was_lost(
    crew: Crew, town: Town, server: EmbeddedPostgres, database_url: str, look: str
) -> None:
    await crew.never_silent()
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(town.slot().starts_at + timedelta(minutes=5))
    cookies = await driver_cookie(crew.desk.database, town.driver.id, now=NOON)
    async with opened(crew, cookies, look) as (page, url):
        await page.goto(f"{url}/bookings/{booking.ref}")
        async with lost(server, database_url):
            await page.get_by_role("button", name="Check in").click()
            await expect(page.get_by_role("heading", name="Unavailable")).to_be_visible()
            await is_fit_to_see(page, f"check-in-unavailable-{look}")
        await page.get_by_role("button", name="Try again").click()
        await page.get_by_role("button", name="Check in").click()
        await page.get_by_label("What to do now").get_by_text("You are checked in").wait_for()
    assert await crew.state(booking) is State.ACTIVE


async def test_whose_session_ends_on_the_page_of_a_refused_check_in_comes_back_to_the_booking(
    crew: Crew, town: Town
) -> None:
    await crew.never_silent()
    await crew.execute("UPDATE station SET check_in_radius_m = 150 WHERE id = $1", town.station)
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(town.slot().starts_at)
    cookies = await driver_cookie(crew.desk.database, town.driver.id, now=NOON)
    async with opened(crew, cookies, "phone-light") as (page, url):
        await page.goto(f"{url}/bookings/{booking.ref}")
        await page.get_by_role("button", name="Check in").click()
        await page.get_by_text("allow your position").wait_for()
        assert page.url == f"{url}/bookings/{booking.ref}/check-in"
        await crew.execute("DELETE FROM session")
        await page.wait_for_url(re.compile(r"/sign-in\?next="))
        assert page.url == f"{url}/sign-in?next=%2Fbookings%2F{booking.ref}"


@pytest.mark.parametrize("look", ["phone-light"])
async def test_a_statement_as_long_as_the_form_allows_is_taken_and_one_that_is_refused_is_kept(
    crew: Crew, town: Town, look: str
) -> None:
    await crew.never_silent()
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_for(timedelta(hours=3))
    cookies = await driver_cookie(crew.desk.database, town.driver.id, now=NOON)
    async with opened(crew, cookies, look) as (page, url):
        await page.goto(f"{url}/bookings/{booking.ref}")
        box = page.get_by_role("textbox", name="What happened")
        await box.evaluate("box => box.removeAttribute('maxlength')")
        await box.fill(LINES + 40 * "\n!")
        await page.get_by_role("button", name="Dispute this no-show").click()
        await page.get_by_text("in at most 4000 characters").wait_for()
        await expect(box).to_have_value(LINES + 40 * "\n!")
        await is_fit_to_see(page, f"dispute-refused-{look}")
        await box.fill(LINES)
        await page.get_by_role("button", name="Dispute this no-show").click()
        await page.get_by_text("Sent on").wait_for()


@pytest.mark.parametrize("look", ["phone-light"])
async def test_the_reason_of_a_cancel_that_is_refused_is_kept(crew: Crew, town: Town, look: str) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    staff = await make_staff(crew.desk.database, town.vendor, now=NOON)
    async with opened(crew, await staff_cookie(crew.desk.database, staff, now=NOON), look) as (page, url):
        await page.goto(f"{url}/vendor/bookings/{booking.ref}/cancel")
        box = page.get_by_role("textbox", name="Why?")
        await box.evaluate("box => box.removeAttribute('maxlength')")
        await box.fill("The charger is out of order.\n" * 18)
        await page.get_by_role("button", name="Cancel the booking").click()
        await page.get_by_text("in at most 500 characters").wait_for()
        await expect(box).to_have_value("The charger is out of order.\n" * 17 + "The charger is out of order.")
        await is_fit_to_see(page, f"cancel-refused-{look}")
        await box.fill("ab\n" * 166 + "cd")
        await page.get_by_role("button", name="Cancel the booking").click()
        await expect(page.locator("h1 .state")).to_have_text("cancelled")
