"""What every use case works with: the database, the clock, the house's settings, and the hint to the engine."""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal, TypeVar

import asyncpg
import msgspec

from slotwatch.domain.booking import Booking, Move
from slotwatch.domain.errors import Conflict, NotFound
from slotwatch.domain.notices import Channel
from slotwatch.domain.terms import Terms
from slotwatch.storage import bookings
from slotwatch.storage.clock import Clock
from slotwatch.storage.database import Database
from slotwatch.storage.statements import Connection

__all__ = ["BookingSettings", "ContactRules", "Desk", "decide", "retried"]

_TRIES = 4
_T = TypeVar("_T")


class BookingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The house's terms, used where a vendor has set none, and how bookings are paid."""

    grace_period_minutes: int = 30
    reminder_minutes: int = 60
    early_check_in_minutes: int = 15
    settle_seconds: int = 5
    payments: Literal["off", "local"] = "off"
    payment_hold_minutes: float = 10
    max_live_bookings: int = 5

    ENV: ClassVar[dict[str, str]] = {
        "grace_period_minutes": "GRACE_PERIOD_MINUTES",
        "reminder_minutes": "SLOTWATCH_REMINDER_MINUTES",
        "early_check_in_minutes": "SLOTWATCH_EARLY_CHECK_IN_MINUTES",
        "settle_seconds": "SLOTWATCH_SETTLE_SECONDS",
        "payments": "SLOTWATCH_PAYMENTS",
        "payment_hold_minutes": "SLOTWATCH_PAYMENT_HOLD_MINUTES",
        "max_live_bookings": "SLOTWATCH_MAX_LIVE_BOOKINGS",
    }

    def __post_init__(self) -> None:
        if not 1 <= self.grace_period_minutes <= 480:
            raise ValueError("grace_period_minutes must be between 1 and 480")
        if not 0 < self.payment_hold_minutes <= 1440:
            raise ValueError("payment_hold_minutes must be more than 0 and at most 1440")
        if self.max_live_bookings < 1:
            raise ValueError("max_live_bookings must be at least 1")

    def house_terms(self) -> Terms:
        """The terms of vendors that set none of their own."""
        return Terms(
            grace_period_minutes=self.grace_period_minutes,
            reminder_minutes=self.reminder_minutes,
            early_check_in_minutes=self.early_check_in_minutes,
            settle_seconds=self.settle_seconds,
        )

    @property
    def payment_hold(self) -> timedelta:
        """How long a slot is held while payment is awaited."""
        return timedelta(minutes=self.payment_hold_minutes)


@dataclass(frozen=True, kw_only=True)
class ContactRules:
    """Which addresses are really sent to. `why_not_number` says in words why nothing goes to a number, or None.

    `code_sms_cap`: how many codes to sign in go out by SMS within 24 hours, for the whole house.
    """

    verified_only: bool = False
    code_sms_cap: int = 500
    why_not_number: Callable[[str], str | None] = lambda number: None


@dataclass(frozen=True)
class Desk:
    """Passed to every use case. `hint(due_at)` tells the engine that something is due then; it may be lost."""

    database: Database
    clock: Clock
    settings: BookingSettings
    channels: frozenset[Channel]
    hint: Callable[[datetime], None]
    contact: ContactRules = ContactRules()


async def decide(
    desk: Desk,
    driver_id: int,
    booking_id: int,
    decision: Callable[[Booking, datetime], Move],
    reason: str | None = None,
) -> Booking:
    """Read the driver's booking, decide, and write the move if nothing changed in between; else decide again.

    Raises NotFound for somebody else's booking, whatever `decision` raises, and Conflict when it keeps changing.
    """
    async with desk.database.connection() as conn:
        now = await desk.clock.now(conn)
        for _ in range(_TRIES):
            booking = await bookings.load(conn, booking_id, driver_id)
            if booking is None:
                raise NotFound
            move = decision(booking, now)
            if await write(desk, conn, move, actor=f"driver:{driver_id}", reason=reason):
                return move.after
    raise Conflict("This booking changes too fast. Try again.")


async def write(desk: Desk, conn: Connection, move: Move, *, actor: str, reason: str | None = None) -> bool:
    """Write a move and hint when its next step is due; False if the booking changed since it was read."""
    written = await retried(
        lambda: bookings.record_move(conn, move, actor=actor, channels=desk.channels, reason=reason)
    )
    if written:
        desk.hint(move.after.due_at or move.after.updated_at)
    return written


async def retried(action: Callable[[], Awaitable[_T]], *, lost_by: tuple[type[Exception], ...] = ()) -> _T:
    """Run a whole transaction again, at most 4 times, where it lost a deadlock or by `lost_by`; then Conflict.

    A lock that could not be had within the connection's `lock_timeout` is a Conflict at once: we waited already.
    """
    with contextlib.suppress(asyncpg.LockNotAvailableError):
        for _ in range(_TRIES):
            with contextlib.suppress(asyncpg.DeadlockDetectedError, asyncpg.SerializationError, *lost_by):
                return await action()  # lost: the winner has its locks by now
    raise Conflict("Too many people want this at this moment. Try again.")
