"""The morning's digest: each vendor's people are told of yesterday's no-shows, once, and only if there were any."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from slotwatch.analytics.no_shows import no_shows_by_station
from slotwatch.domain.notices import Channel
from slotwatch.domain.staff import StaffRole
from slotwatch.engine.digest import Digest, DigestReport
from slotwatch.storage.statements import Connection
from tests.conftest import Town
from tests.support.crew import Crew, until
from tests.support.signed_in import make_staff

pytestmark = pytest.mark.any_postgres

MORNING = datetime(2026, 3, 3, 8, tzinfo=UTC)  # of the day after; the first station's zone is UTC


def digest(crew: Crew, often: Literal["daily", "weekly", "off"] = "daily") -> Digest:
    return Digest(crew.desk.database, crew.clock, [Channel.EMAIL], no_shows_by_station, often=often)


async def run(crew: Crew, duty: Digest) -> DigestReport:
    return await duty.run_once(crew.clock.read())


@pytest.fixture
async def missed(crew: Crew, town: Town) -> AsyncIterator[Crew]:
    """Monday: two no-shows and one who came, at the first station; its owner and an attendant."""
    await crew.never_silent()
    database, now = crew.desk.database, crew.clock.read()
    await crew.execute("UPDATE vendor SET language = 'de', email = 'office@example.org' WHERE id = $1", town.vendor)
    await make_staff(database, town.vendor, now=now, name="Rosa")
    await make_staff(database, town.vendor, now=now, name="Jan", role=StaffRole.ATTENDANT)
    bookings = [await crew.booked(town.driver, connector, town.slot()) for connector in town.connectors[:3]]
    await crew.live_until(bookings[0].timeline.starts_at)
    await crew.checked_in(bookings[2])
    await crew.live_for(timedelta(hours=3))
    crew.mail.taken.clear()
    yield crew


async def test_owners_and_managers_are_told_in_the_morning_with_numbers_and_money(missed: Crew) -> None:
    duty = digest(missed)
    missed.clock.move_to(MORNING - timedelta(seconds=1))
    assert await run(missed, duty) == DigestReport()
    missed.clock.move_to(MORNING)
    assert (await run(missed, duty)).told == 1, "an attendant is not written to, nor the office where there is staff"
    await missed.deliver()
    (mail,) = missed.mail.taken
    assert mail.to.startswith("rosa-owner")
    assert mail.subject == "No-shows, Monday, 2 March 2026: 2"
    assert "Harbour: 2 of 3 (67%)" in mail.text
    await missed.assert_sound()


async def test_nobody_is_told_twice_whatever_process_looks(missed: Crew) -> None:
    missed.clock.move_to(MORNING)
    duty = digest(missed)
    assert [(await run(missed, one)).told for one in (duty, duty, digest(missed))] == [1, 0, 0]
    missed.clock.move_to(MORNING + timedelta(days=1))
    assert (await run(missed, duty)).told == 0, "there was nothing on Tuesday"


async def test_a_vendor_without_staff_is_told_at_its_own_address_in_its_own_language(missed: Crew) -> None:
    await missed.execute("UPDATE staff SET removed_at = now()")
    missed.clock.move_to(MORNING)
    assert (await run(missed, digest(missed))).told == 1
    await missed.deliver()
    assert (missed.mail.taken[-1].to, missed.mail.taken[-1].lang) == ("office@example.org", "de")


async def test_morning_is_where_the_first_station_stands(missed: Crew, town: Town) -> None:
    await missed.execute("UPDATE station SET zone = 'Asia/Kathmandu' WHERE id = $1", town.station)
    missed.clock.move_to(MORNING - timedelta(hours=5, minutes=46))
    assert (await run(missed, digest(missed))).vendors == 0
    missed.clock.move_to(MORNING - timedelta(hours=5, minutes=45))
    assert (await run(missed, digest(missed))).told == 1


async def test_after_noon_yesterday_is_old_news(missed: Crew) -> None:
    missed.clock.move_to(MORNING + timedelta(hours=4))
    assert (await run(missed, digest(missed))).vendors == 0


async def test_weekly_is_on_mondays_of_the_week_before(missed: Crew) -> None:
    duty = digest(missed, "weekly")
    for days in range(6):
        missed.clock.move_to(MORNING + timedelta(days=days))
        assert (await run(missed, duty)).told == 0
    missed.clock.move_to(MORNING + timedelta(days=6))
    assert (await run(missed, duty)).told == 1
    await missed.deliver()
    assert missed.mail.taken[-1].subject == "No-shows, Monday, 2 March 2026 \u2013 Sunday, 8 March 2026: 2"


async def test_switched_off_nothing_is_counted(missed: Crew) -> None:
    missed.clock.move_to(MORNING)
    assert await run(missed, digest(missed, "off")) == DigestReport()
    assert (
        await run(missed, Digest(missed.desk.database, missed.clock, [Channel.SMS], no_shows_by_station))
        == DigestReport()
    )


class Flaky:
    """Counts as `analytics` does, but fails for one vendor as long as it is told to."""

    def __init__(self, vendor_id: int) -> None:
        self.broken_for: int | None = vendor_id

    async def __call__(
        self, conn: Connection, vendor_id: int, since: datetime, until: datetime
    ) -> Sequence[Mapping[str, Any]]:
        if vendor_id == self.broken_for:
            raise RuntimeError("a number that nobody expected")
        return await no_shows_by_station(conn, vendor_id, since, until)


async def test_what_fails_for_one_vendor_keeps_no_other_from_being_told_and_is_tried_again(
    missed: Crew, town: Town
) -> None:
    await missed.execute(
        "UPDATE booking SET vendor_id = s.vendor_id, station_id = c.station_id, connector_id = c.id"
        " FROM connector AS c JOIN station AS s ON s.id = c.station_id WHERE c.id = $1 AND booking.id IN"
        " (SELECT id FROM booking WHERE state = 'expired' ORDER BY id DESC LIMIT 1)",
        town.other_connector,
    )
    await make_staff(missed.desk.database, town.other_vendor, now=missed.clock.read(), name="Ada")
    read = Flaky(town.vendor)
    duty = Digest(missed.desk.database, missed.clock, [Channel.EMAIL], read)
    missed.clock.move_to(MORNING)
    assert await run(missed, duty) == DigestReport(vendors=1, told=1), "the second vendor's own"
    read.broken_for = None
    assert await run(missed, duty) == DigestReport(vendors=1, told=1), "the first one, which was not marked as seen"
    assert await run(missed, duty) == DigestReport()


async def test_the_loop_writes_by_itself_beside_the_engine_and_stops_when_told(missed: Crew) -> None:
    missed.clock.move_to(MORNING)
    stop = asyncio.Event()
    writing = asyncio.create_task(digest(missed).run(stop))

    async def is_written() -> bool:
        written = await missed.value("SELECT count(*) FROM notice WHERE kind = 'no_show_digest'")
        return bool(written)

    await until(is_written)
    stop.set()
    await writing
