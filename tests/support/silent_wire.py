"""A wire between a browser and a site that can go silent: its connections stay open and nothing passes any more.

So it is where the Wi-Fi drops, a NAT or a proxy forgets a connection, or the server hangs.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from slotwatch.processes.http import Listener

__all__ = ["SilentWire", "wired"]


class SilentWire:
    """Passes everything on, until it is told not to."""

    def __init__(self, site: Listener) -> None:
        self.port = 0
        self._site = site
        self._passes = asyncio.Event()
        self._passes.set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The site, through this wire."""
        return f"http://127.0.0.1:{self.port}"

    def go_silent(self) -> None:
        """From now on nothing passes, and nobody is told."""
        self._passes.clear()

    def speak(self) -> None:
        """What waited passes, and everything after it."""
        self._passes.set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One more connection of the browser."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._site.port)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pass_on(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError):
                while data := await source.read(65536):
                    await self._passes.wait()
                    sink.write(data)
                    await sink.drain()
        finally:
            sink.close()

    async def cut(self) -> None:
        """The end of all connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def wired(site: Listener) -> AsyncIterator[SilentWire]:
    """A wire to the site, on a port of its own."""
    wire = SilentWire(site)
    server = await asyncio.start_server(wire.take, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        await wire.cut()
        await server.wait_closed()
