"""The database taken away from everybody for as long as a test wants."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from slotwatch.storage.embedded import EmbeddedPostgres

__all__ = ["lost"]


@asynccontextmanager
async def lost(server: EmbeddedPostgres, database_url: str) -> AsyncIterator[None]:
    """The database lets nobody in."""
    name, admin = database_url.rsplit("/", 1)[-1], await asyncpg.connect(server.superuser_url)
    await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    try:
        yield
    finally:
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await admin.close()
