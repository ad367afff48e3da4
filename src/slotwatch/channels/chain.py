"""Providers of one channel in a row: the next one steps in when the one before is down.

It does so only when it is certain that the one before did not take the message: a second provider makes one message
two, where a second try at the same provider is known by its key. Trouble with the recipient is the same everywhere.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from slotwatch.channels.channel import Accepted, Channel, ChannelName, Failed, Message, Outcome, plain

__all__ = ["Chain"]


class Chain:
    """Tries each channel in turn; `Accepted.provider` says who took the message. All must have the same name."""

    def __init__(self, *channels: Channel, monotonic: Callable[[], float] = time.monotonic) -> None:
        if not channels or len({channel.name for channel in channels}) != 1:
            raise ValueError("a chain needs providers, all of the same channel")
        self.name: ChannelName = channels[0].name
        self.provider = channels[0].provider
        self.concurrency = channels[0].concurrency
        self.has_key = len(channels) == 1 and channels[0].has_key  # a key means nothing to the next provider
        self._channels = channels
        self._monotonic = monotonic

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Try each once, within `timeout` seconds together; each gets its fair share of the time that is left."""
        until = self._monotonic() + timeout
        failures: list[Failed] = []
        for position, channel in enumerate(self._channels):
            share = max(until - self._monotonic(), 0.0) / (len(self._channels) - position)
            outcome = await channel.send(message, timeout=share)
            if isinstance(outcome, Accepted):
                return replace(outcome, provider=outcome.provider or channel.provider)
            if not isinstance(outcome, Failed) or outcome.uncertain or not outcome.down:
                return outcome
            failures.append(outcome)
        return _all_down(failures)

    async def check(self) -> str | None:
        """None when every provider is in order, else what is wrong with those that are not."""
        said = [(channel.provider, await channel.check()) for channel in self._channels]
        return "; ".join(f"{provider}: {words}" for provider, words in said if words is not None) or None

    async def close(self) -> None:
        """Close all; again is harmless."""
        for channel in self._channels:
            await channel.close()


def _all_down(failures: list[Failed]) -> Failed:
    """One failure for all: again as soon as one of them may be asked again."""
    waits = [failure.retry_after or timedelta() for failure in failures]
    return Failed(
        plain("; then ".join(failure.error for failure in failures)),
        min(waits) or None,
        down=True,
        asked=any(failure.asked for failure in failures),
    )
