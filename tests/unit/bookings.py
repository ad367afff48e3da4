"""Bookings made of nothing but values, for the unit tests of the domain."""

from datetime import UTC, datetime, timedelta
from typing import Any

from slotwatch.domain.booking import Booking
from slotwatch.domain.ids import BookingId, ConnectorId, DriverId, StationId, VendorId
from slotwatch.domain.lifecycle import FINAL_STATES, State, Step
from slotwatch.domain.money import Money, PaymentStatus
from slotwatch.domain.slot import Slot
from slotwatch.domain.terms import Terms
from slotwatch.domain.timeline import Timeline

__all__ = ["BOOKED_AT", "START", "STEP_OF", "a_booking"]

START = datetime(2026, 3, 2, 13, tzinfo=UTC)
BOOKED_AT = START - timedelta(days=3)
STEP_OF = {
    State.PENDING: Step.HOLD_ENDS,
    State.CONFIRMED: Step.START,
    State.GRACE: Step.EXPIRE,
    State.ACTIVE: Step.COMPLETE,
    **dict.fromkeys(FINAL_STATES),
}


def a_booking(
    state: State = State.CONFIRMED,
    *,
    terms: Terms | None = None,
    length: timedelta = timedelta(hours=1),
    amount: int = 1250,
    payment_status: PaymentStatus = PaymentStatus.PAID,
    **changes: Any,
) -> Booking:
    """A paid booking of an hour from 13:00 UTC on, in that state."""
    terms = terms or Terms()
    hold_ends_at = BOOKED_AT + timedelta(minutes=10) if state is State.PENDING else None
    values: dict[str, Any] = {
        "id": BookingId(7),
        "vendor_id": VendorId(1),
        "station_id": StationId(1),
        "connector_id": ConnectorId(1),
        "driver_id": DriverId(1),
        "state": state,
        "step": STEP_OF[state],
        "timeline": Timeline.of(Slot(START, START + length), terms, hold_ends_at=hold_ends_at),
        "terms": terms,
        "amount": Money(amount, "EUR"),
        "payment_status": payment_status,
        "created_at": BOOKED_AT,
        "updated_at": BOOKED_AT,
    }
    if state is State.EXPIRED:
        values |= {"expired_at": START + timedelta(minutes=31), "updated_at": START + timedelta(minutes=31)}
    return Booking(**(values | changes))
