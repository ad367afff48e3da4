"""Looks at everything, in an order that a reader can follow; the worst does not hide the rest."""

import os
from collections.abc import Awaitable, Callable

import asyncpg

from slotwatch.config import Settings, without_password
from slotwatch.doctor.database import check_schema, check_server, require_reachable
from slotwatch.doctor.engine import (
    check_audit,
    check_engine,
    check_outages,
    check_processes,
    check_pulses,
    check_set_aside,
)
from slotwatch.doctor.finding import Finding, Level, fail
from slotwatch.doctor.machine import check_clock, check_disk, check_settings, check_time_zones
from slotwatch.doctor.messages import check_costs, check_deliveries, check_links, check_providers
from slotwatch.domain.errors import Unavailable
from slotwatch.storage.database import CONNECTION_ERRORS, prepare_connection
from slotwatch.storage.statements import Connection
from slotwatch.storage.vital_signs import read_vital_signs

__all__ = ["examine", "without_database"]


async def examine(settings: Settings, url: str) -> list[Finding]:
    """Everything that can be found out about this database and this machine."""
    findings: list[Finding] = []
    zones: list[str] = []
    try:
        await require_reachable(url)
        conn = await asyncpg.connect(url, timeout=10, command_timeout=10)
        try:
            await prepare_connection(conn)
            findings += await check_server(conn, without_password(url))
            findings += await check_clock(conn)
            schema = await check_schema(url)
            findings += schema
            if all(finding.level is Level.OK for finding in schema):
                zones = await _inside(conn, findings)
        finally:
            await conn.close()
    except Unavailable as error:
        findings.append(fail("database", f"{without_password(url)}: {error.message}"))
    except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
        findings.append(fail("database", f"It did not answer a question: {error or type(error).__name__}."))
    return [*findings, *await without_database(settings, zones)]


async def _inside(conn: Connection, findings: list[Finding]) -> list[str]:
    """What the tables tell, added to the findings one by one; the time zones of the stations."""
    signs = await read_vital_signs(conn, now=None)
    looks: list[Callable[[], Awaitable[list[Finding]]]] = [
        lambda: check_engine(conn, signs),
        lambda: check_processes(conn, signs.now),
        lambda: check_pulses(conn, signs.now),
        lambda: check_set_aside(conn, signs),
        lambda: check_audit(conn, signs.now),
        lambda: check_outages(conn, signs.now),
        lambda: check_deliveries(conn, signs),
    ]
    for look in looks:
        findings += await look()
    return [row["zone"] for row in await conn.fetch("SELECT DISTINCT zone FROM station")]


async def without_database(settings: Settings, zones: list[str] | None = None) -> list[Finding]:
    """What can be looked at without one."""
    return [
        *await check_providers(settings),
        *check_links(settings),
        *check_costs(settings),
        *check_time_zones(zones or []),
        *check_disk(settings),
        *check_settings(os.environ),
    ]
