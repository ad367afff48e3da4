"""the rest of it is free."""

from slotwatch.domain.booking import Booking
from slotwatch.usecases.desk import Desk, decide

__all__ = ["finish"]


async def finish(desk: Desk, driver_id: int, booking_id: int) -> Booking:
    """The booking as it is now. Raises NotFound, or the refusal of `Booking.finish`."""
    return await decide(desk, driver_id, booking_id, Booking.finish)
