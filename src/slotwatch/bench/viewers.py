"""Viewers of a live stream, many in one process: `python -m slotwatch.bench.viewers`, for `bench live`.

It is told which booking will change, and tells when each viewer heard of it. It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any, cast

import uvloop

from slotwatch.storage.clock import monotonic

_OPENED_AT_ONCE = 50
_SECONDS_TO_OPEN = 120
_SECONDS_TO_HEAR = 15


class Crowd:
    """What all viewers have heard. One booking is listened for at a time."""

    def __init__(self, size: int) -> None:
        self.open = 0
        self._size = size
        self._ready = 0
        self._wanted = b""
        self._heard: list[float] = []
        self._complete = asyncio.Event()

    def hear(self, block: bytes) -> None:
        """One viewer was sent one event."""
        if b"event: ready\n" in block:
            self._ready += 1
            self._complete.set()
        elif self._wanted and self._wanted in block:
            self._heard.append(monotonic())
            if len(self._heard) >= self._size:
                self._complete.set()

    def listen_for(self, ref: str) -> None:
        """From now on: this booking."""
        self._wanted, self._heard = ref.encode(), []
        self._complete.clear()

    async def all_ready(self) -> None:
        """Wait until every viewer is told that its stream has begun."""
        while self._ready < self._size:
            self._complete.clear()
            await self._complete.wait()

    async def heard(self) -> list[float]:
        """When each viewer heard of the booking, as soon as all have, or those that have after a long while."""
        try:
            async with asyncio.timeout(_SECONDS_TO_HEAR):
                await self._complete.wait()
        except TimeoutError:
            pass
        return self._heard


class _Viewer(asyncio.Protocol):
    """One connection that asks for the stream and reads it."""

    def __init__(self, request: bytes, crowd: Crowd) -> None:
        self._request = request
        self._crowd = crowd
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._crowd.open += 1
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        *blocks, self._pending = (self._pending + data).split(b"\n\n")
        for block in blocks:
            self._crowd.hear(block + b"\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.open -= 1


async def _watch(order: Mapping[str, Any], stdin: asyncio.StreamReader) -> None:
    loop, crowd = asyncio.get_running_loop(), Crowd(order["viewers"])
    request = order["request"].encode()
    turns = asyncio.Semaphore(_OPENED_AT_ONCE)

    async def open_one() -> None:
        async with turns:
            await loop.create_connection(lambda: _Viewer(request, crowd), order["host"], order["port"])

    async with asyncio.timeout(_SECONDS_TO_OPEN):
        await asyncio.gather(*(open_one() for _ in range(order["viewers"])))
        await crowd.all_ready()
    _say(ready=True)
    while line := await stdin.readline():
        crowd.listen_for(json.loads(line)["ref"])
        _say(listening=True)
        since = json.loads(await stdin.readline())["since"]
        _say(late_ms=[round((at - since) * 1000, 1) for at in await crowd.heard()], open=crowd.open)


def _say(**values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


async def _main() -> None:
    loop, stdin = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    await _watch(json.loads(await stdin.readline()), stdin)


if __name__ == "__main__":
    uvloop.run(_main())
