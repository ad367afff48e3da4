"""How staff use the booking beside the board: by keyboard, by the phone's Back, by a double tap, while it changes."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.async_api import Page, Response, Route, expect

from slotwatch.domain.booking import Booking
from slotwatch.domain.lifecycle import State
from slotwatch.processes.http import Listener
from tests.browser.conftest import Enter
from tests.conftest import Town
from tests.support.browser import LOOKS, drawn, held
from tests.support.crew import Crew

pytestmark = pytest.mark.browser

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def is_of_parts(answer: Response) -> bool:
    """The board has heard of a change, when it asks for these."""
    return "/vendor/board?" in answer.url


async def is_renewed(board: Page, crew: Crew, booking: Booking, *, scanned: int) -> None:
    """Something about the booking changes, and the story beside the board shows it."""
    await crew.refused(booking, scanned=scanned)
    await expect(board.locator("#panel .story")).to_contain_text("check-in refused by QR code")


@pytest.mark.parametrize(("link", "path"), [("Cancel …", "cancel"), ("Show the contact", "contact")])
async def test_what_staff_ask_for_comes_though_the_booking_changes_meanwhile(
    board: Page, crew: Crew, town: Town, in_grace: Booking, link: str, path: str
) -> None:
    panel = board.locator("#panel")
    async with held(board, f"**/vendor/bookings/{in_grace.ref}/{path}") as on_the_way:
        await panel.get_by_text(link).click()
        await on_the_way.wait()
        async with board.expect_response(is_of_parts):
            await crew.refused(in_grace, scanned=town.connectors[1])
    if path == "cancel":
        await expect(panel.get_by_label("Why?")).to_be_visible()
    else:
        await expect(panel).to_contain_text("mira@example.org")
        await expect(panel).to_contain_text("check-in refused by QR code")  # the change is not forgotten


async def test_a_double_tap_cancels_once_and_says_nothing_odd(board: Page, crew: Crew, in_grace: Booking) -> None:
    panel, posts = board.locator("#panel"), list[str]()
    board.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    await panel.get_by_text("Cancel …").click()
    await panel.get_by_label("Why?").fill("The charger is out of order.")
    await panel.get_by_role("button", name="Cancel the booking").dblclick()
    await expect(panel.locator("h1 .state")).to_have_text("cancelled")
    await expect(panel.locator("[role=alert]")).to_have_count(0)
    assert len(posts) == 1
    assert await crew.state(in_grace) is State.CANCELLED


async def test_the_button_comes_by_itself_when_check_in_opens(
    enter: Enter, site: Listener, crew: Crew, town: Town
) -> None:
    await crew.never_silent()
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    await crew.live_until(booking.timeline.check_in_opens_at - 5 * SECOND)
    board = await (await enter()).new_page()
    await board.clock.install()
    await board.goto(f"{site.url}/vendor")
    await expect(board.locator("#live")).to_have_attribute("data-state", "live")
    await board.locator(f"#{booking.ref}").click()
    await expect(board.locator("#panel .story")).to_contain_text("Check-in opens at")
    crew.clock.advance(6 * SECOND)
    await board.clock.fast_forward(6000)
    await board.locator("#panel").get_by_role("button", name="Check in").click()
    await expect(board.locator("#panel h1 .state")).to_have_text("active")


async def test_the_keyboard_stays_where_it_was_used(board: Page) -> None:
    panel = board.locator("#panel")
    await expect(panel).to_be_focused()
    await panel.get_by_text("Cancel …").press("Enter")
    await expect(panel.get_by_label("Why?")).to_be_focused()
    await panel.get_by_text("Keep it").press("Enter")
    await expect(panel.get_by_text("Cancel …")).to_be_visible()
    await expect(panel).to_be_focused()
    await panel.get_by_text("Show the contact").press("Enter")
    await expect(panel).to_contain_text("mira@example.org")
    await expect(panel).to_be_focused()


async def test_a_story_that_renews_itself_takes_no_focus(
    board: Page, crew: Crew, town: Town, in_grace: Booking
) -> None:
    await board.locator("#panel").get_by_role("button", name="Check in").focus()
    await is_renewed(board, crew, in_grace, scanned=town.connectors[1])
    await expect(board.locator("#panel").get_by_role("button", name="Check in")).to_be_focused()


async def test_a_contact_stays_while_it_is_used_and_is_asked_for_once(
    board: Page, crew: Crew, town: Town, in_grace: Booking
) -> None:
    panel, asked = board.locator("#panel"), list[str]()
    board.on("request", lambda request: asked.append(request.url) if request.url.endswith("/contact") else None)
    await panel.get_by_text("Show the contact").click()
    await expect(panel).to_contain_text("mira@example.org")
    await is_renewed(board, crew, in_grace, scanned=town.connectors[1])
    await expect(panel).to_contain_text("mira@example.org")
    assert len(asked) == 1, "each time is in the log"
    await board.keyboard.press("Escape")
    await board.locator(f"#{in_grace.ref}").click()
    await expect(panel.get_by_text("Show the contact")).to_be_visible()
    assert "mira@example.org" not in await panel.inner_text()


@pytest.fixture
async def phone(enter: Enter, site: Listener, in_grace: Booking) -> Page:
    """The board on a phone, with another page before it."""
    page = await (await enter(**LOOKS["phone-light"])).new_page()
    await page.goto(f"{site.url}/vendor/stations")
    await page.goto(f"{site.url}/vendor?hours=6")
    await expect(page.locator("#live")).to_have_attribute("data-state", "live")
    return page


async def opened(page: Page, booking: Booking) -> None:
    """A tap on its row."""
    await page.locator(f"#row-{booking.ref} a").click()
    await expect(page.locator("#panel .story")).to_have_attribute("data-booking", booking.ref)


async def test_back_closes_the_booking_and_the_next_back_leaves_the_board(
    phone: Page, site: Listener, in_grace: Booking
) -> None:
    panel = phone.locator("#panel")
    await opened(phone, in_grace)
    await phone.go_back()
    await expect(panel).to_be_hidden()
    assert phone.url == f"{site.url}/vendor?hours=6"
    await phone.go_forward()
    await expect(panel.locator(".story")).to_have_attribute("data-booking", in_grace.ref)
    await phone.reload()
    await expect(panel.locator(".story")).to_have_attribute("data-booking", in_grace.ref)
    await phone.go_back()
    await expect(panel).to_be_hidden()
    await phone.go_back()
    await phone.wait_for_url("**/vendor/stations")


async def test_bookings_that_were_closed_leave_nothing_to_go_back_to(
    phone: Page, crew: Crew, town: Town, in_grace: Booking
) -> None:
    other = await crew.booked(town.stranger, town.connectors[1], town.slot(starts_in=2 * HOUR))
    panel = phone.locator("#panel")
    await expect(phone.locator(f"#row-{other.ref}")).to_be_visible()
    before = await phone.evaluate("history.length")
    buttons = panel.get_by_role("button", name="Close"), panel.get_by_role("link", name="To the board")
    for button in (None, *buttons):
        await opened(phone, in_grace)
        await panel.get_by_text("Cancel …").click()
        await panel.get_by_text("Keep it").click()
        await expect(panel.get_by_text("Cancel …")).to_be_visible()
        await (button.click() if button else phone.keyboard.press("Escape"))
        await expect(panel).to_be_hidden()
        await phone.wait_for_function("() => !history.state")
    assert await phone.evaluate("history.length") == before + 1
    assert phone.url.endswith("/vendor?hours=6")
    await phone.go_back()
    await phone.wait_for_url("**/vendor/stations")


CLOSE_AND_OPEN: Callable[[str], str] = """
    document.dispatchEvent(new KeyboardEvent("keydown", {{ key: "Escape" }}));
    document.querySelector("#row-{} a").click();
""".format


async def test_a_booking_opened_right_after_another_was_closed_is_shown_and_back_closes_it(
    phone: Page, crew: Crew, town: Town, in_grace: Booking
) -> None:
    other = await crew.booked(town.stranger, town.connectors[1], town.slot(starts_in=2 * HOUR))
    await expect(phone.locator(f"#row-{other.ref}")).to_be_visible()
    await opened(phone, in_grace)
    await phone.evaluate(CLOSE_AND_OPEN(other.ref))
    await phone.wait_for_function("id => history.state?.booking === id", arg=other.ref)
    await expect(phone.locator("#panel .story")).to_have_attribute("data-booking", other.ref)
    await phone.go_back()
    await expect(phone.locator("#panel")).to_be_hidden()
    await phone.go_back()
    await phone.wait_for_url("**/vendor/stations")


async def test_back_leaves_the_list_where_it_is(phone: Page, crew: Crew, in_grace: Booking) -> None:
    await phone.set_viewport_size({"width": 390, "height": 300})
    await phone.locator(f"#row-{in_grace.ref}").scroll_into_view_if_needed()
    await opened(phone, in_grace)
    await phone.evaluate("window.scrollBy(0, -50)")
    before = await phone.evaluate("scrollY")
    assert before > 0
    await phone.get_by_role("button", name="Close").click()
    await phone.wait_for_function("() => !history.state")
    assert await phone.evaluate("scrollY") == before


async def test_who_is_signed_out_reads_so_in_the_booking_too(phone: Page, crew: Crew, in_grace: Booking) -> None:
    panel, live = phone.locator("#panel"), phone.locator("#live")
    await opened(phone, in_grace)
    await crew.execute("DELETE FROM session")
    said = panel.locator(".banner.bad")
    await expect(said).to_contain_text("You are signed out.")
    assert await said.get_by_role("link").get_attribute("href") == "/sign-in?next=%2Fvendor%3Fhours%3D6"
    await panel.get_by_role("button", name="Check in").click()
    await panel.get_by_role("button", name="Close").click()
    await expect(live.get_by_role("link")).to_have_count(1)
    await phone.locator(f"#row-{in_grace.ref} a").click()  # a tap that is answered
    await expect(said).to_contain_text("You are signed out.")
    await panel.get_by_role("link", name="Sign in again").click()
    await phone.wait_for_url("**/sign-in?next=**")


async def test_an_answer_from_before_does_not_hide_that_one_is_signed_out(
    phone: Page, crew: Crew, in_grace: Booking
) -> None:
    panel, answered, let_go = phone.locator("#panel"), asyncio.Event(), asyncio.Event()
    await opened(phone, in_grace)

    async def hold(route: Route) -> None:
        answer = await route.fetch()
        answered.set()
        await let_go.wait()
        await route.fulfill(response=answer)

    await phone.route("**/contact", hold)
    async with phone.expect_event("requestfinished", lambda request: request.url.endswith("/contact")):
        await panel.get_by_text("Show the contact").click()
        await answered.wait()
        await crew.execute("DELETE FROM session")
        await expect(panel.locator(".banner.bad")).to_contain_text("You are signed out.")
        let_go.set()
    await drawn(phone)
    assert "You are signed out." in await panel.inner_text()
