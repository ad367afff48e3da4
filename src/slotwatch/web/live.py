"""The live streams: tells every viewer of a board what has changed, as Server-Sent Events.

One task per process looks at the changes of all vendors that are watched here, with one question to the database each
0.4 s, however many viewers there are; no viewers, no questions. A viewer that reads slowly gets what it missed as one
event: what waits for it never grows. Why so: docs/decisions/0016-board-live-updates.md.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any
from weakref import WeakSet

import asyncpg
import msgspec
import structlog
from litestar.response import Stream

from slotwatch.analytics.board_changes import Change, Look, Mark, look_again, look_since
from slotwatch.domain.errors import SlotwatchError, Unavailable
from slotwatch.domain.ids import booking_ref, ref
from slotwatch.storage.clock import Clock
from slotwatch.storage.database import CONNECTION_ERRORS, Database
from slotwatch.storage.sessions import staff_sessions_alive
from slotwatch.web.auth import Authenticator
from slotwatch.web.problems import Unauthenticated

__all__ = ["LiveFeed", "Pass", "Viewer", "end_streams", "stream_of"]

_log = structlog.get_logger(__name__)

LOOK_EVERY = timedelta(milliseconds=400)
_LOOKS_A_HEARTBEAT = 37  # 15 s
_LOOKS_A_CHECK = 5  # 2 s: how long a stream may outlive its session
_MOST_VIEWERS = 5000
_MOST_OF_VENDOR = 2000  # so that one vendor leaves room for the others
# A browser opens six at most over HTTP/1.1, of the boards that are looked at; the others are those that a network
# forgot and that have not been noticed yet, and browsers behind a proxy that speaks HTTP/2.
_MOST_OF_SESSION = 50
_MOST_OF_TOKEN = 1000  # a program that passes the stream on to many screens

_HEARTBEAT = b"event: here\ndata: {}\n\n"  # an event, as scripts are not shown comments
_TROUBLE = b"event: trouble\ndata: {}\n\n"
_ENDED = b"event: ended\ndata: {}\n\n"


@dataclass(frozen=True)
class Pass:
    """Whose board somebody may watch, and by what: a session of the pages, or a token of the API."""

    vendor_id: int
    session_hash: str | None = None
    authorization: str | None = None


class Viewer:
    """One open stream. What waits for it is one change at most, and one word about the stream itself."""

    __slots__ = ("__weakref__", "_change", "_is_over", "_wake", "_words", "admission")

    def __init__(self, admission: Pass) -> None:
        self.admission = admission
        self._change: Change | None = None
        self._words: bytes = b""
        self._is_over = False
        self._wake = asyncio.Event()

    def tell(self, change: Change) -> None:
        """Something changed on the board."""
        self._change = change if self._change is None else self._change.and_then(change)
        self._wake.set()

    def say(self, words: bytes) -> None:
        """Something about the stream; while the same words wait, they are not added again."""
        if words not in self._words:
            self._words += words
        self._wake.set()

    def close(self, words: bytes = b"") -> None:
        """The last word, and the end."""
        self._change, self._words, self._is_over = None, words, True
        self._wake.set()

    async def events(self) -> AsyncIterator[bytes]:
        """What to send, until it is over."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            words, change, is_over = self._words, self._change, self._is_over
            self._words, self._change = b"", None
            if words or change is not None:
                yield words + (b"" if change is None else _event(change))
            if is_over:
                return


class LiveFeed:
    """All viewers of this process. `run` it beside the application."""

    def __init__(self, database: Database, clock: Clock, authenticator: Authenticator) -> None:
        self._database = database
        self._clock = clock
        self._authenticator = authenticator
        self._viewers: dict[int, WeakSet[Viewer]] = {}  # a stream that is never begun is forgotten with its answer
        self._seen: Look | None = None
        self._is_in_trouble = False
        self._looks = 0
        self._looking = asyncio.Lock()
        self._wanted = asyncio.Event()

    @property
    def viewers(self) -> Iterator[Viewer]:
        """Everybody who watches here."""
        return (viewer for of_vendor in self._viewers.values() for viewer in of_vendor)

    @property
    def count(self) -> int:
        """How many watch here."""
        return sum(len(of_vendor) for of_vendor in self._viewers.values())

    async def join(self, admission: Pass, since: str | None) -> Viewer:
        """A new viewer, who is told first of what changed since the mark `since`. Raises Unavailable."""
        if self.count >= _MOST_VIEWERS:
            raise Unavailable("Too many live streams are open here. Ask again later.")
        of_vendor = self._viewers.get(admission.vendor_id, ())
        if len(of_vendor) >= _MOST_OF_VENDOR:
            raise Unavailable("Too many live streams of this vendor are open here. Ask again later.")
        most = _MOST_OF_TOKEN if admission.session_hash is None else _MOST_OF_SESSION
        if sum(viewer.admission == admission for viewer in of_vendor) >= most:
            raise Unavailable("Too many live streams are open for this sign-in. Close some of them.")
        viewer, mark = Viewer(admission), Mark.parse(since)
        try:
            async with self._looking:  # between two looks: the one before did not know of the viewer, the next one does
                self._viewers.setdefault(admission.vendor_id, WeakSet()).add(viewer)
                if self._seen is None:  # the first one: looks go on from what it sees
                    self._seen = await self._look_since(mark, admission.vendor_id)
                    look = self._seen
                else:
                    look = None
            look = look or await self._look_since(mark, admission.vendor_id)
        except BaseException:
            self.leave(viewer)
            raise
        viewer.say(f"retry: 2000\nid: {look.mark}\nevent: ready\ndata: {{}}\n\n".encode())
        if admission.vendor_id in look.changes:
            viewer.tell(look.changes[admission.vendor_id])
        self._wanted.set()
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """It is gone; again is harmless."""
        of_vendor = self._viewers.get(viewer.admission.vendor_id)
        if of_vendor is not None:
            of_vendor.discard(viewer)
            if not of_vendor:
                del self._viewers[viewer.admission.vendor_id]

    def end(self) -> None:
        """Close every stream, so that the server need not wait for them; browsers come back by themselves."""
        for viewer in list(self.viewers):
            viewer.close()

    async def run(self, stop: asyncio.Event) -> None:
        """Look and tell until stopped."""
        while not stop.is_set():
            if self._viewers:
                await self.run_once()
                await self._clock.wait(LOOK_EVERY, stop)
            else:
                self._seen, self._is_in_trouble = None, False
                await self._clock.wait(timedelta(seconds=30), self._wanted, stop)
                self._wanted.clear()
        self.end()

    async def run_once(self) -> None:
        """One look for all. Without the database every viewer is told so, and to look at everything after it."""
        self._looks += 1
        async with self._looking:
            try:
                async with self._database.connection() as conn:
                    before = None if self._is_in_trouble else self._seen
                    look = await look_again(conn, before, self._viewers.keys(), now=self._clock.fixed)
                    if self._looks % _LOOKS_A_CHECK == 0:
                        await self._check_sessions(conn)
            except (SlotwatchError, asyncpg.PostgresError, *CONNECTION_ERRORS) as error:
                _log.warning("the board cannot be followed", action="live_trouble", error=str(error))
                self._say_to_all(_TROUBLE)
                self._is_in_trouble = True
                return
            self._seen = look
        self._tell(look)
        if self._looks % _LOOKS_A_CHECK == 0:
            await self._check_tokens()

    async def _look_since(self, mark: Mark | None, vendor_id: int) -> Look:
        async with self._database.connection() as conn:
            return await look_since(conn, mark, vendor_id, now=self._clock.fixed)

    def _tell(self, look: Look) -> None:
        if self._is_in_trouble:  # who knows what happened meanwhile, or whether it is the same server
            self._is_in_trouble = False
            for viewer in self.viewers:
                viewer.tell(Change(look.mark, everything=True))
            return
        for vendor_id, change in look.changes.items():
            for viewer in self._viewers.get(vendor_id, ()):
                viewer.tell(change)
        if self._looks % _LOOKS_A_HEARTBEAT == 0:
            self._say_to_all(_HEARTBEAT)

    def _say_to_all(self, words: bytes) -> None:
        for viewer in self.viewers:
            viewer.say(words)

    async def _check_sessions(self, conn: Any) -> None:
        signed_in = [viewer for viewer in self.viewers if viewer.admission.session_hash is not None]
        if not signed_in:
            return
        hashes = {str(viewer.admission.session_hash) for viewer in signed_in}
        alive = await staff_sessions_alive(conn, hashes, now=self._clock.fixed)
        for viewer in signed_in:
            if viewer.admission.session_hash not in alive:
                viewer.close(_ENDED)

    async def _check_tokens(self) -> None:
        for viewer in [one for one in self.viewers if one.admission.authorization is not None]:
            try:
                await self._authenticator.caller(viewer.admission.authorization)
            except Unauthenticated:
                viewer.close(_ENDED)


async def stream_of(feed: LiveFeed, admission: Pass, since: str | None) -> Stream:
    """The answer that stays open. Raises Unavailable."""
    viewer = await feed.join(admission, since)

    async def events() -> AsyncIterator[bytes]:
        try:
            async for event in viewer.events():
                yield event
        finally:
            feed.leave(viewer)

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(events(), media_type="text/event-stream", headers=headers)


def end_streams(app: Any) -> None:
    """Close the live streams of an application, if it has any: before its server stops."""
    feed = getattr(getattr(app, "state", None), "live", None)
    if isinstance(feed, LiveFeed):
        feed.end()


class _Data(msgspec.Struct, rename="camel"):
    version: str
    booking_ids: list[str]
    station_ids: list[str]


@lru_cache(maxsize=64)
def _event(change: Change) -> bytes:
    """The change as an event; all viewers of a vendor are told the same one."""
    bookings = sorted(booking_ref(one) for one in change.booking_ids)
    data = _Data(str(change.mark), bookings, sorted(ref("ST", one) for one in change.station_ids))
    name = "reload" if change.everything else "changed"
    return f"id: {change.mark}\nevent: {name}\ndata: {msgspec.json.encode(data).decode()}\n\n".encode()
