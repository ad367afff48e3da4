"""Stands between the outbox and a provider: so many at once, so many a second, and a rest while the provider is down.

A message that comes too early waits for its turn, within its timeout; if that took more than a second, it goes only if
it is still true. After several failures in a row that say that the provider is down (`Failed.down`) it rests: messages
are `Failed` at once, not `asked`, with the rest of the rest as `retry_after`. Then one message tries; when that fails,
too, the next rest is twice as long, up to the longest. A `Retry-After` is a rest of that length, up to an hour. Where a
channel leads to many providers (push, webhook) each has its own rest.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final, Self

import msgspec

from slotwatch.channels.channel import Channel, ChannelName, Failed, Message, Outcome, plain

__all__ = ["Allowance", "Breaker", "Bucket", "GuardSettings", "Guarded"]

_MOST_LANES: Final = 10_000
_SHORT_WAIT: Final = 1.0  # seconds in which nothing grows untrue
_LONGEST_NAMED_REST: Final = 3600.0
_RATE = re.compile(r"([a-z0-9]+)=([0-9]+(?:\.[0-9]+)?)\Z")


class GuardSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How providers are spared."""

    ENV: ClassVar[dict[str, str]] = {
        "rates": "SLOTWATCH_PROVIDER_RATES",
        "failures": "SLOTWATCH_PROVIDER_FAILURES",
        "rest_seconds": "SLOTWATCH_PROVIDER_REST_SECONDS",
        "longest_rest_seconds": "SLOTWATCH_PROVIDER_LONGEST_REST_SECONDS",
    }

    rates: str = ""  # messages a second for each process: "twilio=10,smtp=50"
    failures: int = 5  # in a row, then the provider rests
    rest_seconds: float = 5.0
    longest_rest_seconds: float = 300.0

    def __post_init__(self) -> None:
        if any(not _RATE.match(entry) or self._rate(entry) <= 0 for entry in self._entries()):
            raise ValueError("SLOTWATCH_PROVIDER_RATES must be provider=messages a second, such as twilio=10,smtp=50")
        if not 1 <= self.failures <= 1000:
            raise ValueError("SLOTWATCH_PROVIDER_FAILURES must be between 1 and 1000")
        if not 0 < self.rest_seconds <= 3600:
            raise ValueError("SLOTWATCH_PROVIDER_REST_SECONDS must be above 0 and at most 3600")
        if not self.rest_seconds <= self.longest_rest_seconds <= 3600:
            raise ValueError(
                "SLOTWATCH_PROVIDER_LONGEST_REST_SECONDS must be between SLOTWATCH_PROVIDER_REST_SECONDS and 3600"
            )

    def rate(self, provider: str) -> float | None:
        """Messages a second by that provider; None: as many as it takes."""
        found = [self._rate(entry) for entry in self._entries() if entry.partition("=")[0] == provider]
        return found[-1] if found else None

    def _entries(self) -> list[str]:
        return [entry.strip() for entry in self.rates.split(",") if entry.strip()]

    @staticmethod
    def _rate(entry: str) -> float:
        return float(entry.partition("=")[2])


class Bucket:
    """A token bucket, kept as the instant at which the next token is there. Times are monotonic seconds."""

    def __init__(self, rate: float) -> None:
        self._gap = 1 / rate
        self._depth = max(rate - 1, 0) * self._gap  # a second's worth may go at once
        self._next = float("-inf")

    def take(self, now: float, within: float) -> float | None:
        """Take a token, to be used after so many seconds; None, and none taken, when that is more than `within`."""
        usable = max(self._next, now - self._depth)
        wait = max(usable - now, 0.0)
        if wait > within:
            return None
        self._next = usable + self._gap
        return wait


@dataclass(frozen=True)
class Allowance:
    """What one account takes, so many at once and so many a second: shared by all channels that go by it."""

    turns: asyncio.Semaphore
    bucket: Bucket | None

    @classmethod
    def of(cls, channel: Channel, settings: GuardSettings) -> Self:
        """What the account takes that this channel goes by."""
        rate = settings.rate(channel.provider)
        return cls(asyncio.Semaphore(channel.concurrency), None if rate is None else Bucket(rate))


@dataclass
class Breaker:
    """Counts failures of one provider and says when it rests. Times are monotonic seconds."""

    settings: GuardSettings
    failures: int = 0
    rest: float = 0.0  # the last rest that ended in another failure; doubled next time
    until: float | None = None
    error: str = ""
    probing: bool = False

    def blocked_for(self, now: float) -> float:
        """How long the provider still rests; 0: ask it. After a rest one caller gets 0 until it tells what came."""
        if self.until is None:
            return 0.0
        if now < self.until:
            return self.until - now
        if self.probing:
            return self.settings.rest_seconds
        self.probing = True
        return 0.0

    def tell(self, outcome: Failed, now: float, *, was_probe: bool) -> None:
        """The provider was down once more. After any other answer there is nothing to keep."""
        self.failures += 1
        self.error = outcome.error
        named = outcome.retry_after.total_seconds() if outcome.retry_after else 0.0
        resting = self.until is not None and not was_probe  # it was asked before the rest began: nothing new
        if resting or not (was_probe or named > 0 or self.failures >= self.settings.failures):
            return
        if named > 0:  # who says when it can be asked again knows better than we do
            self.until = now + min(named, _LONGEST_NAMED_REST)
            return
        self.rest = min(self.rest * 2 or self.settings.rest_seconds, self.settings.longest_rest_seconds)
        self.until = now + self.rest


async def _wait(duration: timedelta) -> None:
    await asyncio.sleep(duration.total_seconds())  # noqa: TID251  a pause between two sends, nothing is decided by it


class Guarded:
    """A channel that spares its provider. `lane` says which of many providers a message goes to.

    Channels that go by one account get one `allowance`; without one the channel has its own. Rests are not shared:
    calls may fail while text messages go out.
    """

    def __init__(
        self,
        channel: Channel,
        settings: GuardSettings,
        *,
        allowance: Allowance | None = None,
        lane: Callable[[Message], str] = lambda message: "",
        monotonic: Callable[[], float] = time.monotonic,
        wait: Callable[[timedelta], Awaitable[None]] = _wait,
    ) -> None:
        self.name: ChannelName = channel.name
        self.provider = channel.provider
        self.concurrency = channel.concurrency
        self.has_key = channel.has_key
        self._channel = channel
        self._settings = settings
        self._lane = lane
        self._monotonic = monotonic
        self._wait = wait
        self._allowance = allowance or Allowance.of(channel, settings)
        self._troubled: dict[str, Breaker] = {}

    @property
    def resting(self) -> int:
        """How many providers rest now."""
        now = self._monotonic()
        return sum(breaker.until is not None and now < breaker.until for breaker in self._troubled.values())

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Try once, within `timeout` seconds for waiting and asking together."""
        came = self._monotonic()
        if not await self._takes_turn(timeout):
            return self._unasked(f"no turn at {self.provider} within {round(timeout, 1):g} s", 0.0, down=False)
        try:
            return await self._in_turn(message, came, came + timeout)
        finally:
            self._allowance.turns.release()

    async def check(self) -> str | None:
        """As the channel itself, even while it rests."""
        return await self._channel.check()

    async def close(self) -> None:
        """Close the channel; again is harmless."""
        await self._channel.close()

    async def _takes_turn(self, timeout: float) -> bool:
        if self._allowance.turns.locked():
            try:
                async with asyncio.timeout(timeout):
                    return await self._allowance.turns.acquire()
            except TimeoutError:
                return False
        return await self._allowance.turns.acquire()  # at once

    async def _in_turn(self, message: Message, came: float, until: float) -> Outcome:
        lane = self._lane(message)
        breaker = self._troubled.get(lane)
        blocked = 0.0 if breaker is None else breaker.blocked_for(self._monotonic())
        if breaker is not None and blocked > 0:
            return self._unasked(f"{self.provider} rests after trouble: {breaker.error}", blocked)
        is_probe = breaker is not None and breaker.probing
        try:
            pause = self._pause(until)
            if pause is None:
                return self._unasked(f"too many messages a second for {self.provider}", 1.0, down=False)
            if pause > 0:
                await self._wait(timedelta(seconds=pause))
            if await self._is_no_longer_true(message, came):
                return self._unasked(f"no longer true after its wait for {self.provider}", 0.0, down=False)
            outcome = await self._channel.send(message, timeout=max(until - self._monotonic(), 0.0))
            self._remember(lane, outcome, was_probe=is_probe)
            return outcome
        finally:
            if breaker is not None and is_probe:  # told, cancelled or given up: the next one may try
                breaker.probing = False

    async def _is_no_longer_true(self, message: Message, came: float) -> bool:
        if message.is_still_true is None or self._monotonic() <= came + _SHORT_WAIT:
            return False
        return not await message.is_still_true()

    def _pause(self, until: float) -> float | None:
        now = self._monotonic()
        bucket = self._allowance.bucket
        return 0.0 if bucket is None else bucket.take(now, until - now)

    def _remember(self, lane: str, outcome: Outcome, *, was_probe: bool) -> None:
        """Keep only those in trouble, and not without end."""
        if not isinstance(outcome, Failed) or not outcome.down:
            self._troubled.pop(lane, None)
        elif outcome.asked:
            breaker = self._troubled.setdefault(lane, Breaker(self._settings))
            breaker.tell(outcome, self._monotonic(), was_probe=was_probe)
            if len(self._troubled) > _MOST_LANES:
                del self._troubled[next(iter(self._troubled))]

    @staticmethod
    def _unasked(words: str, wait: float, *, down: bool = True) -> Failed:
        pause = timedelta(seconds=wait) if wait > 0 else None
        return Failed(plain(words), pause, down=down, asked=False)
