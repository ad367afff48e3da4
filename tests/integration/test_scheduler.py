"""BookingScheduler: the six operations that the original description promises, on the engine behind them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from slotwatch.domain.errors import Conflict
from slotwatch.domain.lifecycle import State
from slotwatch.engine.scheduler import BookingScheduler
from slotwatch.storage.migrate import SchemaMismatch
from slotwatch.usecases.cancel import cancel
from tests.conftest import NOON, Town
from tests.support.crew import Crew, until

HOUR = timedelta(hours=1)


@pytest.fixture
def scheduler(crew: Crew) -> BookingScheduler:
    """Not started."""
    return BookingScheduler(crew.desk.database, crew.clock, crew.duties())


async def test_init_starts_a_worker_that_runs_until_it_is_closed(
    crew: Crew, town: Town, scheduler: BookingScheduler
) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await scheduler.init()
    assert await scheduler.schedule_booking_notifications(booking) == booking.timeline.starts_at
    crew.clock.move_to(booking.timeline.starts_at)

    async def begun() -> bool:
        return await crew.state(booking) is State.GRACE

    await until(begun)
    await scheduler.close()
    crew.clock.move_to(booking.timeline.expires_at)
    assert await crew.state(booking) is State.GRACE


async def test_init_refuses_a_schema_that_is_not_ours(crew: Crew, scheduler: BookingScheduler) -> None:
    await crew.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaMismatch, match="newer"):
        await scheduler.init()


async def test_the_start_of_a_booking_is_handled_once_and_never_early(
    crew: Crew, town: Town, scheduler: BookingScheduler
) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    assert (await scheduler.handle_booking_start(booking.id)).moved == 0
    crew.clock.move_to(booking.timeline.starts_at)
    assert (await scheduler.handle_booking_start(booking.id)).moved == 1
    assert (await scheduler.handle_booking_start(booking.id)).moved == 0
    assert await crew.state(booking) is State.GRACE


async def test_the_end_of_grace_expires_this_booking_and_no_other(
    crew: Crew, town: Town, scheduler: BookingScheduler
) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    other = await crew.booked(town.stranger, town.connectors[1], town.slot())
    await crew.live_until(booking.timeline.expires_at - timedelta(seconds=1))
    assert (await scheduler.handle_grace_period_expiration(booking.id)).moved == 0
    crew.clock.move_to(booking.timeline.expires_at)
    assert (await scheduler.handle_grace_period_expiration(booking.id)).moved == 1
    assert (await crew.state(booking), await crew.state(other)) == (State.EXPIRED, State.GRACE)


async def test_checking_the_statuses_repairs_and_reports(crew: Crew, town: Town, scheduler: BookingScheduler) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.execute("UPDATE booking SET due_at = due_at + interval '1 day'")
    assert (await scheduler.check_booking_statuses()).stray == 1
    assert (await crew.load(booking)).due_at == NOON + HOUR


async def test_notifications_of_a_cancelled_booking_are_withdrawn_and_the_news_of_it_stays(
    crew: Crew, town: Town, scheduler: BookingScheduler
) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    assert await scheduler.cancel_booking_notifications(booking.id) == 0
    await cancel(crew.desk, town.driver.id, booking.id)
    assert await scheduler.cancel_booking_notifications(booking.id) == 2
    assert set((await crew.deliveries(booking, "booking_confirmed")).values()) == {"suppressed"}
    assert set((await crew.deliveries(booking, "booking_cancelled")).values()) == {"pending"}


async def test_an_ended_booking_has_nothing_to_schedule(crew: Crew, town: Town, scheduler: BookingScheduler) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    cancelled = await cancel(crew.desk, town.driver.id, booking.id)
    with pytest.raises(Conflict, match="cancelled"):
        await scheduler.schedule_booking_notifications(replace(cancelled))
