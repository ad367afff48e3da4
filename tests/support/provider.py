"""A provider at the outer edge of the outbox: keeps what it takes, and answers as a test tells it to."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from slotwatch.channels import Accepted, Failed, Message, Outcome, Refused
from slotwatch.domain.notices import Channel

__all__ = ["Provider", "down", "refusing", "throttled"]

Answer = Callable[[Message], Outcome]


class Provider:
    """Passes for a channel: every message is accepted unless `answer` says otherwise.

    With `gate` set, a send waits for it: `entered` is set once one waits.
    """

    provider = "double"

    def __init__(self, channel: Channel, *, concurrency: int = 32, has_key: bool = False) -> None:
        self.name = channel.value
        self.concurrency = concurrency
        self.has_key = has_key
        self.asked: list[Message] = []
        self.taken: list[Message] = []
        self.answer: Answer | None = None
        self.gate: asyncio.Event | None = None
        self.entered = asyncio.Event()

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Keep it, or do as told."""
        self.asked.append(message)
        if self.gate is not None:
            self.entered.set()
            try:
                async with asyncio.timeout(timeout):
                    await self.gate.wait()
            except TimeoutError:
                return Failed("no answer in time; it may have gone out")
        outcome = self.answer(message) if self.answer else Accepted(_number(message.key))
        if isinstance(outcome, Accepted):
            self.taken.append(message)
        return outcome

    async def check(self) -> str | None:
        """Always reachable."""
        return None

    async def close(self) -> None:
        """Nothing to close."""

    @property
    def keys(self) -> list[str]:
        """The delivery keys that were taken, in order."""
        return [message.key for message in self.taken]


def _number(key: str) -> str:
    """The provider's own name for a message, one that a test can foretell: `id-7-email`."""
    parts = key.split("-")
    return f"id-{parts[0]}-{parts[-1]}"


def down(message: Message) -> Outcome:
    """Nobody is there."""
    return Failed("connection refused")


def refusing(message: Message) -> Outcome:
    """This address does not exist."""
    return Refused("550 no such user")


def throttled(pause: timedelta) -> Answer:
    """Too much at the moment; come back after that pause."""
    return lambda message: Failed("429 too many requests", retry_after=pause)
