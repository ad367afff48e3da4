"""HTTP clients with one connection each, so many at once and the one used last first.

One client with many connections looks at every idle one of them before and after each request, each look a system call:
with a provider that answers fast that is a third of what a request costs.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx

__all__ = ["HttpLanes"]


class HttpLanes:
    """At most `count` requests at once; `make` makes a client, with the limits that it is given."""

    def __init__(self, count: int, make: Callable[[httpx.Limits], httpx.AsyncClient]) -> None:
        self._slots = asyncio.Semaphore(count)
        self._make = make
        self._all: list[httpx.AsyncClient] = []
        self._idle: list[httpx.AsyncClient] = []
        self.is_closed = False

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client that nobody else uses meanwhile."""
        async with self._slots:
            client = self._idle.pop() if self._idle else self._new()
            try:
                yield client
            finally:
                self._idle.append(client)

    async def close(self) -> None:
        """Close all connections; again is harmless."""
        self.is_closed = True
        for client in self._all:
            await client.aclose()

    def _new(self) -> httpx.AsyncClient:
        client = self._make(httpx.Limits(max_connections=1, max_keepalive_connections=1))
        self._all.append(client)
        return client
