"""A clock that several processes read from one file and one of them drives: faster than the real one, never back."""

import asyncio
import mmap
import struct
from datetime import datetime, timedelta
from pathlib import Path

from slotwatch.storage.clock import DatabaseClock, monotonic
from slotwatch.storage.statements import Connection
from tests.conftest import NOON

__all__ = ["Driver", "SharedClock"]

_MICROSECOND = timedelta(microseconds=1)


class SharedClock:
    """Reads; waits as much shorter as the clock runs faster."""

    def __init__(self, path: Path, speed: float) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 8)
        self._speed = speed

    @property
    def fixed(self) -> datetime | None:
        """Where the clock is now."""
        return self.read()

    def read(self) -> datetime:
        """Where the clock is now."""
        microseconds: int = struct.unpack_from("=q", self._memory)[0]
        return NOON + timedelta(microseconds=microseconds)

    async def now(self, conn: Connection) -> datetime:
        """Where the clock is now."""
        return self.read()

    async def wait(self, duration: timedelta, *events: asyncio.Event) -> None:
        """That long by this clock."""
        await DatabaseClock().wait(duration / self._speed, *events)


class Driver:
    """Drives the clock of that file from noon on, `speed` times as fast as the real one; it can be held."""

    def __init__(self, path: Path, speed: float) -> None:
        path.write_bytes(bytes(8))
        self.clock = SharedClock(path, speed)
        self.is_held = False
        self._speed = speed
        self._passed = timedelta(0)

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped."""
        before = monotonic()
        while not stop.is_set():
            now = monotonic()
            if not self.is_held:
                self._passed += timedelta(seconds=(now - before) * self._speed)
            before = now
            struct.pack_into("=q", self.clock._memory, 0, self._passed // _MICROSECOND)
            await DatabaseClock().wait(timedelta(milliseconds=2), stop)

    def jump(self, duration: timedelta) -> None:
        """Skip some time."""
        self._passed += duration
