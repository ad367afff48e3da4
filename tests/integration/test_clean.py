"""The cleaning of every five minutes: forfeits become final, stale deliveries are closed, old rows go."""

from dataclasses import replace
from datetime import timedelta

import pytest

from slotwatch.domain.booking import Booking, CheckInMethod
from slotwatch.domain.lifecycle import State
from slotwatch.domain.money import PaymentStatus
from slotwatch.engine.clean import CleanReport
from slotwatch.storage import bookings
from slotwatch.usecases.dispute import dispute
from slotwatch.usecases.pay import pay
from tests.conftest import NOON, Town
from tests.support.crew import Crew
from tests.support.provider import down
from tests.support.signed_in import driver_cookie, make_staff

pytestmark = pytest.mark.any_postgres

SECOND = timedelta(seconds=1)
MINUTE = 60 * SECOND
HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)


async def _clean(crew: Crew) -> CleanReport:
    async with crew.desk.database.transaction() as conn:
        report = await crew.duties().cleaner.run_once(conn)
    assert report is not None
    return report


async def _no_show(crew: Crew, town: Town) -> Booking:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await pay(crew.desk, town.driver.id, booking.id)
    await crew.live_until(booking.timeline.expires_at)
    expired = await crew.load(booking)
    assert expired.state is State.EXPIRED
    return expired


async def test_a_forfeit_becomes_final_when_its_hold_has_passed_and_not_before(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await _no_show(crew, town)
    crew.clock.advance(24 * HOUR)
    assert (await _clean(crew)).forfeits_final == 0
    crew.clock.advance(MICROSECOND)
    assert (await _clean(crew)).forfeits_final == 1
    assert (await _clean(crew)).forfeits_final == 0
    assert (await crew.load(booking)).payment_status is PaymentStatus.FORFEITED
    assert (await crew.ledger(booking))[-1] == ("forfeited", "forfeit", "vendor", 1250)


async def test_a_disputed_forfeit_waits(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await _no_show(crew, town)
    await dispute(crew.desk, town.driver.id, booking.id, "The charger was blocked.")
    crew.clock.advance(48 * HOUR)
    assert (await _clean(crew)).forfeits_final == 0
    await crew.execute("UPDATE dispute SET decision = 'uphold', decided_at = $1", crew.clock.read())
    assert (await _clean(crew)).forfeits_final == 1


async def test_a_no_show_that_cost_nothing_becomes_final_without_moving_money(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    await crew.execute("UPDATE connector SET price_per_hour = 0")
    booking = await _no_show(crew, town)
    crew.clock.advance(25 * HOUR)
    assert (await _clean(crew)).forfeits_final == 1
    assert await crew.ledger(booking) == []


async def test_a_move_decided_before_the_forfeit_became_final_is_not_written_on_top_of_it(
    paying_crew: Crew, town: Town
) -> None:
    """Its money would come from an account that is empty by now."""
    crew = paying_crew
    booking = await _no_show(crew, town)
    stale = booking.check_in(CheckInMethod.APP, booking.timeline.grace_ends_at)
    crew.clock.advance(25 * HOUR)
    await _clean(crew)
    async with crew.desk.database.connection() as conn:
        assert not await bookings.record_move(conn, stale, actor="test", channels=crew.desk.channels)
    assert await crew.state(booking) is State.EXPIRED


async def test_a_move_that_is_written_when_its_notice_is_stale_counts_it_as_unsent(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    move = booking.check_in(CheckInMethod.APP, booking.timeline.starts_at)
    late = replace(move, after=replace(move.after, updated_at=booking.timeline.ends_at + SECOND))
    async with crew.desk.database.connection() as conn:
        assert await bookings.record_move(conn, late, actor="test", channels=crew.desk.channels)
    assert await crew.deliveries(booking, "checked_in") == {"email": "missed"}
    assert await crew.unsent() == await crew.missed()


async def test_deliveries_that_nobody_sent_in_time_are_missed(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.starts_at - SECOND)
    crew.clock.move_to(booking.timeline.starts_at)
    await crew.engine()
    crew.clock.move_to(booking.timeline.grace_ends_at + 60 * SECOND)
    assert (await _clean(crew)).missed == 0
    crew.clock.advance(SECOND)
    assert (await _clean(crew)).missed == 2
    assert await crew.deliveries(booking, "slot_started") == {"email": "missed", "sms": "missed"}
    assert await crew.value("SELECT count(*) FROM delivery WHERE state = 'missed' AND error IS NULL") == 0


async def test_a_delivery_under_lease_is_left_to_its_sender(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    crew.mail.answer = down
    await crew.live_until(booking.timeline.starts_at)
    crew.clock.move_to(booking.timeline.grace_ends_at + 61 * SECOND)
    await crew.execute("UPDATE delivery SET next_attempt_at = $1", crew.clock.read() + SECOND)
    assert (await _clean(crew)).missed == 0


async def test_old_rows_go_after_their_time(crew: Crew, town: Town) -> None:
    await crew.execute(
        "INSERT INTO idempotency (caller, key, request_hash, created_at) VALUES ('c', 'k', 'h', $1)", NOON
    )
    await crew.execute(
        "INSERT INTO inbox_message (key, channel, recipient, text, at) VALUES ('k', 'sms', 'r', 't', $1)", NOON
    )
    await crew.execute("INSERT INTO audit_run (at, findings) VALUES ($1, '{}')", NOON)
    await crew.beat()
    crew.clock.advance(HOUR)
    assert (await _clean(crew)).processes == 0
    crew.clock.advance(timedelta(days=7) - HOUR)
    assert (await _clean(crew)).keys == 0
    crew.clock.advance(MICROSECOND)
    report = await _clean(crew)
    assert (report.keys, report.letters, report.audits) == (1, 1, 1)
    assert await crew.value("SELECT count(*) FROM heartbeat") == 0


async def test_a_session_goes_a_day_after_its_end(crew: Crew, town: Town) -> None:
    await driver_cookie(crew.desk.database, town.driver.id, now=crew.clock.read())
    crew.clock.advance(31 * 24 * HOUR + SECOND)
    await _clean(crew)
    assert await crew.value("SELECT count(*) FROM session") == 0
    await driver_cookie(crew.desk.database, town.driver.id, now=crew.clock.read())
    crew.clock.advance(29 * 24 * HOUR)
    await _clean(crew)
    assert await crew.value("SELECT count(*) FROM session") == 1


async def test_notices_to_staff_go_after_a_month_and_name_nobody_in_their_occasion(crew: Crew, town: Town) -> None:
    await make_staff(crew.desk.database, town.vendor, now=NOON)
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.expires_at)
    await dispute(crew.desk, town.driver.id, booking.id, "The charger was blocked.")
    await crew.deliver()
    own = "notice WHERE kind = 'dispute_opened'"
    assert "@" not in await crew.value(f"SELECT occasion FROM {own}")
    until = await crew.value(f"SELECT valid_until FROM {own}")
    crew.clock.move_to(until + timedelta(days=30))
    await _clean(crew)
    assert await crew.value(f"SELECT count(*) FROM {own}") == 1
    crew.clock.advance(MICROSECOND)
    await _clean(crew)
    assert await crew.value(f"SELECT count(*) FROM {own}") == 0
    orphans = "WHERE NOT EXISTS (SELECT FROM notice WHERE id = notice_id)"
    assert await crew.value(f"SELECT count(*) FROM delivery {orphans}") == 0
    assert await crew.value(f"SELECT count(*) FROM attempt {orphans}") == 0
    assert await crew.notices(booking), "what the driver was told stays"


async def test_two_cleaners_at_once_do_it_once(crew: Crew) -> None:
    cleaner = crew.duties().cleaner
    async with crew.desk.database.transaction() as first, crew.desk.database.transaction() as second:
        assert await cleaner.run_once(first) is not None
        assert await cleaner.run_once(second) is None


async def test_many_workers_clean_once_in_five_minutes_between_them(crew: Crew) -> None:
    """What is kept from one cleaning to the next but one would else be gone within a second."""
    one, other = crew.duties().cleaner, crew.duties().cleaner
    done = []
    for worker, pause in (
        (one, SECOND),
        (other, 5 * MINUTE - SECOND),
        (other, SECOND),
        (one, 5 * MINUTE),
        (one, SECOND),
    ):
        async with crew.desk.database.transaction() as conn:
            done.append(await worker.run_if_due(conn) is not None)
        crew.clock.advance(pause)
    assert done == [True, False, True, False, True]
