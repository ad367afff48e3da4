"""In a driver's quiet hours what can wait waits, what cannot is told, and what is stale by then is not."""

from dataclasses import replace
from datetime import timedelta

from slotwatch.storage.preferences import save_preferences
from tests.conftest import NOON, Town
from tests.support.crew import Crew

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


async def _quiet(crew: Crew, town: Town, start: str, end: str) -> Town:
    wishes = {"quietHours": {"start": start, "end": end, "timeZone": "Asia/Kathmandu"}}  # noon UTC is 17:45 there
    async with crew.desk.database.connection() as conn:
        await save_preferences(conn, town.driver.subject, wishes, now=NOON)
    return replace(town, driver=replace(town.driver, preferences=wishes))


async def test_in_quiet_hours_a_confirmation_comes_by_mail_alone_and_a_start_by_all_ways(
    crew: Crew, town: Town
) -> None:
    town = await _quiet(crew, town, "17:30", "20:15")
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(length=3 * HOUR))
    await crew.live_until(booking.timeline.starts_at)
    assert await crew.deliveries(booking, "booking_confirmed") == {"email": "sent", "sms": "pending"}
    assert await crew.deliveries(booking, "slot_started") == {"email": "sent", "sms": "sent"}
    await crew.checked_in(booking)
    await crew.live_until(NOON + 2 * HOUR + 29 * MINUTE)
    assert await crew.deliveries(booking, "checked_in") == {"email": "pending"}
    await crew.live_until(NOON + 2 * HOUR + 30 * MINUTE)
    assert await crew.deliveries(booking, "booking_confirmed") == {"email": "sent", "sms": "sent"}
    assert await crew.deliveries(booking, "checked_in") == {"email": "sent"}
    rows = await crew.rows("SELECT DISTINCT attempts FROM delivery")
    assert [row["attempts"] for row in rows] == [1], "waiting is no try"


async def test_who_books_in_quiet_hours_gets_the_calendar_entry_though_all_is_over_before_they_end(
    crew: Crew, town: Town
) -> None:
    town = await _quiet(crew, town, "17:15", "20:45")
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.deliver()
    assert await crew.deliveries(booking, "booking_confirmed") == {"email": "sent", "sms": "suppressed"}
    assert crew.mail.taken[0].calendar is not None


async def test_what_is_stale_when_quiet_ends_is_not_sent(crew: Crew, town: Town) -> None:
    town = await _quiet(crew, town, "17:00", "07:00")
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    await crew.live_until(booking.timeline.starts_at)
    assert await crew.deliveries(booking, "reminder") == {"email": "suppressed"}
    error = await crew.value(
        "SELECT error FROM delivery AS d JOIN notice AS n ON n.id = notice_id WHERE kind = 'reminder'"
    )
    assert error == "the driver's quiet hours last longer than this is worth telling"


async def test_outside_of_quiet_hours_nothing_waits(crew: Crew, town: Town) -> None:
    town = await _quiet(crew, town, "20:00", "17:45")
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.deliver()
    assert await crew.deliveries(booking, "booking_confirmed") == {"email": "sent", "sms": "sent"}
