"""The clocks. In production the database's clock decides and a process's own clock only sleeps; tests move theirs."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from slotwatch.storage.statements import Connection

__all__ = ["Clock", "DatabaseClock", "MovableClock", "monotonic"]


class Clock(Protocol):
    """Tells the time that decides, and waits."""

    @property
    def fixed(self) -> datetime | None:
        """The `:now` for statements: None means the database reads its own clock inside the statement."""

    async def now(self, conn: Connection) -> datetime:
        """The present instant, in UTC."""

    async def wait(self, duration: timedelta, *events: asyncio.Event) -> None:
        """Wait that long, or until one of the events is set."""


class DatabaseClock:
    """`clock_timestamp()` of the database, so that machines never disagree; waiting is on the monotonic clock."""

    fixed: datetime | None = None

    async def now(self, conn: Connection) -> datetime:
        """One round trip."""
        now: datetime = await conn.fetchval("SELECT clock_timestamp()")
        return now

    async def wait(self, duration: timedelta, *events: asyncio.Event) -> None:
        """As Clock.wait."""
        await _first_of(events, max(duration.total_seconds(), 0))


class MovableClock:
    """A clock that stands still until it is moved: a month of bookings runs in seconds."""

    def __init__(self, start: datetime) -> None:
        self.fixed: datetime | None = start

    async def now(self, conn: Connection) -> datetime:
        """Where the clock was put."""
        return self.read()

    def read(self) -> datetime:
        """Where the clock was put, without a connection."""
        assert self.fixed is not None
        return self.fixed

    def advance(self, duration: timedelta) -> datetime:
        """Move on, and say where to."""
        return self.move_to(self.read() + duration)

    def move_to(self, instant: datetime) -> datetime:
        """Move to that instant; never back."""
        if instant < self.read():
            raise ValueError("a clock does not run backwards")
        self.fixed = instant
        return instant

    async def wait(self, duration: timedelta, *events: asyncio.Event) -> None:
        """Wait for an event: no time passes by itself. Gives up after 50 ms, so that loops look again."""
        await _first_of(events, 0.05)


async def _first_of(events: Sequence[asyncio.Event], seconds: float) -> None:
    if any(event.is_set() for event in events):
        return
    waiting = [asyncio.ensure_future(event.wait()) for event in events or [asyncio.Event()]]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiting:
            waiter.cancel()


def monotonic() -> float:
    """Seconds on the machine's monotonic clock: for leases and durations, never for deciding."""
    return time.monotonic()
