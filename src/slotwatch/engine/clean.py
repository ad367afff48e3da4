"""Every five minutes: makes forfeits final whose hold has passed, closes stale deliveries, clears old rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from slotwatch.storage.clock import Clock
from slotwatch.storage.statements import Connection, Statement, load_sql

__all__ = ["CLEAN_EVERY", "FORFEIT_HOLD", "CleanReport", "Cleaner"]

_log = structlog.get_logger(__name__)

CLEAN_EVERY = timedelta(minutes=5)

FORFEIT_HOLD = timedelta(hours=24)
"""How long no-show money stays provisional (DESIGN rule 10)."""

_CLEAN = load_sql(__package__, "clean.sql")
_TRY_LOCK = Statement("SELECT pg_try_advisory_xact_lock(7215003)")
# Claimed by age, whichever worker comes: changes of the board are kept from one cleaning to the next but one.
_CLAIM = Statement(
    "INSERT INTO watch_run AS w (what, at) VALUES ('clean', coalesce(:now::timestamptz, clock_timestamp()))"
    " ON CONFLICT (what) DO UPDATE SET at = excluded.at WHERE w.at <= excluded.at - :every::interval RETURNING true"
)


@dataclass(frozen=True)
class CleanReport:
    """How many rows were settled, closed or removed."""

    at: datetime
    forfeits_final: int
    missed: int
    keys: int
    letters: int
    processes: int
    audits: int


class Cleaner:
    """Runs `clean.sql`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def run_if_due(self, conn: Connection) -> CleanReport | None:
        """As `run_once`, unless some worker did it within the last five minutes."""
        if not await _TRY_LOCK.fetchval(conn):
            return None
        is_due = await _CLAIM.fetchval(conn, now=self._clock.fixed, every=CLEAN_EVERY)
        return await self.run_once(conn) if is_due else None

    async def run_once(self, conn: Connection) -> CleanReport | None:
        """Clean, in the caller's transaction; None while another worker is at it."""
        if not await _TRY_LOCK.fetchval(conn):
            return None
        row = await _CLEAN.fetchrow(conn, now=self._clock.fixed, hold=FORFEIT_HOLD)
        assert row is not None
        counts = {name: value for name, value in row.items() if name != "now"}
        if any(counts.values()):
            _log.info("cleaned", action="cleaned", **counts)
        return CleanReport(at=row["now"], **counts)
