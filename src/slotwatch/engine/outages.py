"""Heartbeats of the parts that drivers depend on; a silence becomes an outage row, and outages are never no-shows."""

import asyncio
import os
import platform
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import structlog

from slotwatch.domain.errors import Unavailable
from slotwatch.storage.clock import Clock
from slotwatch.storage.database import CONNECTION_ERRORS, Database
from slotwatch.storage.statements import Connection, load_sql

__all__ = ["BEAT_EVERY", "Component", "Heart"]

_log = structlog.get_logger(__name__)

_BEAT = load_sql(__package__, "beat.sql")

Component = Literal["engine", "api"]

BEAT_EVERY = timedelta(seconds=4)
"""Well under the 15 s of silence that count as an outage (`unusable_time` in the schema)."""


class Heart:
    """Beats for one process of a component. The first beat after a silence of all of them records the outage."""

    def __init__(self, component: Component, database: Database, clock: Clock) -> None:
        self.instance = f"{component}-{platform.node()[:40]}-{os.getpid()}-{secrets.token_hex(3)}"
        self._component = component
        self._database = database
        self._clock = clock

    async def beat(self, conn: Connection, detail: Mapping[str, Any] | None = None) -> datetime:
        """One beat; the database's time of it."""
        row = await _BEAT.fetchrow(
            conn,
            component=self._component,
            instance=self.instance,
            detail={"pid": os.getpid(), "host": platform.node(), **(detail or {})},
            now=self._clock.fixed,
        )
        assert row is not None
        if row["silent_since"] is not None:
            _log.warning(
                "an outage was recorded",
                action="outage_recorded",
                component=self._component,
                began_at=row["silent_since"].isoformat(),
                ended_at=row["now"].isoformat(),
            )
        beat_at: datetime = row["now"]
        return beat_at

    async def run(self, stop: asyncio.Event) -> None:
        """Beat until stopped. While the database is gone nothing beats: that time is an outage too."""
        while not stop.is_set():
            try:
                async with self._database.connection() as conn:
                    await self.beat(conn)
            except (Unavailable, *CONNECTION_ERRORS) as error:
                _log.warning("no heartbeat: the database is gone", action="beat_failed", error=str(error))
            await self._clock.wait(BEAT_EVERY, stop)
