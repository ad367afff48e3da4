"""The set-up and operator's pages in a real browser: readable for everybody, and the stories of those who use them."""

import asyncio
import io
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import zxingcpp
from axe_playwright_python.async_playwright import Axe
from PIL import Image
from playwright.async_api import Error, Route

from slotwatch.domain.ids import ref
from slotwatch.domain.lifecycle import State
from slotwatch.domain.staff import StaffRole
from slotwatch.storage.embedded import EmbeddedPostgres
from slotwatch.usecases.dispute import dispute
from slotwatch.usecases.pay import pay
from tests.conftest import Town
from tests.integration.test_alerts import look, past
from tests.integration.web.conftest import make_app
from tests.support.browser import LOOKS, browsing, carry, listen_to, served, sticking_out
from tests.support.crew import Crew
from tests.support.outage import lost
from tests.support.provider import refusing
from tests.support.signed_in import make_staff, staff_cookie

pytestmark = pytest.mark.browser

SHOTS = os.environ.get("SLOTWATCH_SHOTS")
FRONTEND = "https://slots.example.org"
LONG_NAME = "Donaudampfschifffahrtsgesellschaftskapitänsmützenparkhaus am alten Hafen der Stadt, Ebene drei"


@dataclass(frozen=True)
class Scene:
    """Who is there, and the booking whose no-show is disputed."""

    owner: dict[str, str]
    operator: dict[str, str]
    disputed: str
    decided: str


async def _scene(crew: Crew, town: Town) -> Scene:
    """A vendor with everything on its pages: a dispute to decide, alerts, bookings to come, something dead."""
    database, now = crew.desk.database, crew.clock.read()
    owner = await make_staff(database, town.vendor, now=now, name="Ada")
    operator = await make_staff(database, None, now=now, role=StaffRole.OPERATOR, name="Olga")
    await make_staff(database, town.vendor, now=now, role=StaffRole.ATTENDANT, name="Grace")
    await crew.beat()
    gone = [await crew.booked(town.driver, one, town.slot()) for one in town.connectors[:2]]
    for one in gone:
        await pay(crew.desk, town.driver.id, one.id)
    await crew.execute("UPDATE pulse SET beat_at = '2027-01-01'")
    await crew.live_for(timedelta(minutes=95))
    for one in gone:
        await dispute(crew.desk, town.driver.id, one.id, "I stood at the gate from 12:50 on.\nIt did not open.")
    await past(crew, town, missed=8)
    crew.mail.answer = refusing
    ahead = await crew.booked(town.driver, town.connectors[2], town.slot(starts_in=timedelta(hours=7)))
    await crew.deliver()
    await crew.execute("UPDATE booking SET set_aside = true WHERE id = $1", ahead.id)
    await crew.execute(
        "INSERT INTO outage (component, began_at, ended_at, detail)"
        " VALUES ('api', $1::timestamptz - interval '90 seconds', $1, '')",
        crew.clock.read(),
    )
    await crew.execute("UPDATE pulse SET beat_at = $1", crew.clock.read())
    await crew.execute(
        "INSERT INTO suppression (channel, address, reason, at) VALUES ('email', $1, '550 5.1.1 no such user', $2),"
        " ('sms', '+436601234567', 'the recipient said STOP', $2)",
        f"{'kapitaen-' * 7}@example.org",
        crew.clock.read(),
    )
    await look(crew)
    await crew.execute("UPDATE station SET name = $2 WHERE id = $1", town.night_shut, LONG_NAME)
    await crew.execute("UPDATE vendor SET language = 'de' WHERE id = $1", town.vendor)
    now = crew.clock.read()
    return Scene(
        await staff_cookie(database, owner, now=now),
        await staff_cookie(database, operator, now=now),
        gone[0].ref,
        gone[1].ref,
    )


def _pages(scene: Scene, town: Town) -> dict[str, str]:
    here, there = (f"/vendor/stations/{ref('ST', one)}" for one in (town.station, town.night_shut))
    return {
        "stations": "/vendor/stations",
        "station-new": "/vendor/stations/new",
        "station": there,
        "connector": f"{here}/connectors/{ref('CN', town.connectors[0])}",
        "remove": f"{here}/remove",
        "posters": f"{here}/posters",
        "terms": "/vendor/terms",
        "staff": "/vendor/staff",
        "disputes": "/vendor/disputes",
        "dispute": f"/vendor/disputes/{scene.disputed}",
        "alerts": "/vendor/alerts",
        "operator": "/operator",
    }


async def test_every_page_of_set_up_can_be_read_by_everybody(
    paying_crew: Crew, town: Town, subtests: pytest.Subtests
) -> None:
    scene = await _scene(paying_crew, town)
    async with served(make_app(paying_crew.desk, frontend_url=FRONTEND)) as site, browsing() as browser:
        for looks in LOOKS:
            context = await browser.new_context(**LOOKS[looks])
            page = await context.new_page()
            complaints = listen_to(page)
            for name, path in _pages(scene, town).items():
                with subtests.test(name, look=looks):
                    await carry(context, scene.operator if name == "operator" else scene.owner, site.url)
                    answer = await page.goto(site.url + path)
                    assert answer is not None and answer.status == 200
                    if SHOTS:
                        await page.screenshot(path=Path(SHOTS) / f"{name}-{looks}.png", full_page=True)
                    results = await Axe().run(page)
                    assert results.violations_count == 0, results.generate_report()
                    assert await sticking_out(page) <= 0, "nothing sticks out at the side"
                    assert complaints == []
            await context.close()


async def test_a_station_is_set_up_without_scripts_its_code_is_read_and_drivers_find_it(
    paying_crew: Crew, town: Town
) -> None:
    owner = await make_staff(paying_crew.desk.database, town.vendor, now=paying_crew.clock.read())
    cookies = await staff_cookie(paying_crew.desk.database, owner, now=paying_crew.clock.read())
    async with served(make_app(paying_crew.desk, frontend_url=FRONTEND)) as site, browsing() as browser:
        context = await browser.new_context(**LOOKS["phone-light"], java_script_enabled=False)
        await carry(context, cookies, site.url)
        page = await context.new_page()
        await page.goto(site.url + "/vendor/stations")
        await page.get_by_role("button", name="Add a station").click()
        for label, text in (
            ("Name", "Prater"),
            ("Address", "Hauptallee 1"),
            ("Latitude", "48.21"),
            ("Longitude", "16.40"),
            ("Time zone", "Europe/Vienna"),
        ):
            await page.get_by_label(label, exact=True).fill(text)
        await page.get_by_role("button", name="Add the station").click()
        await page.get_by_text("The station is there.").wait_for()
        for label, text in (("Label", "7C"), ("Plug", "CCS"), ("Power (kW)", "150"), ("Price of an hour", "12,50")):
            await page.get_by_label(label, exact=True).fill(text)
        await page.get_by_role("button", name="Add the connector").click()
        await page.get_by_text("drivers can book it").wait_for()
        await page.get_by_role("button", name="Print the codes").click()
        sheet = page.locator(".poster-sheets svg").first
        assert "7C" in (await sheet.text_content() or "")
        picture = Image.open(io.BytesIO(await sheet.screenshot()))
        connector = await paying_crew.value("SELECT max(id) FROM connector")
        assert [found.text for found in zxingcpp.read_barcodes(picture)] == [f"{FRONTEND}/c/{ref('CN', connector)}"]
        await context.clear_cookies()
        await page.goto(site.url + "/stations?q=Prater")
        assert "Prater" in await page.locator("main").inner_text()


async def test_a_dispute_is_refunded_and_both_sides_are_told(paying_crew: Crew, town: Town) -> None:
    scene = await _scene(paying_crew, town)
    paying_crew.mail.answer = None
    async with served(make_app(paying_crew.desk, frontend_url=FRONTEND)) as site, browsing() as browser:
        context = await browser.new_context(**LOOKS["desktop-light"])
        await carry(context, scene.owner, site.url)
        page = await context.new_page()
        await page.goto(site.url + "/vendor/disputes")
        await page.get_by_role("link", name=scene.disputed).click()
        assert "It did not open." in await page.locator("blockquote").inner_text()
        assert "freed as a no-show" in await page.locator(".story").inner_text()
        await page.get_by_label("Note to the driver").fill("The gate was broken that day. We are sorry.")
        await page.get_by_role("button", name="Refund €12.50").click()
        await page.get_by_text("The no-show is undone: the money goes back").wait_for()
    row = (await paying_crew.rows("SELECT id, state, payment_status FROM booking WHERE end_reason = 'dispute_won'"))[0]
    assert (row["state"], row["payment_status"]) == (State.VOIDED, "refunded")
    told = {
        one["kind"]
        for one in await paying_crew.rows(
            "SELECT kind FROM notice WHERE booking_id = $1 OR kind LIKE 'dispute_%'", row["id"]
        )
    }
    assert {"dispute_opened", "slot_voided"} <= told


async def test_terms_are_previewed_while_they_are_typed(paying_crew: Crew, town: Town) -> None:
    owner = await make_staff(paying_crew.desk.database, town.vendor, now=paying_crew.clock.read())
    cookies = await staff_cookie(paying_crew.desk.database, owner, now=paying_crew.clock.read())
    async with served(make_app(paying_crew.desk)) as site, browsing() as browser:
        context = await browser.new_context(**LOOKS["desktop-light"])
        await carry(context, cookies, site.url)
        page = await context.new_page()
        complaints = listen_to(page)
        await page.goto(site.url + "/vendor/terms")
        await page.get_by_label("Grace period (minutes)").fill("12")
        await page.locator("#preview", has_text="Your slot is kept for 12 minutes").wait_for(timeout=10_000)
        await page.get_by_label("Line 1, percent back").fill("20")
        await page.locator("#preview", has_text="must fall with the time left").wait_for(timeout=10_000)
        assert await page.get_by_label("Grace period (minutes)").input_value() == "12", "what was typed stays"
        assert complaints == []
        assert await paying_crew.value("SELECT terms FROM vendor WHERE id = $1", town.vendor) == {}


async def test_the_preview_is_of_what_was_typed_last_however_slow_the_answers_are(
    paying_crew: Crew, town: Town
) -> None:
    owner = await make_staff(paying_crew.desk.database, town.vendor, now=paying_crew.clock.read())
    cookies = await staff_cookie(paying_crew.desk.database, owner, now=paying_crew.clock.read())
    may_answer = asyncio.Event()

    async def hold(route: Route) -> None:
        await may_answer.wait()
        with suppress(Error):  # the page gave up what it had asked before
            await route.continue_()

    async with served(make_app(paying_crew.desk)) as site, browsing() as browser:
        context = await browser.new_context(**LOOKS["desktop-light"])
        await carry(context, cookies, site.url)
        page = await context.new_page()
        await page.goto(site.url + "/vendor/terms")
        await page.route("**/vendor/terms/preview", hold)
        for minutes in ("11", "12", "13"):
            async with page.expect_request("**/vendor/terms/preview", timeout=10_000) as asked:
                await page.get_by_label("Grace period (minutes)").fill(minutes)
            assert f"gracePeriodMinutes={minutes}&" in ((await asked.value).post_data or "")
        may_answer.set()
        await page.locator("#preview", has_text="Your slot is kept for 13 minutes").wait_for(timeout=10_000)


async def test_a_preview_that_cannot_be_made_says_so_and_comes_when_it_can(
    paying_crew: Crew, town: Town, server: EmbeddedPostgres, database_url: str
) -> None:
    owner = await make_staff(paying_crew.desk.database, town.vendor, now=paying_crew.clock.read())
    cookies = await staff_cookie(paying_crew.desk.database, owner, now=paying_crew.clock.read())
    async with served(make_app(paying_crew.desk)) as site, browsing() as browser:
        for look in ("phone-light", "desktop-light"):
            context = await browser.new_context(**LOOKS[look])
            await carry(context, cookies, site.url)
            page = await context.new_page()
            await page.goto(site.url + "/vendor/terms")
            before, title = await page.locator("#preview").inner_text(), await page.title()
            async with lost(server, database_url):
                await page.get_by_label("Grace period (minutes)").fill("12")
                await page.get_by_text("The preview could not be made").wait_for(timeout=15_000)
                assert await page.locator("#preview").inner_text() == before
                assert await page.title() == title and await page.locator("main").count() == 1
                if SHOTS:
                    await page.screenshot(path=Path(SHOTS) / f"terms-no-preview-{look}.png", full_page=True)
                assert (await Axe().run(page)).violations_count == 0
            await page.locator("#preview", has_text="Your slot is kept for 12 minutes").wait_for(timeout=20_000)
            assert not await page.get_by_text("The preview could not be made").is_visible()
            await context.close()


async def test_the_operators_page_renews_itself_and_says_when_it_has_no_answer(
    paying_crew: Crew, town: Town, server: EmbeddedPostgres, database_url: str
) -> None:
    operator = await make_staff(
        paying_crew.desk.database, None, now=paying_crew.clock.read(), role=StaffRole.OPERATOR, name="Olga"
    )
    cookies = await staff_cookie(paying_crew.desk.database, operator, now=paying_crew.clock.read())
    async with served(make_app(paying_crew.desk)) as site, browsing() as browser:
        context = await browser.new_context(**LOOKS["desktop-light"])
        await carry(context, cookies, site.url)
        page = await context.new_page()
        await page.goto(site.url + "/operator")
        assert not await page.locator("#no-answer").is_visible()
        await page.route("**/operator/signs", lambda route: route.abort())
        await page.locator("#no-answer").wait_for(state="visible", timeout=15_000)
        await page.unroute("**/operator/signs")
        await page.locator("#no-answer").wait_for(state="hidden", timeout=15_000)
        async with lost(server, database_url):
            await page.locator("#no-answer").wait_for(state="visible", timeout=15_000)
        await paying_crew.booked(town.driver, town.connectors[0], town.slot())
        await paying_crew.execute("UPDATE booking SET set_aside = true")
        await page.get_by_role("heading", name="Bookings that could not be moved").wait_for(timeout=15_000)
        assert not await page.locator("#no-answer").is_visible()
        put_back = page.get_by_role("button", name="Put back")
        await put_back.focus()
        stamp = await page.locator("#signs [data-at]").get_attribute("data-at")
        paying_crew.clock.advance(timedelta(seconds=1))
        await page.locator(f"#signs [data-at]:not([data-at='{stamp}'])").wait_for(timeout=15_000)
        assert await put_back.evaluate("one => one === document.activeElement"), "who was about to press it still is"
