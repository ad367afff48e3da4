"""The vendor's board with many stations in a real browser: every change is shown, and what was drawn stays drawn."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from playwright.async_api import Page, expect

from tests.conftest import NOON, Town
from tests.integration.web.conftest import make_app
from tests.support.browser import browsing, carry, served
from tests.support.crew import Crew
from tests.support.signed_in import make_staff, staff_cookie

pytestmark = pytest.mark.browser

# Stations of one connector each, all with a booking that begins in a minute.
MANY = """
    WITH places AS (
        INSERT INTO station (vendor_id, name, address, latitude, longitude, zone, created_at)
        SELECT $1, 'S' || lpad(n::text, 3, '0'), 'Quay', 0, 0, 'UTC', $2 FROM generate_series(1, $4::int) AS n
        RETURNING id
    ), plugs AS (
        INSERT INTO connector (station_id, label, type, power_kw, price_per_hour, currency, created_at)
        SELECT id, '1', 'CCS', 50, 1250, 'EUR', $2 FROM places RETURNING id, station_id
    )
    INSERT INTO booking (id, vendor_id, station_id, connector_id, driver_id, state, step, due_at, check_in_opens_at,
                         starts_at, grace_half_at, grace_last_at, grace_ends_at, expires_at, ends_at, terms, amount,
                         currency, payment_status, version, epoch, created_at, updated_at)
    SELECT 1000 + id, $1, station_id, id, $3, 'confirmed', 'start', t, t, t, t + interval '15 min',
           t + interval '25 min', t + interval '30 min', t + interval '31 min', t + interval '2 h',
           '{"gracePeriodMinutes": 30}', 1250, 'EUR', 'not_required', 1, 0, $2, $2
      FROM plugs CROSS JOIN LATERAL (SELECT $2::timestamptz + interval '1 min' AS t) AS at
"""
WATCH_BLANKS = """
    window.blanks = new Set();
    new MutationObserver(() => {
        for (const one of document.querySelectorAll(".station.later")) window.blanks.add(one.id);
    }).observe(document.getElementById("timeline"), { subtree: true, childList: true, attributes: true });
"""


@asynccontextmanager
async def board_of(crew: Crew, town: Town, stations: int) -> AsyncIterator[Page]:
    """The owner's board of the two stations of the town and that many more."""
    await crew.never_silent()
    await crew.execute(MANY, town.vendor, NOON, town.driver.id, stations)
    staff = await make_staff(crew.desk.database, town.vendor, now=NOON)
    async with served(make_app(crew.desk)) as site, browsing() as browser:
        context = await browser.new_context(viewport={"width": 1280, "height": 900})
        await carry(context, await staff_cookie(crew.desk.database, staff, now=NOON), site.url)
        page = await context.new_page()
        await page.goto(f"{site.url}/vendor")
        await expect(page.locator("#live")).to_have_attribute("data-state", "live")
        yield page


async def test_slots_that_begin_at_fifty_stations_at_once_are_all_shown(crew: Crew, town: Town) -> None:
    async with board_of(crew, town, 50) as page:
        await expect(page.locator(".s.confirmed")).to_have_count(50)
        crew.clock.advance(timedelta(minutes=1))
        await crew.engine()
        await expect(page.locator(".s.grace")).to_have_count(50)


async def test_a_board_that_was_drawn_to_its_end_stays_so_when_all_of_it_is_renewed(crew: Crew, town: Town) -> None:
    async with board_of(crew, town, 110) as page:
        last = page.locator(".station", has_text="S110")
        while await page.locator(".station.later").count():
            await page.locator(".station.later").first.scroll_into_view_if_needed()
        await expect(last.locator(".s")).to_have_count(1)
        await page.evaluate(WATCH_BLANKS)
        await crew.execute("UPDATE station SET name = 'Old harbour' WHERE id = $1", town.station)
        await expect(page.locator(".station", has_text="Old harbour")).to_have_count(1)
        assert await page.evaluate("[...window.blanks]") == []
