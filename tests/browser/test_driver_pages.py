"""The driver's pages in a real browser: readable for everybody, and the stories of a booking from search to dispute."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Geolocation, Page

from slotwatch.domain.booking import Booking
from slotwatch.domain.ids import parse_booking_ref, ref
from slotwatch.domain.lifecycle import State
from slotwatch.domain.slot import Slot
from slotwatch.processes.http import Listener
from slotwatch.storage.embedded import EmbeddedPostgres
from slotwatch.usecases.cancel import cancel
from slotwatch.usecases.dispute import dispute
from slotwatch.usecases.pay import pay
from slotwatch.usecases.vendor_bookings import Staff
from slotwatch.usecases.vendor_disputes import Decision, resolve_dispute
from tests.conftest import NOON, Town
from tests.integration.web.conftest import make_app
from tests.support.browser import LOOKS, browsing, carry, listen_to, served, sticking_out
from tests.support.crew import Crew
from tests.support.outage import lost
from tests.support.signed_in import driver_cookie, make_staff, staff_cookie

pytestmark = pytest.mark.browser

HOUR = timedelta(hours=1)
SHOTS = os.environ.get("SLOTWATCH_SHOTS")
LONG_NAME = ("Parkhaus " + "Donaudampfschifffahrtsgesellschaftskapitänsmütze " * 9 + "ü" * 600)[:1000]
ARABIC_NAME = "محطة شحن الميناء القديم"


@dataclass(frozen=True)
class Scene:
    """A driver with a booking in every state, and who sees what."""

    driver: dict[str, str]
    staff: dict[str, str]
    bookings: dict[str, Booking]


async def _paid(crew: Crew, town: Town, connector: int, slot: Slot, **more: str) -> Booking:
    booking = await crew.booked(town.driver, connector, slot, **more)
    return await pay(crew.desk, town.driver.id, booking.id)


async def _scene(crew: Crew, town: Town) -> Scene:
    await crew.never_silent()
    for name, latitude, longitude in (
        (LONG_NAME, 48.23, 16.41),
        (ARABIC_NAME, 48.19, 16.34),
        ("Westbahnhof", 48.197, 16.338),
    ):
        await crew.execute(
            "WITH s AS (INSERT INTO station (vendor_id, name, address, latitude, longitude, zone, created_at)"
            " VALUES ($1, $2, 'Mariahilfer Straße 132, 1070 Wien', $3, $4, 'Europe/Vienna', $5) RETURNING id)"
            " INSERT INTO connector (station_id, label, type, power_kw, price_per_hour, currency, created_at)"
            " SELECT id, label, 'Type 2', 22, 480, 'EUR', $5 FROM s, unnest('{1,2}'::text[]) AS label",
            *(town.vendor, name, latitude, longitude, NOON),
        )  # fmt: skip
    await crew.execute(
        "UPDATE station SET latitude = 48.21, longitude = 16.36, name = $2 WHERE id = $1", town.station, ARABIC_NAME
    )
    await crew.execute("UPDATE driver SET email_verified_at = $2 WHERE id = $1", town.driver.id, NOON)
    first, second, third, fourth = town.connectors
    made = {
        "expired": await _paid(crew, town, first, town.slot(starts_in=HOUR / 4), vehicle="W-12345X"),
        "disputed": await _paid(crew, town, second, town.slot(starts_in=HOUR / 4, length=HOUR / 2)),
        "cancelled": await _paid(crew, town, fourth, town.slot(starts_in=28 * HOUR)),
    }
    await cancel(crew.desk, town.driver.id, made["cancelled"].id)
    await crew.live_for(2 * HOUR)
    await dispute(
        crew.desk, town.driver.id, made["disputed"].id, "The charger was blocked by a van.\nI called the hotline."
    )
    made["grace"] = await _paid(crew, town, first, town.slot(starts_in=2 * HOUR + HOUR / 6))
    made["active"] = await _paid(crew, town, second, town.slot(starts_in=2 * HOUR + HOUR / 6, length=2 * HOUR))
    await crew.live_for(HOUR / 12)
    await crew.checked_in(made["active"])
    await crew.live_for(HOUR / 6)
    made["confirmed"] = await _paid(crew, town, third, town.slot(starts_in=26 * HOUR))
    made["pending"] = await crew.booked(town.driver, fourth, town.slot(starts_in=27 * HOUR))
    await crew.execute("UPDATE delivery SET state = 'delivered' WHERE channel = 'email' AND state = 'sent'")
    staff_id = await make_staff(crew.desk.database, town.vendor, now=crew.clock.read())
    await crew.execute("UPDATE driver SET name = $1 WHERE id = $2", LONG_NAME, town.driver.id)
    long_one = await crew.value(
        "SELECT min(c.id) FROM connector c JOIN station s ON s.id = station_id WHERE s.name = $1", LONG_NAME
    )
    made["long"] = await _paid(crew, town, long_one, town.slot(starts_in=29 * HOUR))
    await crew.execute("UPDATE station SET rotating_code = true WHERE id = 2")
    return Scene(
        driver=await driver_cookie(crew.desk.database, town.driver.id, now=crew.clock.read()),
        staff=await staff_cookie(crew.desk.database, staff_id, now=crew.clock.read()),
        bookings=made,
    )


def _pages(scene: Scene, town: Town, token: str) -> dict[str, tuple[str, dict[str, str]]]:
    """By name: the page, and who looks at it."""
    here, nobody, me = ref("ST", town.station), dict[str, str](), scene.driver
    codes = [ref("CN", connector) for connector in town.connectors]
    book = f"/stations/{here}/book?connector={codes[0]}&start=2026-03-03T18:00:00Z&minutes=60"
    pages = {
        "sign-in": ("/sign-in", nobody),
        "stations": ("/stations?lat=48.205&lon=16.37", nobody),
        "stations-none": ("/stations?q=nowhere", nobody),
        "station": (f"/stations/{here}?day=2026-03-03", nobody),
        "scan-nobody": (f"/c/{codes[0]}", nobody),
        "link": (f"/b/{token}", nobody),
        "absent": ("/c/CN-999", nobody),
        "book": (book, me),
        "bookings": ("/bookings", me),
        "settings": ("/settings", me),
        "scan-ready": (f"/c/{codes[0]}", me),
        "scan-active": (f"/c/{codes[1]}", me),
        "scan-other": (f"/c/{codes[2]}", me),
        "scan-none": (f"/c/{ref('CN', town.other_connector)}", me),
        "screen-link": (
            f"/vendor/stations/ST-{town.night_shut}/screen/{ref('CN', town.night_shut_connector)}",
            scene.staff,
        ),
    }
    long_one = scene.bookings["long"]
    pages["station-long"] = (f"/stations/{ref('ST', long_one.station_id)}?day=2026-03-03", nobody)
    pages["book-long"] = (
        f"/stations/{ref('ST', long_one.station_id)}/book?connector={ref('CN', long_one.connector_id)}"
        "&start=2026-03-03T08:00:00Z&minutes=60",
        me,
    )
    pages["scan-long"] = (f"/c/{ref('CN', long_one.connector_id)}", me)
    pages |= {f"booking-{name}": (f"/bookings/{one.ref}", me) for name, one in scene.bookings.items()}
    pages["pay"] = (f"/bookings/{scene.bookings['pending'].ref}/pay", me)
    pages["cancel"] = (f"/bookings/{scene.bookings['confirmed'].ref}/cancel", me)
    pages["finish"] = (f"/bookings/{scene.bookings['active'].ref}/finish", me)
    pages["evidence"] = (f"/bookings/{scene.bookings['expired'].ref}/evidence", me)
    return pages


async def test_every_page_of_drivers_can_be_read_by_everybody(
    paying_crew: Crew, town: Town, subtests: pytest.Subtests
) -> None:
    scene = await _scene(paying_crew, town)
    app = make_app(paying_crew.desk, has_inbox=True)
    token = app.state.notice_tokens.check_in_token(scene.bookings["grace"].id)
    sealed = app.state.seals.seal(
        "bay screen", (town.night_shut_connector, 0), ends_at=datetime(9999, 1, 1, tzinfo=UTC)
    )
    pages = _pages(scene, town, token) | {"screen": (f"/screen/{sealed}", {})}
    async with served(app) as site, browsing() as browser:
        context = await browser.new_context(**LOOKS["phone-light"], reduced_motion="reduce")
        page = await context.new_page()
        complaints = listen_to(page)
        for name, (path, cookies) in pages.items():
            await context.clear_cookies()
            if cookies:
                await carry(context, cookies, site.url)
            await page.goto(site.url + path)
            for look in ("phone-light", "phone-dark", "desktop-light", "desktop-dark"):
                with subtests.test(name, look=look):
                    await page.emulate_media(color_scheme=LOOKS[look]["color_scheme"])
                    await page.set_viewport_size(LOOKS[look]["viewport"])
                    if SHOTS:
                        await page.screenshot(path=Path(SHOTS) / f"{name}-{look}.png", full_page=True)
                    assert await sticking_out(page) <= 0, "nothing sticks out at the side"
                    results = await Axe().run(page)
                    assert results.violations_count == 0, results.generate_report()
            await page.emulate_media(color_scheme="light")
            await page.set_viewport_size(LOOKS["phone-light"]["viewport"])
            with subtests.test(name, look="console"):
                assert [one for one in complaints if "404" not in one] == []
            complaints.clear()
        await context.clear_cookies()
        await paying_crew.execute("UPDATE driver SET email = 'ada@example.org' WHERE id = $1", town.driver.id)
        await paying_crew.execute("UPDATE staff SET email = 'ada@example.org'")
        await page.goto(f"{site.url}/sign-in")
        await page.get_by_label("E-mail address or phone number").fill("ada@example.org")
        await page.get_by_role("button", name="Send me a code").click()
        await page.get_by_label("Code").fill(await _code(paying_crew))
        for name, button in (("code", "Go on"), ("choose", "Driver")):
            with subtests.test(name):
                if SHOTS:
                    await page.screenshot(path=Path(SHOTS) / f"sign-in-{name}-phone-light.png", full_page=True)
                results = await Axe().run(page)
                assert results.violations_count == 0, results.generate_report()
                await page.get_by_role("button", name=button).click()
        assert page.url == f"{site.url}/bookings"
    assert await paying_crew.state(scene.bookings["grace"]) is State.GRACE, "looking changes nothing"


async def _code(crew: Crew) -> str:
    code = await crew.value("SELECT facts ->> 'code' FROM notice WHERE kind = 'sign_in_code' ORDER BY id DESC LIMIT 1")
    return str(code)


async def _sign_in(page: Page, crew: Crew, address: str) -> None:
    await page.get_by_label("E-mail address or phone number").fill(address)
    await page.get_by_role("button", name="Send me a code").click()
    await page.get_by_label("Code").fill(await _code(crew))
    await page.get_by_role("button", name="Go on").click()


async def _book(page: Page, site: Listener, crew: Crew, hour: str) -> None:
    """From the search to the paid booking, signing in on the way."""
    page.set_default_timeout(15_000)
    await page.goto(f"{site.url}/stations")
    await page.get_by_role("link", name="Harbour").first.click()
    await page.get_by_role("link", name=hour, exact=True).first.click()
    if "/sign-in" in page.url:
        await _sign_in(page, crew, "nina@example.org")
    await page.get_by_role("button", name="Book and pay €12.50").click()
    await page.get_by_role("button", name="Pay now").click()
    await page.get_by_text("Check-in opens at").wait_for()


async def test_a_driver_books_is_told_scans_and_charges_and_the_page_follows_by_itself(
    paying_crew: Crew, town: Town
) -> None:
    await paying_crew.never_silent()
    await paying_crew.execute("UPDATE station SET check_in_radius_m = 150 WHERE id = $1", town.station)
    here: Geolocation = {"latitude": 48.2005, "longitude": 16.3701, "accuracy": 20}
    async with served(make_app(paying_crew.desk)) as site, browsing() as browser:
        context = await browser.new_context(**LOOKS["phone-light"], geolocation=here, permissions=["geolocation"])
        page = await context.new_page()
        complaints = listen_to(page)
        await _book(page, site, paying_crew, "13:15")
        booking = page.url
        await paying_crew.live_until(NOON + HOUR * 5 / 4)
        await page.get_by_role("button", name="Check in").wait_for()  # nobody loaded the page again
        before = await page.locator(".dial b").inner_text()
        await page.wait_for_function("old => document.querySelector('.dial b').textContent !== old", arg=before)
        assert before.startswith(("30:", "29:"))
        assert "slot_started" in await paying_crew.kinds(paying_crew.mail.taken)
        await page.goto(f"{site.url}/c/{ref('CN', town.connectors[0])}")
        await page.get_by_role("button", name="Check in at 1A").click()
        await page.get_by_label("What to do now").get_by_text("You are checked in").wait_for()
        assert page.url == booking
        evidence = await paying_crew.rows("SELECT valid, detail FROM evidence")
        assert [(one["valid"], one["detail"]["metresAway"]) for one in evidence] == [(True, 56)]
        assert complaints == []
        await paying_crew.execute("DELETE FROM session")
        await page.wait_for_url("**/sign-in?next=%2Fbookings%2FBK-*")


async def test_a_lost_slot_is_explained_disputed_and_paid_back_and_an_outage_is_said(
    paying_crew: Crew, town: Town, server: EmbeddedPostgres, database_url: str
) -> None:
    await paying_crew.never_silent()
    async with served(make_app(paying_crew.desk)) as site, browsing() as browser:
        page = await browser.new_page(**LOOKS["desktop-light"])
        await _book(page, site, paying_crew, "13:15")
        booking, trouble = page.url, page.locator("#trouble")
        async with lost(server, database_url):
            await trouble.wait_for()
        await paying_crew.live_until(NOON + 2 * HOUR)
        await page.get_by_text("Nobody checked in before the grace period was over").wait_for()
        assert await trouble.is_hidden()
        await page.get_by_role("button", name="Why? See everything on record").click()
        await page.get_by_text("None: nobody tried to check in").wait_for()
        await page.get_by_role("button", name="This is wrong: dispute it").click()
        await page.get_by_role("textbox", name="What happened").fill("The bay was blocked.\nI have photos.")
        await page.get_by_role("button", name="Dispute this no-show").click()
        await page.get_by_text("Sent on").wait_for()
        staff = Staff(town.vendor, "staff-1")
        number = parse_booking_ref(booking.rpartition("/")[2])
        await resolve_dispute(paying_crew.desk, staff, number, Decision.REFUND, "Right you are.")
        await page.goto(booking)
        await page.get_by_text("you were right").wait_for()
        assert "€12.50 goes back to you." in await page.locator("#now").inner_text()
    await paying_crew.assert_sound()


async def test_without_scripts_a_driver_signs_in_books_checks_in_and_leaves(paying_crew: Crew, town: Town) -> None:
    await paying_crew.never_silent()
    async with served(make_app(paying_crew.desk)) as site, browsing() as browser:
        context = await browser.new_context(**LOOKS["phone-dark"], java_script_enabled=False)
        page = await context.new_page()
        await _book(page, site, paying_crew, "13:15")
        await paying_crew.live_until(NOON + HOUR * 4 / 3)
        await page.reload()
        await page.get_by_role("button", name="Check in").click()
        await page.get_by_role("button", name="Leave early").click()
        await page.get_by_role("button", name="I have unplugged, I leave").click()
        await page.get_by_text("You checked in and left before the slot ended.").wait_for()
        await page.goto(f"{site.url}/settings")
        await page.get_by_role("button", name="Sign out everywhere").click()
        assert page.url == f"{site.url}/sign-in"
