"""A vendor's numbers and slots over a big archive: database time of one answer, for viewers who never pause."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from slotwatch.analytics.scope import Scope, TimeRange
from slotwatch.analytics.slots import read_slots
from slotwatch.analytics.statistics import read_statistics
from slotwatch.bench.archive import FIRST_VENDOR, Archive, add_days, add_places, without_indexes
from slotwatch.bench.archive_rows import Rows
from slotwatch.bench.pgbench import Call, Script, latencies, script_of
from slotwatch.bench.report import Steps, medians, percentile
from slotwatch.bench.seed import open_connection, settle
from slotwatch.storage.clock import DatabaseClock
from slotwatch.storage.database import DatabaseSettings, connect
from slotwatch.storage.statements import Connection

__all__ = ["DashboardSize", "measure_dashboard"]

_PAGE = 51  # slots: as many as the API shows when nobody says how many, and one to know whether more follow
_RANGES = {"24h": TimeRange.DAY, "7d": TimeRange.WEEK}
_TARGETS = {"24h": 30, "7d": 60}
_OLDER = 3  # the archive is so many times as old when it is measured again
_SEED = 20260302


@dataclass(frozen=True)
class DashboardSize:
    """How much is measured: each viewer asks for `answers` answers of each period in each round."""

    bookings: int
    vendors: int
    days: int
    viewers: int
    answers: int
    rounds: int

    @property
    def young(self) -> int:
        """Days of the archive when it is measured first."""
        return max(self.days // _OLDER, 1)

    @property
    def steps(self) -> int:
        """How many are shown."""
        return self.days + 4 + 2 * self.rounds


async def measure_dashboard(url: str, size: DashboardSize, steps: Steps) -> dict[str, Any]:
    """The youngest part of the archive is made and measured, then all of it."""
    conn = await open_connection(url)
    try:
        now = await DatabaseClock().now(conn)
        archive = Archive(size.bookings, size.vendors, size.days, now.replace(second=0, microsecond=0))
        rows = Rows(archive.now, drivers=archive.drivers, seed=_SEED)
        await add_places(conn, archive)
        await _add(conn, archive, range(size.young), rows, steps)
        young = await _rounds(url, size, steps, f"{size.young} days")
        await _add(conn, archive, range(size.young, size.days), rows, steps)
        whole = await _rounds(url, size, steps, f"{size.days} days")
    finally:
        await conn.close()
    middle, before = medians(whole), medians(young)
    return {
        "bench": "dashboard",
        **{name: getattr(size, name) for name in ("bookings", "vendors", "days", "viewers")},
        **middle,
        **{f"target_p99_ms_{name}": target for name, target in _TARGETS.items()},
        "young_days": size.young,
        **{
            f"ratio_to_young_{name}": round(middle[f"alone_ms_{name}"] / before[f"alone_ms_{name}"], 3)
            for name in _RANGES
        },
        "rounds": whole,
        "young_rounds": young,
    }


async def _add(conn: Connection, archive: Archive, days: Iterable[int], rows: Rows, steps: Steps) -> None:
    async with without_indexes(conn, lambda: steps.begin("making the indexes")):
        await add_days(conn, archive, days, rows, lambda day: steps.begin(f"day {day + 1} of {archive.days}"))
    await settle(conn)


async def _rounds(url: str, size: DashboardSize, steps: Steps, what: str) -> list[dict[str, Any]]:
    scripts = {name: await _sampled(url, period) for name, period in _RANGES.items()}
    rounds = []
    for number in range(1, size.rounds + 1):
        steps.begin(f"{what}, round {number} of {size.rounds}")
        found: dict[str, float] = {}
        for name, script in scripts.items():
            found |= await _round(url, size, name, script)
        rounds.append(found)
    return rounds


async def _round(url: str, size: DashboardSize, name: str, script: Script) -> dict[str, float]:
    vendors = (FIRST_VENDOR, FIRST_VENDOR + size.vendors - 1)
    alone = await latencies(url, script, connections=1, each=size.answers, ids=vendors)
    together = await latencies(url, script, connections=size.viewers, each=size.answers, ids=vendors)
    return {
        f"p99_ms_{name}": percentile(together, 0.99),
        f"p50_ms_{name}": percentile(together, 0.5),
        f"alone_ms_{name}": percentile(alone, 0.5),
    }


async def _sampled(url: str, period: TimeRange) -> Script:
    """One answer as the product gives it, listened to: what pgbench has to run for other vendors."""
    calls: list[Call] = []
    clock = DatabaseClock()

    def hear(logged: Any) -> None:
        calls.append(Call(logged.query, tuple(logged.args)))

    async with AsyncExitStack() as stack:
        database = await connect(DatabaseSettings(), name="bench", url=url)
        stack.push_async_callback(database.close)
        for listening in (False, True):  # first asyncpg looks up types, once for each connection
            if listening:
                async with database.connection() as only:  # the pool has this one and gives it out again
                    only.add_query_logger(hear)
            async with database.snapshot() as conn:
                scope = Scope.until_now(FIRST_VENDOR, period.length, await clock.now(conn))
                statistics = await read_statistics(conn, scope)
                slots = await read_slots(conn, scope, state=None, limit=_PAGE, after=None)
        if not statistics.figures.total or not slots:
            raise RuntimeError("the vendor that was asked for has nothing to show")
        async with database.connection() as conn:
            return await script_of(conn, calls, FIRST_VENDOR)
