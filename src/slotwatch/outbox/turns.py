"""A few places for many: who waits for one is let in by urgency, then in the order of coming."""

import asyncio
import heapq
import itertools

__all__ = ["Turns"]


class Turns:
    """So many `places` at once. A semaphore that lets a start notice overtake the reminders that came before it."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    async def take(self, urgency: int) -> None:
        """Wait for a place; the lower number goes first."""
        if self._free > 0:
            self._free -= 1
            return
        let_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (urgency, next(self._numbers), let_in))
        try:
            await let_in
        except asyncio.CancelledError:
            if let_in.done() and not let_in.cancelled():  # the place was ours already
                self.give_back()
            raise

    def give_back(self) -> None:
        """The place is free for the next one."""
        while self._waiting:
            *_, let_in = heapq.heappop(self._waiting)
            if not let_in.done():  # else nobody waits there any more
                let_in.set_result(None)
                return
        self._free += 1
