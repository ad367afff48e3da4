"""What the clock does to a booking: every step of the timeline, what is logged, told and moved in money."""

import contextlib
import itertools
from datetime import timedelta

import asyncpg
import pytest

from slotwatch.domain.lifecycle import STEP_RULES, TRANSITIONS, Cause, EndReason, State, Step
from slotwatch.domain.money import PaymentStatus
from slotwatch.engine.advance import next_due
from slotwatch.usecases.pay import pay
from tests.conftest import NOON, Town
from tests.support.crew import Crew

pytestmark = pytest.mark.any_postgres

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


async def test_a_booking_that_nobody_uses_goes_through_every_step_at_its_time(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    start = booking.timeline.starts_at
    seen = []
    while (due := (await crew.load(booking)).due_at) is not None:
        crew.clock.move_to(due)
        seen.append(((await crew.load(booking)).step, due - start))
        await crew.work()
    assert seen == [
        (Step.REMIND, -HOUR),
        (Step.START, timedelta(0)),
        (Step.GRACE_HALF, 15 * MINUTE),
        (Step.GRACE_LAST, 25 * MINUTE),
        (Step.EXPIRE, 30 * MINUTE + 5 * SECOND),
    ]
    assert await crew.history(booking) == ["confirmed", "grace", "expired"]
    assert await crew.notices(booking) == [
        *("booking_confirmed", "reminder", "slot_started", "grace_alert/half", "grace_alert/last", "slot_expired")
    ]
    ended = await crew.load(booking)
    assert (ended.end_reason, ended.expired_at, ended.due_at) == (EndReason.NO_SHOW, ended.ended_at, None)


@pytest.mark.parametrize("step", [Step.START, Step.GRACE_HALF, Step.GRACE_LAST, Step.EXPIRE, Step.COMPLETE])
async def test_nothing_happens_a_microsecond_before_its_time(crew: Crew, town: Town, step: Step) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    if step is Step.COMPLETE:
        crew.clock.move_to(booking.timeline.starts_at)
        await crew.checked_in(booking)
    while (now := await crew.load(booking)).step is not step:
        assert now.due_at is not None
        crew.clock.move_to(now.due_at)
        await crew.work()
    assert now.due_at is not None
    crew.clock.move_to(now.due_at - timedelta(microseconds=1))
    assert await crew.engine() == []
    assert (await crew.load(booking)).step is step
    crew.clock.move_to(now.due_at)
    assert sum(report.moved for report in await crew.engine()) == 1


async def test_a_used_slot_is_completed_at_its_end_and_earned(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await pay(crew.desk, town.driver.id, booking.id)
    await crew.live_until(booking.timeline.starts_at + 10 * MINUTE)
    await crew.checked_in(booking)
    await crew.live_until(booking.timeline.ends_at)
    ended = await crew.load(booking)
    assert (ended.state, ended.end_reason, ended.ended_at) == (State.COMPLETED, EndReason.SLOT_ENDED, ended.updated_at)
    assert await crew.history(booking) == ["pending", "confirmed", "grace", "active", "completed"]
    assert await crew.ledger(booking) == [("captured", "driver", "held", 1250), ("earned", "held", "vendor", 1250)]
    assert (await crew.notices(booking))[-2:] == ["checked_in", "booking_completed"]


async def test_an_unpaid_hold_is_cancelled_when_it_runs_out_and_nothing_is_charged(
    paying_crew: Crew, town: Town
) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    assert (booking.state, booking.due_at) == (State.PENDING, NOON + 10 * MINUTE)
    await crew.live_until(NOON + 10 * MINUTE)
    ended = await crew.load(booking)
    assert (ended.state, ended.end_reason) == (State.CANCELLED, EndReason.HOLD_RAN_OUT)
    assert ended.payment_status is PaymentStatus.NOT_PAID
    assert await crew.ledger(booking) == []
    assert await crew.deliveries(booking, "booking_cancelled") == {"email": "sent", "sms": "sent"}
    again = await crew.booked(town.stranger, town.connectors[0], town.slot())
    assert again.state is State.PENDING


async def test_a_no_show_is_not_refunded_and_its_money_is_provisional(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await pay(crew.desk, town.driver.id, booking.id)
    await crew.live_until(booking.timeline.expires_at)
    ended = await crew.load(booking)
    assert (ended.state, ended.payment_status) == (State.EXPIRED, PaymentStatus.FORFEIT_HELD)
    assert await crew.ledger(booking) == [
        ("captured", "driver", "held", 1250),
        ("forfeit_held", "held", "forfeit", 1250),
    ]
    assert await crew.deliveries(booking, "slot_expired") == {"email": "sent", "sms": "sent"}


async def test_a_slot_of_an_expired_booking_is_free_at_once(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.expires_at)
    assert await crew.state(booking) is State.EXPIRED
    rest = town.slot(starts_in=HOUR + 31 * MINUTE, length=29 * MINUTE)
    assert (await crew.booked(town.stranger, town.connectors[0], rest)).state is State.CONFIRMED


async def test_a_grace_as_long_as_the_slot_ends_with_it(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(length=15 * MINUTE))
    assert booking.timeline.grace_ends_at == booking.timeline.ends_at
    await crew.live_until(booking.timeline.ends_at)
    assert await crew.state(booking) is State.GRACE
    await crew.live_until(booking.timeline.expires_at)
    assert await crew.state(booking) is State.EXPIRED


async def test_a_grace_of_two_minutes_has_no_last_call(crew: Crew, town: Town) -> None:
    await crew.execute("""UPDATE vendor SET terms = '{"gracePeriodMinutes": 2}'""")
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.expires_at)
    assert "grace_alert/last" not in await crew.notices(booking)
    assert "grace_alert/half" in await crew.notices(booking)
    assert await crew.state(booking) is State.EXPIRED


async def test_terms_are_those_of_the_day_of_booking(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.execute("""UPDATE vendor SET terms = '{"gracePeriodMinutes": 5}'""")
    await crew.live_until(booking.timeline.starts_at + 29 * MINUTE)
    assert await crew.state(booking) is State.GRACE
    later = await crew.booked(town.driver, town.connectors[1], town.slot(starts_in=3 * HOUR))
    assert later.terms.grace_period_minutes == 5


async def test_a_batch_moves_no_more_than_its_size_and_the_next_one_the_rest(crew: Crew, town: Town) -> None:
    crew.advancer.batch_size = 2
    for connector in town.connectors[:3]:
        await crew.booked(town.driver, connector, town.slot())
    crew.clock.advance(HOUR)
    assert [report.moved for report in await crew.engine()] == [2, 1]


async def test_the_report_says_what_moved_and_how_late(crew: Crew, town: Town) -> None:
    await crew.booked(town.driver, town.connectors[0], town.slot())
    crew.clock.advance(HOUR + 3 * SECOND)
    report = await crew.advance()
    assert [(move.step, move.cause, move.from_state, move.to_state, move.count) for move in report.moves] == [
        (Step.START, Cause.TIME, State.CONFIRMED, State.GRACE, 1)
    ]
    assert (report.latest, report.now) == (3 * SECOND, crew.clock.read())


async def test_the_next_due_instant_is_the_earliest_of_all(crew: Crew, town: Town) -> None:
    async with crew.desk.database.connection() as conn:
        assert await next_due(conn) is None
        await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=3 * HOUR))
        await crew.booked(town.driver, town.connectors[1], town.slot(starts_in=2 * HOUR))
        assert await next_due(conn) == NOON + HOUR


async def test_a_paused_expiry_moves_everything_else(crew: Crew, town: Town) -> None:
    gone = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(gone.timeline.expires_at - SECOND)
    coming = await crew.booked(town.driver, town.connectors[1], town.slot(starts_in=HOUR + 31 * MINUTE))
    crew.clock.move_to(coming.timeline.starts_at)
    while (await crew.advance(may_expire=False)).moved:
        pass
    assert await crew.state(gone) is State.GRACE
    assert await crew.state(coming) is State.GRACE
    await crew.engine()
    assert await crew.state(gone) is State.EXPIRED


async def test_a_clock_between_two_microseconds_of_one_booking_moves_only_what_is_due(crew: Crew, town: Town) -> None:
    first = await crew.booked(town.driver, town.connectors[0], town.slot())
    second = await crew.booked(town.driver, town.connectors[1], town.slot(starts_in=HOUR + timedelta(microseconds=1)))
    crew.clock.advance(HOUR)
    await crew.engine()
    assert (await crew.state(first), await crew.state(second)) == (State.GRACE, State.CONFIRMED)


async def test_the_history_takes_only_moves_of_the_table(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    insert = (
        "INSERT INTO transition (booking_id, version, from_state, to_state, cause, actor, at)"
        " VALUES ($1, 2, $2, $3, 'time', 'test', $4)"
    )
    taken = set()
    async with crew.desk.database.connection() as conn:
        for pair in itertools.product(State, State):
            attempt = conn.transaction()
            await attempt.start()
            with contextlib.suppress(asyncpg.ForeignKeyViolationError):
                await conn.execute(insert, booking.id, *pair, NOON)
                taken.add(pair)
            await attempt.rollback()
    assert taken == {(state, to) for (state, _), to in TRANSITIONS.items()}


async def test_history_ledger_and_evidence_cannot_be_changed(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await pay(crew.desk, town.driver.id, booking.id)
    crew.clock.move_to(booking.timeline.starts_at)
    await crew.checked_in(booking)
    for table in ("transition", "ledger", "evidence"):
        for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET booking_id = 1"):
            with pytest.raises(asyncpg.RestrictViolationError):
                await crew.execute(statement)


def test_every_step_has_a_rule_for_the_state_it_belongs_to() -> None:
    assert {rule.step for rule in STEP_RULES} == set(Step)
    for rule in STEP_RULES:
        assert rule.to_state in State
