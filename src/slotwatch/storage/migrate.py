"""Brings the schema to the version that this program needs, and refuses to work on any other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from slotwatch.domain.errors import SlotwatchError
from slotwatch.storage.schema import metadata

__all__ = ["SchemaMismatch", "SchemaStatus", "differences", "require_current", "schema_status", "upgrade"]

_LOCK = 7_215_001
"""Advisory lock: of two processes that start at once, one migrates and the other waits."""


class SchemaMismatch(SlotwatchError):
    """The database schema is not the one that this program needs."""

    code = "schema_mismatch"


@dataclass(frozen=True)
class SchemaStatus:
    """Version of the database (None: empty) and of this program."""

    current: str | None
    needed: str

    @property
    def is_current(self) -> bool:
        """Whether the two agree."""
        return self.current == self.needed


async def upgrade(url: str) -> SchemaStatus:
    """Run the missing migrations, each in its own transaction. Safe to call from several processes at once."""
    engine = _engine(url)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            await connection.commit()
            status = await connection.run_sync(_status)
            if not status.is_current:
                _refuse_newer(status)
                await connection.run_sync(_upgrade)
            await connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            await connection.commit()
            return await connection.run_sync(_status)
    finally:
        await engine.dispose()


async def schema_status(url: str) -> SchemaStatus:
    """What the database has and what this program needs."""
    engine = _engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_status)
    finally:
        await engine.dispose()


async def require_current(url: str) -> None:
    """Raise SchemaMismatch, with a sentence that says what to do, unless the schema fits this program."""
    status = await schema_status(url)
    if status.current is None:
        raise SchemaMismatch("The database has no slotwatch schema yet. Run: slotwatch db upgrade")
    _refuse_newer(status)
    if not status.is_current:
        raise SchemaMismatch(
            f"The database schema is version {status.current}, this program needs {status.needed}."
            " Run: slotwatch db upgrade"
        )


async def differences(url: str) -> list[str]:
    """What Alembic finds different between the migrated database and `schema.py`; empty when nothing is."""
    engine = _engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_differences)
    finally:
        await engine.dispose()


def _engine(url: str) -> AsyncEngine:
    async def connect(*_: Any, **__: Any) -> Any:
        return await asyncpg.connect(url, timeout=10)

    return create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _status(connection: Connection) -> SchemaStatus:
    current = MigrationContext.configure(connection).get_current_revision()
    needed = ScriptDirectory.from_config(_config()).get_current_head()
    connection.commit()
    assert needed is not None
    return SchemaStatus(current, needed)


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    connection.exec_driver_sql("SET lock_timeout = '2s'")
    connection.commit()
    command.upgrade(config, "head")
    connection.commit()


def _differences(connection: Connection) -> list[str]:
    return [str(change) for change in compare_metadata(MigrationContext.configure(connection), metadata)]


def _refuse_newer(status: SchemaStatus) -> None:
    if status.current is None:
        return
    known = {revision.revision for revision in ScriptDirectory.from_config(_config()).walk_revisions()}
    if status.current not in known:
        raise SchemaMismatch(
            f"The database schema is version {status.current}, which is newer than this program knows"
            f" ({status.needed}). Use a newer slotwatch."
        )
