"""Single bookings: put in, read, and moved by people; every write is guarded by the version it was decided on."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import asyncpg

from slotwatch.domain.booking import Booking, CheckInMethod, Move
from slotwatch.domain.errors import SlotTaken
from slotwatch.domain.ids import BookingId, ConnectorId, DriverId, StationId, VendorId
from slotwatch.domain.lifecycle import LIVE_STATES, Cause, EndReason, State, Step
from slotwatch.domain.money import Money, PaymentStatus
from slotwatch.domain.notices import NOTICE_RULES, Anchor, Channel, NoticeKind, NoticeRule
from slotwatch.domain.terms import Terms
from slotwatch.domain.timeline import Timeline
from slotwatch.storage.statements import Connection, Statement, load_sql

__all__ = ["BOOKING_COLUMNS", "booking_from_row", "count_live", "insert", "load", "record_move"]

BOOKING_COLUMNS = (
    "id, vendor_id, station_id, connector_id, driver_id, state, step, due_at, hold_ends_at, check_in_opens_at,"
    " remind_at, starts_at, grace_half_at, grace_last_at, grace_ends_at, expires_at, ends_at, terms, amount, currency,"
    " payment_status, started_at, checked_in_at, check_in_method, expired_at, ended_at, end_reason, vehicle, version,"
    " epoch, created_at, updated_at"
)
"""What `booking_from_row` needs; prefix it when the statement joins other tables."""

_LOAD = Statement(
    f"SELECT {BOOKING_COLUMNS} FROM booking WHERE id = :id AND (:driver_id::bigint IS NULL OR driver_id = :driver_id)"  # noqa: S608
)
_RECORD_MOVE = load_sql(__package__, "record_move.sql")
_INSERT = Statement(
    f"INSERT INTO booking ({BOOKING_COLUMNS}) VALUES ("  # noqa: S608  # names only, no values
    + ", ".join(f":{name}" for name in BOOKING_COLUMNS.split(", "))
    + ")"
)
_LOG_BOOKED = Statement(
    "INSERT INTO transition (booking_id, version, from_state, to_state, cause, actor, at)"
    " VALUES (:id, 1, NULL, :state, :cause, :actor, :at)"
)
_NOTE = Statement(
    "WITH noted AS (INSERT INTO notice (booking_id, kind, occasion, epoch, valid_until, created_at)"
    " VALUES (:id, :kind, '', 0, :valid_until, :at) RETURNING id)"
    " INSERT INTO delivery (notice_id, channel, state, urgency, vendor_id, station_id, slot_starts_at, next_attempt_at)"
    " SELECT noted.id, channel, 'pending', :urgency, :vendor_id, :station_id, :starts_at, :at"
    " FROM noted CROSS JOIN unnest(:channels::text[]) AS channel"
    " WHERE channel <> 'push' OR has_browser(:id)"
)
_COUNT_LIVE = Statement(
    "SELECT count(*) FROM booking WHERE driver_id = :driver_id AND state = ANY (:states) AND ends_at > :now"
)


def booking_from_row(row: Mapping[str, Any]) -> Booking:
    """A row with BOOKING_COLUMNS as the domain's Booking."""
    return Booking(
        id=BookingId(row["id"]),
        vendor_id=VendorId(row["vendor_id"]),
        station_id=StationId(row["station_id"]),
        connector_id=ConnectorId(row["connector_id"]),
        driver_id=DriverId(row["driver_id"]),
        state=State(row["state"]),
        step=None if row["step"] is None else Step(row["step"]),
        timeline=Timeline(
            hold_ends_at=row["hold_ends_at"],
            remind_at=row["remind_at"],
            starts_at=row["starts_at"],
            grace_half_at=row["grace_half_at"],
            grace_last_at=row["grace_last_at"],
            grace_ends_at=row["grace_ends_at"],
            expires_at=row["expires_at"],
            ends_at=row["ends_at"],
            check_in_opens_at=row["check_in_opens_at"],
        ),
        terms=Terms.from_dict(row["terms"]),
        amount=Money(row["amount"], row["currency"]),
        payment_status=PaymentStatus(row["payment_status"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        started_at=row["started_at"],
        checked_in_at=row["checked_in_at"],
        check_in_method=None if row["check_in_method"] is None else CheckInMethod(row["check_in_method"]),
        expired_at=row["expired_at"],
        ended_at=row["ended_at"],
        end_reason=None if row["end_reason"] is None else EndReason(row["end_reason"]),
        vehicle=row["vehicle"],
        version=row["version"],
        epoch=row["epoch"],
    )


async def load(conn: Connection, booking_id: int, driver_id: int | None = None) -> Booking | None:
    """The booking, if it exists and, where a driver is given, is theirs."""
    row = await _LOAD.fetchrow(conn, id=booking_id, driver_id=driver_id)
    return None if row is None else booking_from_row(row)


async def count_live(conn: Connection, driver_id: int, now: datetime) -> int:
    """How many slots that driver holds at `now`."""
    count: int = await _COUNT_LIVE.fetchval(
        conn, driver_id=driver_id, states=[state.value for state in LIVE_STATES], now=now
    )
    return count


async def insert(conn: Connection, booking: Booking, *, actor: str, channels: Collection[Channel]) -> None:
    """Put a new booking in, with its first history row and, if it is confirmed, its notice; inside a transaction.

    Raises SlotTaken where the exclusion constraint finds the connector held.
    """
    try:
        await _INSERT.execute(conn, **_columns(booking))
    except asyncpg.ExclusionViolationError as error:
        raise SlotTaken from error
    await _LOG_BOOKED.execute(
        conn, id=booking.id, state=booking.state, cause=Cause.BOOKED, actor=actor, at=booking.created_at
    )
    if booking.state is State.CONFIRMED:
        rule = NOTICE_RULES[NoticeKind.BOOKING_CONFIRMED]
        await _NOTE.execute(
            conn,
            id=booking.id,
            kind=NoticeKind.BOOKING_CONFIRMED,
            valid_until=_valid_until(booking, rule),
            urgency=int(rule.urgency),
            channels=_at_once(rule, channels),
            vendor_id=booking.vendor_id,
            station_id=booking.station_id,
            starts_at=booking.timeline.starts_at,
            at=booking.created_at,
        )


async def record_move(
    conn: Connection, move: Move, *, actor: str, channels: Collection[Channel], reason: str | None = None
) -> bool:
    """Write a move in one statement; False if the booking changed since it was read: then nothing is written."""
    after, rule = move.after, NOTICE_RULES[move.notice]
    written = await _RECORD_MOVE.fetchval(
        conn,
        **{name: getattr(after, name) for name in _MOVED_COLUMNS},
        **{name: getattr(after.timeline, name) for name in _MOVED_INSTANTS},
        version=move.before.version,
        from_state=move.before.state,
        paid_before=move.before.payment_status,
        cause=move.cause,
        actor=actor,
        reason=reason or after.end_reason,
        at=after.updated_at,
        notice=move.notice,
        valid_until=_valid_until(after, rule),
        urgency=int(rule.urgency),
        channels=_at_once(rule, channels),
        entries=[posting.entry for posting in move.postings],
        debits=[posting.debit for posting in move.postings],
        credits=[posting.credit for posting in move.postings],
        amounts=[posting.amount for posting in move.postings],
        currency=after.amount.currency,
    )
    return bool(written)


# Only what a move changes, and no dataclasses.asdict, which copies deeply: this is the hot path of a check-in.
_MOVED_COLUMNS = (
    *("id", "state", "step", "due_at", "payment_status", "started_at", "checked_in_at", "check_in_method"),
    *("expired_at", "ended_at", "end_reason", "epoch"),
)
_MOVED_INSTANTS = ("remind_at", "grace_ends_at", "expires_at")


def _columns(booking: Booking) -> dict[str, Any]:
    own = {
        name: getattr(booking, name)
        for name in (
            *("id", "vendor_id", "station_id", "connector_id", "driver_id", "state", "step", "due_at"),
            *("payment_status", "started_at", "checked_in_at", "check_in_method", "expired_at", "ended_at"),
            *("end_reason", "vehicle", "version", "epoch", "created_at", "updated_at"),
        )
    }
    return {
        **own,
        **vars(booking.timeline),
        "terms": booking.terms.as_dict(),
        "amount": booking.amount.amount,
        "currency": booking.amount.currency,
    }


def _valid_until(booking: Booking, rule: NoticeRule) -> datetime:
    anchors = {
        Anchor.STARTS_AT: booking.timeline.starts_at,
        Anchor.GRACE_ENDS_AT: booking.timeline.grace_ends_at,
        Anchor.ENDS_AT: booking.timeline.ends_at,
        Anchor.CREATED_AT: booking.updated_at,
    }
    return anchors[rule.anchor] + rule.offset


def _at_once(rule: NoticeRule, enabled: Collection[Channel]) -> list[str]:
    return [channel.value for channel in rule.at_once_among(enabled)]
