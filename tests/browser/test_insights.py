"""The insights in a real browser: own dates that make no period are asked for again."""

import os
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe

from tests.conftest import Town
from tests.integration.web.conftest import make_app
from tests.support.browser import LOOKS, browsing, carry, listen_to, served, sticking_out
from tests.support.crew import Crew
from tests.support.signed_in import make_staff, staff_cookie

pytestmark = pytest.mark.browser

SHOTS = os.environ.get("SLOTWATCH_SHOTS")


@pytest.mark.parametrize("look", LOOKS)
async def test_own_dates_without_a_date_are_asked_for_at_their_field(crew: Crew, town: Town, look: str) -> None:
    owner = await make_staff(crew.desk.database, town.vendor, now=crew.clock.read())
    cookies = await staff_cookie(crew.desk.database, owner, now=crew.clock.read())
    async with served(make_app(crew.desk)) as site, browsing() as browser:
        context = await browser.new_context(**LOOKS[look])
        await carry(context, cookies, site.url)
        page = await context.new_page()
        await page.goto(site.url + "/vendor/insights")
        complaints = listen_to(page)
        await page.get_by_role("combobox", name="Period").select_option("custom")
        await page.get_by_role("button", name="Show").click()
        await page.get_by_text("Say from which day on.").wait_for()
        if SHOTS:
            await page.screenshot(path=Path(SHOTS) / f"insights-own-dates-{look}.png", full_page=True)
        assert (await Axe().run(page)).violations_count == 0
        assert await sticking_out(page) <= 0
        assert [said for said in complaints if "422" not in said] == []
        await page.get_by_label("From").fill("2026-03-01")
        await page.get_by_role("button", name="Show").click()
        await page.get_by_text("1 Mar 2026, 00:00").wait_for()
        await page.get_by_role("combobox", name="Period").select_option("7d")
        await page.get_by_text("23 Feb 2026, 12:00").first.wait_for()
        assert not await page.get_by_label("From").is_visible()
