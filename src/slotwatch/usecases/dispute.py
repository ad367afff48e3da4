"""A driver disputes a no-show: once, within 14 days; the money waits until it is decided."""

from datetime import datetime, timedelta

from slotwatch.domain.booking import Booking
from slotwatch.domain.errors import AlreadyDisputed, InvalidInput, NotFound
from slotwatch.domain.notices import Channel, NoticeKind
from slotwatch.storage import bookings
from slotwatch.storage.recipients import people_of
from slotwatch.storage.statements import Connection, Statement
from slotwatch.storage.tell import tell
from slotwatch.usecases.desk import Desk

__all__ = ["dispute"]

_OPEN = Statement(
    "INSERT INTO dispute (booking_id, vendor_id, statement, opened_at) VALUES (:id, :vendor_id, :statement, :now)"
    " ON CONFLICT (booking_id) DO NOTHING"
)
_ABOUT = Statement(
    "SELECT s.name AS station, d.name AS driver FROM booking AS b JOIN station AS s ON s.id = b.station_id"
    " JOIN driver AS d ON d.id = b.driver_id WHERE b.id = :id"
)
_LONGEST_STATEMENT = 4000
_TOLD_FOR = timedelta(days=3)


async def dispute(desk: Desk, driver_id: int, booking_id: int, statement: str) -> None:
    """Open the dispute, and tell who decides at the vendor's.

    Raises NotFound, InvalidInput, NotDisputable, DisputeWindowOver or AlreadyDisputed.
    """
    if not 0 < len(statement.strip()) <= _LONGEST_STATEMENT:
        raise InvalidInput(f"Say what happened, in at most {_LONGEST_STATEMENT} characters.")
    async with desk.database.transaction() as conn:
        now = await desk.clock.now(conn)
        booking = await bookings.load(conn, booking_id, driver_id)
        if booking is None:
            raise NotFound
        booking.check_disputable(now)
        about = {"id": booking_id, "vendor_id": booking.vendor_id}
        if not await _OPEN.execute(conn, **about, statement=statement.strip(), now=now):
            raise AlreadyDisputed
        await _tell_vendor(desk, conn, booking, statement.strip(), now)


async def _tell_vendor(desk: Desk, conn: Connection, booking: Booking, statement: str, now: datetime) -> None:
    about = await _ABOUT.fetchrow(conn, id=booking.id)
    assert about is not None
    for person in await people_of(conn, booking.vendor_id):
        await tell(
            conn,
            NoticeKind.DISPUTE_OPENED,
            occasion=f"{booking.ref}:{person.mark}",
            recipient=person,
            facts={
                "booking": booking.ref,
                "station": about["station"],
                "driver": about["driver"],
                "statement": statement,
                "link": f"vendor/disputes/{booking.ref}",
            },
            channels=[Channel.EMAIL] if Channel.EMAIL in desk.channels else [],
            valid_for=_TOLD_FOR,
            now=now,
        )
