"""Instants of this process on the database's clock, so that what several processes see can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from slotwatch.storage.clock import DatabaseClock, monotonic
from slotwatch.storage.statements import Connection

__all__ = ["DatabaseTime"]

_READINGS = 25


@dataclass(frozen=True)
class DatabaseTime:
    """Turns readings of this process's monotonic clock into instants on the database's clock."""

    at: datetime
    reading: float

    @classmethod
    async def compared(cls, conn: Connection) -> DatabaseTime:
        """From the fastest of some round trips: it is off by half of that one at most."""
        clock, best = DatabaseClock(), float("inf")
        for _ in range(_READINGS):
            before = monotonic()
            at = await clock.now(conn)
            after = monotonic()
            if after - before < best:
                best, answer = after - before, cls(at, (before + after) / 2)
        return answer

    def instant(self, reading: float) -> datetime:
        """The database's time when our clock showed `reading`."""
        return self.at + timedelta(seconds=reading - self.reading)
