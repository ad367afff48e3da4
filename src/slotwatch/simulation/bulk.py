"""Puts a town and its advance bookings into the database in bulk, in the very shape in which `book` would.

A hundred thousand bookings through the front door would take longer than the week that they are for. So the rules are
checked in `plan.py` (`Slot.check_bookable`), the domain's own Booking is built here, and only the writing is bundled;
a test compares the rows with those that `book` writes. Whatever happens to a booking afterwards goes through the use
cases and the engine, and walk-ins are booked by `book` itself.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from slotwatch.domain.booking import Booking
from slotwatch.domain.ids import BookingId, ConnectorId, DriverId, StationId, VendorId, new_booking_id
from slotwatch.domain.lifecycle import Cause, State, Step
from slotwatch.domain.money import PaymentStatus
from slotwatch.domain.notices import Channel
from slotwatch.domain.timeline import Timeline
from slotwatch.simulation.places import Driver, Places
from slotwatch.simulation.plan import BEGINS_AT, Planned
from slotwatch.storage import people
from slotwatch.storage.bookings import BOOKING_COLUMNS
from slotwatch.storage.statements import Connection, Statement
from slotwatch.usecases.book import price
from slotwatch.usecases.desk import BookingSettings

__all__ = ["insert_all", "pending_booking", "person", "settle_town"]

_RANDOM_BITS = (1 << 20) - 1
_CHUNK = 5000

_VENDOR = Statement("INSERT INTO vendor (id, name, terms, created_at) VALUES (:id, :name, :terms, :now)")
_STATION = Statement(
    "INSERT INTO station (id, vendor_id, name, address, latitude, longitude, zone, opening_hours, created_at)"
    " VALUES (:id, :vendor_id, :name, :address, 0, 0, :zone, :hours, :now)"
)
_CONNECTOR = Statement(
    "INSERT INTO connector (id, station_id, label, type, power_kw, price_per_hour, currency, created_at)"
    " VALUES (:id, :station_id, :label, 'CCS', 50, :price, :currency, :now)"
)
_DRIVER = Statement(
    "INSERT INTO driver (id, subject, name, email, phone, preferences, created_at)"
    " VALUES (:id, :subject, :name, :email, :phone, :preferences, :now)"
)
_BOOKING = Statement(
    f"INSERT INTO booking ({BOOKING_COLUMNS}) VALUES ("  # noqa: S608  # names only, no values
    + ", ".join(f":{name}" for name in BOOKING_COLUMNS.split(", "))
    + ")"
)
_BOOKED = Statement(
    "INSERT INTO transition (booking_id, version, from_state, to_state, cause, actor, at)"
    " VALUES (:id, 1, NULL, :state, :cause, :actor, :at)"
)


async def settle_town(conn: Connection, places: Places) -> None:
    """Vendors, stations, connectors and drivers, with the ids that the plan gave them."""
    vendors = ({"id": v.id, "name": f"Vendor {v.id}", "terms": v.terms, "now": BEGINS_AT} for v in places.vendors)
    await _write(conn, _VENDOR, vendors)
    stations = (
        {
            "id": station.id,
            "vendor_id": station.vendor.id,
            "name": f"Station {station.id}",
            "address": f"Street {station.id}",
            "zone": station.zone.key,
            "hours": station.hours.as_list(),
            "now": BEGINS_AT,
        }
        for station in (connectors[0].station for connectors in places.stations)
    )
    await _write(conn, _STATION, stations)
    connectors = (
        {
            "id": connector.id,
            "station_id": connector.station.id,
            "label": f"{connector.id % 4 + 1}",
            "price": connector.price_per_hour.amount,
            "currency": connector.price_per_hour.currency,
            "now": BEGINS_AT,
        }
        for of_station in places.stations
        for connector in of_station
    )
    await _write(conn, _CONNECTOR, connectors)
    await _write(conn, _DRIVER, ({**vars_of(driver), "now": BEGINS_AT} for driver in places.drivers))


def vars_of(driver: Driver) -> dict[str, Any]:
    """The driver as the table has it."""
    return {
        "id": driver.id,
        "subject": f"driver-{driver.id}",
        "name": f"Driver {driver.id}",
        "email": driver.email,
        "phone": driver.phone,
        "preferences": {} if driver.wants_sms else {"channels": {Channel.SMS.value: False}},
    }


def person(driver: Driver) -> people.Driver:
    """The driver as the use cases know them."""
    return people.Driver(**{**vars_of(driver), "id": DriverId(driver.id)})


def pending_booking(planned: Planned, settings: BookingSettings) -> Booking:
    """The booking as `book` makes it where payment is awaited; its id carries the plan's number."""
    station, now = planned.connector.station, planned.made_at
    timeline = Timeline.of(planned.slot, station.vendor.agreed, hold_ends_at=now + settings.payment_hold)
    return Booking(
        id=BookingId(new_booking_id(now) & ~_RANDOM_BITS | planned.number & _RANDOM_BITS),
        vendor_id=VendorId(station.vendor.id),
        station_id=StationId(station.id),
        connector_id=ConnectorId(planned.connector.id),
        driver_id=DriverId(planned.driver.id),
        state=State.PENDING,
        step=Step.HOLD_ENDS,
        timeline=timeline,
        terms=station.vendor.agreed,
        amount=price(planned.connector.price_per_hour, planned.slot),
        payment_status=PaymentStatus.AWAITED,
        created_at=now,
        updated_at=now,
    )


async def insert_all(conn: Connection, bookings: Sequence[Booking]) -> None:
    """Booking and first history row of each, in the caller's transaction; a pending booking has no notice yet."""
    await _write(conn, _BOOKING, map(_row, bookings))
    history = (
        {
            "id": booking.id,
            "state": booking.state,
            "cause": Cause.BOOKED,
            "actor": f"driver:{booking.driver_id}",
            "at": booking.created_at,
        }
        for booking in bookings
    )
    await _write(conn, _BOOKED, history)


def _row(booking: Booking) -> dict[str, Any]:
    own = {**vars(booking), **vars(booking.timeline)}
    told = {
        "due_at": booking.due_at,
        "terms": booking.terms.as_dict(),
        "amount": booking.amount.amount,
        "currency": booking.amount.currency,
    }
    return {name: told[name] if name in told else own[name] for name in _COLUMNS}


_COLUMNS = BOOKING_COLUMNS.split(", ")


async def _write(conn: Connection, statement: Statement, rows: Iterable[Mapping[str, Any]]) -> None:
    for chunk in _chunks(rows):
        await conn.executemany(statement.text, [statement.arguments(dict(row)) for row in chunk])


def _chunks(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    chunk: list[Mapping[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
