"""A driver's tap in a real browser while the phone still looks for its position: it is not lost."""

from datetime import timedelta

import pytest
from playwright.async_api import expect

from slotwatch.domain.lifecycle import State
from tests.conftest import Town
from tests.integration.web.conftest import make_app
from tests.support.browser import LOOKS, browsing, carry, served
from tests.support.crew import Crew
from tests.support.signed_in import driver_cookie

pytestmark = pytest.mark.browser

MINUTE = timedelta(minutes=1)
# The owner of the phone thinks about it until the test says `allow()`.
SLOW_PHONE = """
    navigator.geolocation.getCurrentPosition = (found) => {
        window.allow = () => found({ coords: { latitude: 48.2, longitude: 16.37, accuracy: 10 } });
    };
"""


async def test_a_tap_just_before_the_slot_begins_checks_in_however_long_the_position_takes(
    crew: Crew, town: Town
) -> None:
    await crew.never_silent()
    await crew.execute("UPDATE station SET check_in_radius_m = 150 WHERE id = $1", town.station)
    slot = town.slot()
    booking = await crew.booked(town.driver, town.connectors[0], slot)
    await crew.live_until(slot.starts_at - MINUTE)
    async with served(make_app(crew.desk)) as site, browsing() as browser:
        context = await browser.new_context(**LOOKS["phone-light"])
        await carry(context, await driver_cookie(crew.desk.database, town.driver.id, now=crew.clock.read()), site.url)
        page = await context.new_page()
        await page.add_init_script(SLOW_PHONE)
        await page.goto(f"{site.url}/bookings/{booking.ref}")
        button = page.get_by_role("button", name="Check in")
        await button.click()
        await expect(button).to_have_attribute("aria-busy", "true")
        await crew.live_until(slot.starts_at)  # the page would look different now
        for _ in range(2):  # when it asks the second time, it has seen the first answer
            await page.wait_for_event("response", lambda answer: answer.url.endswith("/now"))
        await page.evaluate("allow()")
        await expect(page.get_by_label("What to do now")).to_contain_text("You are checked in")
    assert await crew.state(booking) is State.ACTIVE
