"""Callers of one statement share its runs, and each gets what is theirs."""

import asyncio
from collections import Counter
from datetime import timedelta

import asyncpg
import pytest

from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.lifecycle import State
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database
from slotwatch.storage.statements import Statement
from slotwatch.usecases.book import book
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import Desk
from tests.conftest import Town

# Divides; nothing comes back for those who divide by one. Says how many shared the run.
DIVIDE = Statement(
    "SELECT place, :shared::int / a.divisor AS quotient, count(*) OVER () AS shared_by, txid_current() AS run"
    " FROM unnest(:divisors::int[]) WITH ORDINALITY AS a(divisor, place) WHERE a.divisor <> 1"
)


async def _divide(database: Database, shared: int, divisor: int) -> asyncpg.Record | None:
    return await database.fetchrow_together(DIVIDE, {"shared": shared}, divisors=divisor)


async def test_a_caller_alone_is_served_at_once(database: Database) -> None:
    row = await _divide(database, 100, 4)
    assert row is not None
    assert (row["quotient"], row["shared_by"]) == (25, 1)


async def test_callers_at_one_moment_share_a_run_and_each_gets_their_own_row(database: Database) -> None:
    rows = await asyncio.gather(*(_divide(database, 5040, divisor) for divisor in range(1, 41)))
    assert rows[0] is None
    assert [row and row["quotient"] for row in rows[1:]] == [5040 // divisor for divisor in range(2, 41)]
    assert len({row["run"] for row in rows[1:] if row}) < 5


async def test_callers_with_other_shared_values_are_never_in_one_run(database: Database) -> None:
    rows = await asyncio.gather(*(_divide(database, shared, 2) for shared in (10, 20, 20, 30)))
    assert [row and row["quotient"] for row in rows] == [5, 10, 10, 15]


async def test_an_error_of_a_run_reaches_all_who_share_it_and_nobody_after_them(database: Database) -> None:
    answers = await asyncio.gather(*(_divide(database, 7, divisor) for divisor in (0, 7, 7)), return_exceptions=True)
    assert isinstance(answers[0], asyncpg.DivisionByZeroError)
    row = await _divide(database, 7, 7)
    assert row is not None
    assert row["quotient"] == 1


async def test_a_caller_who_goes_away_takes_nobody_along(database: Database) -> None:
    gone = asyncio.ensure_future(_divide(database, 8, 2))
    staying = [asyncio.ensure_future(_divide(database, 8, 4)) for _ in range(3)]
    await asyncio.wait([gone, *staying], timeout=0)
    gone.cancel()
    rows = await asyncio.gather(*staying)
    assert [row and row["quotient"] for row in rows] == [2, 2, 2]
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_check_ins_of_many_drivers_at_one_instant_are_evidence_each_in_its_own_name(
    desk: Desk, town: Town, clock: MovableClock, database: Database
) -> None:
    bookings = [
        await book(desk, driver, connector, town.slot())
        for driver, connector in zip((town.driver, town.stranger) * 2, town.connectors, strict=True)
    ]
    clock.advance(timedelta(hours=1))
    attempts = [CheckInAttempt(CheckInMethod.APP), CheckInAttempt(CheckInMethod.QR, qr_connector_id=None)]
    # Everybody twice, by two methods: one of them checks in, the other finds it done.
    done = await asyncio.gather(
        *(check_in(desk, booking.driver_id, booking.id, attempt) for booking in bookings for attempt in attempts)
    )
    assert {booking.state for booking in done} == {State.ACTIVE}
    assert Counter(booking.id for booking in done) == {booking.id: 2 for booking in bookings}
    async with database.connection() as conn:
        stored = await conn.fetch("SELECT booking_id, actor, method FROM evidence")
        moves = await conn.fetchval("SELECT count(*) FROM transition WHERE cause = 'checked_in'")
    assert Counter((row["booking_id"], row["actor"], row["method"]) for row in stored) == {
        (booking.id, f"driver:{booking.driver_id}", method): 1 for booking in bookings for method in ("app", "qr")
    }
    assert moves == len(bookings)
