"""The product's own `slotwatch serve` in a process of its own, and a light HTTP client with keep-alive connections."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from slotwatch.web.auth import TokenSigner, load_signer
from slotwatch.web.settings import WebSettings

__all__ = ["Request", "Server", "send_from_each", "serving"]

_SECONDS_TO_START = 30
_SECONDS_TO_END = 15


@dataclass(frozen=True)
class Server:
    """Where it listens, and what signs the tokens that it believes."""

    host: str
    port: int
    pid: int
    signer: TokenSigner

    def token(self, subject: str, role: str = "driver", *, vendor_id: int | None = None) -> str:
        """A token, good for two hours."""
        return self.signer.issue(subject, role, vendor_id=vendor_id, lifetime=timedelta(hours=2))


@dataclass(frozen=True)
class Request:
    """One request, with a JSON body if any."""

    method: str
    path: str
    token: str
    body: bytes = b""

    def encoded(self) -> bytes:
        """As it goes over the line."""
        head = (
            f"{self.method} {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


@asynccontextmanager
async def serving(database_url: str, connections: int) -> AsyncIterator[Server]:
    """One web process on a free port of loopback, with a key and a folder of its own."""
    key = secrets.token_hex(32)
    with TemporaryDirectory(prefix="slotwatch-bench-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "slotwatch", "serve", "--host", "127.0.0.1", "--port", "0"),
            env={
                **os.environ,
                "DATABASE_URL": database_url,
                "SLOTWATCH_SIGNING_KEY": key,
                "SLOTWATCH_DATA_DIR": folder,
                "SLOTWATCH_POOL_SIZE": str(max(connections, 2)),
            },
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        draining: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(_SECONDS_TO_START):
                address = urlsplit(await _address(process.stderr))
            draining = asyncio.create_task(_drain(process.stderr))
            signer = load_signer(WebSettings(signing_key=key), Path(folder))
            yield Server(address.hostname or "127.0.0.1", address.port or 0, process.pid, signer)
        finally:
            if process.returncode is None:
                process.terminate()
            try:
                async with asyncio.timeout(_SECONDS_TO_END):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
            if draining is not None:
                await draining


async def send_from_each(server: Server, connections: int, requests: Callable[[int], list[bytes]]) -> None:
    """Open the connections; each sends its requests one after the other. Raises RuntimeError unless all get a 200."""

    async def connection(index: int) -> None:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        try:
            for request in requests(index):
                writer.write(request)
                await _expect_ok(reader)
        finally:
            writer.close()
            await writer.wait_closed()

    async with asyncio.TaskGroup() as group:
        for index in range(connections):
            group.create_task(connection(index))


async def _expect_ok(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status, *headers = head.split("\r\n")
    lengths = [line.split(":", 1)[1] for line in headers if line.lower().startswith("content-length:")]
    body = await reader.readexactly(int(lengths[0]) if lengths else 0)
    if " 200 " not in status:
        raise RuntimeError(f"a request failed: {status}: {body.decode()[:300]}")


async def _address(log: asyncio.StreamReader) -> str:
    """What the server logs when it listens."""
    said = []
    while line := await log.readline():
        said.append(line.decode())
        if line.startswith(b"{") and (told := json.loads(line)).get("action") == "serve_started":
            url: str = told["url"]
            return url
    raise RuntimeError(f"the web process did not start: {''.join(said)[-2000:]}")


async def _drain(log: asyncio.StreamReader) -> None:
    while await log.readline():
        pass
