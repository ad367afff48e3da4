"""The clocks. In production the database's clock decides and a process's own clock only sleeps; tests move theirs."""

import asyncio
import time
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Protocol

from slotwatch.storage.statements import Connection

__all__ = ["Clock", "DatabaseClock", "MovableClock"]


class Clock(Protocol):
    """Tells the time that decides, and waits."""

    @property
    def fixed(self) -> datetime | None:
        """The `:now` for statements: None means the database reads its own clock inside the statement."""

    async def now(self, conn: Connection) -> datetime:
        """The present instant, in UTC."""

    async def wait(self, duration: timedelta, wake: asyncio.Event) -> bool:
        """Wait that long or until `wake` is set; whether it was. Clears `wake`."""


class DatabaseClock:
    """`clock_timestamp()` of the database, so that machines never disagree; waiting is on the monotonic clock."""

    fixed: datetime | None = None

    async def now(self, conn: Connection) -> datetime:
        """One round trip."""
        now: datetime = await conn.fetchval("SELECT clock_timestamp()")
        return now

    async def wait(self, duration: timedelta, wake: asyncio.Event) -> bool:
        """As Clock.wait."""
        return await _woken(wake.wait(), wake, max(duration.total_seconds(), 0))


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

    async def wait(self, duration: timedelta, wake: asyncio.Event) -> bool:
        """Wait until woken: no time passes by itself. Gives up after 50 ms so that loops look again."""
        return await _woken(wake.wait(), wake, 0.05)


async def _woken(waiting: Awaitable[object], wake: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(waiting, seconds)
    except TimeoutError:
        return False
    wake.clear()
    return True


def monotonic() -> float:
    """Seconds on the machine's monotonic clock: for leases and durations, never for deciding."""
    return time.monotonic()
