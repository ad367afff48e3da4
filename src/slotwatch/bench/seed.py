"""Fills a scratch database with bookings of one kind, in bulk: what a benchmark starts from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from slotwatch.domain.lifecycle import State, Step
from slotwatch.domain.notices import USUAL_CHANNELS
from slotwatch.domain.terms import Terms
from slotwatch.storage.database import DatabaseSettings, prepare_connection, server_settings
from slotwatch.storage.statements import Connection, Statement

__all__ = ["CHUNK", "Wave", "add_deliveries", "open_connection", "seed", "settle"]

CHUNK = 50_000
"""Bookings put in by one statement: between two of them progress is shown."""

_EVERYTHING = (
    "vendor, driver, station, connector, booking, transition, notice, delivery, attempt, evidence, ledger,"
    " inbox_message, spend, recipient_day, outage, pulse, heartbeat, audit_run"
)

_VENDOR = Statement("INSERT INTO vendor (id, name, created_at) VALUES (1, 'Volt', :now)")
_STATIONS = Statement(
    "INSERT INTO station (id, vendor_id, name, address, latitude, longitude, zone, created_at)"
    " SELECT g, 1, 'Station ' || g, 'Quay ' || g, 48.2, 16.37, 'Europe/Vienna', :now"
    " FROM generate_series(1, :stations::int) AS g"
)
_CONNECTORS = Statement(
    "INSERT INTO connector (id, station_id, label, type, power_kw, price_per_hour, currency, created_at)"
    " SELECT g, 1 + (g - 1) / :per_station::int, g::text, 'CCS', 50, 1250, 'EUR', :now"
    " FROM generate_series(1, :connectors::int) AS g"
)
_DRIVERS = Statement(
    "INSERT INTO driver (id, subject, name, email, phone, created_at)"
    " SELECT g, 'driver-' || g, 'Driver ' || g, 'driver' || g || '@example.org', '+1500555' || lpad(g::text, 6, '0'),"
    " :now FROM generate_series(1, :drivers::int) AS g"
)
# Booking g holds connector g modulo connectors; when all are taken once, the next round begins `every` later.
_BOOKINGS = Statement(
    "INSERT INTO booking (id, vendor_id, station_id, connector_id, driver_id, state, step, due_at, check_in_opens_at,"
    " starts_at, grace_half_at, grace_last_at, grace_ends_at, expires_at, ends_at, terms, amount, currency,"
    " payment_status, started_at, version, epoch, created_at, updated_at)"
    " SELECT g, 1, 1 + c / :per_station::int, 1 + c, 1 + (g - 1) % :drivers::int, :state, :step,"
    " CASE :step WHEN 'start' THEN s WHEN 'grace_half' THEN s + interval '15 minutes' END, s - interval '15 minutes',"
    " s, s + interval '15 minutes', s + interval '25 minutes', s + interval '30 minutes',"
    " s + interval '30 minutes 5 seconds', s + interval '1 hour', :terms, 1250, 'EUR', 'paid',"
    " CASE :state WHEN 'grace' THEN s END, :version, 0, :now, :now"
    " FROM generate_series(:first::int, :last::int) AS g"
    " CROSS JOIN LATERAL (SELECT (g - 1) % :connectors::int AS c, (g - 1) / :connectors::int AS round) AS place"
    " CROSS JOIN LATERAL (SELECT :starts_at::timestamptz + place.round * :every::interval"
    " + random() * :spread::interval AS s) AS slot"
)
_NOTICES = Statement(
    "WITH noted AS (INSERT INTO notice (booking_id, kind, occasion, epoch, valid_until, created_at)"
    " SELECT id, 'slot_started', '', 0, :now::timestamptz + interval '30 minutes', :now FROM booking ORDER BY id"
    " RETURNING id)"
    " INSERT INTO delivery (notice_id, channel, state, urgency, next_attempt_at)"
    " SELECT noted.id, channel, 'pending', 0, :now FROM noted CROSS JOIN unnest(:channels::text[]) AS channel"
)
_PER_STATION = 20


@dataclass(frozen=True)
class Wave:
    """Bookings that differ in place and driver only; those of one round begin within `spread` of one instant (UTC)."""

    bookings: int
    connectors: int
    starts_at: datetime
    every: timedelta = timedelta(hours=1)
    spread: timedelta = timedelta(0)
    state: State = State.CONFIRMED
    step: Step = Step.START
    version: int = 1


async def open_connection(url: str) -> Connection:
    """With the session settings of the product, but without its time limits: seeding is long."""
    settings = server_settings(DatabaseSettings(), "bench") | {"statement_timeout": "0"}
    conn = await asyncpg.connect(url, server_settings=settings)
    await prepare_connection(conn)
    return conn


async def seed(conn: Connection, wave: Wave, on_chunk: Callable[[int], None] = lambda done: None) -> None:
    """The database holds this wave and nothing else; `on_chunk` hears how many bookings are in."""
    now = wave.starts_at - timedelta(days=1)
    await conn.execute(f"TRUNCATE {_EVERYTHING} RESTART IDENTITY CASCADE")
    await _VENDOR.execute(conn, now=now)
    await _STATIONS.execute(conn, now=now, stations=1 + (wave.connectors - 1) // _PER_STATION)
    await _CONNECTORS.execute(conn, now=now, connectors=wave.connectors, per_station=_PER_STATION)
    await _DRIVERS.execute(conn, now=now, drivers=wave.connectors)
    for first in range(1, wave.bookings + 1, CHUNK):
        last = min(first + CHUNK - 1, wave.bookings)
        await _BOOKINGS.execute(conn, first=first, last=last, now=now, **_values(wave))
        on_chunk(last)
    await settle(conn)


async def add_deliveries(conn: Connection, now: datetime) -> None:
    """Every booking has begun, and nobody was told yet: two deliveries of each are due since `now`."""
    await _NOTICES.execute(conn, now=now, channels=sorted(USUAL_CHANNELS))
    await settle(conn)


async def settle(conn: Connection) -> None:
    """What PostgreSQL would do in its own time is done now, so that no run pays for the one before."""
    await conn.execute(f"VACUUM ANALYZE {_EVERYTHING}")
    with suppress(asyncpg.InsufficientPrivilegeError):  # on a server of somebody else
        await conn.execute("CHECKPOINT")


def _values(wave: Wave) -> dict[str, Any]:
    return {
        "per_station": _PER_STATION,
        "drivers": wave.connectors,
        "connectors": wave.connectors,
        "state": wave.state,
        "step": wave.step,
        "terms": Terms().as_dict(),
        "version": wave.version,
        "starts_at": wave.starts_at,
        "every": wave.every,
        "spread": wave.spread,
    }
