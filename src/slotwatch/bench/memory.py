"""The memory of a worker process, with no bookings and with very many: the engine must hold none of them."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from slotwatch.bench.report import Steps
from slotwatch.bench.seed import CHUNK, Wave, open_connection, seed
from slotwatch.bench.worker import working
from slotwatch.storage.clock import DatabaseClock
from slotwatch.storage.statements import Connection, Statement

__all__ = ["chunks", "measure_memory"]

_BEATS = Statement("SELECT count(*) FROM heartbeat WHERE component = 'engine'")
_AUDITS = Statement("SELECT count(*) FROM audit_run")
_DROP_BEATS = Statement("DELETE FROM heartbeat")
_DROP_AUDITS = Statement("DELETE FROM audit_run")

_TARGET_MB = 10
_BOOKINGS_A_CONNECTOR = 50
_POLL = timedelta(seconds=0.5)
_SECONDS_TO_AUDIT = 60
_MIB = 1024 * 1024


def chunks(bookings: int) -> int:
    """How many statements put that many bookings in."""
    return -(-bookings // CHUNK)


async def measure_memory(url: str, bookings: int, seconds: int, steps: Steps) -> dict[str, Any]:
    """`slotwatch work` on the empty database, then on the full one; each is left alone for `seconds`.

    Every booking lies in the future, from a day ahead on.
    """
    conn = await open_connection(url)
    try:
        steps.begin("a worker with no bookings")
        without = await _resident(conn, url, seconds)
        connectors = -(-bookings // _BOOKINGS_A_CONNECTOR)
        wave = Wave(bookings, connectors, await DatabaseClock().now(conn) + timedelta(days=1))
        steps.begin(f"putting in {bookings:,} bookings")
        await seed(conn, wave, lambda done: steps.begin(f"{done:,} of {bookings:,} bookings are in"))
        steps.begin(f"a worker with {bookings:,} bookings")
        with_all = await _resident(conn, url, seconds)
    finally:
        await conn.close()
    return {
        "bench": "memory",
        "bookings": bookings,
        "seconds": seconds,
        "rss_mb_with_none": round(without / _MIB, 1),
        "rss_mb_with_all": round(with_all / _MIB, 1),
        "difference_mb": round((with_all - without) / _MIB, 1) + 0.0,  # no minus zero
        "target_difference_mb": _TARGET_MB,
    }


async def _resident(conn: Connection, url: str, seconds: int) -> int:
    """Bytes of memory of a worker that has audited the whole and then ran on for a while."""
    await _DROP_AUDITS.execute(conn)
    await _DROP_BEATS.execute(conn)
    clock = DatabaseClock()
    async with working(url) as process:
        async with asyncio.timeout(_SECONDS_TO_AUDIT):
            while not (await _BEATS.fetchval(conn) and await _AUDITS.fetchval(conn)):
                if process.returncode is not None:
                    raise RuntimeError("the worker ended early; what it said is above")
                await clock.wait(_POLL)
        await clock.wait(timedelta(seconds=seconds))
        return _rss(process.pid)


def _rss(pid: int) -> int:
    """Resident memory in bytes, as the kernel counts it (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
