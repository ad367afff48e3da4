"""A vendor's numbers and slots over a big archive: database time of one answer, for viewers who never pause."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from slotwatch.analytics.scope import Scope, TimeRange
from slotwatch.analytics.slots import read_slots
from slotwatch.analytics.statistics import read_statistics
from slotwatch.bench.archive import FIRST_VENDOR, Archive, add_days, add_places, without_indexes
from slotwatch.bench.archive_rows import Rows
from slotwatch.bench.pgbench import Call, Script, latencies, script_of
from slotwatch.bench.process_cost import cpu_seconds
from slotwatch.bench.report import Steps, medians, percentile
from slotwatch.bench.seed import open_connection, settle
from slotwatch.storage.clock import DatabaseClock
from slotwatch.storage.database import Database, DatabaseSettings, connect
from slotwatch.storage.statements import Connection

__all__ = ["DashboardSize", "measure_dashboard"]

_PAGE = 51  # slots: as many as the API shows when nobody says how many, and one to know whether more follow
_RANGES = {"24h": TimeRange.DAY, "7d": TimeRange.WEEK}
_TARGETS = {"24h": 30, "7d": 60}
_OLDER = 3  # the archive is so many times as old when its answers are weighed again
_WARM_UP = 10  # answers: after five PostgreSQL knows its plans
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
        young = {name: await _cpu_ms(url, size, period) for name, period in _RANGES.items()}
        await _add(conn, archive, range(size.young, size.days), rows, steps)
        whole = {name: await _cpu_ms(url, size, period) for name, period in _RANGES.items()}
        rounds = await _rounds(url, size, steps)
    finally:
        await conn.close()
    return {
        "bench": "dashboard",
        **{name: getattr(size, name) for name in ("bookings", "vendors", "days", "viewers")},
        **medians(rounds),
        **{f"target_p99_ms_{name}": target for name, target in _TARGETS.items()},
        **{f"cpu_ms_{name}": cost and round(cost, 2) for name, cost in whole.items()},
        "young_days": size.young,
        **{f"young_cpu_ms_{name}": cost and round(cost, 2) for name, cost in young.items()},
        "rounds": rounds,
    }


async def _add(conn: Connection, archive: Archive, days: Iterable[int], rows: Rows, steps: Steps) -> None:
    async with without_indexes(conn, lambda: steps.begin("making the indexes")):
        await add_days(conn, archive, days, rows, lambda day: steps.begin(f"day {day + 1} of {archive.days}"))
    await settle(conn)


async def _rounds(url: str, size: DashboardSize, steps: Steps) -> list[dict[str, Any]]:
    vendors = (FIRST_VENDOR, FIRST_VENDOR + size.vendors - 1)
    scripts = {name: await _sampled(url, period) for name, period in _RANGES.items()}
    rounds = []
    for number in range(1, size.rounds + 1):
        steps.begin(f"round {number} of {size.rounds}, {size.viewers} viewers")
        found: dict[str, float] = {}
        for name, script in scripts.items():
            times = await latencies(url, script, connections=size.viewers, each=size.answers, ids=vendors)
            found |= {f"p99_ms_{name}": percentile(times, 0.99), f"p50_ms_{name}": percentile(times, 0.5)}
        rounds.append(found)
    return rounds


async def _cpu_ms(url: str, size: DashboardSize, period: TimeRange) -> float | None:
    """What one answer costs the server's processor, however busy the machine is; None when it is another machine."""
    database = await connect(DatabaseSettings(), name="bench", url=url)
    try:
        for count in (_WARM_UP, size.answers):
            async with database.connection() as conn:  # the pool has this one and gives it out again
                server = conn.get_server_pid()
            before = cpu_seconds(server, "postgres")
            for number in range(count):
                await _answer(database, FIRST_VENDOR + number % size.vendors, period)
            after = cpu_seconds(server, "postgres")
    finally:
        await database.close()
    return None if before is None or after is None else (after - before) * 1000 / size.answers


async def _answer(database: Database, vendor_id: int, period: TimeRange) -> None:
    """As `GET /api/vendor/dashboard/slot-monitoring` reads it."""
    async with database.snapshot() as conn:
        scope = Scope.until_now(vendor_id, period.length, await DatabaseClock().now(conn))
        statistics = await read_statistics(conn, scope)
        slots = await read_slots(conn, scope, state=None, limit=_PAGE, after=None)
    if not statistics.figures.total or not slots:
        raise RuntimeError(f"vendor {vendor_id} has nothing to show")


async def _sampled(url: str, period: TimeRange) -> Script:
    """One answer as the product gives it, listened to: what pgbench has to run for other vendors."""
    calls: list[Call] = []

    def hear(logged: Any) -> None:
        calls.append(Call(logged.query, tuple(logged.args)))

    database = await connect(DatabaseSettings(), name="bench", url=url)
    try:
        await _answer(database, FIRST_VENDOR, period)  # asyncpg looks up types, once for each connection
        async with database.connection() as only:
            only.add_query_logger(hear)
        await _answer(database, FIRST_VENDOR, period)
        async with database.connection() as conn:
            return await script_of(conn, calls, FIRST_VENDOR)
    finally:
        await database.close()
