"""Server-Sent Events as a client reads them, from an open answer or from a viewer itself."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec

__all__ = ["Event", "Events", "parse_event"]


@dataclass(frozen=True)
class Event:
    """One event."""

    name: str
    id: str | None = None
    data: Any = None


def parse_event(block: str) -> Event:
    """One block between blank lines."""
    fields = dict(line.split(": ", 1) for line in block.splitlines())
    return Event(fields["event"], fields.get("id"), msgspec.json.decode(fields["data"]))


class Events:
    """Reads events one by one from chunks of bytes."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._text = ""

    async def next(self, *names: str) -> Event:
        """The next event, of these names if any are given; others are passed over. StopAsyncIteration ends it."""
        while True:
            while "\n\n" not in self._text:
                async with asyncio.timeout(10):
                    self._text += (await anext(self._chunks)).decode()
            block, self._text = self._text.split("\n\n", 1)
            event = parse_event(block)
            if not names or event.name in names:
                return event
