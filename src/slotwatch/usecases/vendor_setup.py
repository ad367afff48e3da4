"""A vendor sets up stations, connectors and terms. What is changed applies to bookings made afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import available_timezones

import asyncpg

from slotwatch.domain.errors import Conflict, InvalidInput, NotFound
from slotwatch.domain.money import Money
from slotwatch.domain.opening_hours import OpeningHours
from slotwatch.domain.terms import Terms
from slotwatch.storage.statements import Connection, Statement
from slotwatch.usecases.book import vendor_terms
from slotwatch.usecases.desk import Desk

__all__ = [
    "OwnConnector",
    "OwnStation",
    "add_connector",
    "add_station",
    "change_connector",
    "change_station",
    "find_same_station",
    "list_own_stations",
    "read_terms",
    "see_station",
    "set_terms",
]

_STATION = "id, name, address, latitude, longitude, zone, opening_hours, check_in_radius_m, rotating_code"
_CONNECTOR = "id, station_id, label, type, power_kw, price_per_hour, currency"
_PLAIN = ("name", "address", "latitude", "longitude", "zone", "check_in_radius_m", "rotating_code")
_NOT_SAID: Mapping[str, Any] = {"check_in_radius_m": None, "rotating_code": False}
_HAS_VENDOR = Statement("SELECT EXISTS (SELECT FROM vendor WHERE id = :vendor_id)")
_STATIONS = Statement(
    f"SELECT {_STATION} FROM station WHERE vendor_id = :vendor_id AND id > :after AND removed_at IS NULL"  # noqa: S608
    " ORDER BY id LIMIT :limit"
)
_ONE_STATION = Statement(
    f"SELECT {_STATION} FROM station WHERE vendor_id = :vendor_id AND id = :id AND removed_at IS NULL"  # noqa: S608
)
_CONNECTORS = Statement(
    f"SELECT {_CONNECTOR} FROM connector WHERE station_id = ANY (:station_ids) AND removed_at IS NULL"  # noqa: S608
    " ORDER BY station_id, label, id"
)
_ADD_STATION = Statement(
    "INSERT INTO station (vendor_id, name, address, latitude, longitude, zone, opening_hours, check_in_radius_m,"
    " rotating_code, created_at) VALUES (:vendor_id, :name, :address, :latitude, :longitude, :zone, :opening_hours,"
    " :check_in_radius_m, :rotating_code, :now) RETURNING id"
)
_SAME_STATION = Statement(
    "SELECT max(id) FROM station WHERE vendor_id = :vendor_id AND name = :name AND address = :address"
    " AND latitude = :latitude AND longitude = :longitude AND zone = :zone AND opening_hours = :opening_hours"
    " AND check_in_radius_m IS NOT DISTINCT FROM :check_in_radius_m AND rotating_code = :rotating_code"
    " AND removed_at IS NULL"
)
_CHANGE_STATION = Statement(
    "UPDATE station SET name = :name, address = :address, latitude = :latitude, longitude = :longitude, zone = :zone,"
    " opening_hours = :opening_hours, check_in_radius_m = :check_in_radius_m, rotating_code = :rotating_code"
    " WHERE id = :id AND vendor_id = :vendor_id AND removed_at IS NULL"
)
_ADD_CONNECTOR = Statement(
    "INSERT INTO connector (station_id, label, type, power_kw, price_per_hour, currency, created_at)"
    " VALUES (:station_id, :label, :type, :power_kw, :price_per_hour, :currency, :now) RETURNING id"
)
_CHANGE_CONNECTOR = Statement(
    "UPDATE connector SET label = :label, type = :type, power_kw = :power_kw, price_per_hour = :price_per_hour,"
    " currency = :currency WHERE id = :id AND station_id = :station_id AND removed_at IS NULL"
)
_TERMS = Statement("SELECT terms FROM vendor WHERE id = :vendor_id")
_SET_TERMS = Statement("UPDATE vendor SET terms = :terms WHERE id = :vendor_id")


@dataclass(frozen=True, kw_only=True)
class OwnConnector:
    """One plug of the vendor's."""

    id: int
    label: str
    type: str
    power_kw: float
    price_per_hour: Money


@dataclass(frozen=True, kw_only=True)
class OwnStation:
    """One place of the vendor's."""

    id: int
    name: str
    address: str
    latitude: float
    longitude: float
    zone: str
    hours: OpeningHours
    check_in_radius_m: int | None  # how near one must be to check in by code; None: anywhere
    rotating_code: bool  # its screen shows a code that changes
    connectors: tuple[OwnConnector, ...]


async def list_own_stations(desk: Desk, vendor_id: int, *, limit: int, after: int = 0) -> list[OwnStation]:
    """The vendor's stations in the order in which they were made, from the id `after` on."""
    async with desk.database.connection() as conn:
        rows = await _STATIONS.fetch(conn, vendor_id=vendor_id, limit=limit, after=after)
        return await _with_connectors(conn, rows)


async def see_station(desk: Desk, vendor_id: int, station_id: int) -> OwnStation:
    """One of the vendor's stations. Raises NotFound."""
    async with desk.database.connection() as conn:
        return await _own_station(conn, vendor_id, station_id)


async def add_station(desk: Desk, vendor_id: int, given: Mapping[str, Any]) -> OwnStation:
    """A new station, without connectors. `given` has every column. Raises NotFound or InvalidInput."""
    async with desk.database.transaction() as conn:
        if not await _HAS_VENDOR.fetchval(conn, vendor_id=vendor_id):
            raise NotFound("There is no such vendor.")
        values = _station_values(given)
        station_id = await _ADD_STATION.fetchval(conn, vendor_id=vendor_id, now=await desk.clock.now(conn), **values)
        return await _own_station(conn, vendor_id, station_id)


async def find_same_station(desk: Desk, vendor_id: int, given: Mapping[str, Any]) -> OwnStation | None:
    """The newest of the vendor's stations that has all of these values: what an interrupted `add_station` left."""
    values = _station_values(given)
    async with desk.database.connection() as conn:
        station_id = await _SAME_STATION.fetchval(conn, vendor_id=vendor_id, **values)
        return None if station_id is None else await _own_station(conn, vendor_id, station_id)


async def change_station(desk: Desk, vendor_id: int, station_id: int, given: Mapping[str, Any]) -> OwnStation:
    """The station with what is given changed; bookings keep their instants. Raises NotFound or InvalidInput."""
    async with desk.database.transaction() as conn:
        now_so = await _own_station(conn, vendor_id, station_id)
        kept = {name: getattr(now_so, name) for name in _PLAIN}
        values = _station_values({**kept, "opening_hours": now_so.hours.as_list(), **given})
        await _CHANGE_STATION.execute(conn, id=station_id, vendor_id=vendor_id, **values)
        return await _own_station(conn, vendor_id, station_id)


async def add_connector(desk: Desk, vendor_id: int, station_id: int, given: Mapping[str, Any]) -> OwnConnector:
    """A new connector at an own station. `given` has every column. Raises NotFound, InvalidInput or Conflict."""
    async with desk.database.transaction() as conn:
        await _own_station(conn, vendor_id, station_id)
        now = await desk.clock.now(conn)
        try:
            added = await _ADD_CONNECTOR.fetchval(conn, station_id=station_id, now=now, **given)
        except asyncpg.UniqueViolationError as error:
            raise _taken(given) from error
        return await _own_connector(conn, vendor_id, station_id, added)


async def change_connector(
    desk: Desk, vendor_id: int, station_id: int, connector_id: int, given: Mapping[str, Any]
) -> OwnConnector:
    """The connector with what is given changed; bookings keep their price. Raises as `add_connector`."""
    async with desk.database.transaction() as conn:
        now_so = await _own_connector(conn, vendor_id, station_id, connector_id)
        kept: dict[str, Any] = {name: getattr(now_so, name) for name in ("label", "type", "power_kw")}
        price = now_so.price_per_hour
        values = {**kept, "price_per_hour": price.amount, "currency": price.currency, **given}
        try:
            await _CHANGE_CONNECTOR.execute(conn, id=connector_id, station_id=station_id, **values)
        except asyncpg.UniqueViolationError as error:
            raise _taken(values) from error
        return await _own_connector(conn, vendor_id, station_id, connector_id)


async def read_terms(desk: Desk, vendor_id: int) -> Terms:
    """The terms of the vendor's next booking: its own, and the house's where it has set none. Raises NotFound."""
    async with desk.database.connection() as conn:
        stored = await _TERMS.fetchval(conn, vendor_id=vendor_id)
    if stored is None:
        raise NotFound
    return vendor_terms(stored, desk.settings)


async def set_terms(desk: Desk, vendor_id: int, given: Mapping[str, Any]) -> Terms:
    """The terms as they are now; what is not given is again as the house has it. Raises NotFound or InvalidInput."""
    stored = dict(given)
    terms = vendor_terms(stored, desk.settings)  # refuses what makes no sense before it is stored
    async with desk.database.connection() as conn:
        if not await _SET_TERMS.execute(conn, vendor_id=vendor_id, terms=stored):
            raise NotFound
    return terms


def _station_values(given: Mapping[str, Any]) -> dict[str, Any]:
    if given["zone"] not in available_timezones():
        raise InvalidInput(f"{given['zone']} is no IANA time zone, such as Europe/Vienna.")
    hours = OpeningHours.from_list(given["opening_hours"])
    return {**_NOT_SAID, **given, "opening_hours": hours.as_list()}


def _taken(given: Mapping[str, Any]) -> Conflict:
    return Conflict(f"This station has a connector {given['label']} already.")


async def _own_station(conn: Connection, vendor_id: int, station_id: int) -> OwnStation:
    row = await _ONE_STATION.fetchrow(conn, vendor_id=vendor_id, id=station_id)
    if row is None:
        raise NotFound
    return (await _with_connectors(conn, [row]))[0]


async def _own_connector(conn: Connection, vendor_id: int, station_id: int, connector_id: int) -> OwnConnector:
    station = await _own_station(conn, vendor_id, station_id)
    found = next((connector for connector in station.connectors if connector.id == connector_id), None)
    if found is None:
        raise NotFound
    return found


async def _with_connectors(conn: Connection, rows: list[Any]) -> list[OwnStation]:
    connectors = await _CONNECTORS.fetch(conn, station_ids=[row["id"] for row in rows])
    return [
        OwnStation(
            **{name: row[name] for name in ("id", *_PLAIN)},
            hours=OpeningHours.from_list(row["opening_hours"]),
            connectors=tuple(_connector(one) for one in connectors if one["station_id"] == row["id"]),
        )
        for row in rows
    ]


def _connector(row: Any) -> OwnConnector:
    return OwnConnector(
        id=row["id"],
        label=row["label"],
        type=row["type"],
        power_kw=row["power_kw"],
        price_per_hour=Money(row["price_per_hour"], row["currency"]),
    )
