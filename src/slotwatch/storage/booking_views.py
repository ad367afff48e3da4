"""Bookings as people see them: with the names of the place and what was told on which channel, in one read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from slotwatch.domain.booking import Booking
from slotwatch.domain.lifecycle import Cause, EndReason, State
from slotwatch.domain.notices import Channel, DeliveryState, NoticeKind
from slotwatch.storage.bookings import booking_from_row
from slotwatch.storage.statements import Connection, Statement, load_sql

__all__ = [
    "BookingFilter",
    "BookingView",
    "DeliveryView",
    "NoticeView",
    "TransitionView",
    "deliveries_of",
    "fetch_view",
    "history",
    "list_views",
    "notices_of",
]

_VIEW = load_sql(__package__, "booking_view.sql")
_VIEWS = load_sql(__package__, "booking_views.sql")
_HISTORY = Statement(
    "SELECT from_state, to_state, cause, actor, reason, at FROM transition WHERE booking_id = :id ORDER BY version"
)
_NOTICES = Statement(
    "SELECT n.kind, n.occasion, d.channel, d.state, d.attempts, d.provider, d.provider_message_id, d.sent_at, d.error"
    " FROM notice AS n JOIN delivery AS d ON d.notice_id = n.id WHERE n.booking_id = :id ORDER BY n.id, d.channel"
)


@dataclass(frozen=True)
class DeliveryView:
    """How far one notice on one channel has come. The occasion tells two notices of one kind apart."""

    notice_id: int
    kind: NoticeKind
    occasion: str
    channel: Channel
    state: DeliveryState
    attempts: int
    sent_at: datetime | None


@dataclass(frozen=True)
class BookingView:
    """A booking at the instant `now`, with the grace that our own outages still owe its driver; `deliveries` from the
    oldest notice to the newest; `refunded` is what the ledger gave back."""

    booking: Booking
    station_name: str
    connector_label: str
    zone: ZoneInfo
    now: datetime
    deliveries: tuple[DeliveryView, ...]
    refunded: int = 0


@dataclass(frozen=True)
class TransitionView:
    """One move as the history has it. `actor` says what kind of person or part it was, not who."""

    from_state: State | None
    to_state: State
    cause: Cause
    actor: str
    reason: str | None
    at: datetime

    @property
    def remark(self) -> str:
        """What somebody wrote about it; may be empty. A reason that is a word for programs is none."""
        is_written = self.cause in (Cause.CANCELLED, Cause.DISPUTE_WON) and self.reason not in tuple(EndReason)
        return self.reason or "" if is_written else ""


@dataclass(frozen=True)
class NoticeView:
    """The whole way of one notice on one channel. `error` is in words."""

    kind: NoticeKind
    occasion: str
    channel: Channel
    state: DeliveryState
    attempts: int
    provider: str | None
    provider_message_id: str | None
    sent_at: datetime | None
    error: str | None


@dataclass(frozen=True)
class BookingFilter:
    """Which of a driver's bookings: in these states (None: all), whose slot begins in `[since, until)`."""

    states: Sequence[State] | None = None
    since: datetime | None = None
    until: datetime | None = None


async def fetch_view(
    conn: Connection, booking_id: int, driver_id: int, *, now: datetime | None = None
) -> BookingView | None:
    """The driver's booking, seen at `now` (None: by the database's clock); None if there is no such of theirs."""
    row = await _VIEW.fetchrow(conn, id=booking_id, driver_id=driver_id, now=now)
    return None if row is None else _view(row)


async def list_views(
    conn: Connection,
    driver_id: int,
    wanted: BookingFilter,
    *,
    limit: int,
    before: tuple[datetime, int] | None = None,
    now: datetime | None = None,
) -> list[BookingView]:
    """The driver's bookings, the latest start first, at most `limit`, beginning after the place `before`."""
    rows = await _VIEWS.fetch(
        conn,
        driver_id=driver_id,
        now=now,
        limit=limit,
        states=None if wanted.states is None else [state.value for state in wanted.states],
        since=wanted.since,
        until=wanted.until,
        before=None if before is None else before[0],
        before_id=None if before is None else before[1],
    )
    return [_view(row) for row in rows]


async def history(conn: Connection, booking_id: int) -> list[TransitionView]:
    """Every move of the booking, the oldest first."""
    return [
        TransitionView(
            from_state=None if row["from_state"] is None else State(row["from_state"]),
            to_state=State(row["to_state"]),
            cause=Cause(row["cause"]),
            actor=row["actor"].partition(":")[0],
            reason=row["reason"],
            at=row["at"],
        )
        for row in await _HISTORY.fetch(conn, id=booking_id)
    ]


async def notices_of(conn: Connection, booking_id: int) -> list[NoticeView]:
    """What the booking's driver was told or is still to be told, by channel, the oldest notice first."""
    return [
        NoticeView(
            kind=NoticeKind(row["kind"]),
            occasion=row["occasion"],
            channel=Channel(row["channel"]),
            state=DeliveryState(row["state"]),
            attempts=row["attempts"],
            provider=row["provider"],
            provider_message_id=row["provider_message_id"],
            sent_at=row["sent_at"],
            error=row["error"],
        )
        for row in await _NOTICES.fetch(conn, id=booking_id)
    ]


def _view(row: Any) -> BookingView:
    booking, owed_until = booking_from_row(row), row["owed_until"]
    return BookingView(
        booking=booking if owed_until is None else booking.with_grace_until(owed_until),
        station_name=row["station_name"],
        connector_label=row["label"],
        zone=ZoneInfo(row["zone"]),
        now=row["now"],
        deliveries=deliveries_of(row),
        refunded=row["refunded"],
    )


_DELIVERY_COLUMNS = ("notice_ids", "kinds", "occasions", "channels", "delivery_states", "attempts", "sent_ats")


def deliveries_of(row: Any) -> tuple[DeliveryView, ...]:
    """What the statements of this view gather about the deliveries of a booking."""
    columns = (row[name] or () for name in _DELIVERY_COLUMNS)
    return tuple(
        DeliveryView(number, NoticeKind(kind), occasion, Channel(channel), DeliveryState(state), attempts, sent_at)
        for number, kind, occasion, channel, state, attempts, sent_at in zip(*columns, strict=True)
    )
