"""Check-ins from many connections at once: the use case beside pgbench with the very same statements, and over HTTP."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from slotwatch.bench.http_client import Request, Server, send_from_each, serving
from slotwatch.bench.pgbench import Call, Script, run_pgbench, script_of
from slotwatch.bench.report import Steps, medians
from slotwatch.bench.seed import Wave, open_connection, seed
from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.ids import BookingId, booking_ref
from slotwatch.domain.lifecycle import State, Step
from slotwatch.domain.notices import USUAL_CHANNELS
from slotwatch.storage.clock import DatabaseClock, monotonic
from slotwatch.storage.database import Database, DatabaseSettings, connect
from slotwatch.storage.statements import Connection, load_sql
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import BookingSettings, Desk

__all__ = ["CheckInSize", "measure_check_in"]

_CHECK = load_sql(__package__, "check_check_in.sql")

_TARGET = 0.8
_PAUSE = timedelta(seconds=0.5)  # so that no side pays for the connections that the one before it closes
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
        """Those of all rounds and the three ways to check in, of both warm-ups, and two samples."""
        return 3 * self.rounds * self.a_round + 2 * self.connections * _WARM_UP + 2


async def measure_check_in(url: str, size: CheckInSize, steps: Steps) -> dict[str, Any]:
    """Short rounds of pgbench, the use case and HTTP in turn, since other things happen on the machine, too."""
    async with AsyncExitStack() as stack:
        conn = await open_connection(url)
        stack.push_async_callback(conn.close)
        steps.begin("seeding")
        # In grace since a minute ago: the window stays open for half an hour.
        starts_at = await DatabaseClock().now(conn) - timedelta(minutes=1)
        wave = Wave(size.bookings, size.bookings, starts_at, state=State.GRACE, step=Step.GRACE_HALF, version=2)
        await seed(conn, wave)
        script = await _sampled(conn, url, size.bookings)
        database = await connect(DatabaseSettings(pool_size=size.connections), name="bench", url=url)
        stack.push_async_callback(database.close)
        server = await stack.enter_async_context(serving(url, size.connections))
        rounds = await _rounds(size, steps, _Sides(url, script, database, server))
        await _check(conn, size.bookings)
    return {
        "bench": "check-in",
        "connections": size.connections,
        "check_ins": size.rounds * size.a_round,
        **medians(rounds),
        "target_ratio": _TARGET,
        "rounds": rounds,
    }


@dataclass(frozen=True)
class _Sides:
    """The three ways to check in; each takes bookings from number `after` + 1 on and tells its seconds."""

    url: str
    script: Script
    database: Database
    server: Server

    async def pgbench(self, connections: int, each: int, after: int) -> float:
        """The statements alone."""
        rate = await run_pgbench(self.url, self.script, connections=connections, each=each, after=after)
        return connections * each / rate

    async def use_case(self, connections: int, each: int, after: int) -> float:
        """As many callers at once as there are connections."""
        desk = _desk(self.database)

        async def caller(first: int) -> None:
            for number in range(first, first + each):
                await check_in(desk, number, number, _ATTEMPT)

        began = monotonic()
        async with asyncio.TaskGroup() as group:
            for index in range(connections):
                group.create_task(caller(after + 1 + index * each))
        return monotonic() - began

    async def http(self, connections: int, each: int, after: int) -> float:
        """Requests of as many drivers as bookings, over keep-alive connections."""
        requests = [
            Request(
                "PUT",
                f"/api/users/bookings/{booking_ref(BookingId(number))}/checkin",
                self.server.token(f"driver-{number}"),
                b'{"method":"app"}',
            ).encoded()
            for number in range(after + 1, after + 1 + connections * each)
        ]
        began = monotonic()
        await send_from_each(self.server, connections, lambda index: requests[index * each : (index + 1) * each])
        return monotonic() - began


async def _rounds(size: CheckInSize, steps: Steps, sides: _Sides) -> list[dict[str, Any]]:
    await sides.use_case(size.connections, _WARM_UP, 0)
    await sides.http(size.connections, _WARM_UP, size.connections * _WARM_UP)
    done = 2 * size.connections * _WARM_UP
    rounds = []
    for number in range(1, size.rounds + 1):
        steps.begin(f"round {number} of {size.rounds}")
        rates = []
        for side in (sides.pgbench, sides.use_case, sides.http):
            await DatabaseClock().wait(_PAUSE)
            rates.append(size.a_round / await side(size.connections, size.each, done))
            done += size.a_round
        limit, ours, http = rates
        rounds.append(
            {
                "check_ins_per_second": ours,
                "pgbench_per_second": limit,
                "ratio_to_limit": ours / limit,
                "http_requests_per_second": http,
                "ratio_of_http": http / limit,
            }
        )
    return rounds


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


async def _check(conn: Connection, check_ins: int) -> None:
    """Each check-in is a first one: one piece of evidence, one transition, one notice and one delivery."""
    row = await _CHECK.fetchrow(conn)
    assert row is not None
    if set(row.values()) != {check_ins}:
        raise RuntimeError(f"after {check_ins} check-ins the rows are not what they must be: {dict(row)}")


def _desk(database: Database) -> Desk:
    return Desk(database, DatabaseClock(), BookingSettings(), USUAL_CHANNELS, lambda due_at: None)
