"""Sends one request to an address that a stranger chose, and never into our own network.

The name is resolved once, every address that comes back must be public, and the connection goes to one of those very
addresses (so that a name that changes its mind in between gains nothing); the certificate is checked against the
name. No redirect is followed and no proxy of the environment used. The status of an answer says everything; its body
is read up to 64 KiB only to be able to use the connection again.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httpcore

from slotwatch.channels.addresses import Target, is_public
from slotwatch.channels.channel import Failed, Outcome, Refused, plain
from slotwatch.channels.loopback import is_loopback

__all__ = ["Answer", "Egress", "Resolve"]

_LARGEST_ANSWER: Final = 64 * 1024
_MOST_ADDRESSES: Final = 4  # of one name that are tried in turn

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class _NotPublicError(Exception):
    """The name leads to an address that must not be called."""


@dataclass(frozen=True)
class Answer:
    """What came back: the status and the headers by lower-case name; bodies are nobody's business."""

    status: int
    headers: dict[str, str]


@dataclass
class _Try:
    """How far one try has come; decides what a lost answer means."""

    handed_over: bool = False
    answer: Answer | None = None

    async def trace(self, event: str, _: Any) -> None:
        if event.endswith("send_request_headers.started"):
            self.handed_over = True


class _Names:
    """Asks the system for the addresses of names, in threads of its own.

    A stranger's name server that never answers holds up a thread for half a minute; in the threads that all of asyncio
    shares, a handful of such names would keep us from finding our own mail server.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="names-of-strangers")

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Every address, each once. Raises OSError."""
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Guard(httpcore.AnyIOBackend):
    """Connects to public addresses only."""

    def __init__(self, ask: Resolve, *, allow_loopback: bool) -> None:
        self._resolve = ask
        self._allow_loopback = allow_loopback

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._resolve(host, port)
        if not addresses or not all(self._may_be_called(address) for address in addresses):
            raise _NotPublicError(f"{host} leads to an address that is not public")
        trouble: Exception | None = None
        for address in addresses[:_MOST_ADDRESSES]:
            try:
                return await super().connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError as error:
                trouble = error
        assert trouble is not None
        raise trouble

    def _may_be_called(self, address: str) -> bool:
        return is_public(address) or (self._allow_loopback and is_loopback(address))


class Egress:
    """A pool of connections to strangers. `what` is the thing sent, in words: "push message"."""

    def __init__(
        self,
        *,
        what: str,
        connections: int,
        allow_loopback: bool = False,
        ask: Resolve | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.closed = False
        self._what = what
        self._names = _Names(connections)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trust or ssl.create_default_context(),
            max_connections=connections,
            max_keepalive_connections=connections,
            network_backend=_Guard(ask or self._names.resolve, allow_loopback=allow_loopback),
        )

    async def post(self, target: Target, headers: dict[str, str], body: bytes, *, timeout: float) -> Answer | Outcome:
        """Ask once, within `timeout` seconds for everything; an outcome when no answer came. Raises nothing."""
        if self.closed:
            return Failed(f"the channel is closed; no {self._what} goes out")
        progress = _Try()
        deadline = asyncio.timeout(timeout)
        try:
            async with deadline:
                await self._ask(target, headers, body, progress)
        except _NotPublicError as error:
            return Refused(plain(str(error)))
        except Exception as error:  # the contract: trouble is an outcome, not an exception
            if progress.answer is not None:
                return progress.answer  # only the rest of a body that nobody reads was lost
            words = _sentence(target, error)
            if deadline.expired():
                words = f"{target.host} did not answer within {round(timeout, 1):g} s"
            if progress.handed_over:
                return Failed(plain(f"{words}; the {self._what} may have been accepted"), uncertain=True, down=True)
            return Failed(plain(words), down=True)
        assert progress.answer is not None
        return progress.answer

    async def close(self) -> None:
        """Close all connections; again is harmless."""
        self.closed = True
        self._names.close()
        await self._pool.aclose()

    async def _ask(self, target: Target, headers: dict[str, str], body: bytes, progress: _Try) -> None:
        url = httpcore.URL(scheme=target.url.raw_scheme, host=target.host, port=target.port, target=target.url.raw_path)
        given = {
            "Host": target.url.netloc.decode("ascii"),
            "User-Agent": "slotwatch",
            "Content-Length": str(len(body)),
            **headers,
        }
        request = self._pool.stream(
            "POST", url, headers=list(given.items()), content=body, extensions={"trace": progress.trace}
        )
        async with request as response:
            lines = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers]
            progress.answer = Answer(response.status, dict(lines))
            size = 0
            async for chunk in response.aiter_stream():
                size += len(chunk)
                if size > _LARGEST_ANSWER:
                    return  # the connection is closed, not used again


def _sentence(target: Target, error: Exception) -> str:
    match error:
        case socket.gaierror():
            return f"the name {target.host} cannot be resolved: {error.strerror or error}"
        case httpcore.ConnectError() | httpcore.ConnectTimeout() | OSError():
            return f"{target.host} cannot be reached: {error}"
        case httpcore.NetworkError() | httpcore.ProtocolError() | httpcore.TimeoutException():
            return f"the connection to {target.host} broke: {error or type(error).__name__}"
        case _:
            return f"{target.host} could not be asked: {error!r}"
