"""The worker: sleeps until the next step is due, moves what is due, and looks after the whole now and then.

Any number of workers may run at once. None holds anything that another needs: when one dies, its locks die with its
connection, and the next one carries on.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import structlog

from slotwatch.domain.errors import Unavailable
from slotwatch.engine.advance import Advancer, AdvanceReport, next_due
from slotwatch.engine.audit import AUDIT_EVERY, Auditor
from slotwatch.engine.clean import CLEAN_EVERY, Cleaner
from slotwatch.engine.outages import BEAT_EVERY, Heart
from slotwatch.storage.clock import Clock, monotonic
from slotwatch.storage.database import CONNECTION_ERRORS, Database
from slotwatch.storage.statements import Connection

__all__ = ["Duties", "Worker"]

_log = structlog.get_logger(__name__)

_POLL = timedelta(seconds=1)
_CLOCK_JUMP = timedelta(seconds=2)
_EXPIRY_PAUSE_SECONDS = 60.0
_LONGEST_RECONNECT_PAUSE = 5.0


@dataclass(frozen=True)
class Duties:
    """The parts that a worker runs."""

    advancer: Advancer
    auditor: Auditor
    cleaner: Cleaner
    heart: Heart


class Worker:
    """One worker of this process. `on_moved` is called after each batch that moved something."""

    def __init__(
        self, database: Database, clock: Clock, duties: Duties, on_moved: Callable[[], None] = lambda: None
    ) -> None:
        self.wake = asyncio.Event()
        self._database = database
        self._clock = clock
        self._duties = duties
        self._on_moved = on_moved
        self._last: dict[str, float] = {}
        self._seen: tuple[datetime, float] | None = None
        self._no_expiry_until = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; the batch under way is finished first. A lost database is waited for."""
        pause = 0.1
        while not stop.is_set():
            try:
                async with self._database.connection() as conn:
                    pause = 0.1
                    await self._work(conn, stop)
            except (Unavailable, *CONNECTION_ERRORS) as error:
                _log.warning("the database is gone, trying again", action="worker_waits", error=str(error))
            except asyncpg.PostgresError as error:
                _log.error("a tick failed, trying again", action="tick_failed", error=str(error))
            pause = min(pause * 2, _LONGEST_RECONNECT_PAUSE)
            await self._clock.wait(timedelta(seconds=pause * random.uniform(0.5, 1)), stop)  # noqa: S311  # jitter

    async def _work(self, conn: Connection, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self.wake.clear()
            now = await self._look_after(conn)
            report = await self._duties.advancer.run_once(conn, may_expire=self._may_expire(now))
            if report.moved:
                self._on_moved()
                _log_moves(report)
            if report.moved or report.failed:
                continue
            due = await next_due(conn)
            now = await self._clock.now(conn)
            wait = _POLL if due is None else min(max(due - now, timedelta(0)), _POLL)
            if due is not None and due <= now:
                wait = timedelta(milliseconds=20)  # due, yet another worker has it locked, or expiry is paused
            await self._clock.wait(wait, self.wake, stop)

    async def _look_after(self, conn: Connection) -> datetime:
        """Beat before anything expires, so that a silence is on record; audit and clean when it is time."""
        duties = self._duties
        if self._is_time("beat", BEAT_EVERY):
            now = await duties.heart.beat(conn)
        else:
            now = await self._clock.now(conn)
        if self._is_time("audit", AUDIT_EVERY / 4):
            async with conn.transaction():
                await duties.auditor.run_if_due(conn, now)
        if self._is_time("clean", CLEAN_EVERY / 4):
            async with conn.transaction():
                await duties.cleaner.run_if_due(conn)
        return now

    def _is_time(self, duty: str, every: timedelta) -> bool:
        here = monotonic()
        if here - self._last.get(duty, float("-inf")) < every.total_seconds():
            return False
        self._last[duty] = here
        return True

    def _may_expire(self, now: datetime) -> bool:
        """False for a minute after the database's clock jumped: nobody forfeits by a clock that was set."""
        here = monotonic()
        if self._seen is not None and self._clock.fixed is None:
            then, there = self._seen
            jump = (now - then) - timedelta(seconds=here - there)
            if abs(jump) > _CLOCK_JUMP:
                self._no_expiry_until = here + _EXPIRY_PAUSE_SECONDS
                _log.error("the database's clock jumped", action="clock_jumped", seconds=jump.total_seconds())
        self._seen = (now, here)
        return here >= self._no_expiry_until


def _log_moves(report: AdvanceReport) -> None:
    for move in report.moves:
        _log.info(
            "bookings moved",
            action="bookings_moved",
            step=move.step.value,
            cause=move.cause.value,
            to=move.to_state.value,
            count=move.count,
            late_ms=round(report.latest.total_seconds() * 1000, 1),
        )
