"""One notice is in one hand at a time: a process never has its e-mail and its SMS under way together.

Where a killed process leaves one channel in doubt, the other one is then on record as sent, or has yet to go: the
driver is told for certain, and nobody need be told twice. For providers without idempotency keys only.
"""

import asyncio

__all__ = ["Hands"]


class Hands:
    """The notices that the senders of this process have in hand, from before a provider is asked until that is on
    record. Shared by them."""

    def __init__(self) -> None:
        self._held: dict[int, asyncio.Event | None] = {}  # the event of those that somebody waits for

    async def free(self, notice_id: int, within: float) -> None:
        """Wait until nobody has it, for so many seconds at most."""
        if notice_id not in self._held:  # nearly always
            return
        try:
            async with asyncio.timeout(within):
                while notice_id in self._held:
                    given_back = self._held[notice_id] or asyncio.Event()
                    self._held[notice_id] = given_back
                    await given_back.wait()
        except TimeoutError:
            return

    def take(self, notice_id: int) -> bool:
        """Whether it is ours now; `give_back` it then."""
        if notice_id in self._held:
            return False
        self._held[notice_id] = None
        return True

    def give_back(self, notice_id: int) -> None:
        """The next one may have it."""
        waited_for = self._held.pop(notice_id)
        if waited_for is not None:
            waited_for.set()
