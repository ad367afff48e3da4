"""The memory of a worker process: with nothing to do, with very many bookings, while very many deliveries wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from slotwatch.bench.notices import provider_env
from slotwatch.bench.process_cost import MIB, resident
from slotwatch.bench.report import Steps
from slotwatch.bench.seed import CHUNK, Wave, add_deliveries, open_connection, seed
from slotwatch.bench.worker import working
from slotwatch.domain.lifecycle import State, Step
from slotwatch.storage.clock import DatabaseClock
from slotwatch.storage.statements import Connection, Statement

__all__ = ["MemorySize", "measure_memory"]

_BEATS = Statement("SELECT count(*) FROM heartbeat WHERE component = 'engine'")
_AUDITS = Statement("SELECT count(*) FROM audit_run")
_DROP_BEATS = Statement("DELETE FROM heartbeat")
_DROP_AUDITS = Statement("DELETE FROM audit_run")

_TARGET_MB = 10
_BOOKINGS_A_CONNECTOR = 50
_POLL = timedelta(seconds=0.5)
_SECONDS_TO_AUDIT = 60


@dataclass(frozen=True)
class MemorySize:
    """How much lies in the database, and for how many seconds a worker is left alone before its memory is read."""

    bookings: int
    waiting: int
    seconds: int

    @property
    def steps(self) -> int:
        """How many are shown."""
        return 5 + -(-self.bookings // CHUNK)


async def measure_memory(url: str, size: MemorySize, steps: Steps) -> dict[str, Any]:
    """`slotwatch work` on the empty database, on very many bookings, and on very many deliveries that cannot go out.

    Bookings lie in the future, from a day ahead on. Deliveries are due, and the providers do not answer.
    """
    async with AsyncExitStack() as stack:
        conn = await open_connection(url)
        stack.push_async_callback(conn.close)
        smtp, http = [await stack.enter_async_context(_silent_server()) for _ in range(2)]
        worker = _Worker(conn, url, provider_env(smtp, http), size.seconds)
        steps.begin("a worker with nothing to do")
        without = await worker.resident()
        connectors = -(-size.bookings // _BOOKINGS_A_CONNECTOR)
        wave = Wave(size.bookings, connectors, await DatabaseClock().now(conn) + timedelta(days=1))
        steps.begin(f"putting in {size.bookings:,} bookings")
        await seed(conn, wave, lambda done: steps.begin(f"{done:,} of {size.bookings:,} bookings are in"))
        steps.begin(f"a worker with {size.bookings:,} bookings")
        with_all = await worker.resident()
        steps.begin(f"putting in {size.waiting:,} deliveries")
        now = await DatabaseClock().now(conn)
        begun = -(-size.waiting // 2)  # each is told by mail and by text message
        await seed(conn, Wave(begun, begun, now, state=State.GRACE, step=Step.GRACE_HALF))
        await add_deliveries(conn, now)
        steps.begin(f"a worker with {size.waiting:,} deliveries")
        while_waiting = await worker.resident()
    return {
        "bench": "memory",
        "bookings": size.bookings,
        "waiting": 2 * begun,
        "seconds": size.seconds,
        "rss_mb_with_none": round(without / MIB, 1),
        "rss_mb_with_all": round(with_all / MIB, 1),
        "rss_mb_while_waiting": round(while_waiting / MIB, 1),
        "difference_mb": _difference(with_all, without),
        "waiting_difference_mb": _difference(while_waiting, without),
        "target_difference_mb": _TARGET_MB,
    }


def _difference(more: int, less: int) -> float:
    return round((more - less) / MIB, 1) + 0.0  # no minus zero


@asynccontextmanager
async def _silent_server() -> AsyncIterator[int]:
    """The port of a server that takes connections and never says a word."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@dataclass(frozen=True)
class _Worker:
    """The product's own process, started anew for each look."""

    conn: Connection
    url: str
    env: Mapping[str, str]
    seconds: int

    async def resident(self) -> int:
        """Bytes of memory of a worker that has audited the whole and then ran on for a while."""
        await _DROP_AUDITS.execute(self.conn)
        await _DROP_BEATS.execute(self.conn)
        clock = DatabaseClock()
        async with working(self.url, self.env) as process:
            async with asyncio.timeout(_SECONDS_TO_AUDIT):
                while not (await _BEATS.fetchval(self.conn) and await _AUDITS.fetchval(self.conn)):
                    if process.returncode is not None:
                        raise RuntimeError("the worker ended early; what it said is above")
                    await clock.wait(_POLL)
            await clock.wait(timedelta(seconds=self.seconds))
            return resident(process.pid)
