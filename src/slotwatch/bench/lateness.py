"""A quiet system in which now and then a booking is due: how long from its due time until its move is committed."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any

from slotwatch.bench.crew import Child, crew
from slotwatch.bench.database_time import DatabaseTime
from slotwatch.bench.report import Steps, spread
from slotwatch.bench.seed import Wave, open_connection, seed
from slotwatch.storage.clock import DatabaseClock, monotonic
from slotwatch.storage.statements import Connection, Statement

__all__ = ["measure_lateness"]

_MOVES = Statement("SELECT due_at, at FROM transition WHERE cause = 'time'")

_ONE_ROW = Statement(
    "INSERT INTO pulse (component, beat_at) VALUES ('bench', :at)"
    " ON CONFLICT (component) DO UPDATE SET beat_at = excluded.beat_at"
)

_TARGET_P99_MS = 10
_HEAD_START = timedelta(seconds=4)  # for seeding and for the worker process to start
_SECONDS_TO_SPARE = 30


async def measure_lateness(url: str, rate: int, seconds: int, steps: Steps) -> dict[str, Any]:
    """One worker process, `rate` bookings due a second on average, at random instants, for that many seconds."""
    conn = await open_connection(url)
    try:
        steps.begin("seeding")
        first = await DatabaseClock().now(conn) + _HEAD_START
        wave = Wave(rate * seconds, rate * seconds, first, spread=timedelta(seconds=seconds))
        await seed(conn, wave)
        async with crew(1, {"job": "engine", "url": url}) as children:
            if await DatabaseClock().now(conn) >= first:
                raise RuntimeError("the worker took too long to start: the machine is too busy")
            steps.begin(f"{wave.bookings} bookings become due within {seconds} s")
            async with asyncio.timeout(_HEAD_START.total_seconds() + seconds + _SECONDS_TO_SPARE):
                timer = asyncio.create_task(_bare_timer(conn, wave))
                known = await _commits(children[0], wave.bookings)
                bare = await timer
        late = [(known[row["at"]] - row["due_at"]) / timedelta(milliseconds=1) for row in await _MOVES.fetch(conn)]
    finally:
        await conn.close()
    if len(late) != wave.bookings:
        raise RuntimeError(f"{wave.bookings} bookings were due, {len(late)} moves are on record")
    return {
        "bench": "lateness",
        "rate": rate,
        "seconds": seconds,
        "bookings": wave.bookings,
        **{f"{name}_ms": round(value, 2) for name, value in spread(late).items()},
        "target_p99_ms": _TARGET_P99_MS,
        **{f"bare_timer_{name}_ms": round(value, 2) for name, value in spread(bare).items()},
    }


async def _bare_timer(conn: Connection, wave: Wave) -> list[float]:
    """What the machine can do meanwhile: a timer that knows its instants and commits one row; lateness in ms."""
    clock, pick = DatabaseClock(), random.Random(1)  # noqa: S311  # instants of a measurement
    instants = sorted(wave.starts_at + wave.spread * pick.random() for _ in range(wave.bookings))
    time = await DatabaseTime.compared(conn)
    late = []
    for instant in instants:
        await clock.wait(instant - time.instant(monotonic()))
        await _ONE_ROW.execute(conn, at=instant)
        late.append((time.instant(monotonic()) - instant) / timedelta(milliseconds=1))
    return late


async def _commits(child: Child, bookings: int) -> dict[datetime, datetime]:
    """By the time of a batch, which its history rows carry: when the worker knew of the commit."""
    known: dict[datetime, datetime] = {}
    moved = 0
    while moved < bookings:
        told = await child.hear()
        known[datetime.fromisoformat(told["at"])] = datetime.fromisoformat(told["known"])
        moved += told["moved"]
    return known
