"""A driver checks in: the attempt is stored as evidence first, then decided.

The attempt is one committed row, stamped by the database when the request arrives, before anything is judged. If this
process dies in between, the engine finds the row when grace is over and gives the driver the slot.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slotwatch.domain.booking import Booking, CheckInMethod
from slotwatch.domain.errors import Conflict, GraceOver, NotFound, SlotwatchError, WrongConnector
from slotwatch.domain.lifecycle import State
from slotwatch.storage.bookings import BOOKING_COLUMNS, booking_from_row, load
from slotwatch.storage.statements import Connection, Statement
from slotwatch.usecases.desk import Desk, write

__all__ = ["CheckInAttempt", "check_in"]

_BOOKING = ", ".join(f"b.{name}" for name in BOOKING_COLUMNS.split(", "))
# For all who check in at this moment at once; `judged` is materialized, so that all of it sees one `received_at`.
_ATTEMPTS = Statement(
    "WITH judged AS MATERIALIZED ("  # noqa: S608  # names only, no values
    " SELECT a.place, a.method, a.actor, a.detail, coalesce(a.connector_id = b.connector_id, true) AS valid,"
    f" coalesce(:now::timestamptz, clock_timestamp()) AS received_at, {_BOOKING}"
    " FROM unnest(:ids::bigint[], :driver_ids::bigint[], :methods::text[], :actors::text[], :connector_ids::bigint[],"
    " :details::text[]) WITH ORDINALITY AS a(id, driver_id, method, actor, connector_id, detail, place)"
    " JOIN booking AS b ON b.id = a.id AND b.driver_id = a.driver_id),"
    " stored AS (INSERT INTO evidence (booking_id, kind, method, actor, valid, detail, received_at)"
    " SELECT id, 'check_in', method, actor, valid, detail::jsonb, received_at FROM judged ORDER BY place)"
    f" SELECT place, received_at, valid, {BOOKING_COLUMNS} FROM judged"
)
_REFUSED = Statement(
    "INSERT INTO evidence (booking_id, kind, method, actor, valid, detail, received_at)"
    " VALUES (:id, 'check_in_refused', :method, :actor, false, :detail, :received_at)"
)
_FAIR_GRACE_END = Statement(
    "SELECT fair_grace_end(:starts_at::timestamptz, :ends_at::timestamptz, :grace::interval, :seen_at::timestamptz)"
)
_TRIES = 4


@dataclass(frozen=True)
class CheckInAttempt:
    """How and from where. `qr_connector_id` is the connector that the scanned code names; position in degrees.

    `by` is who checks the driver in, if somebody else does: the actor of evidence and history.
    """

    method: CheckInMethod
    qr_connector_id: int | None = None
    location: tuple[float, float] | None = None
    by: str | None = None


async def check_in(desk: Desk, driver_id: int, booking_id: int, attempt: CheckInAttempt) -> Booking:
    """The booking, `active`; again by the same driver: unchanged.

    Raises NotFound, WrongConnector, CheckInTooEarly, GraceOver or NotCheckInable; a refusal is evidence too.
    """
    actor = attempt.by or f"driver:{driver_id}"
    row = await desk.database.fetchrow_together(
        _ATTEMPTS,
        {"now": desk.clock.fixed},
        ids=booking_id,
        driver_ids=driver_id,
        methods=attempt.method,
        actors=actor,
        connector_ids=attempt.qr_connector_id,
        details=json.dumps({"location": attempt.location} if attempt.location else {}),
    )
    if row is None:
        raise NotFound
    received_at: datetime = row["received_at"]
    async with desk.database.connection() as conn:
        try:
            if not row["valid"]:
                raise WrongConnector
            return await _decided(desk, conn, booking_from_row(row), attempt, received_at)
        except SlotwatchError as refusal:
            await _REFUSED.execute(
                conn,
                id=booking_id,
                method=attempt.method,
                actor=actor,
                detail=_explained(refusal),
                received_at=received_at,
            )
            raise


async def _decided(
    desk: Desk, conn: Connection, booking: Booking, attempt: CheckInAttempt, received_at: datetime
) -> Booking:
    current: Booking | None = booking
    for _ in range(_TRIES):
        assert current is not None, "bookings are never deleted"
        if current.state in (State.ACTIVE, State.REINSTATED):
            return current
        try:
            move = current.check_in(attempt.method, received_at)
        except GraceOver:
            move = (await _extended(conn, current, received_at)).check_in(attempt.method, received_at)
        if await write(desk, conn, move, actor=attempt.by or f"driver:{current.driver_id}"):
            return move.after
        current = await load(conn, booking.id)
    raise Conflict("This booking changes too fast. Try again.")


async def _extended(conn: Connection, booking: Booking, now: datetime) -> Booking:
    """The booking with the grace that our own outage still owes the driver, if it has not expired yet."""
    timeline = booking.timeline
    if booking.state is State.EXPIRED:
        return booking
    owed = await _FAIR_GRACE_END.fetchval(
        conn,
        starts_at=timeline.starts_at,
        ends_at=timeline.ends_at,
        grace=min(booking.terms.grace, timeline.ends_at - timeline.starts_at),
        seen_at=now,
    )
    return booking if owed is None else booking.with_grace_until(owed)


def _explained(refusal: SlotwatchError) -> dict[str, Any]:
    return {"code": refusal.code, "message": refusal.message}
