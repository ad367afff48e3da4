"""A driver cancels: the slot is free, the refund follows the terms."""

from slotwatch.domain.booking import Booking
from slotwatch.domain.lifecycle import EndReason
from slotwatch.usecases.desk import Desk, decide

__all__ = ["cancel"]


async def cancel(desk: Desk, driver_id: int, booking_id: int, reason: str | None = None) -> Booking:
    """The booking as it is now; `reason` is the driver's own words. Raises NotFound or NotCancellable."""
    return await decide(
        desk, driver_id, booking_id, lambda booking, now: booking.cancel(EndReason.BY_DRIVER, now), reason
    )
