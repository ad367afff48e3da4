"""Many at once: bookings of one slot, check-ins and expiry, cancel and check-in, workers among themselves."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.errors import Conflict, GraceOver, NotCancellable, NotCheckInable, SlotTaken, TooManyBookings
from slotwatch.domain.lifecycle import State
from slotwatch.domain.slot import Slot
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.people import Driver, ensure_driver
from slotwatch.usecases.book import book
from slotwatch.usecases.cancel import cancel
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.pay import pay
from tests.conftest import NOON, Town
from tests.support.crew import APP, Crew

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
_SEEDS = range(12)


async def _drivers(crew: Crew, count: int) -> list[Driver]:
    async with crew.desk.database.transaction() as conn:
        return [await ensure_driver(conn, f"d-{n}", now=NOON, email=f"d{n}@example.org") for n in range(count)]


async def _outcomes(*actions: Awaitable[Any]) -> Counter[str]:
    """What became of all of them, run at once: the name of the error, or of the state."""
    results = await asyncio.gather(*actions, return_exceptions=True)
    return Counter(
        type(result).__name__ if isinstance(result, BaseException) else str(getattr(result, "state", "done"))
        for result in results
    )


async def test_of_twenty_who_book_one_slot_at_once_exactly_one_gets_it(crew: Crew, town: Town) -> None:
    drivers = await _drivers(crew, 20)
    found = await _outcomes(*(book(crew.desk, driver, town.connectors[0], town.slot()) for driver in drivers))
    assert found == {"confirmed": 1, "SlotTaken": 19}
    assert await crew.value("SELECT count(*) FROM booking") == 1
    assert await crew.value("SELECT count(*) FROM transition") == 1


async def test_overlapping_slots_never_both_stand_whoever_comes_first(crew: Crew, town: Town) -> None:
    drivers = await _drivers(crew, 20)
    slots = [Slot(NOON + HOUR + n * 5 * MINUTE, NOON + 2 * HOUR + n * 5 * MINUTE) for n in range(20)]
    found = await _outcomes(
        *(book(crew.desk, driver, town.connectors[0], slot) for driver, slot in zip(drivers, slots, strict=True))
    )
    assert found["confirmed"] >= 1
    assert set(found) <= {"confirmed", "SlotTaken"}
    overlaps = await crew.rows(
        "SELECT FROM booking AS a JOIN booking AS b ON a.id < b.id AND a.connector_id = b.connector_id"
        " AND tstzrange(a.starts_at, a.ends_at) && tstzrange(b.starts_at, b.ends_at)"
    )
    assert overlaps == []


async def test_neighbouring_slots_are_no_overlap(crew: Crew, town: Town) -> None:
    drivers = await _drivers(crew, 6)
    slots = [Slot(NOON + n * HOUR, NOON + (n + 1) * HOUR) for n in range(6)]
    found = await _outcomes(
        *(book(crew.desk, driver, town.connectors[0], slot) for driver, slot in zip(drivers, slots, strict=True))
    )
    assert found == {"confirmed": 6}


async def test_one_driver_never_holds_more_than_the_limit_even_when_booking_at_once(crew: Crew, town: Town) -> None:
    slots = [Slot(NOON + n * HOUR, NOON + (n + 1) * HOUR) for n in range(12)]
    found = await _outcomes(*(book(crew.desk, town.driver, town.connectors[0], slot) for slot in slots))
    assert found == {"confirmed": 5, "TooManyBookings": 7}
    assert TooManyBookings.code == "too_many_bookings"


async def test_two_bookings_whose_ids_collide_both_stand(
    crew: Crew, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = iter([7, 7, 7, 8])
    monkeypatch.setattr("secrets.randbits", lambda bits: next(dice))
    first = await crew.booked(town.driver, town.connectors[0], town.slot())
    second = await crew.booked(town.driver, town.connectors[1], town.slot())
    assert first.id != second.id
    assert await crew.value("SELECT count(*) FROM booking") == 2


@pytest.mark.parametrize("seed", _SEEDS)
async def test_two_check_ins_and_an_expiry_in_the_same_instant_have_one_outcome(
    crew: Crew, town: Town, seed: int
) -> None:
    """Received at the deadline to the microsecond, decided while two engines expire what is due."""
    chance = random.Random(seed)
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.grace_ends_at)
    late = replace(crew.desk, clock=MovableClock(booking.timeline.expires_at))
    engines = [Crew(late), Crew(late)]
    actions = [
        check_in(crew.desk, town.driver.id, booking.id, APP),
        check_in(crew.desk, town.driver.id, booking.id, CheckInAttempt(CheckInMethod.QR)),
        *(engine.engine() for engine in engines),
    ]
    chance.shuffle(actions)
    found = await _outcomes(*actions)
    ended = await crew.load(booking)
    assert ended.state in (State.ACTIVE, State.REINSTATED)
    assert found == {ended.state: 2, "done": 2}
    history = await crew.history(booking)
    assert history in (["confirmed", "grace", "active"], ["confirmed", "grace", "expired", "reinstated"])
    assert ended.version == len(history)


@pytest.mark.parametrize("seed", _SEEDS)
async def test_a_check_in_after_the_deadline_and_an_expiry_have_one_outcome(crew: Crew, town: Town, seed: int) -> None:
    chance = random.Random(seed)
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.expires_at - timedelta(seconds=1))
    late = replace(crew.desk, clock=MovableClock(booking.timeline.expires_at))
    actions: list[Awaitable[Any]] = [check_in(late, town.driver.id, booking.id, APP), Crew(late).engine()]
    chance.shuffle(actions)
    assert await _outcomes(*actions) == {GraceOver.__name__: 1, "done": 1}
    assert await crew.history(booking) == ["confirmed", "grace", "expired"]


async def test_a_check_in_that_cannot_be_stored_takes_no_other_driver_along(crew: Crew, town: Town) -> None:
    """Whoever checks in at the same moment shares a statement; a value that PostgreSQL refuses must hurt its sender."""
    bookings = [
        await crew.booked((town.driver, town.stranger)[n % 2], connector, town.slot())
        for n, connector in enumerate(town.connectors)
    ]
    crew.clock.move_to(bookings[0].timeline.starts_at)
    bad = CheckInAttempt(CheckInMethod.APP, location=(float("nan"), float("nan")))
    attempts = [APP, bad, APP, bad]
    results = await asyncio.gather(
        *(crew.checked_in(booking, attempt) for booking, attempt in zip(bookings * 5, attempts * 5, strict=True)),
        return_exceptions=True,
    )
    assert [getattr(result, "state", None) for result in results[::2]] == [State.ACTIVE] * 10


@pytest.mark.parametrize("seed", _SEEDS)
async def test_cancel_and_check_in_at_once_have_one_winner(paying_crew: Crew, town: Town, seed: int) -> None:
    crew, chance = paying_crew, random.Random(seed)
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await pay(crew.desk, town.driver.id, booking.id)
    await crew.live_until(booking.timeline.starts_at)
    actions: list[Awaitable[Any]] = [
        check_in(crew.desk, town.driver.id, booking.id, APP),
        cancel(crew.desk, town.driver.id, booking.id),
    ]
    chance.shuffle(actions)
    found = await _outcomes(*actions)
    state = await crew.state(booking)
    loser = {State.ACTIVE: NotCancellable, State.CANCELLED: NotCheckInable}[state]
    assert found == {state: 1, loser.__name__: 1}
    assert [entry for entry, *_ in await crew.ledger(booking)] == (
        ["captured"] if state is State.ACTIVE else ["captured", "kept"]
    )


@pytest.mark.parametrize("seed", _SEEDS[:4])
async def test_payment_and_the_end_of_the_hold_at_once_have_one_winner(
    paying_crew: Crew, town: Town, seed: int
) -> None:
    crew, chance = paying_crew, random.Random(seed)
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    crew.clock.advance(10 * MINUTE)
    actions: list[Awaitable[Any]] = [pay(crew.desk, town.driver.id, booking.id), crew.engine()]
    chance.shuffle(actions)
    await _outcomes(*actions)
    entries = [entry for entry, *_ in await crew.ledger(booking)]
    assert (await crew.state(booking), entries) in ((State.CONFIRMED, ["captured"]), (State.CANCELLED, []))


async def test_fifty_taps_on_cancel_give_the_money_back_once(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=30 * HOUR))
    await pay(crew.desk, town.driver.id, booking.id)
    found = await _outcomes(*(cancel(crew.desk, town.driver.id, booking.id) for _ in range(50)))
    assert found == {"cancelled": 1, "NotCancellable": 49}
    assert [entry for entry, *_ in await crew.ledger(booking)] == ["captured", "refunded"]
    assert (await crew.notices(booking)).count("booking_cancelled") == 1


@pytest.fixture
async def holder(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of nobody's, to hold locks with."""
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close(timeout=5)


async def test_a_row_that_stays_locked_is_a_conflict_and_never_a_database_error(
    crew: Crew, town: Town, holder: asyncpg.Connection
) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    crew.clock.move_to(booking.timeline.starts_at)
    await crew.engine()
    async with crew.desk.database.connection() as conn:  # the pool lends this one again
        await conn.execute("SET lock_timeout = '50ms'")
    async with holder.transaction():
        await holder.execute("SELECT FROM booking WHERE id = $1 FOR UPDATE", booking.id)
        assert await _outcomes(check_in(crew.desk, town.driver.id, booking.id, APP)) == {Conflict.__name__: 1}
        assert await _outcomes(cancel(crew.desk, town.driver.id, booking.id)) == {Conflict.__name__: 1}
    await crew.live_until(booking.timeline.expires_at)
    assert await crew.state(booking) is State.ACTIVE, "the attempt was on record"


@pytest.mark.parametrize("workers", [1, 4])
async def test_workers_racing_over_a_boundary_move_each_booking_once(crew: Crew, town: Town, workers: int) -> None:
    for n, connector in enumerate(town.connectors):
        driver = (await _drivers(crew, n + 1))[n]
        await book(crew.desk, driver, connector, town.slot())
    crew.clock.advance(HOUR)
    crews = [Crew(crew.desk, batch_size=1) for _ in range(workers)]
    await asyncio.gather(*(one.engine() for one in crews))
    rows = await crew.rows("SELECT booking_id, count(*) AS n FROM transition WHERE to_state = 'grace' GROUP BY 1")
    assert [row["n"] for row in rows] == [1] * len(town.connectors)


async def test_booking_against_an_engine_that_frees_and_starts_slots_never_leaks_a_deadlock(
    crew: Crew, town: Town
) -> None:
    """Drivers try to take slots that the engine is moving in the same moment."""
    drivers = await _drivers(crew, 12)
    for connector in town.connectors:
        await book(crew.desk, drivers[0], connector, town.slot())
    crew.clock.advance(HOUR)
    tries = [
        book(crew.desk, drivers[1 + n % 11], connector, Slot(NOON + HOUR + MINUTE, NOON + 2 * HOUR))
        for n in range(6)
        for connector in town.connectors
    ]
    results = await asyncio.gather(*tries, crew.engine(), return_exceptions=True)
    assert {type(result).__name__ for result in results[:-1]} == {SlotTaken.__name__}
    assert not isinstance(results[-1], asyncpg.PostgresError) or isinstance(results[-1], asyncpg.DeadlockDetectedError)
