"""A migrated database of its own for one benchmark, with the durability of production, gone afterwards."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from slotwatch.domain.errors import Unavailable
from slotwatch.storage import migrate
from slotwatch.storage.database import CONNECTION_ERRORS, drop_database
from slotwatch.storage.embedded import EmbeddedPostgres, EmbeddedSettings
from slotwatch.storage.embedded_cluster import OWNER
from slotwatch.storage.statements import Connection

__all__ = ["scratch_database"]

_MEMORY_FILESYSTEMS = {"tmpfs", "ramfs"}


@contextmanager
def scratch_database(server_url: str | None) -> Iterator[str]:
    """The address of an empty, migrated database; on the server of `server_url`, else on an embedded one.

    A given server only gets one more database for as long as this lasts: no other is touched. Its role must be
    allowed to create databases. Raises Unavailable or EmbeddedPostgresError.
    """
    if server_url is not None:
        with _database_on(server_url) as url:
            asyncio.run(migrate.upgrade(url))
            yield url
        return
    with TemporaryDirectory(prefix="slotwatch-bench-", dir=_folder_on_disk()) as folder:  # noqa: SIM117
        with EmbeddedPostgres(EmbeddedSettings(data_dir=folder)) as server:
            asyncio.run(
                _run(server.superuser_url, lambda conn: conn.execute(f"GRANT pg_checkpoint TO {OWNER}"))
            )  # see seed.settle
            asyncio.run(migrate.upgrade(server.url))
            yield server.url


@contextmanager
def _database_on(server_url: str) -> Iterator[str]:
    name = f"slotwatch_bench_{secrets.token_hex(4)}"
    asyncio.run(_run(server_url, lambda conn: conn.execute(f"CREATE DATABASE {name}")))
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        asyncio.run(_run(server_url, lambda conn: drop_database(conn, name)))


async def _run(url: str, work: Callable[[Connection], Awaitable[object]]) -> None:
    try:
        conn = await asyncpg.connect(url, timeout=10)
    except (*CONNECTION_ERRORS, asyncpg.PostgresError, ValueError) as error:
        raise Unavailable(f"The database cannot be used: {error or type(error).__name__}") from error
    try:
        await work(conn)
    except asyncpg.InsufficientPrivilegeError as error:
        raise Unavailable("A benchmark makes a database of its own: give a role that may create databases.") from error
    finally:
        await conn.close()


def _folder_on_disk() -> Path:
    """Where temporary files go, unless that is memory: a commit that waits for no disk would flatter us."""
    usual = Path(gettempdir())
    for folder in (usual, Path("/var/tmp"), Path.cwd()):  # noqa: S108  # a fresh folder is made in it
        if folder.is_dir() and os.access(folder, os.W_OK) and _filesystem(folder) not in _MEMORY_FILESYSTEMS:
            return folder
    return usual


def _filesystem(folder: Path) -> str | None:
    """The kind of file system that holds the folder, where the system tells (Linux)."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return None
    real = folder.resolve()
    holding = [(len(at), kind) for _, at, kind, *_ in mounts if real.is_relative_to(at)]
    return max(holding)[1] if holding else None
