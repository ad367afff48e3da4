"""The vendor's board and insights without a browser: whose they are, what filters do, what staff can do, odd names."""

import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest

from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.errors import CheckInTooEarly, WrongConnector
from slotwatch.domain.ids import ref
from slotwatch.domain.staff import StaffRole
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database
from slotwatch.usecases.cancel import cancel
from slotwatch.usecases.check_in import CheckInAttempt
from slotwatch.usecases.desk import Desk
from slotwatch.web.visitors import SESSION_COOKIE
from tests.conftest import Town
from tests.integration.web.conftest import client_of, make_app, running
from tests.support.crew import Crew
from tests.support.signed_in import make_staff, staff_cookie

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@dataclass
class Person:
    """One of the staff with a browser that runs no scripts."""

    client: httpx.AsyncClient
    cookie: str
    csrf: str = ""
    answers: list[httpx.Response] = field(default_factory=list)

    async def get(self, path: str, status: int = 200, *, encoding: str = "identity") -> str:
        answer = await self.client.get(
            path, headers={"cookie": self.cookie, "accept": "text/html", "accept-encoding": encoding}
        )
        assert answer.status_code == status, answer.text[:500]
        self.answers.append(answer)
        found = re.search(r'name="csrf" value="([^"]+)"', answer.text)
        self.csrf = found[1] if found else self.csrf
        return answer.text

    async def post(self, path: str, status: int = 303, **form: str) -> httpx.Response:
        answer = await self.client.post(
            path, data={"csrf": self.csrf, **form}, headers={"cookie": self.cookie, "accept": "text/html"}
        )
        assert answer.status_code == status, answer.text[:500]
        return answer


Enter = Callable[..., Awaitable[Person]]


@pytest.fixture
async def enter(desk: Desk, database: Database, town: Town, clock: MovableClock) -> AsyncIterator[Enter]:
    """Somebody of a vendor's staff comes in."""
    app = make_app(desk)
    async with running(app), client_of(app) as client:

        async def come(role: StaffRole = StaffRole.MANAGER, vendor: int | None = None) -> Person:
            staff = await make_staff(database, vendor or town.vendor, now=clock.read(), role=role)
            cookie = await staff_cookie(database, staff, now=clock.read())
            return Person(client, f"{SESSION_COOKIE}={cookie[SESSION_COOKIE]}")

        yield come


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


async def test_the_board_shows_its_own_vendors_slots_and_nothing_else(enter: Enter, crew: Crew, town: Town) -> None:
    ours = await crew.booked(town.driver, town.connectors[0], town.slot())
    theirs = await crew.booked(town.stranger, town.other_connector, town.slot())
    here, there = await enter(), await enter(vendor=town.other_vendor)
    board = await here.get("/vendor")
    assert ours.ref in board and "Mira" in board and "Harbour" in board
    assert theirs.ref not in board and "Otto" not in board and "Far side" not in board
    assert ours.ref not in await there.get("/vendor")
    await here.get(f"/vendor/bookings/{theirs.ref}", status=404)
    await here.get(f"/vendor/bookings/{theirs.ref}/cancel", status=404)
    await here.post(f"/vendor/bookings/{theirs.ref}/checkin", status=404)
    assert "Far side" not in await here.get(f"/vendor?station={ref('ST', 3)}", status=404)
    await here.get(f"/vendor/board?parts={ref('ST', 3)}")
    assert theirs.ref not in here.answers[-1].text
    await here.get(f"/vendor/insights?station={ref('ST', 3)}", status=404)


async def test_who_is_not_signed_in_is_asked_to_and_drivers_find_nothing(enter: Enter) -> None:
    nobody = Person((await enter()).client, "")
    for path in ("/vendor", "/vendor/stream", "/vendor/insights", "/vendor/bookings/BK-06KG8DR00000"):
        await nobody.get(path, status=303)
    answer = await nobody.client.get("/vendor/board", headers={"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/sign-in?next=/vendor/board")


async def test_filters_are_in_the_address_and_search_finds_ids_plates_and_names(
    enter: Enter, crew: Crew, town: Town
) -> None:
    person = await enter()
    mira = await crew.booked(town.driver, town.connectors[0], town.slot(), vehicle="W 123-AB")
    otto = await crew.booked(town.stranger, town.connectors[1], town.slot(), vehicle="100% electric")
    for query, found in (
        ("q=mira", [mira]),
        ("q=w123ab", [mira]),
        ("q=%25", [otto]),  # a sign, not a wildcard
        ("q=_", []),
        (f"q={otto.ref.lower()}", [otto]),
        ("status=confirmed", [mira, otto]),
        ("status=grace", []),
        (f"station={ref('ST', town.night_shut)}", []),
        ("at=2026-03-03T00:00:00Z", []),
        ("at=2026-03-02T12:00:00Z&hours=6", [mira, otto]),
    ):
        page = await person.get(f"/vendor?{query}")
        assert [one for one in (mira, otto) if f'id="{one.ref}"' in page] == found, query
        assert [one for one in (mira, otto) if f'id="row-{one.ref}"' in page] == found, query
    assert 'href="/vendor?status=grace&amp;hours=24"' in await person.get("/vendor?status=grace")
    await person.get("/vendor?hours=5", status=422)


async def test_times_are_those_of_each_station_also_when_clocks_change(
    enter: Enter, crew: Crew, town: Town, clock: MovableClock
) -> None:
    await crew.execute("UPDATE station SET zone = 'Europe/Vienna' WHERE id = $1", town.station)
    clock.move_to(clock.read().replace(month=3, day=28, hour=22))
    slot = town.slot(starts_in=clock.read() - clock.read().replace(day=2, hour=12) + 2 * HOUR, length=2 * HOUR)
    booking = await crew.booked(town.driver, town.connectors[0], slot)
    page = await (await enter()).get("/vendor")
    assert "01:00 CET - 04:00 CEST" in page, "two hours that a clock on the wall shows as three"
    axis = words(page[page.index('id="timeline"') : page.index('id="ST-1"')])
    assert "> CET 22:00" in axis and "01:00 CET" in axis and "03:00 CEST" in axis and "02:00" not in axis
    other = words(page[page.index(f'id="{ref("ST", town.night_shut)}"') : page.index('id="list"')])
    assert "Thamel Asia/Kathmandu (NPT)" in other and "04:00" in other, "an axis of its own, in its own zone"
    assert booking.ref in page


async def test_staff_check_in_and_cancel_with_the_refund_shown_first(
    enter: Enter, paying_crew: Crew, crew: Crew, town: Town, clock: MovableClock
) -> None:
    person = await enter(StaffRole.ATTENDANT)
    coming = await crew.booked(town.driver, town.connectors[0], town.slot())
    failing = await crew.booked(town.driver, town.connectors[1], town.slot())
    await crew.execute("UPDATE booking SET payment_status = 'paid' WHERE id = $1", failing.id)
    page = await person.get(f"/vendor/bookings/{coming.ref}")
    assert "Check-in opens at" in page and "/checkin" not in page
    clock.advance(HOUR)
    await crew.engine()
    assert "/checkin" in await person.get(f"/vendor/bookings/{coming.ref}")
    answer = await person.post(f"/vendor/bookings/{coming.ref}/checkin")
    assert answer.headers["location"] == f"/vendor/bookings/{coming.ref}"
    story = words(await person.get(answer.headers["location"]))
    assert "active checked in by the staff" in story and "check-in by the staff" in story
    asked = words(await person.get(f"/vendor/bookings/{failing.ref}/cancel"))
    assert "€12.50 goes back to the driver: all that was paid." in asked
    assert "Say why" in (await person.post(f"/vendor/bookings/{failing.ref}/cancel", status=422, reason=" ")).text
    long = (await person.post(f"/vendor/bookings/{failing.ref}/cancel", status=422, reason="Bay < 1\r\n" * 99)).text
    assert long.count("Bay &lt; 1\n") == 98, "what was typed stays"
    assert (await person.post(f"/vendor/bookings/{failing.ref}/cancel", status=422, reason="\x00")).text
    await person.post(f"/vendor/bookings/{failing.ref}/cancel", reason="Charger is broken" + 241 * "\r\n.")
    story = words(await person.get(f"/vendor/bookings/{failing.ref}"))
    assert "by the staff: Charger is broken" in story and "paid back to the driver" in story
    again = await person.post(f"/vendor/bookings/{failing.ref}/cancel", reason="Charger is broken")
    assert again.headers["location"] == f"/vendor/bookings/{failing.ref}", "who taps twice wanted it once"
    again = await person.post(f"/vendor/bookings/{failing.ref}/checkin", status=409)
    assert 'role="alert"' in again.text
    person.csrf = "made up"
    await person.post(f"/vendor/bookings/{coming.ref}/cancel", status=403, reason="x")


async def test_a_story_says_of_each_attempt_whether_it_was_refused_and_shows_no_words_for_programs(
    enter: Enter, crew: Crew, town: Town
) -> None:
    person, booking = await enter(), await crew.booked(town.driver, town.connectors[0], town.slot())
    with pytest.raises(CheckInTooEarly):
        await crew.checked_in(booking)
    with pytest.raises(WrongConnector):
        await crew.checked_in(booking, CheckInAttempt(CheckInMethod.QR, qr_connector_id=town.connectors[1]))
    await cancel(crew.desk, town.driver.id, booking.id)
    page = await person.get(f"/vendor/bookings/{booking.ref}")
    attempts = re.findall(r"<li>(.+?)</li>", page.partition("Check-in attempts")[2].partition("<h2>")[0], re.DOTALL)
    early, wrong = map(words, attempts)
    assert "check-in refused in the app: Check-in is not open yet." in early
    assert "check-in refused by QR code: " in wrong
    assert "cancelled was cancelled by the driver" in words(page) and "cancelled_by_driver" not in page
    refused = await person.post(f"/vendor/bookings/{booking.ref}/cancel", status=409, reason="Charger is broken")
    assert "cannot be cancelled" in words(refused.text), "it was not the staff who cancelled it"


async def test_a_story_has_notices_tries_and_reports(enter: Enter, crew: Crew, town: Town, clock: MovableClock) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.deliver()
    row = (await crew.rows("SELECT notice_id, provider FROM attempt WHERE channel = 'email'"))[0]
    await crew.execute(
        "INSERT INTO receipt (provider, event_id, channel, notice_id, status, suppress, matched, at)"
        " VALUES ($1, 'e1', 'email', $2, 'delivered', false, true, $3)",
        *(row["provider"], row["notice_id"], clock.read()),
    )
    story = words(await (await enter()).get(f"/vendor/bookings/{booking.ref}"))
    assert "booking confirmed by email: sent" in story
    assert f"by {row['provider']}" in story and f"{row['provider']} reports: delivered" in story


async def test_contact_is_for_managers_who_ask(enter: Enter, crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    attendant, manager = await enter(StaffRole.ATTENDANT), await enter(StaffRole.MANAGER)
    seen = await attendant.get(f"/vendor/bookings/{booking.ref}")
    assert "Mira" in seen and "E-mail" not in seen and "example.org" not in seen
    await attendant.get(f"/vendor/bookings/{booking.ref}/contact", status=403)
    await attendant.get("/vendor/insights", status=403)
    masked = await manager.get(f"/vendor/bookings/{booking.ref}")
    assert "m•••@example.org" in masked and "mira@example.org" not in masked and "+1500" not in masked
    shown = await manager.get(f"/vendor/bookings/{booking.ref}/contact")
    assert "mira@example.org" in shown and "+15005550010" in shown


@pytest.mark.parametrize("name", ["A" * 1000, "ليلى حداد", "<script>alert(1)</script>", "=1+1", "\u202eevil"])
async def test_any_name_is_only_a_name(enter: Enter, crew: Crew, town: Town, name: str) -> None:
    await crew.execute("UPDATE driver SET name = $1 WHERE id = $2", name, town.driver.id)
    await crew.execute("UPDATE station SET name = $1 WHERE id = $2", name, town.station)
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    person = await enter()
    board = await person.get("/vendor")
    assert html.escape(name[:30]).replace("&#x27;", "'") in board or name[:30] in html.unescape(board)
    assert "<script>alert" not in board and len(board) < 60_000
    assert "<script>alert" not in await person.get(f"/vendor/bookings/{booking.ref}")
    assert "<script>alert" not in await person.get("/vendor/insights")
    csv = await person.get("/vendor/insights/stations.csv")
    assert ("\r\n=1+1" in csv, "\r\n'=1+1" in csv) == (False, name == "=1+1"), "no spreadsheet takes it for a formula"


async def test_a_station_that_is_removed_stays_while_it_has_bookings(enter: Enter, crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    for station in (town.station, town.night_shut):
        await crew.execute("UPDATE station SET removed_at = $1 WHERE id = $2", crew.clock.read(), station)
    page = await (await enter()).get("/vendor")
    assert booking.ref in page and "removed" in words(page)
    assert "Thamel" not in page


async def test_a_vendor_without_stations_is_told_what_to_do(enter: Enter, crew: Crew, database: Database) -> None:
    async with database.connection() as conn:
        empty = await conn.fetchval("INSERT INTO vendor (name, created_at) VALUES ('New', 'now') RETURNING id")
    owner = await enter(StaffRole.OWNER, vendor=empty)
    assert "Add your first station" in words(await owner.get("/vendor"))
    assert "No slot began in this period" in words(await owner.get("/vendor/insights"))


async def test_large_pages_are_compressed_unless_they_repeat_what_was_typed(enter: Enter, town: Town) -> None:
    person = await enter()

    async def encoding(path: str) -> Any:
        await person.get(path, encoding="gzip")
        return person.answers[-1].headers.get("content-encoding")

    assert await encoding("/vendor") == await encoding("/vendor/insights") == "gzip"
    assert await encoding("/vendor?q=mira") is None


async def test_own_dates_that_make_no_period_are_refused_in_words(enter: Enter, town: Town) -> None:
    person = await enter()
    station = ref("ST", town.station)
    for query, said in (
        ("", "Say from which day on."),
        ("&from=2026-03-05", "must not be after the last day, nor after today."),
        ("&from=2026-03-02&to=2026-03-01", "must not be after the last day, nor after today."),
        ("&from=2020-01-01&to=2026-03-01", "At most 100 days"),
    ):
        page = await person.get(f"/vendor/insights?period=custom&station={station}{query}", status=422)
        field = re.search(
            r'<input type="date" name="from"[^>]*aria-describedby="e-from"[^>]*></label><small[^>]*>([^<]*)', page
        )
        assert field is not None and said in field[1]
        assert '<option value="custom" selected>' in page and f'<option value="{station}" selected>' in page
    assert 'name="to" value="2026-03-01"' in page, "what was chosen stays"
    assert "e-from" not in await person.get("/vendor/insights?period=custom&from=2026-03-01")
    await person.get("/vendor/insights/everything.csv", status=404)


async def test_open_alerts_are_on_the_board_of_their_vendor(enter: Enter, crew: Crew, town: Town) -> None:
    here, there, attendant = await enter(), await enter(vendor=town.other_vendor), await enter(StaffRole.ATTENDANT)
    assert "No alerts." in await here.get("/vendor")
    await crew.execute(
        "INSERT INTO alert (vendor_id, kind, subject, station_id, detail, raised_at)"
        " VALUES ($1, 'no_check_ins', $2, $3, '{\"hours\": 48, \"bookings\": 12}', $4)",
        *(town.vendor, str(town.station), town.station, crew.clock.read()),
    )
    for page in (await here.get("/vendor"), await here.get("/vendor/board?parts=numbers")):
        assert "1 alert:" in words(page) and "Harbour" in words(page)
    assert 'href="/vendor/alerts"' in here.answers[-1].text
    assert "1 alert:" in words(page := await attendant.get("/vendor")) and "/vendor/alerts" not in page
    assert "No alerts." in await there.get("/vendor")


MANY = """
    WITH places AS (
        INSERT INTO station (vendor_id, name, address, latitude, longitude, zone, created_at)
        SELECT $1, 'Station ' || n, 'Quay', 0, 0, 'Europe/Vienna', $2 FROM generate_series(1, 50) AS n RETURNING id
    ), plugs AS (
        INSERT INTO connector (station_id, label, type, power_kw, price_per_hour, currency, created_at)
        SELECT id, n, 'CCS', 50, 1250, 'EUR', $2 FROM places CROSS JOIN generate_series(1, 10) AS n
        RETURNING id, station_id
    )
    INSERT INTO booking (id, vendor_id, station_id, connector_id, driver_id, state, step, due_at, check_in_opens_at,
                         starts_at, grace_half_at, grace_ends_at, expires_at, ends_at, terms, amount, currency,
                         payment_status, version, epoch, created_at, updated_at)
    SELECT (random() * 1e17)::bigint, $1, station_id, id, $3, 'confirmed', 'start', t, t, t, t + interval '15 min',
           t + interval '30 min', t + interval '31 min', t + interval '2 h', '{}', 1250, 'EUR', 'paid', 1, 0, $2, $2
      FROM plugs CROSS JOIN generate_series(0, 5) AS n
     CROSS JOIN LATERAL (SELECT $2::timestamptz + n * interval '2 h' + id % 60 * interval '1 min' AS t) AS at
"""


async def test_a_board_of_500_connectors_is_sent_in_150_kilobytes(enter: Enter, crew: Crew, town: Town) -> None:
    await crew.execute(MANY, town.vendor, crew.clock.read(), town.driver.id)
    person = await enter()
    page = await person.get("/vendor?hours=24", encoding="gzip")
    assert 100 < page.count('class="s confirmed"') < 3000 and page.count("Show its slots") > 0
    loaded = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    for address in dict.fromkeys(loaded):
        await person.get(address, encoding="gzip")
    assert sum(int(answer.headers["content-length"]) for answer in person.answers) < 150_000
    *_, last, _thamel = re.findall(r'<section class="station later" id="(ST-\d+)"', page)
    part = await person.get(f"/vendor/board?hours=24&parts={last}")
    assert part.count('class="s confirmed"') == 60, "what is further down is drawn when it is asked for"
