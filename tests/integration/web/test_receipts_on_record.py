"""What providers reported is on record for who argues about a booking: the same on the API and on all pages."""

import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from slotwatch.channels.receipts import Receipt
from slotwatch.domain.booking import Booking
from slotwatch.domain.staff import StaffRole
from slotwatch.outbox.receipts import ReceiptBook
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database
from slotwatch.usecases.dispute import dispute
from tests.conftest import NOON, Town
from tests.integration.web.conftest import Api
from tests.support.crew import Crew
from tests.support.signed_in import driver_cookie, make_staff, staff_cookie

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@dataclass(frozen=True)
class Seen:
    """What the driver's API says of each channel, and the pages of driver and vendor, as words."""

    receipts: dict[str, list[dict[str, Any]]]
    driver: str
    vendor: str


Look = Callable[[Booking], Awaitable[Seen]]
Enter = Callable[..., Awaitable[object]]


def _words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.fixture
def enter(crew: Crew) -> Enter:
    """Reports of one message, as their translator gives them."""

    async def report(**said: Any) -> object:
        book = ReceiptBook(crew.desk.database, crew.clock, crew.desk.channels)
        return await book.enter([Receipt(**{"provider": "double", "event_id": "e1", **said})])

    return report


@pytest.fixture
async def visit(
    client: httpx.AsyncClient, database: Database, town: Town, clock: MovableClock
) -> AsyncIterator[Callable[[str, bool], Awaitable[str]]]:
    """Opens a page as the driver, or as a manager of the vendor."""
    staff = await make_staff(database, town.vendor, now=clock.read(), role=StaffRole.MANAGER)
    cookies = {
        True: await staff_cookie(database, staff, now=clock.read()),
        False: await driver_cookie(database, town.driver.id, now=clock.read()),
    }

    async def page(path: str, as_staff: bool) -> str:
        ((name, token),) = cookies[as_staff].items()
        answer = await client.get(path, headers={"cookie": f"{name}={token}", "accept": "text/html"})
        assert answer.status_code == 200, answer.text[:500]
        return _words(answer.text)

    yield page


@pytest.fixture
def look(api: Api, visit: Callable[[str, bool], Awaitable[str]]) -> Look:
    """Reads one booking's record everywhere."""

    async def read(booking: Booking) -> Seen:
        evidence = (await api.get(f"/api/users/bookings/{booking.ref}/evidence")).json()
        return Seen(
            {way["channel"]: way["receipts"] for notice in evidence["notices"] for way in notice["deliveries"]},
            await visit(f"/bookings/{booking.ref}/evidence", False),
            await visit(f"/vendor/bookings/{booking.ref}", True),
        )

    return read


async def _told(crew: Crew, town: Town) -> Booking:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.deliver()
    return booking


async def test_a_delivery_is_shown_with_the_providers_own_time(
    crew: Crew, town: Town, enter: Enter, look: Look
) -> None:
    booking = await _told(crew, town)
    crew.clock.advance(9 * SECOND)
    await enter(channel="sms", message_id="id-1-sms", status="delivered", at=NOON + 4 * SECOND)
    seen = await look(booking)
    assert seen.receipts["sms"] == [
        {
            "at": "2026-03-02T12:00:09Z",
            "happenedAt": "2026-03-02T12:00:04Z",
            "status": "delivered",
            "provider": "double",
            "heard": False,
            "error": None,
        }
    ]
    assert seen.receipts["email"] == []
    assert "2 Mar, 12:00:04 UTC: delivered, double reports" in seen.driver
    assert "2 Mar, 12:00:04 UTC double reports: delivered" in seen.vendor


async def test_without_a_time_of_the_provider_it_is_when_the_report_came(
    crew: Crew, town: Town, enter: Enter, look: Look
) -> None:
    booking = await _told(crew, town)
    crew.clock.advance(9 * SECOND)
    await enter(channel="sms", message_id="id-1-sms", status="sent")
    seen = await look(booking)
    assert [(one["at"], one["happenedAt"]) for one in seen.receipts["sms"]] == [("2026-03-02T12:00:09Z", None)]
    assert "2 Mar, 12:00:09 UTC: sent on, and not known to have arrived, double reports" in seen.driver
    assert "no receipt so far" not in seen.driver.partition("SMS:")[2]


async def test_a_bounce_of_the_second_mail_server_and_a_report_that_only_the_key_fits_are_shown(
    crew: Crew, town: Town, enter: Enter, look: Look
) -> None:
    booking = await _told(crew, town)
    await crew.execute("UPDATE delivery SET provider = 'smtp2', provider_message_id = 'ses-1' WHERE channel = 'email'")
    await crew.execute("UPDATE attempt SET provider = 'smtp2', provider_message_id = 'ses-1' WHERE channel = 'email'")
    words = "the mail bounced (Permanent General): 550 <mira@example.org>: unknown, was forwarded to m@example.net"
    bounce = {"channel": "email", "message_id": "ses-1", "status": "failed", "error": words}
    await enter(provider="smtp", event_id="ses:1", address="mira@example.org", **bounce)
    key = await crew.key_of(1, "sms")
    await enter(channel="sms", message_id="of-a-lost-answer", key=key, status="delivered", event_id="e2")
    seen = await look(booking)
    said = "bounced (Permanent General): 550 the recipient: unknown, was forwarded to an address"
    (mail,), (text,) = seen.receipts["email"], seen.receipts["sms"]
    assert (mail["status"], mail["provider"], mail["error"]) == ("failed", "smtp", f"the mail {said}")
    assert text["status"] == "delivered"
    assert f"{said}, smtp reports" in seen.driver and "delivered, double reports" in seen.driver
    assert f"smtp reports: {said}" in seen.vendor and "double reports: delivered" in seen.vendor
    assert "example.net" not in str(seen) and "mira@example.org" not in str(seen.receipts) + seen.driver


async def test_a_key_press_and_a_person_who_answered_are_told_apart(
    crew: Crew, town: Town, enter: Enter, look: Look
) -> None:
    booking = await _told(crew, town)
    await crew.execute(
        "INSERT INTO delivery (notice_id, channel, state, urgency, next_attempt_at, provider, provider_message_id)"
        " VALUES (1, 'voice', 'sent', 0, $1, 'twilio', 'CA1')",
        crew.clock.read(),
    )
    call = {"provider": "twilio", "channel": "voice", "message_id": "CA1", "status": "delivered"}
    await enter(event_id="CA1:heard", heard=True, **call)
    crew.clock.advance(SECOND)
    await enter(event_id="CA1:completed", **call)
    seen = await look(booking)
    assert [one["heard"] for one in seen.receipts["voice"]] == [True, False]
    for page in (seen.driver, seen.vendor):
        assert "heard: a key was pressed" in page and "delivered: a person answered" in page


async def test_a_spam_complaint_is_a_delivery_with_what_came_after(
    crew: Crew, town: Town, enter: Enter, look: Look
) -> None:
    booking = await _told(crew, town)
    words = "the recipient marked the mail as spam"
    await enter(channel="email", message_id="id-1-email", status="delivered", error=words, suppress=True)
    seen = await look(booking)
    assert f"delivered; {words}, double reports" in seen.driver
    assert f"double reports: delivered; {words}" in seen.vendor


async def test_a_report_about_another_booking_or_about_nothing_of_ours_is_not_shown(
    crew: Crew, town: Town, enter: Enter, look: Look
) -> None:
    booking = await _told(crew, town)
    other = await crew.booked(town.stranger, town.connectors[1], town.slot())
    await crew.deliver()
    await enter(channel="sms", message_id="id-2-sms", status="delivered")
    key = await crew.key_of(1, "sms")
    await enter(channel="sms", message_id="of-nobody", key=key, status="failed", event_id="e2")
    assert (await look(booking)).receipts == {"email": [], "sms": []}
    assert other.id != booking.id and await crew.value("SELECT count(*) FROM receipt") == 2


async def test_who_decides_a_dispute_reads_the_same_reports(
    crew: Crew, town: Town, enter: Enter, visit: Callable[[str, bool], Awaitable[str]]
) -> None:
    await crew.never_silent()
    booking = await _told(crew, town)
    await crew.live_for(3 * HOUR)
    start = await crew.value("SELECT id FROM notice WHERE kind = 'slot_started'")
    await enter(channel="sms", message_id=f"id-{start}-sms", status="delivered", at=booking.timeline.starts_at)
    await dispute(crew.desk, town.driver.id, booking.id, "Nobody told me.")
    page = await visit(f"/vendor/disputes/{booking.ref}", True)
    assert "13:00:00 UTC SMS “slot started”: delivered, double reports" in page
