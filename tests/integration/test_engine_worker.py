"""The worker's loop: due at the second, woken by hints, patient with a database that is gone, quick to stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from slotwatch.domain.lifecycle import State
from slotwatch.domain.notices import USUAL_CHANNELS, Channel
from slotwatch.engine.advance import Advancer, AdvanceSettings
from slotwatch.engine.audit import Auditor
from slotwatch.engine.clean import Cleaner
from slotwatch.engine.hints import Hints, Listener
from slotwatch.engine.outages import Heart
from slotwatch.engine.worker import Duties, Worker
from slotwatch.outbox.sender import Sender
from slotwatch.outbox.settings import SenderSettings
from slotwatch.storage import migrate
from slotwatch.storage.clock import Clock, DatabaseClock
from slotwatch.storage.database import Database, DatabaseSettings, connect
from slotwatch.storage.embedded import EmbeddedPostgres, EmbeddedSettings
from tests.conftest import NOON, Town
from tests.support.crew import Crew, until
from tests.support.provider import Provider

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
CHANNELS = USUAL_CHANNELS
SAFE = {"fsync": "off", "full_page_writes": "off"}  # what was committed outlives a crash of the server itself


def _duties(database: Database, clock: Clock) -> Duties:
    return Duties(
        Advancer(AdvanceSettings(), CHANNELS, clock),
        Auditor(CHANNELS, clock),
        Cleaner(clock),
        Heart("engine", database, clock),
    )


@asynccontextmanager
async def _running(*workers: Worker) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(worker.run(stop)) for worker in workers]
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*tasks)


async def test_a_worker_moves_what_comes_due_and_calls_when_something_moved(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    moved = asyncio.Event()
    worker = Worker(crew.desk.database, crew.clock, crew.duties(), on_moved=moved.set)
    async with _running(worker):
        await asyncio.wait_for(_state_is(crew, booking.id, State.CONFIRMED), 5)
        assert not moved.is_set()
        crew.clock.move_to(booking.timeline.starts_at)
        worker.wake.set()
        await asyncio.wait_for(moved.wait(), 5)
    assert await crew.state(booking) is State.GRACE


async def _state_is(crew: Crew, booking_id: int, state: State) -> None:
    async def reached() -> bool:
        return bool(await crew.value("SELECT state FROM booking WHERE id = $1", booking_id) == state)

    await until(reached)


async def test_with_the_databases_clock_a_booking_starts_within_a_second_of_its_time(
    database: Database, town: Town, crew: Crew
) -> None:
    """By real time: its start lies a moment ahead, and nobody hints."""
    clock = DatabaseClock()
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    async with _running(Worker(database, clock, _duties(database, clock))):
        await crew.execute(
            "UPDATE booking SET starts_at = clock_timestamp() + interval '300 ms',"
            " due_at = clock_timestamp() + interval '300 ms', step = 'start',"
            " grace_ends_at = clock_timestamp() + interval '30 minutes',"
            " ends_at = clock_timestamp() + interval '1 hour' WHERE id = $1",
            booking.id,
        )
        await _state_is(crew, booking.id, State.GRACE)
    late = await crew.value("SELECT at - due_at FROM transition WHERE to_state = 'grace'")
    assert timedelta(0) <= late < 1.5 * SECOND


async def test_a_hint_wakes_a_worker_of_another_process(database: Database, crew: Crew) -> None:
    clock = DatabaseClock()
    wake, stop = asyncio.Event(), asyncio.Event()
    hints = Hints(database, clock)
    tasks = [
        asyncio.create_task(Listener(database, clock, [wake]).run(stop)),
        asyncio.create_task(hints.run(stop)),
    ]
    await asyncio.wait_for(wake.wait(), 5)  # it wakes everybody once when it begins to listen
    wake.clear()
    hints.due(NOON)
    await asyncio.wait_for(wake.wait(), 5)
    stop.set()
    await asyncio.gather(*tasks)


async def test_a_listener_that_lost_its_session_listens_again_and_wakes_everybody(
    database: Database, crew: Crew, server: EmbeddedPostgres, database_url: str
) -> None:
    clock = DatabaseClock()
    wake, stop = asyncio.Event(), asyncio.Event()
    listening = asyncio.create_task(Listener(database, clock, [wake]).run(stop))
    await asyncio.wait_for(wake.wait(), 5)
    wake.clear()
    admin = await asyncpg.connect(server.superuser_url)
    await admin.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", database_url.rsplit("/", 1)[1]
    )
    await admin.close()
    await asyncio.wait_for(wake.wait(), 8)
    stop.set()
    await listening


async def test_a_worker_stops_at_once_when_idle(database: Database) -> None:
    clock = DatabaseClock()
    began = asyncio.get_running_loop().time()
    async with _running(Worker(database, clock, _duties(database, clock))):
        await asyncio.sleep(0.05)
    assert asyncio.get_running_loop().time() - began < 2


async def test_a_failing_statement_does_not_end_the_loop(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    crew.clock.move_to(booking.timeline.starts_at)
    await crew.execute("ALTER TABLE ledger RENAME TO gone")
    worker = Worker(crew.desk.database, crew.clock, crew.duties())
    async with _running(worker):
        await asyncio.sleep(0.5)
        assert await crew.state(booking) is State.CONFIRMED
        assert await crew.value("SELECT tries FROM booking") == 0, "not the booking's fault"
        await crew.execute("ALTER TABLE gone RENAME TO ledger")
        await _state_is(crew, booking.id, State.GRACE)


async def test_nothing_expires_for_a_minute_after_the_databases_clock_jumped(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.expires_at - SECOND)
    clock = _Jumping(crew.clock.read())
    desk = replace(crew.desk, clock=clock)
    worker = Worker(desk.database, clock, Crew(crew.desk).duties())
    async with _running(worker):
        await until(lambda: _seen(clock, 3))
        clock.ahead = timedelta(hours=2)
        crew.clock.move_to(booking.timeline.expires_at)
        soon = clock.reads + 5
        await until(lambda: _seen(clock, soon))
        assert await crew.state(booking) is State.GRACE


class _Jumping(DatabaseClock):
    """A database's clock that somebody sets."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._began = asyncio.get_running_loop().time()
        self.ahead = timedelta(0)
        self.reads = 0

    async def now(self, conn: object) -> datetime:
        self.reads += 1
        elapsed = timedelta(seconds=asyncio.get_running_loop().time() - self._began)
        return self._start + elapsed + self.ahead


async def _seen(clock: _Jumping, reads: int) -> bool:
    return clock.reads >= reads


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory, server: EmbeddedPostgres) -> EmbeddedPostgres:
    """A server that may be stopped."""
    folder = tmp_path_factory.mktemp("own-server")
    _let_through(folder)
    own = EmbeddedPostgres(EmbeddedSettings(data_dir=str(folder / "data")), binaries=server.binaries, options=SAFE)
    return own.start()


def _let_through(folder: Path) -> None:
    """As root the server runs as another user, who must get to its folder."""
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(parent.stat().st_mode | 0o011)


async def test_worker_and_senders_outlive_a_crash_of_the_database_and_lose_nothing(
    own_server: EmbeddedPostgres,
) -> None:
    url = await asyncio.to_thread(own_server.create_database, "crash")
    await migrate.upgrade(url)
    database, clock = await connect(DatabaseSettings(pool_size=8), name="t", url=url), DatabaseClock()
    await _town_with_starts(database, count=40)
    providers = {channel: Provider(channel) for channel in CHANNELS}
    senders = [
        Sender(provider, database, clock, SenderSettings(), enabled=CHANNELS, frontend_url="http://x")  # type: ignore[arg-type]
        for provider in providers.values()
    ]
    worker, stop = Worker(database, clock, _duties(database, clock)), asyncio.Event()
    tasks = [asyncio.create_task(run(stop)) for run in (worker.run, *(sender.run for sender in senders))]
    await asyncio.to_thread(own_server.restart, "immediate")
    await until(lambda: _told(providers, 40), seconds=40)
    stop.set()
    async with asyncio.timeout(10):
        await asyncio.gather(*tasks)
    async with database.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM transition WHERE to_state = 'grace'") == 40
        assert await conn.fetchval("SELECT count(*) FROM notice WHERE kind = 'slot_started'") == 40
    await database.close()
    own_server.stop()
    for provider in providers.values():
        assert len(set(provider.keys)) == 40


async def _told(providers: dict[Channel, Provider], count: int) -> bool:
    return all(len(set(provider.keys)) >= count for provider in providers.values())


async def _town_with_starts(database: Database, count: int) -> None:
    """Bookings that begin during the next two seconds of real time."""
    async with database.transaction() as conn:
        await conn.execute(f"""
            INSERT INTO vendor (name, created_at) VALUES ('V', clock_timestamp());
            INSERT INTO station (vendor_id, name, address, latitude, longitude, zone, created_at)
                VALUES (1, 'S', 'A', 0, 0, 'UTC', clock_timestamp());
            INSERT INTO connector (station_id, label, type, power_kw, price_per_hour, currency, created_at)
                SELECT 1, 'C' || n, 'CCS', 50, 100, 'EUR', clock_timestamp() FROM generate_series(1, {count}) AS n;
            INSERT INTO driver (subject, email, phone, created_at)
                SELECT 'd' || n, n || '@example.org', '+41790000' || lpad(n::text, 3, '0'), clock_timestamp()
                  FROM generate_series(1, {count}) AS n;
            INSERT INTO booking (id, vendor_id, station_id, connector_id, driver_id, state, step, due_at,
                check_in_opens_at, starts_at, grace_half_at, grace_ends_at, expires_at, ends_at, terms, amount,
                currency, payment_status, version, epoch, created_at, updated_at)
            SELECT n, 1, 1, n, n, 'confirmed', 'start', at, at, at, at + interval '15 minutes',
                at + interval '30 minutes', at + interval '30 minutes', at + interval '1 hour', '{{}}', 100, 'EUR',
                'not_required', 1, 0, at, at
              FROM generate_series(1, {count}) AS n
             CROSS JOIN LATERAL (SELECT clock_timestamp() + n * interval '50 ms' AS at) AS soon;
            INSERT INTO transition (booking_id, version, to_state, cause, actor, at)
                SELECT id, 1, 'confirmed', 'booked', 'test', created_at FROM booking;
        """)
