"""Serves the web application inside this process: our own socket, our own signals, uvicorn in between."""

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

from slotwatch.domain.errors import SlotwatchError

__all__ = ["CannotListen", "HttpServer", "Listener", "listen"]

_TRIES_FOR_A_PORT = 20
_SECONDS_FOR_OPEN_REQUESTS = 5


class CannotListen(SlotwatchError):
    """The address to listen on cannot be used."""

    code = "cannot_listen"


class Listener:
    """A bound socket: requests queue in it even while the server behind it restarts."""

    def __init__(self, bound: socket.socket, host: str) -> None:
        self.socket = bound
        self.port: int = bound.getsockname()[1]
        self._host = host

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104  # compared, not bound
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return self._host == "localhost" or ipaddress.ip_address(self._host).is_loopback
        except ValueError:
            return False

    def close(self) -> None:
        """Let go of the port."""
        self.socket.close()


def listen(host: str, port: int, *, or_next: bool = False) -> Listener:
    """Bind the address; 0 takes any free port, `or_next` the next free one. Raises CannotListen."""
    if not 0 <= port <= 65535:
        raise CannotListen(f"{port} is no port: it must be between 0 and 65535.")
    for candidate in _candidates(port, or_next=or_next):
        try:
            return Listener(_bound(host, candidate), host)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CannotListen(f"{host} port {candidate} cannot be listened on: {error.strerror}.") from error
    raise CannotListen(f"Port {port} of {host} is in use by another program: choose another with --port.")


class HttpServer:
    """Runs one application on one listener, again and again if need be.

    `trusted_proxies` are believed where they say who called; of everybody else the address is what the socket says.
    """

    def __init__(self, app: Any, listener: Listener, *, trusted_proxies: str = "127.0.0.1") -> None:
        self._app = app
        self._listener = listener
        self._trusted_proxies = trusted_proxies

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`; open requests have 5 s to finish."""
        import uvicorn  # takes a while: not for --help

        from slotwatch.web.live import end_streams

        server = uvicorn.Server(
            uvicorn.Config(
                self._app,
                http="httptools",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                forwarded_allow_ips=self._trusted_proxies,
                timeout_graceful_shutdown=_SECONDS_FOR_OPEN_REQUESTS,
            )
        )
        serving = asyncio.create_task(_serve(server, self._listener.socket.dup()), name="uvicorn")
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            end_streams(self._app)  # else their 5 s would pass
            server.should_exit = True
            await serving


async def _serve(server: Any, bound: socket.socket) -> None:
    """As uvicorn's `serve`, without its signal handlers: the process stops all of its parts in order."""
    try:
        await server._serve([bound])
    except SystemExit as error:  # how uvicorn says that the application did not start
        raise RuntimeError("the web application did not start") from error


def _candidates(port: int, *, or_next: bool) -> Iterator[int]:
    yield port
    if or_next and port:
        yield from range(port + 1, min(port + _TRIES_FOR_A_PORT, 65535) + 1)
        yield 0


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(2048)
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound
