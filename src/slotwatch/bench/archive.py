"""Fills a scratch database with the past of a big operator, by COPY: bookings of many vendors with what was told.

Every booking takes an hour. The last half day lies ahead: those bookings are confirmed. The others ended as they do in
the field (`archive_rows.py`), but for those that run now.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from slotwatch.bench.archive_rows import COLUMNS, Place, Rows
from slotwatch.storage.statements import Connection, Statement

__all__ = ["FIRST_VENDOR", "Archive", "add_days", "add_places", "without_indexes"]

FIRST_VENDOR = 70_001
"""Vendors count up from here: no other number of a query is one of theirs."""

_SLOTS_A_CONNECTOR = 14  # a day
_CONNECTORS_A_STATION = 8
_DAY, _AHEAD = 24 * 60, 12 * 60  # minutes
_BIG = ("booking", "notice", "delivery")

_VENDORS = Statement(
    "INSERT INTO vendor (id, name, created_at)"
    " SELECT :first::bigint + g, 'Vendor ' || g, :since FROM generate_series(0, :vendors::int - 1) AS g"
)
_STATIONS = Statement(
    "INSERT INTO station (id, vendor_id, name, address, latitude, longitude, zone, created_at)"
    " SELECT g + 1, :first::bigint + g / :per_vendor::int, 'Station ' || g, 'Quay ' || g, 48.2, 16.37, 'Europe/Vienna',"
    " :since FROM generate_series(0, :stations::int - 1) AS g"
)
_CONNECTORS = Statement(
    "INSERT INTO connector (id, station_id, label, type, power_kw, price_per_hour, currency, created_at)"
    " SELECT g + 1, 1 + g / :per_station::int, g::text, 'CCS', 50, 1250, 'EUR', :since"
    " FROM generate_series(0, :connectors::int - 1) AS g"
)
_DRIVERS = Statement(
    "INSERT INTO driver (id, subject, name, email, phone, created_at)"
    " SELECT g, 'driver-' || g, 'Driver ' || g, 'driver' || g || '@example.org', '+1500555' || lpad(g::text, 6, '0'),"
    " :since FROM generate_series(1, :drivers::int) AS g"
)
# What the big tables have beside their primary keys, in the order in which it is made again.
_INDEXES = Statement(
    "SELECT 'ALTER TABLE ' || conrelid::regclass || ' DROP CONSTRAINT ' || quote_ident(conname) AS drop,"
    " 'ALTER TABLE ' || conrelid::regclass || ' ADD CONSTRAINT ' || quote_ident(conname) || ' '"
    " || pg_get_constraintdef(oid) AS make"
    " FROM pg_constraint WHERE conrelid::regclass::text = ANY (:tables) AND contype IN ('f', 'x', 'u')"
    " UNION ALL"
    " SELECT 'DROP INDEX ' || indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index"
    " WHERE indrelid::regclass::text = ANY (:tables)"
    " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)"
)


@dataclass(frozen=True)
class Archive:
    """So many bookings of so many vendors, evenly over so many days; the youngest day ends half a day after `now`."""

    bookings: int
    vendors: int
    days: int
    now: datetime  # a whole minute, UTC

    @property
    def connectors(self) -> int:
        """Of each vendor."""
        a_day = self.bookings / self.days / self.vendors
        return _rounded_up(_rounded_up(a_day, _SLOTS_A_CONNECTOR), _CONNECTORS_A_STATION) * _CONNECTORS_A_STATION

    @property
    def drivers(self) -> int:
        """Each comes back now and then."""
        return self.bookings // 20 + 1


async def add_places(conn: Connection, archive: Archive) -> None:
    """Vendors, stations, connectors and drivers, all older than the oldest day."""
    since = archive.now.replace(year=archive.now.year - 1, day=1)
    stations = archive.connectors // _CONNECTORS_A_STATION
    await _VENDORS.execute(conn, since=since, first=FIRST_VENDOR, vendors=archive.vendors)
    await _STATIONS.execute(
        conn, since=since, first=FIRST_VENDOR, stations=archive.vendors * stations, per_vendor=stations
    )
    await _CONNECTORS.execute(
        conn, since=since, connectors=archive.vendors * archive.connectors, per_station=_CONNECTORS_A_STATION
    )
    await _DRIVERS.execute(conn, since=since, drivers=archive.drivers)


async def add_days(
    conn: Connection, archive: Archive, days: Iterable[int], rows: Rows, on_day: Callable[[int], None]
) -> None:
    """Those days with all their bookings; day 0 is the youngest. `on_day` hears which one begins."""
    for day in days:
        on_day(day)
        _make(archive, day, rows)
        for table, text in rows.take():
            await conn.copy_to_table(table, source=io.BytesIO(text), columns=list(COLUMNS[table]), format="text")


def _make(archive: Archive, day: int, rows: Rows) -> None:
    first, after = (archive.bookings * number // archive.days for number in (day, day + 1))
    rounds = _rounded_up(_rounded_up(after - first, archive.vendors), archive.connectors)
    gap = _DAY // rounds
    begin = _AHEAD - _DAY * (day + 1)
    # By time, as bookings come in: all connectors' first slots, then all connectors' second.
    for number in range(after - first):
        vendor, rest = number % archive.vendors, number // archive.vendors
        connector, turn = rest % archive.connectors, rest // archive.connectors
        index = vendor * archive.connectors + connector
        place = Place(FIRST_VENDOR + vendor, 1 + index // _CONNECTORS_A_STATION, 1 + index)
        rows.add(first + number + 1, place, begin + turn * gap + connector % max(gap - 60, 1))


@asynccontextmanager
async def without_indexes(conn: Connection, on_index: Callable[[], None]) -> AsyncIterator[None]:
    """The big tables lose what would be checked and kept row by row; afterwards it is made again, all rows checked."""
    found = await _INDEXES.fetch(conn, tables=list(_BIG))
    for row in found:
        await conn.execute(row["drop"])
    yield
    on_index()
    await conn.execute("SET maintenance_work_mem = '256MB'")
    for row in reversed(found):
        await conn.execute(row["make"])


def _rounded_up(number: float, by: int) -> int:
    """How many of `by` hold the number."""
    return int(-(-number // by))
