"""Puts the demo town into the database; on a second start it finds everything there."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from slotwatch.demo.places import CATALOGUE, DRIVERS, OPERATOR, OWNERS, VENDORS, VISITOR, DemoDriver, DemoStation
from slotwatch.domain.opening_hours import OpeningHours
from slotwatch.domain.staff import StaffRole
from slotwatch.storage.people import Driver, ensure_driver
from slotwatch.storage.statements import Connection, Statement
from slotwatch.usecases.staff import NewPerson, insert_person

__all__ = ["DEMO_GRACE_MINUTES", "Bay", "DemoTown", "seed"]

DEMO_GRACE_MINUTES = 2

_LOCK = Statement("SELECT pg_advisory_xact_lock(7215010)")
_FIND_VENDOR = Statement("SELECT id FROM vendor WHERE name = :name ORDER BY id LIMIT 1")
_ADD_VENDOR = Statement("INSERT INTO vendor (name, created_at) VALUES (:name, :now) RETURNING id")
_SET_TERMS = Statement("UPDATE vendor SET terms = :terms WHERE id = :id")
_FIND_STATION = Statement("SELECT id FROM station WHERE vendor_id = :vendor_id AND name = :name ORDER BY id LIMIT 1")
_ADD_STATION = Statement(
    "INSERT INTO station (vendor_id, name, address, latitude, longitude, zone, opening_hours, created_at)"
    " VALUES (:vendor_id, :name, :address, :latitude, :longitude, :zone, :opening_hours, :now) RETURNING id"
)
_ADD_CONNECTOR = Statement(
    "WITH added AS (INSERT INTO connector (station_id, label, type, power_kw, price_per_hour, currency, created_at)"
    " VALUES (:station_id, :label, :type, :power_kw, :price, :currency, :now)"
    " ON CONFLICT (station_id, label) WHERE removed_at IS NULL DO NOTHING RETURNING id)"
    " SELECT id FROM added UNION ALL SELECT id FROM connector WHERE station_id = :station_id AND label = :label"
    " AND removed_at IS NULL"
)


_HAS_STAFF = Statement("SELECT EXISTS (SELECT FROM staff WHERE lower(email) = lower(:email) AND removed_at IS NULL)")


@dataclass(frozen=True)
class Bay:
    """One connector of the town and where it stands."""

    connector_id: int
    label: str
    station: str
    zone: ZoneInfo
    position: tuple[float, float]
    hours: OpeningHours


@dataclass(frozen=True)
class DemoTown:
    """What there is: the bays that the town's drivers use, those kept free for people, and everybody in it."""

    vendors: tuple[int, ...]
    bays: tuple[Bay, ...]
    kept_free: tuple[Bay, ...]
    drivers: tuple[Driver, ...]
    visitor: Driver
    grace_minutes: int


async def seed(conn: Connection, now: datetime, *, grace_minutes: int = DEMO_GRACE_MINUTES) -> DemoTown:
    """Make what is missing, inside a transaction of the caller; two processes may seed at once."""
    await _LOCK.fetchval(conn)
    vendors = {name: await _vendor(conn, name, now, grace_minutes) for name in VENDORS}
    bays: list[Bay] = []
    kept_free: list[Bay] = []
    for station in CATALOGUE:
        of_station = await _station(conn, station, vendors, now)
        bays += of_station[:-1]
        kept_free += of_station[-1:]
    await _let_in(conn, None, OPERATOR, now)
    for vendor_id, email in zip(vendors.values(), OWNERS, strict=True):
        await _let_in(conn, vendor_id, email, now)
    people = [await _driver(conn, who, now) for who in (*DRIVERS, VISITOR)]
    return DemoTown(
        tuple(vendors.values()), tuple(bays), tuple(kept_free), tuple(people[:-1]), people[-1], grace_minutes
    )


async def _driver(conn: Connection, who: DemoDriver, now: datetime) -> Driver:
    """With addresses that are proven, so that whoever signs in by them finds this driver's bookings."""
    return await ensure_driver(
        conn,
        who.subject,
        now=now,
        name=who.name,
        email=who.email,
        phone=who.phone,
        proven_email=who.email,
        proven_phone=who.phone,
    )


async def _let_in(conn: Connection, vendor_id: int | None, email: str, now: datetime) -> None:
    """Somebody who may sign in to the demo; whoever was sent away is back at the next start."""
    if await _HAS_STAFF.fetchval(conn, email=email):
        return
    role = StaffRole.OPERATOR if vendor_id is None else StaffRole.OWNER
    name = email.partition("@")[0].capitalize()
    await insert_person(conn, NewPerson(vendor_id=vendor_id, role=role, name=name, email=email), now=now)


def demo_terms(grace_minutes: int) -> dict[str, Any]:
    """Terms so short that a whole life passes while somebody watches."""
    return {"gracePeriodMinutes": grace_minutes, "reminderMinutes": 1, "earlyCheckInMinutes": 1, "settleSeconds": 3}


async def _vendor(conn: Connection, name: str, now: datetime, grace_minutes: int) -> int:
    vendor_id: int | None = await _FIND_VENDOR.fetchval(conn, name=name)
    if vendor_id is None:
        vendor_id = int(await _ADD_VENDOR.fetchval(conn, name=name, now=now))
    await _SET_TERMS.execute(conn, id=vendor_id, terms=demo_terms(grace_minutes))
    return vendor_id


async def _station(conn: Connection, station: DemoStation, vendors: Mapping[str, int], now: datetime) -> list[Bay]:
    hours = OpeningHours.from_list(_hours(station))
    station_id = await _FIND_STATION.fetchval(conn, vendor_id=vendors[station.vendor], name=station.name)
    if station_id is None:
        station_id = await _ADD_STATION.fetchval(
            conn,
            vendor_id=vendors[station.vendor],
            name=station.name,
            address=station.address,
            latitude=station.latitude,
            longitude=station.longitude,
            zone=station.zone,
            opening_hours=hours.as_list(),
            now=now,
        )
    bays = []
    for connector in station.connectors:
        connector_id = await _ADD_CONNECTOR.fetchval(
            conn,
            station_id=station_id,
            label=connector.label,
            type=connector.type,
            power_kw=connector.power_kw,
            price=connector.price,
            currency=station.currency,
            now=now,
        )
        position = (station.latitude, station.longitude)
        bays.append(Bay(connector_id, connector.label, station.name, ZoneInfo(station.zone), position, hours))
    return bays


def _hours(station: DemoStation) -> list[dict[str, Any]]:
    if station.opens is None or station.closes is None:
        return []
    return [{"days": list(range(7)), "opens": station.opens, "closes": station.closes}]
