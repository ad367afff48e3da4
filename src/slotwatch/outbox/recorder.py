"""Writes down what became of a sender's deliveries: what comes while one statement runs shares the next one.

A busy sender so has a commit for every dozen or more of its deliveries, a quiet one records each at once.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import structlog

from slotwatch.domain.errors import Unavailable
from slotwatch.domain.notices import Channel
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.record import record
from slotwatch.outbox.verdict import Verdict
from slotwatch.storage.clock import Clock, monotonic
from slotwatch.storage.database import CONNECTION_ERRORS, Database

__all__ = ["Recorder"]

_log = structlog.get_logger(__name__)

_LONGEST_PAUSE = 1.0
_GATHER = timedelta(milliseconds=50)  # between two statements, while there is much to write


@dataclass(frozen=True)
class _Entry:
    """What one caller wants written, until when its lease lasts, and the answer: whether it was still ours."""

    delivery: Claimed
    verdict: Verdict
    lease_ends: float
    answer: asyncio.Future[bool]

    def fail(self, error: Exception) -> None:
        """The caller may have gone away."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Recorder:
    """The records of one sender. `cost` of a message counts towards the caps; None: it costs nothing."""

    def __init__(self, database: Database, clock: Clock, channel: Channel, provider: str, cost: int | None) -> None:
        self._database = database
        self._clock = clock
        self._channel = channel
        self._provider = provider
        self._cost = cost
        self._waiting: list[_Entry] = []
        self._writing: asyncio.Task[None] | None = None

    async def record(self, delivery: Claimed, verdict: Verdict, lease_ends: float) -> bool:
        """Whether it was still ours.

        Tried for as long as the lease is ours: what was sent must not be sent again because the database blinked.
        Raises what the database raised last.
        """
        entry = _Entry(delivery, verdict, lease_ends, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        return await entry.answer

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                entries, self._waiting = self._waiting, []
                await self._write(entries)
                if self._waiting:  # a busy time: soon there will be more
                    await self._clock.wait(_GATHER)
        finally:
            self._writing = None

    async def _write(self, entries: list[_Entry]) -> None:
        try:
            ours = await self._patiently(entries)
        except asyncpg.DataError as error:
            if len(entries) == 1:
                entries[0].fail(error)
                return
            for entry in entries:  # what PostgreSQL will not keep is the matter of who brought it
                await self._write([entry])
        except Exception as error:  # told to each of those that wait
            for entry in entries:
                entry.fail(error)
        else:
            for entry in entries:
                if not entry.answer.done():
                    entry.answer.set_result(entry.delivery.notice_id in ours)

    async def _patiently(self, entries: list[_Entry]) -> set[int]:
        results = [(entry.delivery, entry.verdict) for entry in entries]
        pause, lease_ends = 0.05, max(entry.lease_ends for entry in entries)
        while True:
            try:
                async with self._database.connection() as conn:
                    at, cost = self._clock.fixed, self._cost
                    return await record(conn, self._channel, self._provider, results, at, cost=cost)
            except asyncpg.DataError:
                raise
            except (Unavailable, *CONNECTION_ERRORS, asyncpg.PostgresError) as error:
                if monotonic() + pause > lease_ends:
                    raise
                _log.warning("outcomes are not recorded yet", action="outcomes_wait", error=str(error))
            await self._clock.wait(timedelta(seconds=pause))
            pause = min(pause * 2, _LONGEST_PAUSE)
