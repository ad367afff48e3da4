"""Looks at the database: whether it answers, and whether its schema is the one this program needs."""

import asyncpg

from slotwatch.doctor.finding import Finding, fail, ok, warn
from slotwatch.domain.errors import SlotwatchError, Unavailable
from slotwatch.storage import migrate
from slotwatch.storage.database import CONNECTION_ERRORS
from slotwatch.storage.statements import Connection

__all__ = ["check_schema", "check_server", "require_reachable"]


_OLDEST_POSTGRESQL = 15


async def check_server(conn: Connection, shown: str) -> list[Finding]:
    """Version, and settings that lose data in a crash."""
    number = conn.get_server_version().major
    findings = []
    if number < _OLDEST_POSTGRESQL:
        advice = f"Use PostgreSQL {_OLDEST_POSTGRESQL} or newer."
        findings.append(fail("database", f"{shown} is PostgreSQL {number}, which is too old.", advice))
    else:
        findings.append(ok("database", f"{shown} answers (PostgreSQL {number})."))
    for name in ("fsync", "full_page_writes"):
        if await conn.fetchval("SELECT current_setting($1)", name) == "off":
            says = f"{name} is off: a crash of the database's machine can lose bookings."
            findings.append(warn("database", says, f"Set {name} = on in postgresql.conf."))
    if await conn.fetchval("SELECT pg_is_in_recovery()"):
        findings.append(fail("database", "This is a read-only replica.", "Point DATABASE_URL at the primary."))
    return findings


async def check_schema(url: str) -> list[Finding]:
    """Version of the schema."""
    try:
        await migrate.require_current(url)
    except migrate.SchemaMismatch as error:
        return [fail("schema", error.message)]
    except (SlotwatchError, asyncpg.PostgresError, OSError) as error:
        return [fail("schema", f"The schema's version cannot be read: {error}.")]
    status = await migrate.schema_status(url)
    return [ok("schema", f"The schema is at version {status.current}, as this program needs.")]


async def require_reachable(url: str) -> None:
    """Connect once. Raises Unavailable with a sentence: not there, not let in, no such database, too old."""
    try:
        conn = await asyncpg.connect(url, timeout=10)
    except (*CONNECTION_ERRORS, asyncpg.PostgresError, ValueError) as error:
        raise Unavailable(f"The database cannot be used: {_why(error)}.") from error
    try:
        version = conn.get_server_version()
    finally:
        await conn.close()
    if version.major < _OLDEST_POSTGRESQL:
        raise Unavailable(f"The database is PostgreSQL {version.major}; {_OLDEST_POSTGRESQL} or newer is needed.")


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer within 10 s"
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
