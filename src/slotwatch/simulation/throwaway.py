"""A database of the simulation's own: on an embedded PostgreSQL in a temporary folder, or on a given server."""

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from slotwatch.domain.errors import Unavailable
from slotwatch.storage import migrate
from slotwatch.storage.database import CONNECTION_ERRORS, Database, DatabaseSettings, connect, drop_database
from slotwatch.storage.embedded import EmbeddedPostgres, EmbeddedSettings

__all__ = ["throwaway_database"]

# Nothing of it need survive, so nothing waits for the disk, and vacuum would only compete for the two cores.
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "work_mem": "64MB",
}
_SETTINGS = DatabaseSettings(pool_size=24, statement_timeout_seconds=300)  # the invariants read whole tables


@asynccontextmanager
async def throwaway_database(url: str | None) -> AsyncIterator[Database]:
    """A migrated, empty database; gone afterwards, with everything in it.

    With `url` it is made on that server, beside the database that the address names, which is left alone: the role
    needs the right to create databases. Raises Unavailable or EmbeddedPostgresError.
    """
    if url is not None:
        async with _beside(url) as own:
            yield own
        return
    folder = tempfile.mkdtemp(prefix="slotwatch-simulation-")
    try:
        with EmbeddedPostgres(EmbeddedSettings(data_dir=folder), options=_FAST) as server:
            async with _opened(server.url) as own:
                yield own
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _beside(url: str) -> AsyncIterator[Database]:
    name = f"slotwatch_simulation_{secrets.token_hex(4)}"
    try:
        admin = await asyncpg.connect(url, timeout=10)
    except (*CONNECTION_ERRORS, asyncpg.PostgresError, ValueError) as error:
        raise Unavailable(f"The database cannot be used: {error}") from error
    try:
        try:
            await admin.execute(f"CREATE DATABASE {name}")
        except asyncpg.PostgresError as error:
            raise Unavailable(f"The simulation needs a database of its own there: {error}") from error
        try:
            async with _opened(urlunsplit(urlsplit(url)._replace(path=f"/{name}"))) as own:
                yield own
        finally:
            await drop_database(admin, name)
    finally:
        await admin.close()


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    await migrate.upgrade(url)
    database = await connect(_SETTINGS, name="simulation", url=url)
    try:
        yield database
    finally:
        await database.close()
