"""Staff at a station look after one booking: see it, check the driver in, or cancel it with everything paid back."""

from dataclasses import dataclass

from slotwatch.domain.booking import Booking, CheckInMethod
from slotwatch.domain.errors import Conflict, InvalidInput, NotFound
from slotwatch.domain.lifecycle import EndReason
from slotwatch.storage import bookings
from slotwatch.storage.booking_views import BookingView, fetch_view
from slotwatch.storage.statements import Connection, Statement
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import Desk, write

__all__ = [
    "Staff",
    "VendorView",
    "cancel_for_vendor",
    "check_in_by_staff",
    "checked_reason",
    "own_booking",
    "see_booking",
]

_DRIVER = Statement("SELECT name FROM driver WHERE id = :id")
_TRIES = 4
_LONGEST_REASON = 500


@dataclass(frozen=True)
class Staff:
    """Who acts for a vendor; `subject` is the token's `sub`."""

    vendor_id: int
    subject: str

    @property
    def actor(self) -> str:
        """As history and evidence name them."""
        return f"vendor:{self.vendor_id}:{self.subject}"


@dataclass(frozen=True)
class VendorView:
    """A booking as the vendor sees it: the driver's name and nothing else of the person."""

    view: BookingView
    driver_name: str | None


async def see_booking(desk: Desk, staff: Staff, booking_id: int) -> VendorView:
    """One booking at the vendor's stations. Raises NotFound for another vendor's."""
    async with desk.database.connection() as conn:
        booking = await own_booking(conn, staff, booking_id)
        view = await fetch_view(conn, booking_id, booking.driver_id, now=desk.clock.fixed)
        assert view is not None, "bookings are never deleted and never change hands"
        return VendorView(view, await _DRIVER.fetchval(conn, id=booking.driver_id))


async def check_in_by_staff(desk: Desk, staff: Staff, booking_id: int) -> Booking:
    """The booking, `active`; again: unchanged. The same window holds as for the driver.

    Raises NotFound, CheckInTooEarly, GraceOver or NotCheckInable.
    """
    async with desk.database.connection() as conn:
        booking = await own_booking(conn, staff, booking_id)
    attempt = CheckInAttempt(CheckInMethod.VENDOR, by=staff.actor)
    return await check_in(desk, booking.driver_id, booking_id, attempt)


async def cancel_for_vendor(desk: Desk, staff: Staff, booking_id: int, reason: str) -> Booking:
    """The booking as it is now, all of its money given back. Raises NotFound, InvalidInput or NotCancellable."""
    reason = checked_reason(reason)
    async with desk.database.connection() as conn:
        now = await desk.clock.now(conn)
        for _ in range(_TRIES):
            booking = await own_booking(conn, staff, booking_id)
            move = booking.cancel(EndReason.BY_VENDOR, now)
            if await write(desk, conn, move, actor=staff.actor, reason=reason):
                return move.after
    raise Conflict("This booking changes too fast. Try again.")


def checked_reason(reason: str) -> str:
    """What a driver is told on a cancel, without blanks around it. Raises InvalidInput."""
    reason = reason.strip()
    if not 0 < len(reason) <= _LONGEST_REASON:
        raise InvalidInput(f"Say why, in at most {_LONGEST_REASON} characters: the driver is told.")
    return reason


async def own_booking(conn: Connection, staff: Staff, booking_id: int) -> Booking:
    """The booking, if it is at one of the vendor's stations. Raises NotFound."""
    booking = await bookings.load(conn, booking_id)
    if booking is None or booking.vendor_id != staff.vendor_id:
        raise NotFound
    return booking
