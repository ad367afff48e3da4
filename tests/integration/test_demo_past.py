"""The demo town's last days: a real history that breaks no invariant, lived once and by nobody else's rules."""

from datetime import timedelta

from slotwatch.analytics.invariants import broken
from slotwatch.demo.seed import seed
from slotwatch.simulation.past import live_past
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database


async def test_the_past_of_a_new_town_is_real_history_and_is_lived_once(
    database: Database, clock: MovableClock
) -> None:
    now = clock.read()
    async with database.transaction() as conn:
        town = await seed(conn, now)
    bays = town.bays[:8]
    assert await live_past(database, bays, town.drivers, until=now, days=2)
    async with database.connection() as conn:
        states = {row["state"] for row in await conn.fetch("SELECT DISTINCT state FROM booking")}
        live = await conn.fetchval("SELECT count(*) FROM booking WHERE due_at IS NOT NULL")
        latest = await conn.fetchval("SELECT max(ends_at) FROM booking")
        terms = await conn.fetchval("SELECT terms ->> 'gracePeriodMinutes' FROM vendor LIMIT 1")
        delivered = await conn.fetchval("SELECT count(*) FROM delivery WHERE state = 'delivered'")
        outages = await conn.fetchval("SELECT count(*) FROM outage")
        faults = [found.claim for found in await broken(conn, now)]
    assert states >= {"completed", "expired"} and live == 0 and latest < now
    assert terms == str(town.grace_minutes), "the town's own terms are back"
    assert delivered and not outages and not faults, faults
    assert not await live_past(database, bays, town.drivers, until=now + timedelta(days=1), days=2)
