"""The vendor's board in a real browser: it renews itself, keeps its place, says when it cannot, and can be read."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, expect

from slotwatch.domain.booking import Booking
from slotwatch.domain.ids import ref
from slotwatch.processes.http import HttpServer, Listener, listen
from slotwatch.storage.database import Database
from slotwatch.usecases.desk import Desk
from tests.browser.test_web_pages import SIZES, browsing, listen_to
from tests.conftest import Town
from tests.integration.web.conftest import make_app
from tests.support.crew import Crew
from tests.support.signed_in import make_staff, staff_cookie

pytestmark = pytest.mark.browser

COUNTDOWN = re.compile(r"^(20:00|19:[45]\d) left$")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
# A story that grows moves its own lines; nothing else may move.
WATCH_SHIFTS = """
    window.shifts = [];
    const inPanel = (source) => document.getElementById("panel").contains(source.node);
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
            if (entry.hadRecentInput || entry.sources.every(inPanel)) continue;
            window.shifts.push(entry.sources.map((source) => source.node?.outerHTML?.slice(0, 90)));
        }
    }).observe({ type: "layout-shift", buffered: true });
"""


@dataclass
class Site:
    """The pages, served, with bookings of two vendors: one in grace, one to come, one ended."""

    listener: Listener
    desk: Desk
    town: Town
    crew: Crew
    in_grace: Booking
    to_come: Booking
    ended: Booking

    async def sign_in(self, browser: Browser, vendor: int, **look: Any) -> BrowserContext:
        """A browser of the vendor's owner."""
        staff = await make_staff(self.desk.database, vendor, now=self.crew.clock.read(), name=f"Ada{id(look)}")
        cookies = await staff_cookie(self.desk.database, staff, now=self.crew.clock.read())
        context = await browser.new_context(**look)
        for name, value in cookies.items():
            await context.add_cookies([{"name": name, "value": value, "url": self.listener.url}])
        return context

    def url(self, path: str) -> str:
        """Where a page is."""
        return self.listener.url + path


@pytest.fixture
async def site(desk: Desk, town: Town, crew: Crew) -> AsyncIterator[Site]:
    await crew.never_silent()
    ended = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=15 * MINUTE))
    in_grace = await crew.booked(town.driver, town.connectors[1], town.slot(starts_in=HOUR), vehicle="W-12345")
    to_come = await crew.booked(town.stranger, town.connectors[2], town.slot(starts_in=3 * HOUR))
    await crew.live_for(HOUR + 10 * MINUTE)
    listener, stop = listen("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(HttpServer(make_app(desk), listener).run(stop))
    yield Site(listener, desk, town, crew, in_grace, to_come, ended)
    stop.set()
    await serving
    listener.close()


async def test_every_page_of_a_vendor_can_be_read_by_everybody(site: Site, subtests: pytest.Subtests) -> None:
    async with browsing() as browser:
        for scheme, size in product(("light", "dark"), ("phone", "desktop")):
            width, height = SIZES[size]
            look = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
            page = await (await site.sign_in(browser, site.town.vendor, **look)).new_page()
            for path in (
                "/vendor",
                f"/vendor/bookings/{site.ended.ref}",
                f"/vendor/bookings/{site.in_grace.ref}/cancel",
                "/vendor/insights",
            ):
                with subtests.test(path, scheme=scheme, size=size):
                    await look_at(page, site.url(path))
            await page.goto(site.url("/vendor"))
            for link, words in ((f"#row-{site.in_grace.ref} a", "What happened"), ("#panel a >> text=Cancel", "Why?")):
                with subtests.test("beside the board", words=words, scheme=scheme, size=size):
                    await page.locator(link).click()
                    await page.locator("#panel").get_by_text(words).wait_for()
                    await look_at(page)


async def look_at(page: Page, url: str | None = None) -> None:
    """At that page, or at the one that is open."""
    complaints = listen_to(page)
    if url is not None:
        await page.goto(url)
    results = await Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    assert complaints == []
    overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, "nothing sticks out at the side"


async def test_the_board_renews_itself_for_its_vendor_alone_and_leaves_everything_in_its_place(site: Site) -> None:
    town, crew = site.town, site.crew
    async with browsing() as browser:
        ours = await (await site.sign_in(browser, town.vendor)).new_page()
        theirs = await (await site.sign_in(browser, town.other_vendor)).new_page()
        complaints = listen_to(ours)
        for page in (ours, theirs):
            await page.goto(site.url("/vendor"))
            await expect(page.locator("#live")).to_have_attribute("data-state", "live")
        before_there = await theirs.locator("#main").inner_text()
        await expect(ours.locator(f"#{site.in_grace.ref} .clock")).to_have_text(COUNTDOWN)

        await ours.locator(f"#{site.in_grace.ref}").click()
        story = ours.locator("#panel .story")
        await expect(story).to_have_attribute("data-booking", site.in_grace.ref)
        await ours.locator(f"#{site.to_come.ref}").focus()
        await ours.evaluate("window.scrollTo(0, 40)")
        await ours.wait_for_timeout(600)  # what comes soon after a click does not count as a shift
        await ours.evaluate(WATCH_SHIFTS)
        scrolled = await ours.evaluate("scrollY")

        await crew.checked_in(site.in_grace)
        await expect(ours.locator(f"#{site.in_grace.ref}.active")).to_have_count(1)
        await expect(ours.locator(f"#row-{site.in_grace.ref} .state")).to_have_text("active")
        await expect(story.locator("h1 .state")).to_have_text("active")
        fresh = await crew.booked(town.driver, town.connectors[3], town.slot(starts_in=2 * HOUR))
        await expect(ours.locator(f"#{fresh.ref}.confirmed")).to_have_count(1)

        assert await ours.evaluate("document.activeElement.id") == site.to_come.ref, "the focus stays"
        assert await ours.evaluate("scrollY") == scrolled
        assert await ours.evaluate("window.shifts") == [], "nothing jumps"
        assert await theirs.locator("#main").inner_text() == before_there
        assert complaints == []


async def test_earlier_and_later_go_with_the_time_of_a_board_on_a_wall(site: Site) -> None:
    async with browsing() as browser:
        page = await (await site.sign_in(browser, site.town.vendor)).new_page()
        await page.goto(site.url("/vendor"))
        await expect(page.locator("#live")).to_have_attribute("data-state", "live")
        later = page.get_by_role("button", name="Later")
        before = await later.get_attribute("href")
        site.crew.clock.advance(9 * HOUR)
        await site.crew.booked(site.town.driver, site.town.connectors[3], site.town.slot(starts_in=12 * HOUR))
        await expect(later).not_to_have_attribute("href", str(before))
        since = int(await page.locator("#timeline").get_attribute("data-since") or "")
        await later.click()
        assert int(await page.locator("#timeline").get_attribute("data-since") or "") == since + 6 * 3600 * 1000


async def test_a_station_that_goes_while_it_is_looked_at_and_the_end_of_the_session(
    site: Site, database: Database
) -> None:
    async with browsing() as browser:
        page = await (await site.sign_in(browser, site.town.vendor)).new_page()
        await page.goto(site.url("/vendor"))
        await expect(page.locator("#live")).to_have_attribute("data-state", "live")
        thamel = page.locator(f"#{ref('ST', site.town.night_shut)}")
        await expect(thamel).to_be_visible()
        now = site.crew.clock.read()
        await site.crew.execute("UPDATE station SET removed_at = $1 WHERE id = $2", now, site.town.night_shut)
        await expect(thamel).to_have_count(0)
        await site.crew.execute("DELETE FROM session")
        await expect(page.locator("#live")).to_contain_text("You are signed out.")
        assert await page.locator("#live a").get_attribute("href") == "/sign-in?next=%2Fvendor"


async def test_without_an_answer_the_page_says_so_and_heals_by_itself(site: Site) -> None:
    async with browsing() as browser:
        page = await (await site.sign_in(browser, site.town.vendor)).new_page()
        await page.goto(site.url("/vendor"))
        live = page.locator("#live")
        await expect(live).to_have_attribute("data-state", "live")
        await site.crew.execute("ALTER TABLE board_change RENAME TO away; ALTER TABLE station RENAME TO away_too")
        await expect(live).to_contain_text("No answer from the database")
        await site.crew.execute("ALTER TABLE away_too RENAME TO station; ALTER TABLE away RENAME TO board_change")
        await expect(live).to_have_attribute("data-state", "live", timeout=8000)


async def test_without_a_stream_the_page_looks_by_itself_and_says_so(site: Site) -> None:
    async with browsing() as browser:
        page = await (await site.sign_in(browser, site.town.vendor)).new_page()
        await page.route("**/vendor/stream**", lambda route: route.abort())
        await page.goto(site.url("/vendor"))
        await site.crew.checked_in(site.in_grace)
        await expect(page.locator("#live")).to_contain_text("looking every 10 seconds", timeout=9000)
        await expect(page.locator(f"#{site.in_grace.ref}.active")).to_have_count(1)


async def test_without_scripts_everything_is_a_link_or_a_form(site: Site) -> None:
    async with browsing() as browser:
        context = await site.sign_in(browser, site.town.vendor, java_script_enabled=False)
        page = await context.new_page()
        await page.goto(site.url("/vendor"))
        await page.get_by_label("Search").fill("w12345")
        await page.get_by_role("button", name="Show").click()
        assert "q=w12345" in page.url
        await page.locator(f"#row-{site.in_grace.ref} a").click()
        await expect(page.locator("h1 .state")).to_have_text("grace")
        await page.get_by_role("button", name="Cancel …").click()
        await page.get_by_label("Why?").fill("The charger is broken")
        async with page.expect_request(lambda request: request.method == "POST") as sent:
            await page.get_by_role("button", name="Cancel the booking").click()
        headers = await (await sent.value).all_headers()
        assert headers["origin"] == site.url(""), "browsers before Sec-Fetch-Site have nothing else to say who asks"
        await expect(page.locator("h1 .state")).to_have_text("cancelled")
        await page.goto(site.url("/vendor/insights"))
        await page.locator("summary").first.click()
        await expect(page.get_by_text("No-shows by day")).to_be_visible()


async def test_staff_act_beside_the_board(site: Site) -> None:
    async with browsing() as browser:
        page = await (await site.sign_in(browser, site.town.vendor)).new_page()
        await page.goto(site.url("/vendor"))
        await page.locator(f"#{site.in_grace.ref}").click()
        await page.locator("#panel").get_by_role("button", name="Check in").click()
        await expect(page.locator("#panel h1 .state")).to_have_text("active")
        assert page.url == site.url("/vendor")
        await page.keyboard.press("Escape")
        await expect(page.locator("#panel")).to_be_hidden()
        assert await page.evaluate("document.activeElement.id") == site.in_grace.ref, "back to where one was"
        await expect(page.locator(f"#{site.in_grace.ref}.active")).to_have_count(1)
