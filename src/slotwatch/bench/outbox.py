"""Claims deliveries and records them as sent, without sending: what the database part of the outbox can do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from slotwatch.bench.crew import Child, crew
from slotwatch.bench.report import Steps, medians
from slotwatch.bench.seed import Wave, add_deliveries, open_connection, seed
from slotwatch.domain.lifecycle import State, Step
from slotwatch.storage.clock import DatabaseClock
from slotwatch.storage.statements import Connection, load_sql

__all__ = ["OutboxSize", "measure_outbox"]

_CHECK = load_sql(__package__, "check_outbox.sql")

_TARGET = 15_000
_SECONDS_FOR_A_ROUND = 300


@dataclass(frozen=True)
class OutboxSize:
    """How much is measured; a claim takes up to `batch_size` deliveries."""

    deliveries: int
    workers: int
    batch_size: int
    rounds: int


async def measure_outbox(url: str, size: OutboxSize, steps: Steps) -> dict[str, Any]:
    """Deliveries a second, from the word "go" until the last one is recorded."""
    conn = await open_connection(url)
    rounds = []
    try:
        for number in range(1, size.rounds + 1):
            steps.begin(f"round {number} of {size.rounds}, {size.workers} worker(s)")
            rounds.append({"deliveries_per_second": await _round(conn, url, size)})
    finally:
        await conn.close()
    return {
        "bench": "outbox",
        "deliveries": 2 * _notices(size),
        "workers": size.workers,
        "batch_size": size.batch_size,
        **medians(rounds),
        "target_per_second": _TARGET,
        "rounds": rounds,
    }


def _notices(size: OutboxSize) -> int:
    """Each notice goes out by mail and by text message."""
    return max(size.deliveries // 2, 1)


async def _round(conn: Connection, url: str, size: OutboxSize) -> float:
    notices = _notices(size)
    await seed(conn, Wave(notices, notices, datetime(2026, 1, 1, tzinfo=UTC), state=State.GRACE, step=Step.GRACE_HALF))
    clock = DatabaseClock()
    await add_deliveries(conn, await clock.now(conn) - timedelta(minutes=1))
    order = {"job": "outbox", "url": url, "batch_size": size.batch_size}
    async with crew(size.workers, order) as children, asyncio.timeout(_SECONDS_FOR_A_ROUND):
        began = await clock.now(conn)
        for child in children:
            await child.tell({"go": True})
        last = max(await asyncio.gather(*(_last_record(child) for child in children)))
    row = await _CHECK.fetchrow(conn)
    assert row is not None
    if dict(row) != {"sent": 2 * notices, "attempts": 2 * notices, "wrong": 0}:
        raise RuntimeError(f"the rows after the run are not what they must be: {dict(row)}")
    return 2 * notices / (last - began).total_seconds()


async def _last_record(child: Child) -> datetime:
    """When that worker knew of its last commit."""
    last = datetime.min.replace(tzinfo=UTC)
    while not (told := await child.hear()).get("done"):
        last = datetime.fromisoformat(told["known"])
    return last
