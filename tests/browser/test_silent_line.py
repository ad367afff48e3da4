"""Pages in a real browser when nothing comes though no connection has ended, and boards that nobody looks at."""

import asyncio
from datetime import timedelta

import pytest
from playwright.async_api import Page, Request, Route, expect

from slotwatch.domain.booking import Booking
from slotwatch.processes.http import Listener
from tests.browser.conftest import Enter
from tests.conftest import Town
from tests.support.browser import LOOKS, carry
from tests.support.crew import Crew
from tests.support.signed_in import driver_cookie
from tests.support.silent_wire import wired

pytestmark = pytest.mark.browser

SILENCE, DEADLINE, RESTS_AFTER = timedelta(seconds=36), timedelta(seconds=16), timedelta(seconds=11)
# Tabs of a browser under test are never hidden.
HIDE = """
    Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
"""
SHOW = HIDE.replace("=> true", "=> false")

KEEP_STREAMS = """
    window.streams = [];
    window.EventSource = class extends EventSource {
        constructor(...given) { super(...given); streams.push(this); }
    };
"""


async def open_board(page: Page, url: str) -> Page:
    """The board with a clock that can be moved."""
    await page.goto(f"{url}/vendor")
    await expect(page.locator("#live")).to_have_attribute("data-state", "live")
    return page


async def let_pass(page: Page, time: timedelta) -> None:
    """For everything in the page's browser."""
    await page.clock.fast_forward(round(time.total_seconds() * 1000))


def asks_for_parts(request: Request) -> bool:
    return "/vendor/board?" in request.url


async def test_a_board_whose_line_is_silent_says_so_and_is_live_again_after_it(
    enter: Enter, site: Listener, crew: Crew, in_grace: Booking
) -> None:
    async with wired(site) as wire:
        page = await (await enter()).new_page()
        await page.clock.install()
        live = (await open_board(page, wire.url)).locator("#live")
        wire.go_silent()
        await crew.checked_in(in_grace)
        async with page.expect_request(asks_for_parts):
            await let_pass(page, SILENCE)
        await expect(live).to_contain_text("No live stream")
        await let_pass(page, DEADLINE)
        await expect(live).to_contain_text("No answer from slotwatch. What you see is as of")
        wire.speak()
        await expect(live).to_have_attribute("data-state", "live")
        await expect(page.locator(f"#{in_grace.ref}.active")).to_have_count(1)


async def test_a_board_that_hears_from_its_stream_stays_live_however_little_happens(
    enter: Enter, site: Listener, in_grace: Booking
) -> None:
    page = await (await enter()).new_page()
    await page.clock.install()
    await page.add_init_script(KEEP_STREAMS)
    await open_board(page, site.url)
    for _ in range(3):
        await let_pass(page, SILENCE * 2 / 3)
        await page.evaluate('streams[0].dispatchEvent(new MessageEvent("here", { data: "{}" }))')
    assert await page.evaluate("streams.length") == 1
    await let_pass(page, SILENCE)
    await page.wait_for_function("() => streams.length === 2")


async def test_one_answer_that_never_comes_does_not_keep_the_board_from_asking_again(
    enter: Enter, site: Listener, crew: Crew, in_grace: Booking
) -> None:
    page = await (await enter()).new_page()
    await page.clock.install()
    live = (await open_board(page, site.url)).locator("#live")
    lost = asyncio.Event()

    async def lose(route: Route) -> None:
        lost.set()

    await page.route("**/vendor/board?**", lose, times=1)
    await crew.checked_in(in_grace)
    await lost.wait()
    await let_pass(page, DEADLINE)
    await expect(page.locator(f"#{in_grace.ref}.active")).to_have_count(1)
    await expect(live).to_have_attribute("data-state", "live")


@pytest.mark.parametrize("what", ["to look", "to act"])
async def test_a_story_that_never_comes_is_said_to_be_missing(
    enter: Enter, site: Listener, crew: Crew, in_grace: Booking, what: str
) -> None:
    page = await (await enter()).new_page()
    await page.clock.install()
    await open_board(page, site.url)
    lost = asyncio.Event()

    async def lose(route: Route) -> None:
        lost.set()

    panel = page.locator("#panel")
    if what == "to act":
        await page.locator(f"#{in_grace.ref}").click()
        await page.route("**/checkin", lose, times=1)
        await panel.get_by_role("button", name="Check in").click()
    else:
        await page.route("**/vendor/bookings/**", lose, times=1)
        await page.locator(f"#{in_grace.ref}").click()
    await lost.wait()
    await let_pass(page, DEADLINE)
    await expect(panel.locator(".banner.bad")).to_contain_text("No answer from slotwatch")
    again = panel.get_by_role("button", name="Check in") if what == "to act" else panel.get_by_text("Try again")
    await again.click()
    await expect(panel.locator("h1 .state")).to_have_text("active" if what == "to act" else "grace")


async def test_a_drivers_page_whose_line_is_silent_says_so_and_goes_on_after_it(
    enter: Enter, site: Listener, crew: Crew, town: Town, in_grace: Booking
) -> None:
    async with wired(site) as wire:
        context = await enter(**LOOKS["phone-light"])
        await context.clear_cookies()
        await carry(context, await driver_cookie(crew.desk.database, town.driver.id, now=crew.clock.read()), site.url)
        page = await context.new_page()
        await page.clock.install()
        await page.goto(f"{wire.url}/bookings/{in_grace.ref}")
        wire.go_silent()
        async with page.expect_request("**/now"):
            await let_pass(page, timedelta(seconds=5))
        await let_pass(page, DEADLINE)
        await expect(page.locator("#trouble")).to_be_visible()
        await crew.checked_in(in_grace)
        wire.speak()
        await expect(page.get_by_label("What to do now")).to_contain_text("You are checked in")
        await expect(page.locator("#trouble")).to_be_hidden()


async def test_boards_that_nobody_looks_at_leave_their_browser_free_and_catch_up_when_they_are_looked_at(
    enter: Enter, site: Listener, crew: Crew, in_grace: Booking
) -> None:
    context = await enter()
    await context.clock.install()
    boards = [await open_board(await context.new_page(), site.url) for _ in range(6)]  # all connections to one host
    for one in boards:
        await one.evaluate(HIDE)
    await let_pass(boards[0], RESTS_AFTER)
    another = await context.new_page()
    await another.goto(f"{site.url}/vendor/stations", timeout=10_000)
    await crew.checked_in(in_grace)
    shown = boards[3]
    await expect(shown.locator("#live")).to_have_attribute("data-state", "resting")
    assert await shown.locator(f"#{in_grace.ref}.grace").count() == 1
    await shown.evaluate(SHOW)
    await expect(shown.locator(f"#{in_grace.ref}.active")).to_have_count(1)
    await expect(shown.locator("#live")).to_have_attribute("data-state", "live")


async def test_a_board_that_is_looked_at_again_soon_keeps_its_stream(
    enter: Enter, site: Listener, in_grace: Booking
) -> None:
    page = await (await enter()).new_page()
    await page.clock.install()
    await open_board(page, site.url)
    asked = streams_of(page)
    await page.evaluate(HIDE)
    await let_pass(page, RESTS_AFTER / 2)
    await page.evaluate(SHOW)
    await let_pass(page, RESTS_AFTER)
    await expect(page.locator("#live")).to_have_attribute("data-state", "live")
    assert asked == []


async def test_a_board_opened_behind_others_opens_its_stream_when_it_is_seen(
    enter: Enter, site: Listener, in_grace: Booking
) -> None:
    page = await (await enter()).new_page()
    await page.add_init_script(HIDE)
    asked = streams_of(page)
    await page.goto(f"{site.url}/vendor")
    assert asked == []
    await page.evaluate(SHOW)
    await expect(page.locator("#live")).to_have_attribute("data-state", "live")
    assert len(asked) == 1


def streams_of(page: Page) -> list[str]:
    """The streams that it asks for from now on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/vendor/stream" in request.url else None)
    return asked
