"""A driver books a slot: held while payment is awaited, or confirmed at once where payments are off."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from slotwatch.domain.booking import Booking
from slotwatch.domain.errors import Conflict, ContactNeeded, NotFound, TooManyBookings
from slotwatch.domain.ids import ConnectorId, StationId, VendorId, new_booking_id
from slotwatch.domain.lifecycle import State, Step
from slotwatch.domain.money import Money, PaymentStatus
from slotwatch.domain.opening_hours import OpeningHours
from slotwatch.domain.slot import Slot
from slotwatch.domain.terms import Terms
from slotwatch.domain.timeline import Timeline
from slotwatch.storage import bookings
from slotwatch.storage.people import Driver
from slotwatch.storage.preferences import load_reach
from slotwatch.storage.statements import Connection, Statement
from slotwatch.usecases.contact import why_not_told
from slotwatch.usecases.desk import BookingSettings, Desk, retried

__all__ = ["Agreed", "book", "price", "vendor_terms"]

_OFFER = Statement(
    "SELECT c.id AS connector_id, c.price_per_hour, c.currency, s.id AS station_id, s.vendor_id, s.zone,"
    " s.opening_hours, v.terms"
    " FROM connector AS c JOIN station AS s ON s.id = c.station_id JOIN vendor AS v ON v.id = s.vendor_id"
    " WHERE c.id = :connector_id AND c.removed_at IS NULL AND s.removed_at IS NULL"
    " FOR NO KEY UPDATE OF c"  # one at a time: overlapping inserts would deadlock
)


@dataclass(frozen=True)
class _Offer:
    """What is booked: a connector with its price, the rules of its station and the terms of its vendor."""

    connector_id: ConnectorId
    station_id: StationId
    vendor_id: VendorId
    price_per_hour: Money
    zone: ZoneInfo
    hours: OpeningHours
    terms: Terms


@dataclass(frozen=True)
class Agreed:
    """What the driver was shown before booking."""

    amount: Money
    terms: Terms

    def holds_for(self, amount: Money, terms: Terms) -> bool:
        """Whether nothing that binds the driver is different now."""
        return self.amount == amount and _binding(self.terms) == _binding(terms)


async def book(
    desk: Desk,
    driver: Driver,
    connector_id: int,
    slot: Slot,
    *,
    vehicle: str | None = None,
    agreed: Agreed | None = None,
) -> Booking:
    """The new booking, `pending` or `confirmed`.

    Raises NotFound (no such connector), ContactNeeded (nobody forfeits untold, so we must be able to tell),
    SlotNotBookable, TooManyBookings, SlotTaken, or Conflict where price or terms are no longer those `agreed`; then
    nothing is stored.
    """

    async def once() -> Booking:
        async with desk.database.transaction() as conn:
            now = await desk.clock.now(conn)
            offer = await _offer(conn, connector_id, desk.settings)
            slot.check_bookable(now=now, hours=offer.hours, zone=offer.zone)
            reach = await load_reach(conn, driver.subject, lock=True)  # two bookings at once count each other
            if desk.channels and (why := why_not_told(desk, reach)) is not None:
                raise ContactNeeded(why)
            if await bookings.count_live(conn, driver.id, now) >= desk.settings.max_live_bookings:
                raise TooManyBookings
            booking = _booked(offer, driver, slot, settings=desk.settings, now=now, vehicle=vehicle)
            if agreed is not None and not agreed.holds_for(booking.amount, booking.terms):
                raise Conflict("The price or the terms have changed since you saw them, so nothing was booked.")
            await bookings.insert(conn, booking, actor=f"driver:{driver.id}", channels=desk.channels)
            return booking

    booking = await retried(once, lost_by=(asyncpg.UniqueViolationError,))  # by an id that another drew, too
    if booking.due_at is not None:
        desk.hint(booking.due_at)
    return booking


def price(per_hour: Money, slot: Slot) -> Money:
    """What the slot costs, rounded down to a whole minor unit."""
    return Money(int(per_hour.amount * slot.length.total_seconds()) // 3600, per_hour.currency)


def _binding(terms: Terms) -> tuple[object, ...]:
    return terms.grace, terms.early_check_in, terms.cancel_refund


def vendor_terms(stored: dict[str, Any], settings: BookingSettings) -> Terms:
    """The vendor's terms; what the vendor left open is as the house has it."""
    return Terms.from_dict({**settings.house_terms().as_dict(), **stored})


def _booked(
    offer: _Offer, driver: Driver, slot: Slot, *, settings: BookingSettings, now: datetime, vehicle: str | None
) -> Booking:
    awaits_payment = settings.payments == "local"
    timeline = Timeline.of(slot, offer.terms, hold_ends_at=now + settings.payment_hold if awaits_payment else None)
    return Booking(
        id=new_booking_id(now),
        vendor_id=offer.vendor_id,
        station_id=offer.station_id,
        connector_id=offer.connector_id,
        driver_id=driver.id,
        state=State.PENDING if awaits_payment else State.CONFIRMED,
        step=Step.HOLD_ENDS if awaits_payment else timeline.first_step(now),
        timeline=timeline,
        terms=offer.terms,
        amount=price(offer.price_per_hour, slot),
        payment_status=PaymentStatus.AWAITED if awaits_payment else PaymentStatus.NOT_REQUIRED,
        vehicle=vehicle,
        created_at=now,
        updated_at=now,
    )


async def _offer(conn: Connection, connector_id: int, settings: BookingSettings) -> _Offer:
    row = await _OFFER.fetchrow(conn, connector_id=connector_id)
    if row is None:
        raise NotFound("There is no such connector.")
    return _Offer(
        connector_id=ConnectorId(row["connector_id"]),
        station_id=StationId(row["station_id"]),
        vendor_id=VendorId(row["vendor_id"]),
        price_per_hour=Money(row["price_per_hour"], row["currency"]),
        zone=ZoneInfo(row["zone"]),
        hours=OpeningHours.from_list(row["opening_hours"]),
        terms=vendor_terms(row["terms"], settings),
    )
