"""The double at the outermost edge: a provider that takes messages into memory and can be told to refuse them."""

from collections import Counter
from collections.abc import Callable

from slotwatch.channels import Accepted, ChannelName, Message, Outcome

__all__ = ["ScriptedProvider", "always_accept"]

Script = Callable[[Message, int], Outcome | None]
"""What to answer to a message at its n-th try (1 is the first); None accepts it."""


def always_accept(message: Message, tries: int) -> Outcome | None:
    """A provider on a good day."""
    return None


class ScriptedProvider:
    """Implements `channels.Channel`. `accepted` counts; `on_accepted` sees each message that was taken."""

    provider = "scripted"
    has_key = False
    concurrency = 10_000  # it never waits, so nothing needs to queue for it

    def __init__(
        self,
        name: ChannelName,
        script: Script = always_accept,
        on_accepted: Callable[[ChannelName, Message], None] = lambda channel, message: None,
    ) -> None:
        self.name = name
        self.accepted = 0
        self.script = script
        self.on_accepted = on_accepted
        self._tries: Counter[str] = Counter()  # of messages that were not accepted yet

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Answer as the script says."""
        self._tries[message.key] += 1
        answer = self.script(message, self._tries[message.key])
        if answer is not None:
            return answer
        del self._tries[message.key]
        self.accepted += 1
        self.on_accepted(self.name, message)
        return Accepted(f"{self.name}-{message.key}")

    async def check(self) -> str | None:
        """It is always there."""
        return None

    async def close(self) -> None:
        """Nothing is open."""
