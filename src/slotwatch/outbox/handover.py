"""Notes which deliveries a provider without idempotency keys is about to be given, before it is given them.

All that are about to go while one statement runs share the next one, so that a fast sender does not wait for each.
"""

import asyncio

from slotwatch.domain.notices import Channel
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.record import hand_over
from slotwatch.storage.database import Database

__all__ = ["HandOver"]


class HandOver:
    """The notes of one sender."""

    def __init__(self, database: Database, channel: Channel) -> None:
        self._database = database
        self._channel = channel
        self._waiting: list[tuple[Claimed, asyncio.Future[bool]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def note(self, delivery: Claimed) -> bool:
        """Whether it is on record that it goes; False: it is no longer ours. Raises what the database raises."""
        noted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, noted))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await noted

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._note(batch)
        finally:
            self._writing = None

    async def _note(self, batch: list[tuple[Claimed, asyncio.Future[bool]]]) -> None:
        try:
            async with self._database.connection() as conn:
                ours = await hand_over(conn, self._channel, [delivery for delivery, _ in batch])
        except Exception as error:  # told to each of those that wait
            for _, noted in batch:
                if not noted.done():
                    noted.set_exception(error)
            return
        for delivery, noted in batch:
            if not noted.done():
                noted.set_result(delivery.notice_id in ours)
