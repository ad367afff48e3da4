"""the held slot is confirmed."""

from slotwatch.domain.booking import Booking
from slotwatch.usecases.desk import Desk, decide

__all__ = ["pay"]


async def pay(desk: Desk, driver_id: int, booking_id: int) -> Booking:
    """The booking as it is now. Raises NotFound, or the refusal of `Booking.pay`."""
    return await decide(desk, driver_id, booking_id, Booking.pay)
