"""A driver asks why a booking ended as it did: everything on record, read at one instant, and one plain sentence."""

from dataclasses import dataclass

from slotwatch.domain.booking import Booking
from slotwatch.domain.errors import NotFound
from slotwatch.domain.lifecycle import EndReason, State
from slotwatch.domain.notices import KeptBack, NoticeKind
from slotwatch.storage.booking_views import BookingView, TransitionView, fetch_view, history
from slotwatch.storage.evidence import Records, records_of
from slotwatch.storage.statements import Connection
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.vendor_bookings import Staff, own_booking

__all__ = ["Evidence", "gather_evidence", "gather_for_vendor", "verdict"]

_BECAUSE = {
    EndReason.NO_SHOW: "Nobody checked in before the grace period was over, so the slot was released as a no-show.",
    EndReason.HOLD_RAN_OUT: "The booking was not paid before its hold ran out, so the slot was released.",
    EndReason.BY_DRIVER: "You cancelled the booking.",
    EndReason.BY_VENDOR: "The station's operator cancelled the booking.",
    EndReason.OUTAGE: "slotwatch itself was not available during the grace period, so nobody is at fault.",
    EndReason.NOT_TOLD: "No start notice reached any of your channels, so this does not count as a no-show.",
    EndReason.SLOT_ENDED: "You checked in and kept the slot to its end.",
    EndReason.LEFT_EARLY: "You checked in and left before the slot ended.",
    EndReason.PROVEN: "Your check-in came in time but was seen late, so the no-show was undone.",
    EndReason.DISPUTE_WON: "You disputed the no-show and were right.",
}
_OWN_WISH = (
    "You had switched these messages off, or answered STOP, so nothing told you that the slot began:"
    " that was your own wish, and it does not undo a no-show."
)
_SO_FAR = {
    State.PENDING: "The slot is held while payment is awaited.",
    State.CONFIRMED: "The slot has not begun yet.",
    State.GRACE: "The slot has begun and nobody has checked in yet.",
    State.ACTIVE: "You checked in, and the slot is yours until it ends.",
}


@dataclass(frozen=True)
class Evidence:
    """What is on record about one booking."""

    view: BookingView
    verdict: str
    transitions: list[TransitionView]
    records: Records


async def gather_evidence(desk: Desk, driver_id: int, booking_id: int) -> Evidence:
    """All of it as of one instant. Raises NotFound for somebody else's booking."""
    async with desk.database.connection() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        return await _gather(desk, conn, driver_id, booking_id)


async def gather_for_vendor(desk: Desk, staff: Staff, booking_id: int) -> Evidence:
    """The same of a booking at the vendor's stations. Raises NotFound for another vendor's."""
    async with desk.database.connection() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        booking = await own_booking(conn, staff, booking_id)
        return await _gather(desk, conn, booking.driver_id, booking_id)


async def _gather(desk: Desk, conn: Connection, driver_id: int, booking_id: int) -> Evidence:
    view = await fetch_view(conn, booking_id, driver_id, now=desk.clock.fixed)
    if view is None:
        raise NotFound
    timeline = view.booking.timeline
    records = await records_of(conn, booking_id, timeline.check_in_opens_at, timeline.ends_at)
    return Evidence(view, _verdict(view.booking, records), await history(conn, booking_id), records)


def _verdict(booking: Booking, records: Records) -> str:
    said = verdict(booking)
    starts = [
        row for row in records.notices if row["kind"] == NoticeKind.SLOT_STARTED and row["channel"] in ("email", "sms")
    ]
    by_wish = any(row["kept_back"] in (KeptBack.SWITCHED_OFF, KeptBack.SAID_STOP) for row in starts)
    if booking.end_reason is EndReason.NO_SHOW and by_wish and all(row["kept_back"] for row in starts):
        return f"{said} {_OWN_WISH}"
    return said


def verdict(booking: Booking) -> str:
    """Why the booking stands where it stands, in one sentence."""
    if booking.end_reason is not None:
        return _BECAUSE[booking.end_reason]
    return _SO_FAR.get(booking.state, "The booking has ended.")
