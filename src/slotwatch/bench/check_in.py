"""Check-ins from many connections at once: the use case beside pgbench with the very same statements, and over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from slotwatch.bench.pgbench import Call, Script, run_pgbench, script_of
from slotwatch.bench.report import Steps, medians
from slotwatch.bench.seed import Wave, open_connection, seed
from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.lifecycle import State, Step
from slotwatch.domain.notices import Channel
from slotwatch.storage.clock import DatabaseClock, monotonic
from slotwatch.storage.database import Database, DatabaseSettings, connect
from slotwatch.storage.statements import Connection, load_sql
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import BookingSettings, Desk

__all__ = ["CheckInSize", "measure_check_in"]

_CHECK = load_sql(__package__, "check_check_in.sql")

_TARGET = 0.8
_WARM_UP = 4  # check-ins of each connection before the measurement, so that statements are prepared
_ATTEMPT = CheckInAttempt(CheckInMethod.APP)


@dataclass(frozen=True)
class CheckInSize:
    """In each round each connection makes `each` check-ins, every one of another booking and its first."""

    connections: int
    each: int
    rounds: int

    @property
    def a_round(self) -> int:
        """Check-ins of one side in one round."""
        return self.connections * self.each

    @property
    def bookings(self) -> int:
        """Those of all rounds and both sides, of the warm-up, and two samples."""
        return 2 * self.rounds * self.a_round + self.connections * _WARM_UP + 2


async def measure_check_in(url: str, size: CheckInSize, steps: Steps) -> dict[str, Any]:
    """Short rounds of pgbench and of the use case in turn, since other things happen on the machine, too."""
    conn = await open_connection(url)
    database = await connect(DatabaseSettings(pool_size=size.connections), name="bench", url=url)
    try:
        steps.begin("seeding")
        # In grace since a minute ago: the window stays open for half an hour.
        starts_at = await DatabaseClock().now(conn) - timedelta(minutes=1)
        wave = Wave(size.bookings, size.bookings, starts_at, state=State.GRACE, step=Step.GRACE_HALF, version=2)
        await seed(conn, wave)
        script = await _sampled(conn, url, size.bookings)
        done = await _go_through(database, size.connections, _WARM_UP, after=0)
        rounds = []
        for number in range(1, size.rounds + 1):
            steps.begin(f"round {number} of {size.rounds}")
            limit = await run_pgbench(url, script, connections=size.connections, each=size.each, after=done)
            began = monotonic()
            done = await _go_through(database, size.connections, size.each, after=done + size.a_round)
            ours = size.a_round / (monotonic() - began)
            rounds.append({"check_ins_per_second": ours, "pgbench_per_second": limit, "ratio_to_limit": ours / limit})
        await _check(conn, size.bookings)
    finally:
        await conn.close()
        await database.close()
    return {
        "bench": "check-in",
        "connections": size.connections,
        "check_ins": size.rounds * size.a_round,
        **medians(rounds),
        "target_ratio": _TARGET,
        "rounds": rounds,
    }


async def _sampled(conn: Connection, url: str, booking_id: int) -> Script:
    """One check-in as it is, listened to: what pgbench has to run."""
    calls: list[Call] = []
    database = await connect(DatabaseSettings(), name="bench", url=url)
    try:
        # The first one makes asyncpg look up types, which it does once for each connection.
        await check_in(_desk(database), booking_id - 1, booking_id - 1, _ATTEMPT)
        async with database.connection() as only:  # the pool has this one and gives it out again
            only.add_query_logger(lambda logged: calls.append(Call(logged.query, tuple(logged.args))))
        await check_in(_desk(database), booking_id, booking_id, _ATTEMPT)
    finally:
        await database.close()
    return await script_of(conn, calls, booking_id)


async def _go_through(database: Database, callers: int, each: int, *, after: int) -> int:
    """As many callers at once as there are connections, each with bookings of its own; the last one's number."""
    desk = _desk(database)

    async def caller(first: int) -> None:
        for number in range(first, first + each):
            await check_in(desk, number, number, _ATTEMPT)

    async with asyncio.TaskGroup() as group:
        for index in range(callers):
            group.create_task(caller(after + 1 + index * each))
    return after + callers * each


async def _check(conn: Connection, check_ins: int) -> None:
    """Each check-in is a first one: one piece of evidence, one transition, one notice and one delivery."""
    row = await _CHECK.fetchrow(conn)
    assert row is not None
    if set(row.values()) != {check_ins}:
        raise RuntimeError(f"after {check_ins} check-ins the rows are not what they must be: {dict(row)}")


def _desk(database: Database) -> Desk:
    return Desk(database, DatabaseClock(), BookingSettings(), frozenset(Channel), lambda due_at: None)
