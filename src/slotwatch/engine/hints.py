"""NOTIFY as a hint: wakes workers and senders early. A lost hint costs a second at most, since everybody looks anyway.

Hints are sent debounced and outside any booking's transaction, because NOTIFY inside one serialises commits.
"""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import structlog

from slotwatch.domain.errors import Unavailable
from slotwatch.storage.clock import Clock
from slotwatch.storage.database import CONNECTION_ERRORS, Database

__all__ = ["Hints", "Listener"]

_log = structlog.get_logger(__name__)

_NOTIFY_CHANNEL = "slotwatch"
_DEBOUNCE = timedelta(milliseconds=20)
_CHECK_EVERY = timedelta(seconds=4)


class Hints:
    """Sends hints for the use cases of this process: call `due`, and have `run` running."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting = asyncio.Event()

    def due(self, due_at: datetime) -> None:
        """Something is due then, or must be told now."""
        self._waiting.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send what is waiting, at most every 20 ms. A hint that cannot be sent is dropped."""
        while not stop.is_set():
            await self._clock.wait(timedelta(seconds=1), self._waiting, stop)
            if not self._waiting.is_set():
                continue
            await self._clock.wait(_DEBOUNCE, stop)
            self._waiting.clear()
            try:
                async with self._database.connection() as conn:
                    await conn.execute(f"NOTIFY {_NOTIFY_CHANNEL}")
            except (Unavailable, *CONNECTION_ERRORS) as error:
                _log.debug("hint dropped", action="hint_dropped", error=str(error))


class Listener:
    """Sets the given events whenever a hint arrives. Heals a dead connection, and wakes everybody once after it."""

    def __init__(self, database: Database, clock: Clock, wake: Collection[asyncio.Event]) -> None:
        self._database = database
        self._clock = clock
        self._wake = wake

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until stopped."""
        while not stop.is_set():
            try:
                async with self._database.connection() as conn:
                    await conn.add_listener(_NOTIFY_CHANNEL, self._on_hint)
                    self._wake_all()
                    await self._watch(conn, stop)
                    await conn.remove_listener(_NOTIFY_CHANNEL, self._on_hint)
            except (Unavailable, *CONNECTION_ERRORS) as error:
                _log.warning("listening again", action="listener_lost", error=str(error))
                await self._clock.wait(timedelta(seconds=1), stop)

    async def _watch(self, conn: Any, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._clock.wait(_CHECK_EVERY, stop)
            await conn.execute("SELECT 1")

    def _on_hint(self, *_: object) -> None:
        self._wake_all()

    def _wake_all(self) -> None:
        for event in self._wake:
            event.set()
