"""Bookings that the engine could not move three times: listed for an operator, and put back to be tried again."""

from dataclasses import dataclass
from datetime import datetime

from slotwatch.domain.errors import Conflict, NotFound
from slotwatch.domain.lifecycle import State, Step
from slotwatch.storage.statements import Connection, Statement

__all__ = ["SetAside", "list_set_aside", "put_back"]

_LIST = Statement(
    "SELECT b.id, b.vendor_id, b.state, b.step, b.due_at, b.tries, s.name AS station_name FROM booking AS b"
    " JOIN station AS s ON s.id = b.station_id WHERE b.set_aside AND b.id > :after ORDER BY b.id LIMIT :limit"
)
# Only what is set aside is put back; whoever lost the race changes nothing.
_PUT_BACK = Statement("UPDATE booking SET set_aside = false, tries = 0 WHERE id = :id AND set_aside")
_EXISTS = Statement("SELECT EXISTS (SELECT FROM booking WHERE id = :id)")


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """One booking that stands still, before `step`, due since `due_at`."""

    id: int
    vendor_id: int
    state: State
    step: Step
    due_at: datetime
    tries: int
    station_name: str


async def list_set_aside(conn: Connection, *, limit: int, after: int = 0) -> list[SetAside]:
    """The oldest first, beginning after the booking `after`."""
    rows = await _LIST.fetch(conn, limit=limit, after=after)
    return [SetAside(**{**row, "state": State(row["state"]), "step": Step(row["step"])}) for row in rows]


async def put_back(conn: Connection, booking_id: int) -> None:
    """On its timeline again: the engine tries at once. Raises NotFound, or Conflict for one that is not set aside."""
    if not await _PUT_BACK.execute(conn, id=booking_id):
        if not await _EXISTS.fetchval(conn, id=booking_id):
            raise NotFound
        raise Conflict("This booking is not set aside: there is nothing to put back.")
