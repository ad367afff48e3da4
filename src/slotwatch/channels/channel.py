"""The seam between what people must be told and the ways to reach them: one message in, one outcome out.

A channel translates a message for its provider and the provider's answer into an outcome, and nothing else: it does not
retry, does not choose another channel and stores nothing. Every channel passes `tests/integration/channels/`.
"""

import re
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal, Protocol

__all__ = [
    "Accepted",
    "CalendarMethod",
    "CalendarPart",
    "Channel",
    "ChannelName",
    "Failed",
    "Message",
    "Outcome",
    "Refused",
    "has_control_characters",
    "naming_nobody",
    "plain",
    "without_address",
]

ChannelName = Literal["email", "sms", "push", "whatsapp", "voice", "webhook"]

# Longest error that is kept: it is stored with every attempt and shown to people.
_LONGEST_ERROR = 300
_MAIL_ADDRESS = re.compile(r"<?[^\s<>()\[\]\"',;:=]+@[^\s<>()\[\]\"',;:=]+>?")
_BETWEEN_DIGITS = r"[\s().-]*"


CalendarMethod = Literal["REQUEST", "CANCEL", "PUBLISH"]


@dataclass(frozen=True)
class CalendarPart:
    """An iCalendar text and what it asks of a calendar; the same method stands in the text."""

    method: CalendarMethod
    content: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """One delivery, ready to go out.

    `key` is the stable id of the delivery: the provider's idempotency key and the basis of the Message-ID.
    `to` is an e-mail address, an E.164 number, a push subscription as JSON or the URL of the operator's app.
    `html` and `calendar` are for e-mail only, `subject` also for push and webhook. `kind` is the kind of notice
    and `lang` the language of the texts (BCP 47). `url` is where the message leads to; `urgent` and
    `valid_for` tell a push service how to treat it; `facts` go to the operator's app as they are (values that JSON
    knows). `is_still_true` is asked by whoever makes the message wait, before a provider is: False, it must not go.
    """

    key: str
    to: str
    subject: str | None
    text: str
    html: str | None = None
    calendar: CalendarPart | None = None
    kind: str = ""
    lang: str = "en"
    url: str | None = None
    urgent: bool = False
    valid_for: timedelta | None = None
    facts: Mapping[str, object] = field(default_factory=dict, hash=False)
    is_still_true: Callable[[], Awaitable[bool]] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Accepted:
    """The provider took the message; `provider_id` is its name for it. It is not yet delivered.

    `provider` names who of a chain took it; None is the channel's own provider.
    """

    provider_id: str
    provider: str | None = None


@dataclass(frozen=True)
class Refused:
    """Permanent: trying again is useless. `suppress` means that the address must not be used again on this channel."""

    error: str
    suppress: bool = False


@dataclass(frozen=True)
class Failed:
    """Transient: try again later, not before `retry_after` when the provider named it.

    A try that got no answer after the message was handed over is `Failed` too: its error says that it may have gone
    out, and `uncertain` is True. `down`: the trouble is the provider's, or it does not let us in; other recipients
    would fare no better. `asked` is False when the provider was not asked at all, because it rests (`guarded.py`).
    """

    error: str
    retry_after: timedelta | None = None
    uncertain: bool = False
    down: bool = False
    asked: bool = True


Outcome = Accepted | Refused | Failed


class Channel(Protocol):
    """One way to reach a person by one provider: "smtp", "twilio" or "inbox"."""

    @property
    def name(self) -> ChannelName: ...

    @property
    def provider(self) -> str: ...

    @property
    def concurrency(self) -> int:
        """How many sends may run at once; more would only wait."""
        ...

    @property
    def has_key(self) -> bool:
        """Whether a message that is sent again with the same key reaches the person once."""
        ...

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Try once, within `timeout` seconds for everything. Raises nothing but `CancelledError`."""
        ...

    async def check(self) -> str | None:
        """None when the provider is reachable and lets us in, else a sentence that says what is wrong."""
        ...

    async def close(self) -> None:
        """Close what is open; again is harmless. A send after it is `Failed`."""
        ...


def has_control_characters(text: str) -> bool:
    """Whether `text` holds anything that could end a header line or a command early: controls, line separators."""
    return any(unicodedata.category(character) in {"Cc", "Zl", "Zp", "Cs"} for character in text)


def plain(text: str) -> str:
    """Foreign text made fit to store and show: one line, printable, at most 300 characters."""
    words = " ".join(text[: 4 * _LONGEST_ERROR].split())
    safe = "".join("?" if has_control_characters(character) else character for character in words)
    return safe if len(safe) <= _LONGEST_ERROR else safe[: _LONGEST_ERROR - 1] + "…"


def without_address(text: str, to: str) -> str:
    """What a provider said, fit for people who must not know where the recipient is reached: `to` is put as words.

    >>> without_address("550 5.1.1 <Mira@example.org>: unknown, was forwarded to m@example.net", "mira@example.org")
    '550 5.1.1 the recipient: unknown, was forwarded to an address'
    >>> without_address("The 'To' number 1 (500) 555-0010 is not valid", "+15005550010")
    "The 'To' number the recipient is not valid"
    """
    if to.startswith("+"):
        number = _BETWEEN_DIGITS.join(re.escape(digit) for digit in to[1:])
        text = re.sub(rf"(?:whatsapp:)?(?:\+|%2B)?(?<!\d){number}(?!\d)", "the recipient", text)
    elif to:
        text = re.sub(rf"<?{re.escape(to)}>?", "the recipient", text, flags=re.IGNORECASE)
    return _MAIL_ADDRESS.sub("an address", text)


def naming_nobody(outcome: Outcome, to: str) -> Outcome:
    """The outcome, whose error does not tell the address: errors are stored and shown to a vendor's people."""
    return outcome if isinstance(outcome, Accepted) else replace(outcome, error=without_address(outcome.error, to))
