"""The booking beside the vendor's board in a real browser, when something goes wrong: it stays, and says so."""

from datetime import timedelta

import pytest
from playwright.async_api import Page, expect

from slotwatch.domain.booking import Booking
from slotwatch.domain.lifecycle import State
from slotwatch.processes.http import Listener
from slotwatch.storage.embedded import EmbeddedPostgres
from tests.conftest import Town
from tests.support.browser import held
from tests.support.crew import Crew
from tests.support.outage import lost

pytestmark = pytest.mark.browser

SECOND = timedelta(seconds=1)


async def tap(board: Page) -> None:
    """What the staff do."""
    await board.locator("#panel").get_by_role("button", name="Check in").click()


async def test_what_is_closed_stays_closed_though_its_story_was_on_the_way(
    board: Page, crew: Crew, in_grace: Booking
) -> None:
    panel = board.locator("#panel")
    async with held(board, f"**/vendor/bookings/{in_grace.ref}") as on_the_way:
        await crew.checked_in(in_grace)
        await on_the_way.wait()
        await board.keyboard.press("Escape")
        await expect(panel).to_be_hidden()
    assert await panel.is_hidden()
    assert not await panel.inner_html()
    async with held(board, f"**/vendor/bookings/{in_grace.ref}") as on_the_way:
        await board.locator(f"#{in_grace.ref}").click()
        await on_the_way.wait()
        await board.keyboard.press("Escape")
    assert await panel.is_hidden()
    await board.locator(f"#{in_grace.ref}").click()
    await expect(panel.locator("h1 .state")).to_have_text("active")


async def test_what_staff_did_is_done_though_they_look_at_another_booking_before_the_answer(
    board: Page, crew: Crew, town: Town, in_grace: Booking
) -> None:
    other = await crew.booked(town.driver, town.connectors[1], town.slot())
    await board.reload()
    await board.locator(f"#{in_grace.ref}").click()
    async with held(board, f"**/vendor/bookings/{in_grace.ref}/checkin") as on_the_way:
        await tap(board)
        await on_the_way.wait()
        await board.locator(f"#{other.ref}").click()
        await expect(board.locator("#panel .story")).to_have_attribute("data-booking", other.ref)
    await expect(board.locator("#panel .story")).to_have_attribute("data-booking", other.ref)
    assert await crew.state(in_grace) is State.ACTIVE


async def test_an_error_of_ours_is_said_beside_the_story_and_the_next_try_works(
    board: Page, crew: Crew, in_grace: Booking
) -> None:
    trouble = board.locator("#panel .banner.bad")
    await crew.execute("ALTER TABLE evidence RENAME TO gone")
    await tap(board)
    await expect(trouble).to_contain_text("The database schema is not the one")
    await expect(board.locator("#panel .story")).to_have_attribute("data-booking", in_grace.ref)
    await crew.execute("ALTER TABLE gone RENAME TO evidence")
    await tap(board)
    await expect(board.locator("#panel h1 .state")).to_have_text("active")
    await expect(trouble).to_have_count(0)


async def test_a_form_of_an_earlier_sign_in_is_refused_in_words(board: Page, crew: Crew, in_grace: Booking) -> None:
    await board.evaluate("document.querySelector('#panel input[name=csrf]').value = 'old'")
    await tap(board)
    await expect(board.locator("#panel .banner.bad")).to_contain_text("Load the page again")
    await expect(board.locator("#panel .story")).to_be_visible()
    assert await crew.state(in_grace) is State.GRACE


async def test_without_a_network_the_page_stays_where_it_is(board: Page, in_grace: Booking, site: Listener) -> None:
    await board.route("**/vendor/bookings/**", lambda route: route.abort())
    await tap(board)
    await expect(board.locator("#panel .banner.bad")).to_contain_text("No answer from slotwatch")
    await expect(board.locator("#panel .story")).to_be_visible()
    assert board.url == f"{site.url}/vendor"
    await board.get_by_role("button", name="Close").click()
    await board.locator(f"#row-{in_grace.ref} a").click()
    again = board.locator("#panel").get_by_role("link", name="Try again")
    await expect(again).to_be_visible()
    await board.unroute("**/vendor/bookings/**")
    await again.click()
    await expect(board.locator("#panel .story")).to_have_attribute("data-booking", in_grace.ref)


async def test_a_refused_attempt_of_the_driver_shows_by_itself(
    board: Page, crew: Crew, town: Town, in_grace: Booking
) -> None:
    await expect(board.locator("#panel .story")).to_contain_text("None so far.")
    await crew.refused(in_grace, scanned=town.connectors[1])
    await expect(board.locator("#panel .story")).to_contain_text("check-in refused by QR code")


async def test_the_words_of_a_refusal_stay_when_the_story_renews_itself(
    board: Page, crew: Crew, town: Town, in_grace: Booking
) -> None:
    crew.clock.move_to(in_grace.timeline.grace_ends_at + SECOND)  # the engine is not there yet
    refused = board.locator("#panel [role=alert]")
    async with board.expect_response(lambda answer: answer.url.endswith(in_grace.ref)):  # it renews itself
        await tap(board)
        await expect(refused).to_contain_text("The grace period has run out")
    await crew.refused(in_grace, scanned=town.connectors[1])
    await expect(board.locator("#panel .story")).to_contain_text("check-in refused by QR code")
    await expect(refused).to_contain_text("The grace period has run out")
    await crew.live_for(60 * SECOND)
    await expect(board.locator("#panel h1 .state")).to_have_text("expired")
    await expect(refused).to_have_count(0)


async def test_without_the_database_everything_stays_and_says_so_until_it_is_back(
    board: Page, crew: Crew, in_grace: Booking, server: EmbeddedPostgres, database_url: str
) -> None:
    live, trouble = board.locator("#live"), board.locator("#panel .trouble")
    async with lost(server, database_url):
        await expect(live).to_contain_text("No answer from the database. What you see is as of", timeout=10_000)
        await tap(board)
        await expect(trouble).to_be_visible(timeout=20_000)
        before = await board.locator(f"#row-{in_grace.ref} .clock").inner_text()
        await expect(board.locator(f"#row-{in_grace.ref} .clock")).not_to_have_text(before)  # it still counts down
        await expect(live).to_have_attribute("data-state", "trouble")
    await expect(live).to_have_attribute("data-state", "live", timeout=20_000)
    await expect(trouble).to_have_count(0)
    await crew.checked_in(in_grace)
    await expect(board.locator(f"#{in_grace.ref}.active")).to_have_count(1)
    await expect(board.locator("#panel h1 .state")).to_have_text("active")
