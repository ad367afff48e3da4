"""A vendor answers the drivers who say that they were there: uphold the no-show, or give the money back."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from slotwatch.domain.booking import Booking
from slotwatch.domain.errors import Conflict, InvalidInput, NotFound
from slotwatch.domain.lifecycle import State
from slotwatch.domain.notices import NoticeKind
from slotwatch.storage.statements import Connection, Statement
from slotwatch.storage.tell import tell_driver
from slotwatch.usecases.desk import Desk, write
from slotwatch.usecases.vendor_bookings import Staff, own_booking

__all__ = ["Decision", "Dispute", "DisputeFilter", "find_own_dispute", "list_disputes", "resolve_dispute"]

_COLUMNS = (
    "SELECT d.booking_id, d.statement, d.opened_at, d.decision, d.note, d.decided_at, b.station_id, b.connector_id,"
    " b.starts_at, b.ends_at, b.amount, b.currency, b.state, s.name AS station_name, s.zone, c.label,"
    " p.name AS driver_name"
    " FROM dispute AS d JOIN booking AS b ON b.id = d.booking_id JOIN station AS s ON s.id = b.station_id"
    " JOIN connector AS c ON c.id = b.connector_id JOIN driver AS p ON p.id = b.driver_id"
)
_LIST = Statement(
    f"{_COLUMNS} WHERE d.vendor_id = :vendor_id AND (:open::boolean IS NULL OR (d.decided_at IS NULL) = :open)"
    " AND (:before_at::timestamptz IS NULL OR (d.opened_at, d.booking_id) < (:before_at, :before_id::bigint))"
    " ORDER BY d.opened_at DESC, d.booking_id DESC LIMIT :limit"
)
_FIND = Statement(f"{_COLUMNS} WHERE d.vendor_id = :vendor_id AND d.booking_id = :id")
_LOCK_BOOKING = Statement("SELECT id FROM booking WHERE id = :id AND vendor_id = :vendor_id FOR NO KEY UPDATE")
_LOCK = Statement("SELECT decision FROM dispute WHERE booking_id = :id FOR UPDATE")
_DECIDE = Statement(
    "UPDATE dispute SET decision = :decision, note = :note, decided_at = :now, decided_by = :actor"
    " WHERE booking_id = :id AND decided_at IS NULL"
)
_LONGEST_NOTE = 4000


class Decision(StrEnum):
    """How a dispute ends."""

    UPHOLD = "uphold"  # it was a no-show
    REFUND = "refund"  # the driver is right, or is given it


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """A driver's word against a no-show, with the slot that it is about."""

    booking_id: int
    state: State
    station_id: int
    station_name: str
    zone: ZoneInfo
    connector_label: str
    starts_at: datetime
    ends_at: datetime
    amount: int
    currency: str
    driver_name: str | None
    statement: str
    opened_at: datetime
    decision: Decision | None
    note: str | None
    decided_at: datetime | None


@dataclass(frozen=True)
class DisputeFilter:
    """`is_open` None: all of them."""

    is_open: bool | None = None
    limit: int = 50
    before: tuple[datetime, int] | None = None


async def list_disputes(desk: Desk, staff: Staff, wanted: DisputeFilter) -> list[Dispute]:
    """The vendor's disputes, the latest first, from the place `before` on."""
    async with desk.database.connection() as conn:
        rows = await _LIST.fetch(
            conn,
            vendor_id=staff.vendor_id,
            open=wanted.is_open,
            limit=wanted.limit,
            before_at=wanted.before and wanted.before[0],
            before_id=wanted.before and wanted.before[1],
        )
    return [_dispute(row) for row in rows]


async def find_own_dispute(desk: Desk, staff: Staff, booking_id: int) -> Dispute:
    """The dispute of that booking. Raises NotFound where there is none, or it is another vendor's."""
    async with desk.database.connection() as conn:
        row = await _FIND.fetchrow(conn, vendor_id=staff.vendor_id, id=booking_id)
    if row is None:
        raise NotFound
    return _dispute(row)


async def resolve_dispute(desk: Desk, staff: Staff, booking_id: int, decision: Decision, note: str | None) -> Dispute:
    """The dispute as decided; the same decision again changes nothing.

    A refund voids the no-show and pays everything back, unless that happened already; either way the driver is told, in
    the same transaction. Raises NotFound, InvalidInput, or Conflict where it was decided the other way, or there is no
    no-show any more that could be upheld.
    """
    note = _checked_note(decision, note)
    async with desk.database.transaction() as conn:
        now = await desk.clock.now(conn)
        # Locked: the cleaner makes a forfeit final without a new version, and the money must leave the right account.
        await _LOCK_BOOKING.fetchrow(conn, id=booking_id, vendor_id=staff.vendor_id)
        booking = await own_booking(conn, staff, booking_id)
        decided = await _LOCK.fetchrow(conn, id=booking_id)
        if decided is None:
            raise NotFound
        if decided["decision"] not in (None, decision):
            raise Conflict(f"This dispute was decided already: {decided['decision']}.")
        if decided["decision"] is None:
            if decision is Decision.UPHOLD and booking.state is not State.EXPIRED:
                raise Conflict(
                    "There is no no-show to uphold: it was undone, the money went back, the driver was told."
                )
            await _DECIDE.execute(conn, id=booking_id, decision=decision, note=note, now=now, actor=staff.actor)
            if booking.state is State.EXPIRED:  # else late proof came first, and the driver was told
                await _carry_out(desk, conn, booking, decision, _Word(staff.actor, note, now))
    return await find_own_dispute(desk, staff, booking_id)


def _checked_note(decision: Decision, note: str | None) -> str | None:
    note = (note or "").strip() or None
    if note is None and decision is Decision.UPHOLD:
        raise InvalidInput("Say why in the note: the driver reads it.")
    if note is not None and len(note) > _LONGEST_NOTE:
        raise InvalidInput(f"The note has at most {_LONGEST_NOTE} characters.")
    return note


@dataclass(frozen=True)
class _Word:
    """Who decides, with what words, and when."""

    actor: str
    note: str | None
    now: datetime


async def _carry_out(desk: Desk, conn: Connection, booking: Booking, decision: Decision, word: _Word) -> None:
    match decision:
        case Decision.REFUND:  # the move tells the driver by its own notice
            written = await write(desk, conn, booking.win_dispute(word.now), actor=word.actor, reason=word.note)
            assert written, "the row is locked"
        case Decision.UPHOLD:
            await tell_driver(
                conn,
                NoticeKind.DISPUTE_UPHELD,
                booking.id,
                facts={"note": word.note or ""},
                channels=desk.channels,
                now=word.now,
            )
            desk.hint(word.now)


def _dispute(row: Any) -> Dispute:
    return Dispute(
        booking_id=row["booking_id"],
        state=State(row["state"]),
        station_id=row["station_id"],
        station_name=row["station_name"],
        zone=ZoneInfo(row["zone"]),
        connector_label=row["label"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        amount=row["amount"],
        currency=row["currency"],
        driver_name=row["driver_name"],
        statement=row["statement"],
        opened_at=row["opened_at"],
        decision=None if row["decision"] is None else Decision(row["decision"]),
        note=row["note"],
        decided_at=row["decided_at"],
    )
