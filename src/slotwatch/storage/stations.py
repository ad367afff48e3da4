"""Stations and connectors, and when their connectors are held."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from slotwatch.domain.lifecycle import LIVE_STATES
from slotwatch.domain.money import Money
from slotwatch.domain.opening_hours import OpeningHours
from slotwatch.domain.slot import LONGEST
from slotwatch.storage.statements import Connection, Statement, load_sql

__all__ = [
    "Connector",
    "Near",
    "Station",
    "busy_times",
    "connector_types",
    "connectors_of",
    "find_station",
    "search_stations",
]

_SEARCH = load_sql(__package__, "station_search.sql")
_FIND = Statement(
    "SELECT id, vendor_id, name, address, latitude, longitude, zone, opening_hours,"
    " rotating_code, check_in_radius_m, NULL::float8 AS distance_km, 0::float8 AS place"
    " FROM station WHERE id = :id AND removed_at IS NULL"
)
_CONNECTORS = Statement(
    "SELECT id, station_id, label, type, power_kw, price_per_hour, currency FROM connector"
    " WHERE station_id = ANY (:station_ids) AND removed_at IS NULL"
    " AND (:type::text IS NULL OR lower(type) = lower(:type))"
    " ORDER BY station_id, label, id"
)
_TYPES = Statement("SELECT DISTINCT type FROM connector WHERE removed_at IS NULL ORDER BY type")
# The length of a slot bounds how early one that reaches into the window can begin: booking_station_idx does the rest.
_BUSY = Statement(
    "SELECT connector_id, starts_at, ends_at FROM booking"
    " WHERE station_id = ANY (:station_ids) AND starts_at > :since::timestamptz - :longest::interval"
    " AND starts_at < :until AND ends_at > :since AND state = ANY (:states) ORDER BY connector_id, starts_at"
)


@dataclass(frozen=True)
class Near:
    """Within `radius_km` (None: anywhere) of a point, in degrees."""

    latitude: float
    longitude: float
    radius_km: float | None = None


@dataclass(frozen=True)
class Station:
    """A place with connectors. `place` is where it stands in the order of a search, `distance_km` if asked."""

    id: int
    vendor_id: int
    name: str
    address: str
    latitude: float
    longitude: float
    zone: ZoneInfo
    hours: OpeningHours
    distance_km: float | None
    place: float
    rotating_code: bool  # its screens show codes that change: only such a code proves that somebody is there
    check_in_radius_m: int | None  # None: nobody asks where the driver is


@dataclass(frozen=True)
class Connector:
    """One plug that can be booked."""

    id: int
    station_id: int
    label: str
    type: str
    power_kw: float
    price_per_hour: Money


async def search_stations(
    conn: Connection,
    *,
    near: Near | None,
    connector_type: str | None,
    limit: int,
    after: tuple[float, int] | None,
    words: str | None = None,
) -> list[Station]:
    """Stations from the nearest on, or by id, at most `limit`, beginning after the place `after`.

    `words` must stand in name, address or time zone, which names the big city. What was removed is not found.
    """
    rows = await _SEARCH.fetch(
        conn,
        latitude=near and near.latitude,
        longitude=near and near.longitude,
        radius_km=near and near.radius_km,
        connector_type=connector_type,
        words=[f"%{_plain(word)}%" for word in (words or "").split()],
        limit=limit,
        after_place=None if after is None else after[0],
        after_id=None if after is None else after[1],
    )
    return [_station(row) for row in rows]


async def find_station(conn: Connection, station_id: int) -> Station | None:
    """The station with that id, if there is one."""
    row = await _FIND.fetchrow(conn, id=station_id)
    return None if row is None else _station(row)


async def connectors_of(
    conn: Connection, station_ids: Sequence[int], *, connector_type: str | None = None
) -> list[Connector]:
    """The connectors of these stations, by station and label."""
    return [
        Connector(
            id=row["id"],
            station_id=row["station_id"],
            label=row["label"],
            type=row["type"],
            power_kw=row["power_kw"],
            price_per_hour=Money(row["price_per_hour"], row["currency"]),
        )
        for row in await _CONNECTORS.fetch(conn, station_ids=list(station_ids), type=connector_type)
    ]


async def connector_types(conn: Connection) -> list[str]:
    """Every kind of plug that there is."""
    return [row["type"] for row in await _TYPES.fetch(conn)]


async def busy_times(
    conn: Connection, station_ids: Collection[int], since: datetime, until: datetime
) -> dict[int, list[tuple[datetime, datetime]]]:
    """By connector, the slots that live bookings hold in `[since, until)`, in order."""
    rows = await _BUSY.fetch(
        conn,
        station_ids=list(station_ids),
        since=since,
        until=until,
        longest=LONGEST,
        states=[state.value for state in LIVE_STATES],
    )
    busy: dict[int, list[tuple[datetime, datetime]]] = {}
    for row in rows:
        busy.setdefault(row["connector_id"], []).append((row["starts_at"], row["ends_at"]))
    return busy


def _plain(word: str) -> str:
    """The word as LIKE takes it literally."""
    return re.sub(r"([\\%_])", r"\\\1", word)


def _station(row: Any) -> Station:
    return Station(
        id=row["id"],
        vendor_id=row["vendor_id"],
        name=row["name"],
        address=row["address"],
        latitude=row["latitude"],
        longitude=row["longitude"],
        zone=ZoneInfo(row["zone"]),
        hours=OpeningHours.from_list(row["opening_hours"]),
        distance_km=row["distance_km"],
        place=row["place"],
        rotating_code=row["rotating_code"],
        check_in_radius_m=row["check_in_radius_m"],
    )
