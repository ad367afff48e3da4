"""Servers that answer with exactly the bytes that a test wants, on a free loopback port, in the test's own loop."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

__all__ = ["Listener", "listener", "saying"]

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Listener:
    """A listening server and what it has seen."""

    port: int = 0
    connections: int = 0
    open_connections: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)


@contextlib.asynccontextmanager
async def listener(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[Listener]:
    """Run `talk` for each connection; at the end cut those that are still open."""
    seen = Listener()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        seen._tasks.add(task)
        seen.connections += 1
        seen.open_connections += 1
        try:
            # Cancelled only by the end of the test; asyncio's streams would log a task that ends so (Python 3.11).
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await talk(reader, writer)
        finally:
            seen.open_connections -= 1
            seen._tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        await _accepted()
        tasks = list(seen._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
        await asyncio.sleep(0)  # connections that were cut are closed by the next turn of the loop


async def _accepted() -> None:
    """Wait until every connection that came in has its task: a busy machine may still be at it when a test is over."""
    coming = [task for task in asyncio.all_tasks() if "_accept_connection2" in repr(task.get_coro())]
    await asyncio.gather(*coming, return_exceptions=True)
    await asyncio.sleep(0)


def saying(*words: bytes, then_hang: bool = False) -> Talk:
    """Say the first word at once and one more after each line that comes in, then close or wait for ever."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, word in enumerate(words):
            if number > 0:
                await reader.readuntil(b"\n")
            writer.write(word)
            await writer.drain()
        if then_hang:
            await asyncio.Event().wait()

    return talk
