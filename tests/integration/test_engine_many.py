"""Four workers over five thousand bookings; the one booking that cannot be moved, and all the others."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from slotwatch.analytics.invariants import broken
from slotwatch.domain.lifecycle import State
from slotwatch.storage.embedded import EmbeddedPostgres
from tests.conftest import NOON, Town
from tests.support.crew import Crew
from tests.support.many import put_bookings

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
START = NOON + HOUR


async def _assert_nothing_broken(crew: Crew) -> None:
    async with crew.desk.database.connection() as conn:
        found = await broken(conn, crew.clock.read())
    assert not found, [(one.name, one.count, one.examples) for one in found]


async def test_four_workers_racing_over_five_thousand_bookings_do_everything_exactly_once(
    crew: Crew, town: Town
) -> None:
    ids = await put_bookings(crew, town, 5000, starts_at=START)
    crew.clock.move_to(START)
    workers = [Crew(crew.desk, batch_size=300) for _ in range(4)]
    await asyncio.gather(*(worker.engine() for worker in workers))
    counts = await crew.rows(
        "SELECT to_state, count(*) AS n, count(DISTINCT booking_id) AS bookings FROM transition GROUP BY 1"
    )
    assert {tuple(row) for row in counts} == {("confirmed", 5000, 5000), ("grace", 5000, 5000)}
    assert await crew.value("SELECT count(DISTINCT booking_id) FROM notice WHERE kind = 'slot_started'") == len(ids)
    assert await crew.value("SELECT count(*) FROM notice WHERE kind = 'slot_started'") == 5000
    assert (
        await crew.value(
            "SELECT count(*) FROM delivery AS d JOIN notice AS n ON n.id = d.notice_id WHERE kind = 'slot_started'"
        )
        == 10_000
    )
    assert await crew.value("SELECT count(*) FROM booking WHERE state = 'grace' AND version = 2") == 5000
    await _assert_nothing_broken(crew)


async def test_four_workers_end_five_thousand_bookings_and_settle_each_once(crew: Crew, town: Town) -> None:
    """From the start to the end of grace in one go: every third driver was there, half of the others untold."""
    ids = await put_bookings(crew, town, 5000, starts_at=START)
    crew.clock.move_to(START)
    workers = [Crew(crew.desk, batch_size=300) for _ in range(4)]
    await asyncio.gather(*(worker.engine() for worker in workers))
    await crew.execute(
        "INSERT INTO evidence (booking_id, kind, method, actor, valid, detail, received_at)"
        " SELECT id, 'check_in', 'app', 'driver', true, '{}', starts_at FROM booking WHERE id % 3 = 0"
    )
    await crew.execute(
        "UPDATE delivery AS d SET state = 'sent', sent_at = $1, lease = 1, attempts = 1 FROM notice AS n"
        " WHERE n.id = d.notice_id AND n.booking_id % 6 <> 1",
        START,
    )
    await crew.execute(
        "INSERT INTO attempt (notice_id, channel, lease, outcome, provider, at)"
        " SELECT notice_id, channel, 1, 'accepted', 'test', sent_at FROM delivery WHERE state = 'sent'"
    )
    crew.clock.move_to(START + 31 * MINUTE)
    await asyncio.gather(*(worker.engine() for worker in workers))
    rows = await crew.rows("SELECT state, count(*) AS n FROM booking GROUP BY state")
    there = sum(n % 3 == 0 for n in ids)
    untold = sum(n % 6 == 1 for n in ids)
    assert {row["state"]: row["n"] for row in rows} == {
        "active": there,
        "voided": untold,
        "expired": 5000 - there - untold,
    }
    entries = await crew.rows("SELECT entry, count(*) AS n, sum(amount) AS total FROM ledger GROUP BY entry")
    assert {row["entry"]: row["n"] for row in entries} == {
        "captured": 5000,
        "refunded": untold,
        "forfeit_held": 5000 - there - untold,
    }
    crew.clock.move_to(START + 2 * HOUR)
    await asyncio.gather(*(worker.engine() for worker in workers))
    assert await crew.value("SELECT count(*) FROM booking WHERE due_at IS NOT NULL") == 0


@pytest.fixture
async def poison(database_url: str, server: EmbeddedPostgres) -> AsyncIterator[asyncpg.Connection]:
    """Makes every move of bookings named in table `poison` fail, as a broken row would."""
    conn = await asyncpg.connect(database_url)
    await conn.execute("""
        CREATE TABLE poison (id bigint PRIMARY KEY);
        CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.state IS DISTINCT FROM OLD.state AND EXISTS (SELECT FROM poison WHERE id = NEW.id) THEN
                RAISE EXCEPTION 'booking % is poison', NEW.id;
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER poisoned BEFORE UPDATE ON booking FOR EACH ROW EXECUTE FUNCTION refuse_poison();
    """)
    yield conn
    await conn.close()


async def test_a_booking_that_cannot_be_moved_is_set_aside_after_three_tries_and_holds_up_nobody(
    crew: Crew, town: Town, poison: asyncpg.Connection
) -> None:
    ids = await put_bookings(crew, town, 100, starts_at=START)
    await poison.execute("INSERT INTO poison VALUES ($1), ($2)", ids[0], ids[57])
    crew.clock.move_to(START)
    reports = await crew.engine()
    assert sum(report.moved for report in reports) == 98
    rows = await crew.rows("SELECT id, state, tries FROM booking WHERE set_aside ORDER BY id")
    assert [tuple(row) for row in rows] == [(ids[0], "confirmed", 3), (ids[57], "confirmed", 3)]
    async with crew.desk.database.transaction() as conn:
        audit = await crew.duties().auditor.run_once(conn)
    assert (audit.set_aside, audit.is_clean) == (2, False)
    assert (await crew.advance()).failed == (), "not tried again"


async def test_one_failure_is_not_yet_the_end_of_a_booking(crew: Crew, town: Town, poison: asyncpg.Connection) -> None:
    ids = await put_bookings(crew, town, 5, starts_at=START)
    await poison.execute("INSERT INTO poison VALUES ($1)", ids[2])
    crew.clock.move_to(START)
    assert (await crew.advance()).failed == (ids[2],)
    await poison.execute("DELETE FROM poison")
    await crew.engine()
    rows = await crew.rows("SELECT tries, set_aside, state FROM booking WHERE id = $1", ids[2])
    assert tuple(rows[0]) == (0, False, "grace")


async def test_a_booking_that_was_set_aside_can_still_be_checked_in_and_is_back_on_its_timeline(
    crew: Crew, town: Town, poison: asyncpg.Connection
) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await poison.execute("INSERT INTO poison VALUES ($1)", booking.id)
    crew.clock.move_to(START)
    await crew.engine()
    assert await crew.value("SELECT set_aside FROM booking")
    await poison.execute("DELETE FROM poison")
    await crew.checked_in(booking)
    await crew.live_until(START + HOUR)
    assert await crew.state(booking) is State.COMPLETED


async def test_workers_that_meet_a_poison_booking_at_once_set_it_aside_and_move_the_rest(
    crew: Crew, town: Town, poison: asyncpg.Connection
) -> None:
    ids = await put_bookings(crew, town, 400, starts_at=START)
    await poison.execute("INSERT INTO poison VALUES ($1)", ids[200])
    crew.clock.move_to(START)
    await asyncio.gather(*(Crew(crew.desk, batch_size=50).engine() for _ in range(4)))
    assert await crew.value("SELECT count(*) FROM booking WHERE state = 'grace'") == 399
    assert await crew.value("SELECT count(*) FROM transition WHERE to_state = 'grace'") == 399
    assert await crew.value("SELECT tries FROM booking WHERE set_aside") == 3
