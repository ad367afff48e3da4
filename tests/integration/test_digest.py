"""The morning's digest: each vendor's people are told of yesterday's no-shows, once, and only if there were any."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from slotwatch.analytics.no_shows import no_shows_by_station
from slotwatch.domain.notices import Channel
from slotwatch.domain.staff import StaffRole
from slotwatch.engine.digest import Digest, DigestReport
from tests.conftest import Town
from tests.support.crew import Crew
from tests.support.signed_in import make_staff

pytestmark = pytest.mark.any_postgres

MORNING = datetime(2026, 3, 3, 8, tzinfo=UTC)  # of the day after; the first station's zone is UTC


def digest(often: Literal["daily", "weekly", "off"] = "daily") -> Digest:
    return Digest([Channel.EMAIL], no_shows_by_station, often=often)


async def run(crew: Crew, duty: Digest) -> DigestReport:
    async with crew.desk.database.connection() as conn, conn.transaction():
        return await duty.run_once(conn, crew.clock.read())


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
    duty = digest()
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
    duty = digest()
    assert [(await run(missed, one)).told for one in (duty, duty, digest())] == [1, 0, 0]
    missed.clock.move_to(MORNING + timedelta(days=1))
    assert (await run(missed, duty)).told == 0, "there was nothing on Tuesday"


async def test_a_vendor_without_staff_is_told_at_its_own_address_in_its_own_language(missed: Crew) -> None:
    await missed.execute("UPDATE staff SET removed_at = now()")
    missed.clock.move_to(MORNING)
    assert (await run(missed, digest())).told == 1
    await missed.deliver()
    assert (missed.mail.taken[-1].to, missed.mail.taken[-1].lang) == ("office@example.org", "de")


async def test_morning_is_where_the_first_station_stands(missed: Crew, town: Town) -> None:
    await missed.execute("UPDATE station SET zone = 'Asia/Kathmandu' WHERE id = $1", town.station)
    missed.clock.move_to(MORNING - timedelta(hours=5, minutes=46))
    assert (await run(missed, digest())).vendors == 0
    missed.clock.move_to(MORNING - timedelta(hours=5, minutes=45))
    assert (await run(missed, digest())).told == 1


async def test_after_noon_yesterday_is_old_news(missed: Crew) -> None:
    missed.clock.move_to(MORNING + timedelta(hours=4))
    assert (await run(missed, digest())).vendors == 0


async def test_weekly_is_on_mondays_of_the_week_before(missed: Crew) -> None:
    duty = digest("weekly")
    for days in range(6):
        missed.clock.move_to(MORNING + timedelta(days=days))
        assert (await run(missed, duty)).told == 0
    missed.clock.move_to(MORNING + timedelta(days=6))
    assert (await run(missed, duty)).told == 1
    await missed.deliver()
    assert missed.mail.taken[-1].subject == "No-shows, Monday, 2 March 2026 \u2013 Sunday, 8 March 2026: 2"


async def test_switched_off_nothing_is_counted(missed: Crew) -> None:
    missed.clock.move_to(MORNING)
    assert await run(missed, digest("off")) == DigestReport()
    assert await run(missed, Digest([Channel.SMS], no_shows_by_station)) == DigestReport()
