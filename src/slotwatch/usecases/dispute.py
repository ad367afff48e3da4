"""A driver disputes a no-show: once, within 14 days; the money waits until it is decided."""

from slotwatch.domain.errors import AlreadyDisputed, InvalidInput, NotFound
from slotwatch.storage import bookings
from slotwatch.storage.statements import Statement
from slotwatch.usecases.desk import Desk

__all__ = ["dispute"]

_OPEN = Statement(
    "INSERT INTO dispute (booking_id, statement, opened_at) VALUES (:id, :statement, :now)"
    " ON CONFLICT (booking_id) DO NOTHING"
)
_LONGEST_STATEMENT = 4000


async def dispute(desk: Desk, driver_id: int, booking_id: int, statement: str) -> None:
    """Open the dispute. Raises NotFound, InvalidInput, NotDisputable, DisputeWindowOver or AlreadyDisputed."""
    if not 0 < len(statement.strip()) <= _LONGEST_STATEMENT:
        raise InvalidInput(f"Say what happened, in at most {_LONGEST_STATEMENT} characters.")
    async with desk.database.transaction() as conn:
        now = await desk.clock.now(conn)
        booking = await bookings.load(conn, booking_id, driver_id)
        if booking is None:
            raise NotFound
        booking.check_disputable(now)
        if not await _OPEN.execute(conn, id=booking_id, statement=statement.strip(), now=now):
            raise AlreadyDisputed
