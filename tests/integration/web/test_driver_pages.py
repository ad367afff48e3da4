"""The driver's pages: what they say in each state, that forms do what they say once, and that nothing leaks."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from slotwatch.domain.booking import Booking
from slotwatch.domain.ids import ref
from slotwatch.domain.lifecycle import State
from slotwatch.domain.slot import Slot
from slotwatch.storage.clock import MovableClock
from slotwatch.usecases.desk import Desk
from tests.conftest import Town
from tests.integration.web.conftest import client_of, make_app, running
from tests.support.crew import Crew
from tests.support.forms import PERSON, Guest
from tests.support.signed_in import driver_cookie

HOUR = timedelta(hours=1)
CLOSE = {"latitude": "48.2001", "longitude": "16.37", "accuracy": "12.5"}
FAR = {"latitude": "48.3", "longitude": "16.37", "accuracy": "12.5"}


@pytest.fixture
async def mira(client: httpx.AsyncClient, desk: Desk, town: Town, clock: MovableClock) -> Guest:
    """The driver of the town, signed in."""
    return Guest(client, await driver_cookie(desk.database, town.driver.id, now=clock.read()))


@pytest.fixture
async def otto(client: httpx.AsyncClient, desk: Desk, town: Town, clock: MovableClock) -> Guest:
    """Another driver, signed in."""
    return Guest(client, await driver_cookie(desk.database, town.stranger.id, now=clock.read()))


def chosen(town: Town, slot: Slot, connector: int = 0) -> str:
    """The page where a slot is booked."""
    query = f"connector={ref('CN', town.connectors[connector])}&start={slot.starts_at:%Y-%m-%dT%H:%M:%SZ}&minutes=60"
    return f"/stations/{ref('ST', town.station)}/book?{query}"


async def post(guest: Guest, path: str, **fields: str) -> httpx.Response:
    """A form as it is, of a page that need not be open."""
    jar = "; ".join(f"{name}={value}" for name, value in guest.cookies.items())
    return await guest.client.post(path, data=fields, headers={**PERSON, "Cookie": jar})


async def csrf_of(guest: Guest) -> str:
    await guest.open("/settings")
    assert guest.seen is not None
    return guest.seen.text.partition('name="csrf" value="')[2][:64]


async def test_a_driver_finds_a_slot_reads_the_terms_and_books_it(mira: Guest, town: Town, crew: Crew) -> None:
    text = await mira.open("/stations?q=quay+harb")
    assert "Harbour" in text and "Thamel" not in text and "4 of 4 free" in text
    text = await mira.open(f"/stations/{ref('ST', town.station)}?day=2026-03-03")
    assert "€12.50" in text and "nothing is refunded" in text
    text = await mira.open(chosen(town, town.slot(starts_in=6 * HOUR)))
    assert "Monday, 2 March 2026, 18:00 \u2013 19:00 UTC" in text and "until 18:30 UTC" in text
    text = await mira.send(f"/stations/{ref('ST', town.station)}/book", vehicle="W-1\u202e23")
    assert mira.path.startswith("/bookings/BK-") and "Confirmed" in text and "Check-in opens at" in text
    assert await crew.value("SELECT state FROM booking") == "confirmed"


async def test_a_booking_form_sent_twice_books_once(mira: Guest, otto: Guest, town: Town, crew: Crew) -> None:
    page, action = chosen(town, town.slot(starts_in=6 * HOUR)), f"/stations/{ref('ST', town.station)}/book"
    await mira.open(page)
    form = mira.seen
    await mira.send(action)
    first, mira.seen = mira.path, form
    await mira.send(action)
    assert mira.path == first
    assert await crew.value("SELECT count(*) FROM booking") == 1
    await otto.open(page)
    assert "Another booking holds this connector" in await otto.send(action)
    assert otto.status == 409


async def test_a_price_or_terms_that_changed_after_they_were_shown_book_nothing(
    mira: Guest, town: Town, crew: Crew
) -> None:
    page, action = chosen(town, town.slot(starts_in=6 * HOUR)), f"/stations/{ref('ST', town.station)}/book"
    await mira.open(page)
    await crew.execute("UPDATE connector SET price_per_hour = 1500")
    text = await mira.send(action)
    assert mira.status == 409 and "nothing was booked" in text and "Price: now €15.00; it was €12.50." in text
    await crew.execute("UPDATE vendor SET terms = $1", {"gracePeriodMinutes": 10, "cancelRefund": []})
    text = await mira.send(action)
    assert mira.status == 409 and "Your slot is kept for: now 10 minutes; it was 30 minutes." in text
    assert "When you cancel, this comes back: now nothing; it was 100 % until" in text and "Price: now" not in text
    await crew.execute("UPDATE vendor SET terms = terms || $1", {"reminderMinutes": 5})
    assert "Confirmed" in await mira.send(action), "a reminder binds nobody"
    assert await crew.value("SELECT amount FROM booking") == 1500


@pytest.mark.parametrize(
    "terms", ["", "[]", "{", '{"cancelRefund": [{"untilMinutesBefore": 1e300, "percent": 1}]}', '{"cancelRefund": 7}']
)
async def test_an_agreement_that_cannot_be_read_breaks_nothing(mira: Guest, town: Town, terms: str) -> None:
    page, action = chosen(town, town.slot(starts_in=6 * HOUR)), f"/stations/{ref('ST', town.station)}/book"
    await mira.open(page)
    await mira.send(action, terms=terms, price="1")
    assert mira.status in (200, 409)


async def test_what_was_removed_cannot_be_found_or_booked(mira: Guest, town: Town, crew: Crew) -> None:
    page, action = chosen(town, town.slot(starts_in=6 * HOUR)), f"/stations/{ref('ST', town.station)}/book"
    await mira.open(page)
    form = mira.seen
    await crew.execute("UPDATE connector SET removed_at = $2 WHERE id = $1", town.connectors[0], crew.clock.read())
    assert "1A" not in await mira.open(f"/stations/{ref('ST', town.station)}")
    mira.seen = form
    await mira.send(action)
    assert mira.status == 404
    await crew.execute("UPDATE station SET removed_at = $2 WHERE id = $1", town.station, crew.clock.read())
    assert "Harbour" not in await mira.open("/stations")
    for path in (page, f"/stations/{ref('ST', town.station)}"):
        await mira.open(path)
        assert mira.status == 404
    assert await crew.value("SELECT count(*) FROM booking") == 0


async def test_a_search_for_nothing_and_for_wildcards_says_what_to_do(mira: Guest, town: Town) -> None:
    for words in ("nowhere", "%25", "_", "%5C", "harbour'; DROP"):
        assert "No station fits this search" in await mira.open(f"/stations?q={words}"), words
    assert "23" not in await mira.open("/stations?day=2999-12-31&minutes=480")
    await mira.open("/stations?lat=91&lon=0")
    assert mira.status == 422


async def test_a_driver_west_of_utc_can_choose_the_day_that_it_still_is_there(
    mira: Guest, town: Town, crew: Crew
) -> None:
    await crew.execute("UPDATE station SET zone = 'America/Los_Angeles' WHERE id = $1", town.station)
    crew.clock.move_to(datetime(2026, 3, 3, 2, tzinfo=UTC))  # six in the evening of 2 March there
    text = await mira.open("/stations?q=harbour&day=2026-03-02")
    assert mira.seen is not None and 'value="2026-03-02" min="2026-03-02"' in mira.seen.text
    assert "4 of 4 free" in text


async def test_on_the_day_the_clocks_go_back_a_repeated_hour_names_its_zone(
    mira: Guest, town: Town, crew: Crew
) -> None:
    await crew.execute("UPDATE station SET zone = 'Europe/Vienna' WHERE id = $1", town.station)
    text = await mira.open(f"/stations/{ref('ST', town.station)}?day=2026-10-25")
    assert "The clocks change on this day" in text
    assert "02:30 CEST" in text and "02:30 CET" in text and " 03:30 " in text


@pytest.fixture
async def held(paying_desk: Desk, town: Town, paying_crew: Crew) -> Any:
    """A driver on a site where one pays, and a booking that is not paid yet; its slot begins in 26 hours."""
    app = make_app(paying_desk)
    booking = await paying_crew.booked(town.driver, town.connectors[0], town.slot(starts_in=26 * HOUR))
    async with running(app), client_of(app) as client:
        cookies = await driver_cookie(paying_desk.database, town.driver.id, now=paying_crew.clock.read())
        yield Guest(client, cookies), booking


async def test_paying_and_cancelling_show_the_money_first_and_happen_once(
    held: tuple[Guest, Booking], paying_crew: Crew
) -> None:
    mira, booking = held
    path = f"/bookings/{booking.ref}"
    assert "A trial payment" in await mira.open(f"{path}/pay")
    form = mira.seen
    assert "You paid €12.50" in await mira.send(f"{path}/pay")
    mira.seen = form
    await mira.send(f"{path}/pay")
    assert mira.path == path and len(await paying_crew.ledger(booking)) == 1
    assert "€12.50 of €12.50 comes back to you (100 %)" in await mira.open(f"{path}/cancel")
    paying_crew.clock.advance(3 * HOUR)  # now less comes back than the page says
    assert "The time for this refund has just run out" in await mira.send(f"{path}/cancel", reason="I am ill")
    assert mira.seen is not None and 'value="I am ill"' in mira.seen.text
    assert "€9.37 of €12.50 comes back to you (75 %)" in await mira.open(f"{path}/cancel")
    form = mira.seen
    assert "€9.37 of €12.50 goes back to you" in await mira.send(f"{path}/cancel", reason="ill")
    mira.seen = form
    await mira.send(f"{path}/cancel")
    assert mira.path == path
    await paying_crew.execute("UPDATE booking SET ended_at = ended_at - interval '2 days' WHERE id = $1", booking.id)
    assert "€9.37 of €12.50 goes back to you" in await mira.open(path), "what the ledger says, not what terms would"
    assert [entry[0] for entry in await paying_crew.ledger(booking)] == ["captured", "refunded", "kept"]


async def test_the_page_of_a_booking_follows_it_through_its_life(mira: Guest, town: Town, crew: Crew) -> None:
    await crew.never_silent()
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    path = f"/bookings/{booking.ref}"
    text = await mira.open(path)
    assert "Check-in opens at" in text and 'action="/bookings' not in str(mira.seen and mira.seen.text)
    await crew.live_for(HOUR)
    assert "Your slot has begun. Check in by 13:30 UTC" in await mira.open(path)
    assert "You are checked in since 13:00 UTC" in await mira.send(f"{path}/check-in")
    await mira.open(f"{path}/finish")
    assert "You checked in and left before the slot ended" in await mira.send(f"{path}/finish")
    for part in ("cancel", "finish", "pay"):
        await mira.open(f"{path}/{part}")
        assert mira.path in (path, f"{path}/{part}") and mira.status == 200
    text = await mira.open("/bookings")
    assert "Nothing is booked" in text and "Completed" in text


async def test_a_no_show_is_explained_and_disputed_once(mira: Guest, town: Town, crew: Crew) -> None:
    await crew.never_silent()
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    path = f"/bookings/{booking.ref}"
    await crew.live_for(3 * HOUR)
    assert "Was it not your fault?" in await mira.open(path)
    text = await mira.open(f"{path}/evidence")
    assert "Nobody checked in before the grace period was over" in text and "accepted by" in text
    assert "no outage of ours touched this booking" in text and "13:30:05 UTC" in text
    await mira.open(path)
    assert "Say what happened" in await mira.send(f"{path}/dispute", statement=" ")
    await mira.open(path)
    form = mira.seen
    text = await mira.send(f"{path}/dispute", statement="<b>I was there</b>")
    assert "<b>I was there</b>" in text and "&lt;b&gt;" in str(mira.seen and mira.seen.text)
    mira.seen = form
    await mira.send(f"{path}/dispute", statement="again")
    assert await crew.value("SELECT statement FROM dispute") == "<b>I was there</b>"


async def test_a_statement_in_lines_counts_as_the_browser_counts_it_and_one_too_long_is_kept(
    mira: Guest, town: Town, crew: Crew
) -> None:
    await crew.never_silent()
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    path = f"/bookings/{booking.ref}"
    await crew.live_for(3 * HOUR)
    fitting = "\r\n".join(["I stood there and nobody let me in, as so often."] * 81)  # 3,968 for a browser
    await mira.open(path)
    assert "in at most 4000 characters" in await mira.send(f"{path}/dispute", statement=f"{fitting}!" + 40 * "\r\n!")
    assert mira.status == 422 and mira.seen is not None
    kept = re.search(r"<textarea[^>]*>(.*?)</textarea>", mira.seen.text, re.DOTALL)
    assert kept is not None and kept[1].startswith("I stood there") and kept[1].count("!") == 41
    assert "Sent on" in await mira.send(f"{path}/dispute", statement=fitting)
    assert await crew.value("SELECT statement FROM dispute") == fitting.replace("\r\n", "\n")


async def test_another_drivers_booking_is_absent_on_every_page(otto: Guest, town: Town, crew: Crew) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    csrf = await csrf_of(otto)
    for page in ("", "/now", "/pay", "/cancel", "/finish", "/evidence"):
        await otto.open(f"/bookings/{booking.ref}{page}")
        assert otto.status == 404, page
    for form in ("pay", "check-in", "cancel", "finish", "dispute"):
        answer = await post(otto, f"/bookings/{booking.ref}/{form}", csrf=csrf, statement="mine")
        assert answer.status_code == 404, form
    assert await crew.state(booking) is State.CONFIRMED


async def test_forms_without_proof_or_from_elsewhere_change_nothing(mira: Guest, town: Town, crew: Crew) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    jar = "; ".join(f"{name}={value}" for name, value in mira.cookies.items())
    csrf = await csrf_of(mira)
    for headers, data in (
        ({"Sec-Fetch-Site": "cross-site"}, {"csrf": csrf}),
        ({"Origin": "https://evil.example"}, {"csrf": csrf}),
        ({"Sec-Fetch-Site": "same-origin"}, {}),
        ({"Sec-Fetch-Site": "same-origin"}, {"csrf": "f" * 64}),
    ):
        for form in ("check-in", "cancel", "finish", "dispute", "pay"):
            answer = await mira.client.post(
                f"/bookings/{booking.ref}/{form}", data=data, headers={**headers, "Cookie": jar}
            )
            assert answer.status_code == 403
    assert await crew.value("SELECT count(*) FROM evidence") == 0
    assert await crew.state(booking) is State.CONFIRMED


async def test_who_holds_a_slot_keeps_one_channel_and_who_got_round_it_reads_so_on_record(
    mira: Guest, town: Town, crew: Crew
) -> None:
    await crew.never_silent()
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await mira.open("/settings")
    text = await mira.send("/settings/notifications", email="", sms="")
    assert mira.status == 422 and "you hold a booking" in text
    assert await crew.value("SELECT preferences FROM driver WHERE id = $1", town.driver.id) == {}
    await crew.execute("UPDATE driver SET preferences = $1", {"channels": {"email": False, "sms": False}})
    await crew.live_until(booking.timeline.expires_at)
    assert await crew.state(booking) is State.EXPIRED
    text = await mira.open(f"/bookings/{booking.ref}/evidence")
    assert "You had switched these messages off" in text
    assert text.count("not sent: you had switched these messages off") >= 2


async def test_settings_are_those_of_the_api_and_a_new_address_counts_when_proven(
    mira: Guest, otto: Guest, town: Town, crew: Crew
) -> None:
    await mira.open("/settings")
    quiet = {"quiet": "1", "quiet_start": "22:00", "quiet_end": "07:00", "quiet_zone": "Asia/Kathmandu"}
    assert "Saved" in await mira.send("/settings/notifications", language="ne", **quiet)
    stored = await crew.value("SELECT preferences FROM driver WHERE id = $1", town.driver.id)
    assert (stored["language"], stored["quietHours"]["timeZone"]) == ("ne", "Asia/Kathmandu")
    assert "zone is needed" in await mira.send("/settings/notifications", **{**quiet, "quiet_zone": "Mars/Base"})
    await mira.send("/settings/name", name="नेहा")
    assert await crew.value("SELECT name FROM driver WHERE id = $1", town.driver.id) == "नेहा"
    code = "SELECT facts ->> 'code' FROM notice WHERE kind = 'sign_in_code' ORDER BY id DESC LIMIT 1"
    await mira.send("/settings/address", address="new@example.org")
    assert "mistyped" in await mira.send("/settings/address/code", code="12")
    assert await crew.value("SELECT email FROM driver WHERE id = $1", town.driver.id) == "mira@example.org"
    text = await mira.send("/settings/address/code", code=await crew.value(code))
    assert "new@example.org ✓" in text or "new@example.org proven" in text
    await otto.open("/settings")
    await otto.send("/settings/address", address="NEW@example.org")
    text = await otto.send("/settings/address/code", code=await crew.value(code))
    assert "signs in to another account" in text and otto.status == 409


async def test_nothing_typed_into_an_address_is_an_error_of_ours(mira: Guest, town: Town, crew: Crew) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    odd = ["%00", "%FF", "ST-9999999999999999999", "ST-", "BK-", "CN-٣", "a" * 3000, "..%2f..", "{{7*7}}", "<script>"]
    paths = [
        *(f"/stations/{one}" for one in odd),
        *(f"/bookings/{one}" for one in odd),
        *(f"/c/{one}" for one in odd),
        *(f"/b/{one}" for one in odd),
        *(f"/stations?q={one}&plug={one}&cursor={one}" for one in odd),
        *(f"/stations?day={one}" for one in ("0001-01-01", "9999-12-31", "2026-02-30", "x")),
        *(f"/stations/{ref('ST', town.station)}?day={one}&minutes=15" for one in ("0001-01-01", "9999-12-31", "x")),
        *(f"{chosen(town, town.slot())}&start={one}" for one in ("x", "5")),
        f"/stations/{ref('ST', town.station)}/book?connector=CN-1&start=9999-12-31T23:59:59Z&minutes=99999",
        f"/stations/{ref('ST', town.station)}/book?connector=CN-1&start=2026-03-02T18:00:00Z&minutes=1",
        f"/bookings?cursor={booking.ref}",
        f"/c/{ref('CN', town.connectors[0])}?k=%C3%A4&seen=%C3%A4.x",
        "/sign-in?next=" + "%0d%0aSet-Cookie:x=1",
    ]
    for path in paths:
        await mira.open(path)
        assert mira.status in (200, 404, 409, 422), path
        assert "<script>" not in str(mira.seen and mira.seen.text), path
