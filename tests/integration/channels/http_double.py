"""A small HTTP server that plays Twilio, a push service or an app, with every misbehaviour that ready doubles lack."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from tests.integration.channels.raw_server import Listener, listener

__all__ = ["DROP", "ENDLESS", "HANG", "HttpDouble", "Request", "http_double", "reply", "twilio_error"]

HANG = b"(hang)"
DROP = b"(drop)"
ENDLESS = b"(endless)"  # a body that never ends


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    line: str
    headers: dict[str, str]
    form: dict[str, str]
    connection: int
    body: bytes

    @property
    def path(self) -> str:
        """What was asked for."""
        return self.line.split(" ")[1]


@dataclass
class HttpDouble:
    """What was asked, and what to answer: by the `To` of the form or the path, else 201 as Twilio gives it."""

    answers: dict[str, bytes] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    account: bytes = b""  # the answer to a question about the account
    otherwise: bytes | None = None  # the answer to whom nothing else is said
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    server: Listener = field(default_factory=Listener)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    @property
    def connections(self) -> int:
        return self.server.connections

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection for as long as the client keeps it."""
        connection = self.server.connections
        while True:
            request = await _read_request(reader, connection)
            self.requests.append(request)
            if request.line.startswith("GET "):
                writer.write(self.account)
                continue
            answer = self.answers.get(request.form.get("To") or request.path) or self.otherwise or self._taken(request)
            if answer == HANG:
                self.hanging.set()
                await reader.read()  # until the client gives up
                return
            if answer == DROP:
                return
            if answer == ENDLESS:
                writer.write(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n")
                while True:
                    writer.write(b"4000\r\n" + b" " * 0x4000 + b"\r\n")
                    await writer.drain()
            writer.write(answer)
            await writer.drain()

    def _taken(self, request: Request) -> bytes:
        sid = "CA" if request.path.endswith("/Calls.json") else "SM"
        return reply(201, {"sid": f"{sid}{len(self.requests):032x}", "status": "queued", "error_code": None})


@contextlib.asynccontextmanager
async def http_double(tls: ssl.SSLContext | None = None) -> AsyncIterator[HttpDouble]:
    """Start the double, stop it at the end."""
    double = HttpDouble(account=reply(200, {"status": "active"}))
    async with listener(double.talk, tls) as double.server:
        yield double


def reply(status: int, body: object, **headers: str) -> bytes:
    """An HTTP answer; a body that is not bytes goes as JSON. Header names are written with underscores."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def twilio_error(status: int, code: int | None, message: str = "no", **headers: str) -> bytes:
    """An error as Twilio words it."""
    body = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return reply(status, body, **headers)


async def _read_request(reader: asyncio.StreamReader, connection: int) -> Request:
    line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (header.partition(":") for header in rest if header)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    form = {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
    return Request(line, headers, form, connection, body)
