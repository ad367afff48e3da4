"""All bookings are due at one instant: how many a second are moved, how late, and how near that is to the limit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from slotwatch.bench.crew import Child, crew
from slotwatch.bench.report import Steps, medians, spread
from slotwatch.bench.seed import Wave, open_connection, seed
from slotwatch.domain.notices import USUAL_CHANNELS
from slotwatch.storage.clock import DatabaseClock, monotonic
from slotwatch.storage.statements import Connection, load_sql

__all__ = ["BoundarySize", "measure_boundary"]

_LIMIT = load_sql(__package__, "limit.sql")
_CHECK = load_sql(__package__, "check_boundary.sql")

_TARGETS = {1: 0.6, 2: 0.9}
_LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
_SECONDS_TO_START = 3  # for the worker processes
_SECONDS_FOR_A_ROUND = 120


@dataclass(frozen=True)
class BoundarySize:
    """How much is measured."""

    bookings: int
    workers: int
    rounds: int


@dataclass(frozen=True)
class _Batch:
    """`known` is when the worker knew of the commit, on the database's clock."""

    known: datetime
    moved: int


async def measure_boundary(url: str, size: BoundarySize, steps: Steps) -> dict[str, Any]:
    """Rounds of the limit and of the engine in turn, since other things happen on the machine, too."""
    conn = await open_connection(url)
    try:
        rounds = []
        for number in range(1, size.rounds + 1):
            steps.begin(f"round {number} of {size.rounds}, the limit")
            limit, seed_seconds = await _limit(conn, size)
            steps.begin(f"round {number} of {size.rounds}, {size.workers} worker(s)")
            ours = await _engine(conn, url, size, seed_seconds)
            ratio = ours["bookings_per_second"] / limit
            rounds.append({**ours, "limit_per_second": limit, "ratio_to_limit": ratio})
    finally:
        await conn.close()
    return {
        "bench": "boundary",
        "bookings": size.bookings,
        "workers": size.workers,
        **medians(rounds),
        "target_ratio": _TARGETS.get(size.workers),
        "rounds": rounds,
    }


async def _limit(conn: Connection, size: BoundarySize) -> tuple[float, float]:
    """Bookings a second of one statement that asks nothing and writes the same rows; and how long seeding took."""
    began = monotonic()
    await seed(conn, Wave(size.bookings, size.bookings, _LONG_AGO))
    seeded = monotonic()
    await _LIMIT.execute(conn, channels=sorted(USUAL_CHANNELS))
    seconds = monotonic() - seeded
    await _check(conn, size)
    return size.bookings / seconds, seeded - began


async def _engine(conn: Connection, url: str, size: BoundarySize, seed_seconds: float) -> dict[str, Any]:
    clock, head_start = DatabaseClock(), timedelta(seconds=_SECONDS_TO_START + 2 * seed_seconds)
    due_at = await clock.now(conn) + head_start
    await seed(conn, Wave(size.bookings, size.bookings, due_at))
    async with crew(size.workers, {"job": "engine", "url": url}) as children:
        if await clock.now(conn) >= due_at:
            raise RuntimeError("seeding took more than twice as long as a moment ago: the machine is too busy")
        async with asyncio.timeout(head_start.total_seconds() + _SECONDS_FOR_A_ROUND):
            batches = await _batches(children, size.bookings)
    await _check(conn, size)
    seconds = (max(batch.known for batch in batches) - due_at).total_seconds()
    late = [(batch.known - due_at).total_seconds() * 1000 for batch in batches for _ in range(batch.moved)]
    return {
        "bookings_per_second": size.bookings / seconds,
        "lateness_ms": spread(late),
        "batches": len(batches),
    }


async def _batches(children: Sequence[Child], bookings: int) -> list[_Batch]:
    """What the workers tell, until all bookings have moved."""
    batches: list[_Batch] = []

    async def listen(child: Child) -> None:
        while True:
            told = await child.hear()
            batches.append(_Batch(datetime.fromisoformat(told["known"]), told["moved"]))
            if sum(batch.moved for batch in batches) >= bookings:
                all_moved.set()

    all_moved = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        listeners = [group.create_task(listen(child)) for child in children]
        await all_moved.wait()
        for listener in listeners:
            listener.cancel()
    return batches


async def _check(conn: Connection, size: BoundarySize) -> None:
    """One transition, one notice and two deliveries for each booking, or the speed means nothing."""
    row = await _CHECK.fetchrow(conn)
    assert row is not None
    expected = {"moved": size.bookings, "transitions": size.bookings, "notices": size.bookings}
    if dict(row) != expected | {"deliveries": 2 * size.bookings, "wrong": 0}:
        raise RuntimeError(f"the rows after the run are not what they must be: {dict(row)}")
