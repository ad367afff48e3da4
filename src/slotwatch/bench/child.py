"""A worker process of a benchmark: `python -m slotwatch.bench.child`, one JSON line in, JSON lines out.

It ends when its standard input does, so it never outlives the benchmark that started it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog
import uvloop

from slotwatch.bench.database_time import DatabaseTime
from slotwatch.domain.notices import USUAL_CHANNELS, DeliveryState
from slotwatch.engine.advance import Advancer, AdvanceReport, AdvanceSettings
from slotwatch.engine.audit import Auditor
from slotwatch.engine.clean import Cleaner
from slotwatch.engine.outages import Heart
from slotwatch.engine.worker import Duties, Worker
from slotwatch.outbox.claim import Claimed, claim
from slotwatch.outbox.record import record
from slotwatch.outbox.settings import SenderSettings
from slotwatch.outbox.verdict import Verdict
from slotwatch.storage.clock import DatabaseClock, monotonic
from slotwatch.storage.database import Database, DatabaseSettings, connect
from slotwatch.storage.statements import Connection


class _Stamping(Advancer):
    """Tells of each batch that moved something, and when its commit was known here."""

    def __init__(self, clock: DatabaseClock, time: DatabaseTime) -> None:
        super().__init__(AdvanceSettings(), sorted(USUAL_CHANNELS), clock)
        self._time = time

    async def run_once(
        self, conn: Connection, *, ids: Sequence[int] | None = None, may_expire: bool = True
    ) -> AdvanceReport:
        report = await super().run_once(conn, ids=ids, may_expire=may_expire)
        known = monotonic()
        if report.moved and report.now is not None:
            _say(at=report.now.isoformat(), known=self._time.instant(known).isoformat(), moved=report.moved)
        return report


async def _engine(database: Database, stop: asyncio.Event) -> None:
    clock = DatabaseClock()
    async with database.connection() as conn:
        time = await DatabaseTime.compared(conn)
    channels = sorted(USUAL_CHANNELS)
    heart = Heart("engine", database, clock)
    worker = Worker(database, clock, Duties(_Stamping(clock, time), Auditor(channels, clock), Cleaner(clock), heart))
    _say(ready=True)
    await worker.run(stop)


async def _outbox(database: Database, stop: asyncio.Event, batch_size: int) -> None:
    """Claim and record until no channel has anything left; every delivery counts as sent."""
    clock, lease_for = DatabaseClock(), timedelta(seconds=SenderSettings().lease_seconds)
    async with database.connection() as conn:
        time = await DatabaseTime.compared(conn)
        _say(ready=True)
        await stop.wait()  # here it means: begin
        for channel in sorted(USUAL_CHANNELS):
            while batch := await claim(conn, clock, channel, limit=batch_size, lease_for=lease_for):
                sent = [(delivery, _sent(delivery)) for delivery in batch]
                recorded = await record(conn, channel, "bench", sent, await clock.now(conn))
                _say(recorded=len(recorded), known=time.instant(monotonic()).isoformat())
        _say(done=True)


def _sent(delivery: Claimed) -> Verdict:
    return Verdict(DeliveryState.SENT, tried="accepted", message_id=delivery.key)


def _say(**values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


async def _main(order: dict[str, Any]) -> None:
    database = await connect(DatabaseSettings(), name="bench", url=order["url"])
    stop = asyncio.Event()
    ending = asyncio.create_task(_until_told_to_stop(stop))
    try:
        match order["job"]:
            case "engine":
                await _engine(database, stop)
            case "outbox":
                await _outbox(database, stop, order["batch_size"])
    finally:
        ending.cancel()
        await database.close()


async def _until_told_to_stop(stop: asyncio.Event) -> None:
    """One more line, or the end of the input."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.readline()
    stop.set()


if __name__ == "__main__":
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )
    uvloop.run(_main(json.loads(sys.stdin.readline())))
