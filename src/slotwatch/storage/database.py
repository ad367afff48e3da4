"""Connections to PostgreSQL: pools with time limits, and errors told apart by SQLSTATE."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import asyncpg
import msgspec

from slotwatch.domain.errors import Unavailable
from slotwatch.storage.grouping import Grouped
from slotwatch.storage.statements import Connection, Statement

__all__ = ["CONNECTION_ERRORS", "Database", "DatabaseSettings", "connect", "drop_database"]

CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg's word for a session that was ended a moment ago and is used again
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DiskFullError,
)
"""What "the database is gone for now" looks like."""


_SECONDS_TO_WAIT = 5  # for a connection
_READERS = 4  # of many rows, at once in one process


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach PostgreSQL. `url` None means the embedded server."""

    url: str | None = None
    pool_size: int = 16
    connect_timeout_seconds: float = 5
    statement_timeout_seconds: float = 5

    ENV: ClassVar[dict[str, str]] = {
        "url": "DATABASE_URL",
        "pool_size": "SLOTWATCH_POOL_SIZE",
        "connect_timeout_seconds": "SLOTWATCH_CONNECT_TIMEOUT_SECONDS",
        "statement_timeout_seconds": "SLOTWATCH_STATEMENT_TIMEOUT_SECONDS",
    }

    def __post_init__(self) -> None:
        if self.url is not None and not self.url.startswith(("postgresql://", "postgres://")):
            raise ValueError("must look like postgresql://user:password@host:5432/name")
        if not 2 <= self.pool_size <= 200:
            raise ValueError("pool_size must be between 2 and 200")


class Database:
    """A pool of connections to one database. Made by `connect`; `close` it."""

    def __init__(self, pool: asyncpg.Pool, url: str) -> None:
        self._pool = pool
        self._grouped: dict[Statement, Grouped] = {}
        self._readers = asyncio.Semaphore(_READERS)
        self.url = url

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection on which each statement is its own transaction. Raises Unavailable when there is none."""
        try:
            # A deadline costs a task and a timer for each statement: only where there is something to wait for.
            async with self._pool.acquire(timeout=None if self._pool.get_idle_size() else _SECONDS_TO_WAIT) as conn:
                yield conn
        except CONNECTION_ERRORS as error:
            raise Unavailable from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside one transaction: all of it or nothing."""
        async with self.connection() as conn, conn.transaction():
            yield conn

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A connection on which everything read is of one instant, for reads of many rows.

        A few at once, the others wait their turn: together they would not be done sooner, only each of them later, and
        short statements would wait behind them. Raises Unavailable when there is no connection.
        """
        async with (
            self._readers,
            self.connection() as conn,
            conn.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield conn

    async def fetchrow_together(
        self, statement: Statement, shared: Mapping[str, Any], **own: Any
    ) -> asyncpg.Record | None:
        """The caller's row of a statement that serves many callers in one transaction of its own; see `Grouped`."""

        async def run(values: dict[str, Any]) -> list[asyncpg.Record]:
            async with self.connection() as conn:
                return await statement.fetch(conn, **values)

        grouped = self._grouped.get(statement)
        if grouped is None:
            grouped = self._grouped[statement] = Grouped(run)
        return await grouped.fetchrow(shared, own)

    async def close(self) -> None:
        """Give the connections back; those still busy after 5 s are cut."""
        try:
            async with asyncio.timeout(5):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


class _PooledConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships no types
    """No `RESET ALL` when it goes back to the pool: nothing here sets session state, and it costs a round trip."""

    def get_reset_query(self) -> str:
        return ""


async def connect(
    settings: DatabaseSettings, *, name: str, url: str | None = None, planned_anew: bool = False
) -> Database:
    """Open a pool. `name` shows in `pg_stat_activity`. Raises Unavailable when the server cannot be reached.

    `planned_anew` is for work on a table that grows from nothing to very much within a second: PostgreSQL plans each
    run of a statement by how big tables are then, and keeps no plan that was good for empty ones.
    """
    target = url or settings.url
    assert target is not None, "wiring resolves the embedded server first"
    try:
        pool = await asyncpg.create_pool(
            target,
            min_size=1,
            max_size=settings.pool_size,
            timeout=settings.connect_timeout_seconds,
            command_timeout=settings.statement_timeout_seconds * 2,
            init=prepare_connection,
            connection_class=_PooledConnection,
            connect=_connected,
            server_settings=server_settings(settings, name, planned_anew=planned_anew),
            max_inactive_connection_lifetime=300,
        )
    except CONNECTION_ERRORS as error:
        raise Unavailable(f"The database cannot be reached: {error or type(error).__name__}") from error
    return Database(pool, target)


def server_settings(settings: DatabaseSettings, name: str, *, planned_anew: bool = False) -> dict[str, str]:
    """Limits on every connection, so that nothing waits or stays open for ever."""
    return {
        "application_name": f"slotwatch-{name}",
        "statement_timeout": str(int(settings.statement_timeout_seconds * 1000)),
        "lock_timeout": "3000",
        "idle_in_transaction_session_timeout": "5000",
        "TimeZone": "UTC",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "3",
        "tcp_keepalives_count": "3",
        "jit": "off",
        "plan_cache_mode": "force_custom_plan" if planned_anew else "auto",
    }


async def _connected(*place: Any, **options: Any) -> Any:
    """A new connection. A database that lets nobody in for now says so by SQLSTATE 55000, which from a statement would
    mean something else: here it becomes what a server that is starting says."""
    try:
        return await asyncpg.connect(*place, **options)
    except asyncpg.ObjectNotInPrerequisiteStateError as error:
        raise asyncpg.CannotConnectNowError(str(error)) from error


async def prepare_connection(conn: Any) -> None:
    """jsonb as Python values."""
    await conn.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


async def drop_database(admin: Connection, name: str) -> None:
    """Drop a throw-away database with whoever is still connected to it; `name` is one of ours, not a stranger's.

    FORCE is refused to an owner while autovacuum is at work there. A plain DROP sends autovacuum away by itself.
    """
    try:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    except asyncpg.InsufficientPrivilegeError:
        await admin.execute(f"DROP DATABASE {name}")
