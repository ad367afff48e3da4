"""Fixtures: a real PostgreSQL per run, a migrated database per test, a clock that moves, a small town."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from slotwatch.domain.notices import USUAL_CHANNELS
from slotwatch.domain.slot import Slot
from slotwatch.storage import migrate
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database, DatabaseSettings, connect
from slotwatch.storage.embedded import EmbeddedPostgres
from slotwatch.storage.people import Driver, ensure_driver
from slotwatch.usecases.desk import BookingSettings, Desk
from tests.postgres_server import session_server
from tests.support.crew import Crew

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
_names = itertools.count()

# The same examples in every run, and no example fails because the machine is slow.
settings.register_profile(
    "house", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedPostgres]:
    """One PostgreSQL for the run: the embedded one, or with SLOTWATCH_TEST_POSTGRES=path the one on PATH."""
    kind = "path" if os.environ.get("SLOTWATCH_TEST_POSTGRES") == "path" else "wheel"
    server = session_server(kind)  # type: ignore[arg-type]  # one of the two literals
    yield server
    server.stop()


@pytest.fixture(scope="session")
def template(server: EmbeddedPostgres) -> str:
    """The name of a migrated, empty database that tests clone."""
    url = server.create_database("template_slotwatch")
    asyncio.run(migrate.upgrade(url))
    return "template_slotwatch"


@pytest.fixture
async def database_url(server: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """A fresh database of its own for this test; dropped afterwards."""
    name = f"test_{next(_names)}"
    admin = await asyncpg.connect(server.superuser_url)  # an owner may not drop what autovacuum is looking at
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER slotwatch STRATEGY file_copy")
    yield server.url.rsplit("/", 1)[0] + f"/{name}"
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on that database."""
    database = await connect(DatabaseSettings(pool_size=24), name="test", url=database_url)
    yield database
    await database.close()


@pytest.fixture
def clock() -> MovableClock:
    """Monday 2 March 2026, noon UTC."""
    return MovableClock(NOON)


@pytest.fixture
def desk(database: Database, clock: MovableClock) -> Desk:
    """Use cases with payments off, both channels on."""
    return Desk(database, clock, BookingSettings(), USUAL_CHANNELS, lambda due_at: None)


@pytest.fixture
def paying_desk(database: Database, clock: MovableClock) -> Desk:
    """As `desk`, but a slot is held while payment is awaited."""
    return Desk(database, clock, BookingSettings(payments="local"), USUAL_CHANNELS, lambda due_at: None)


@pytest.fixture
def crew(desk: Desk) -> Crew:
    """Engine and senders of one machine, for `desk`."""
    return Crew(desk)


@pytest.fixture
def paying_crew(paying_desk: Desk) -> Crew:
    """Engine and senders of one machine, for `paying_desk`."""
    return Crew(paying_desk)


@dataclass(frozen=True)
class Town:
    """One vendor; `station` is open always (UTC), `night_shut` opens 08:00-22:00 in Kathmandu."""

    vendor: int
    station: int
    connectors: tuple[int, ...]
    night_shut: int
    night_shut_connector: int
    other_vendor: int
    other_connector: int
    driver: Driver
    stranger: Driver

    def slot(self, *, starts_in: timedelta = timedelta(hours=1), length: timedelta = timedelta(hours=1)) -> Slot:
        """A slot that begins that long after noon."""
        return Slot(NOON + starts_in, NOON + starts_in + length)


@pytest.fixture
async def town(database: Database) -> Town:
    """People and places for a test."""
    return await make_town(database)


async def make_town(database: Database) -> Town:
    """Put people and places into a database."""
    async with database.transaction() as conn:
        vendor, other_vendor = [
            await conn.fetchval("INSERT INTO vendor (name, created_at) VALUES ($1, $2) RETURNING id", name, NOON)
            for name in ("Volt", "Ampere")
        ]
        station = await _station(conn, vendor, "Harbour", "UTC", [])
        hours = [{"days": [0, 1, 2, 3, 4, 5, 6], "opens": "08:00", "closes": "22:00"}]
        night_shut = await _station(conn, vendor, "Thamel", "Asia/Kathmandu", hours)
        other = await _station(conn, other_vendor, "Far side", "UTC", [])
        connectors = [await _connector(conn, station, label) for label in ("1A", "1B", "2A", "2B")]
        driver = await ensure_driver(
            conn, "driver-1", now=NOON, name="Mira", email="mira@example.org", phone="+15005550010"
        )
        stranger = await ensure_driver(conn, "driver-2", now=NOON, name="Otto", email="otto@example.org")
        return Town(
            vendor=vendor,
            station=station,
            connectors=tuple(connectors),
            night_shut=night_shut,
            night_shut_connector=await _connector(conn, night_shut, "1"),
            other_vendor=other_vendor,
            other_connector=await _connector(conn, other, "1"),
            driver=driver,
            stranger=stranger,
        )


async def _station(conn: asyncpg.Connection, vendor: int, name: str, zone: str, hours: Sequence[object]) -> int:
    station: int = await conn.fetchval(
        "INSERT INTO station (vendor_id, name, address, latitude, longitude, zone, opening_hours, created_at)"
        " VALUES ($1, $2, 'Quay 1', 48.2, 16.37, $3, $4, $5) RETURNING id",
        *(vendor, name, zone, hours, NOON),
    )
    return station


async def _connector(conn: asyncpg.Connection, station: int, label: str) -> int:
    connector: int = await conn.fetchval(
        "INSERT INTO connector (station_id, label, type, power_kw, price_per_hour, currency, created_at)"
        " VALUES ($1, $2, 'CCS', 50, 1250, 'EUR', $3) RETURNING id",
        *(station, label, NOON),
    )
    return connector
