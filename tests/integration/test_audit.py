"""The audit of every minute: what is overdue, off its timeline or untold is found, repaired and kept."""

from datetime import timedelta

import pytest

from slotwatch.domain.lifecycle import State, Step
from slotwatch.engine.audit import AuditReport
from slotwatch.usecases.dispute import dispute
from slotwatch.usecases.vendor_bookings import Staff
from slotwatch.usecases.vendor_disputes import Decision, resolve_dispute
from tests.conftest import NOON, Town
from tests.support.crew import Crew

pytestmark = pytest.mark.any_postgres

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


async def _audit(crew: Crew) -> AuditReport:
    async with crew.desk.database.transaction() as conn:
        return await crew.duties().auditor.run_once(conn)


async def test_a_healthy_system_is_clean_and_the_findings_are_kept(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.starts_at)
    report = await _audit(crew)
    assert report.is_clean
    assert await crew.value("SELECT findings FROM audit_run") == {
        "overdue": 0,
        "latest_seconds": 0.0,
        "stray": 0,
        "untold": 0,
        "set_aside": 0,
    }


async def test_what_is_late_by_more_than_a_minute_is_counted(crew: Crew, town: Town) -> None:
    await crew.booked(town.driver, town.connectors[0], town.slot())
    crew.clock.advance(HOUR + MINUTE)
    assert (await _audit(crew)).overdue == 0
    crew.clock.advance(SECOND)
    report = await _audit(crew)
    assert (report.overdue, report.latest_seconds) == (1, 61.0)


async def test_a_booking_off_its_timeline_is_put_back_and_lives_on(crew: Crew, town: Town) -> None:
    wrong_step = await crew.booked(town.driver, town.connectors[0], town.slot())
    wrong_time = await crew.booked(town.driver, town.connectors[1], town.slot())
    await crew.execute("UPDATE booking SET step = 'expire', due_at = expires_at WHERE id = $1", wrong_step.id)
    await crew.execute("UPDATE booking SET due_at = due_at + interval '1 day' WHERE id = $1", wrong_time.id)
    report = await _audit(crew)
    assert (report.stray, report.is_clean) == (2, False)
    for booking in (wrong_step, wrong_time):
        now = await crew.load(booking)
        assert (now.step, now.due_at) == (Step.START, booking.timeline.starts_at)
    assert (await _audit(crew)).stray == 0
    await crew.live_until(wrong_step.timeline.expires_at)
    assert await crew.state(wrong_step) is await crew.state(wrong_time) is State.EXPIRED


async def test_a_notice_that_is_missing_is_written_and_sent(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.starts_at - SECOND)
    crew.clock.move_to(booking.timeline.starts_at)
    await crew.engine()
    await crew.execute("DELETE FROM delivery USING notice WHERE notice.id = notice_id AND kind = 'slot_started'")
    await crew.execute("DELETE FROM notice WHERE kind = 'slot_started'")
    assert (await _audit(crew)).untold == 0, "it might still be under way"
    crew.clock.advance(11 * SECOND)
    assert (await _audit(crew)).untold == 1
    assert (await _audit(crew)).untold == 0
    await crew.deliver()
    assert await crew.deliveries(booking, "slot_started") == {"email": "sent", "sms": "sent"}


async def test_a_missing_notice_whose_time_has_passed_counts_as_unsent(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.never_silent()
    crew.clock.move_to(booking.timeline.starts_at + 25 * MINUTE)
    assert (await crew.advance()).moved == 1
    await crew.execute("DELETE FROM delivery USING notice WHERE notice.id = notice_id AND kind = 'slot_started'")
    await crew.execute("DELETE FROM notice WHERE kind = 'slot_started'")
    crew.clock.move_to(booking.timeline.grace_ends_at + SECOND)
    assert (await _audit(crew)).untold == 1
    assert await crew.deliveries(booking, "slot_started") == {"email": "missed", "sms": "missed"}
    assert await crew.unsent() == await crew.missed()


async def test_who_won_a_dispute_and_was_not_told_is_told(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.expires_at)
    await dispute(crew.desk, town.driver.id, booking.id, "The charger was blocked.")
    await resolve_dispute(crew.desk, Staff(town.vendor, "rosa"), booking.id, Decision.REFUND, None)
    await crew.execute("DELETE FROM delivery USING notice WHERE notice.id = notice_id AND kind = 'slot_voided'")
    await crew.execute("DELETE FROM notice WHERE kind = 'slot_voided'")
    crew.clock.advance(11 * SECOND)
    assert (await _audit(crew)).untold == 1
    await crew.deliver()
    assert (await crew.deliveries(booking, "slot_voided"))["email"] == "sent"


async def test_a_missing_notice_of_long_ago_is_not_sent_late(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.starts_at)
    await crew.execute("DELETE FROM delivery")
    await crew.execute("DELETE FROM notice")
    crew.clock.advance(11 * MINUTE)
    assert (await _audit(crew)).untold == 0


async def test_one_of_many_workers_audits_and_only_once_a_minute(crew: Crew, town: Town) -> None:
    auditor = crew.duties().auditor
    async with crew.desk.database.transaction() as first, crew.desk.database.transaction() as second:
        assert await auditor.run_if_due(first, NOON) is not None
        assert await auditor.run_if_due(second, NOON) is None, "another one is at it"
    for later, runs in ((59 * SECOND, False), (MINUTE, True)):
        crew.clock.move_to(NOON + later)
        async with crew.desk.database.transaction() as conn:
            assert (await auditor.run_if_due(conn, NOON + later) is not None) is runs
