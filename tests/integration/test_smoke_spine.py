"""A booking's life by the clock and by its driver, through use cases and engine, on a real database."""

from datetime import timedelta

import pytest

from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.errors import CheckInTooEarly, GraceOver, NotFound, SlotTaken
from slotwatch.domain.lifecycle import State
from slotwatch.domain.notices import Channel
from slotwatch.engine.advance import AdvanceSettings, Advancer
from slotwatch.storage import bookings
from slotwatch.storage.clock import MovableClock
from slotwatch.usecases.book import book
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import Desk
from tests.conftest import Town

APP = CheckInAttempt(CheckInMethod.APP)


async def run_engine(desk: Desk) -> None:
    advancer = Advancer(AdvanceSettings(), list(Channel), desk.clock)
    async with desk.database.connection() as conn:
        while (await advancer.run_once(conn)).moved:
            pass


async def state_of(desk: Desk, booking_id: int) -> State:
    async with desk.database.connection() as conn:
        booking = await bookings.load(conn, booking_id)
        assert booking is not None
        return booking.state


async def test_a_driver_who_checks_in_keeps_the_slot_to_its_end(desk: Desk, town: Town, clock: MovableClock) -> None:
    booking = await book(desk, town.driver, town.connectors[0], town.slot())
    with pytest.raises(SlotTaken):
        await book(desk, town.stranger, town.connectors[0], town.slot(starts_in=timedelta(minutes=90)))
    with pytest.raises(CheckInTooEarly):
        await check_in(desk, town.driver.id, booking.id, APP)
    clock.advance(timedelta(hours=1))
    await run_engine(desk)
    assert await state_of(desk, booking.id) is State.GRACE
    with pytest.raises(NotFound):
        await check_in(desk, town.stranger.id, booking.id, APP)
    clock.advance(timedelta(minutes=30))
    assert (await check_in(desk, town.driver.id, booking.id, APP)).state is State.ACTIVE
    await run_engine(desk)
    assert await state_of(desk, booking.id) is State.ACTIVE
    clock.advance(timedelta(hours=1))
    await run_engine(desk)
    assert await state_of(desk, booking.id) is State.COMPLETED


async def test_a_driver_who_was_told_and_does_not_come_loses_the_slot(
    desk: Desk, town: Town, clock: MovableClock
) -> None:
    booking = await book(desk, town.driver, town.connectors[0], town.slot())
    clock.advance(timedelta(hours=1))
    await run_engine(desk)
    async with desk.database.connection() as conn:
        await conn.execute("UPDATE delivery SET state = 'sent' WHERE channel = 'email'")
    clock.advance(timedelta(minutes=30, seconds=1))
    with pytest.raises(GraceOver):
        await check_in(desk, town.driver.id, booking.id, APP)
    clock.advance(timedelta(seconds=4))
    await run_engine(desk)
    assert await state_of(desk, booking.id) is State.EXPIRED
    freed = await book(desk, town.stranger, town.connectors[0], town.slot(starts_in=timedelta(minutes=95)))
    assert freed.state is State.CONFIRMED
