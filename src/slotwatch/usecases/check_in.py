"""A driver checks in: the attempt is stored as evidence first, then decided.

The attempt is one committed row, stamped by the database when the request arrives, before anything is judged. If this
process dies in between, the engine finds the row when grace is over and gives the driver the slot.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slotwatch.domain.booking import Booking, CheckInMethod
from slotwatch.domain.errors import (
    Conflict,
    GraceOver,
    NotFound,
    ProofNeeded,
    SlotwatchError,
    TooFarAway,
    WrongConnector,
)
from slotwatch.domain.lifecycle import State
from slotwatch.storage.bookings import booking_from_row, load
from slotwatch.storage.statements import Connection, Statement, load_sql
from slotwatch.usecases.desk import Desk, write

__all__ = ["CheckInAttempt", "check_in"]

_ATTEMPTS = load_sql(__package__, "check_in_attempts.sql")
_REFUSED = Statement(
    "INSERT INTO evidence (booking_id, kind, method, actor, valid, detail, received_at)"
    " VALUES (:id, 'check_in_refused', :method, :actor, false, :detail, :received_at)"
)
_FAIR_GRACE_END = Statement(
    "SELECT fair_grace_end(:starts_at::timestamptz, :ends_at::timestamptz, :grace::interval, :seen_at::timestamptz)"
)
_TRIES = 4
_MOST_INACCURATE = 200.0
"""A phone's own doubt about its position speaks for the driver, up to that many metres."""


@dataclass(frozen=True)
class CheckInAttempt:
    """How and from where. `qr_connector_id` is the connector that the scanned code names; position in degrees.

    `accuracy` is the phone's own doubt about the position, in metres; `code_is_fresh`: the scanned code was that of the
    connector's screen at this moment; `via` says on which way the driver came, for the evidence.
    `by` is who checks the driver in, if somebody else does: the actor of evidence and history. Who is vouched for
    needs no further proof.
    """

    method: CheckInMethod
    qr_connector_id: int | None = None
    location: tuple[float, float] | None = None
    by: str | None = None
    accuracy: float | None = None
    code_is_fresh: bool = False
    via: str | None = None

    @property
    def detail(self) -> dict[str, Any]:
        """What the evidence keeps of it."""
        known = {"location": self.location, "accuracy": self.accuracy, "via": self.via}
        return {name: value for name, value in known.items() if value is not None}


async def check_in(desk: Desk, driver_id: int, booking_id: int, attempt: CheckInAttempt) -> Booking:
    """The booking, `active`; again by the same driver: unchanged.

    Where the station asks drivers for more than their word, the fresh code of a screen or a position nearby, an attempt
    without it proves nothing. Raises NotFound, WrongConnector, ProofNeeded, TooFarAway, CheckInTooEarly, GraceOver or
    NotCheckInable; a refusal is evidence too.
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
        details=json.dumps(attempt.detail),
        fresh=attempt.code_is_fresh,
        vouched=attempt.by is not None,
        latitudes=attempt.location and attempt.location[0],
        longitudes=attempt.location and attempt.location[1],
        accuracies=min(max(attempt.accuracy or 0.0, 0.0), _MOST_INACCURATE),
    )
    if row is None:
        raise NotFound
    received_at: datetime = row["received_at"]
    async with desk.database.connection() as conn:
        try:
            _check_proof(row)
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


def _check_proof(row: Mapping[str, Any]) -> None:
    """Raise what keeps the attempt from proving anything. Who is checked in already needs no proof."""
    if not row["at_connector"]:
        raise WrongConnector
    if row["state"] in (State.ACTIVE, State.REINSTATED):
        return
    if not row["has_code"]:
        raise ProofNeeded("Scan the code on the screen of your bay: it changes every half minute.", needs="code")
    if not row["is_near"]:
        radius: int = row["check_in_radius_m"]
        if row["metres"] is None:
            raise ProofNeeded(
                f"This station checks that you are there: allow your position, within {radius} m of it.",
                needs="position",
            )
        away = round(row["metres"])
        raise TooFarAway(
            f"Your phone says that you are {_distance(away)} from the station; check-in works within {radius} m of it.",
            metresAway=away,
            radius=radius,
        )


def _distance(metres: int) -> str:
    """In words.

    >>> _distance(480), _distance(3240)
    ('480 m', '3.2 km')
    """
    return f"{metres} m" if metres < 1000 else f"{metres / 1000:.1f} km"


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
