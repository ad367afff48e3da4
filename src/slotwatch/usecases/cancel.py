"""A driver cancels: the slot is free, the refund follows the terms."""

from datetime import datetime

from slotwatch.domain.booking import Booking, Move
from slotwatch.domain.errors import Conflict
from slotwatch.domain.lifecycle import EndReason
from slotwatch.usecases.desk import Desk, decide

__all__ = ["cancel"]


async def cancel(
    desk: Desk, driver_id: int, booking_id: int, reason: str | None = None, *, refund: int | None = None
) -> Booking:
    """The booking as it is now; `reason` is the driver's own words, `refund` what they were told that they get back.

    Raises NotFound, NotCancellable, or Conflict where the refund is less by now.
    """

    def decision(booking: Booking, now: datetime) -> Move:
        move = booking.cancel(EndReason.BY_DRIVER, now)
        if refund is not None and booking.refund_if_cancelled(EndReason.BY_DRIVER, now).amount < refund:
            raise Conflict("The time for this refund has just run out. Look at what you get back now.")
        return move

    return await decide(desk, driver_id, booking_id, decision, reason)
