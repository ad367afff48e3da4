"""The local inbox: keeps messages where the operator can read them when no provider is configured.

What "keep" means is injected, because a channel knows no database.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from slotwatch.channels.channel import (
    Accepted,
    ChannelName,
    Failed,
    Message,
    Outcome,
    Refused,
    has_control_characters,
    plain,
)

__all__ = ["InboxChannel", "InboxMessage"]


@dataclass(frozen=True, kw_only=True)
class InboxMessage:
    """A message as the inbox keeps it."""

    channel: ChannelName
    key: str
    to: str
    subject: str | None
    text: str
    html: str | None


class InboxChannel:
    """Hands each message to `save`, which keeps it once for each key and returns its id in the inbox."""

    provider = "inbox"
    has_key = True

    def __init__(
        self, name: ChannelName, save: Callable[[InboxMessage], Awaitable[str]], *, concurrency: int = 8
    ) -> None:
        self.name = name
        self.concurrency = concurrency
        self._save = save
        self._closed = False

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Keep the message, within `timeout` seconds."""
        if self._closed:
            return Failed("the local inbox is closed")
        if has_control_characters(message.to) or has_control_characters(message.subject or ""):
            return Refused("the address or the subject holds control characters")
        kept = InboxMessage(
            channel=self.name,
            key=message.key,
            to=message.to,
            subject=message.subject,
            text=message.text,
            html=message.html,
        )
        try:
            async with asyncio.timeout(timeout):
                return Accepted(await self._save(kept))
        except TimeoutError:
            return Failed(f"the local inbox did not answer within {round(timeout, 1):g} s")
        except Exception as error:  # the contract: whatever goes wrong in the store is an outcome, not an exception
            return Failed(plain(f"the local inbox could not keep the message: {error!r}"))

    async def check(self) -> str | None:
        """The inbox is always there; its store is checked elsewhere."""
        return None

    async def close(self) -> None:
        """Keep nothing more."""
        self._closed = True
