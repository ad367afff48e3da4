"""What providers tell us afterwards: how a message fared, and what people answered. One translator for each provider.

A translator checks that the call is genuine and says what it means, or why it means nothing; it never raises and stores
nothing. Calls come late, repeated and out of order: `event_id` is the same for the same event, and whoever stores
receipts never lets a status fall back.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Final, Literal, Protocol, TypeVar

import msgspec

from slotwatch.channels.channel import ChannelName, plain

__all__ = [
    "LARGEST_BODY",
    "BadReceipt",
    "Call",
    "Confirmation",
    "News",
    "Receipt",
    "ReceiptSettings",
    "ReceiptStatus",
    "Reply",
    "Translator",
    "instant",
    "key_of",
    "read_json",
    "why_not_believed",
]

LARGEST_BODY: Final = 512 * 1024  # SNS sends up to 256 KiB, Postmark a bounced mail's headers
_OUR_MESSAGE_ID = re.compile(r"<?slotwatch\.([A-Za-z0-9_.-]{1,100})@")

ReceiptStatus = Literal["sent", "delivered", "failed"]


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """How one message fared, as its provider says.

    `provider` and `message_id` are those of `Accepted`; `key` is the delivery's key where the provider gives it back,
    and finds the delivery even when the answer with the id was lost. It may be another house's (`outbox/keys.py`). `at`
    is the provider's own time: a claim. `suppress`: the address must not be used again on this channel. `heard`: a key
    was pressed during the call.
    """

    provider: str
    channel: ChannelName
    message_id: str
    status: ReceiptStatus
    event_id: str
    error: str | None = None
    at: datetime | None = None
    suppress: bool = False
    heard: bool = False
    address: str | None = None
    key: str | None = None


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A person wrote back, or their provider speaks for them: no more messages to this address on this channel,
    messages again, or help. It is about no message; `reason` says in words why there are no more, where they
    did not say STOP themselves. `at` is the provider's own time, if it gives one: such news is repeated, and comes
    out of order."""

    provider: str
    channel: ChannelName
    address: str
    wants: Literal["stop", "start", "help"]
    event_id: str
    reason: str | None = None  # None: they said STOP themselves
    at: datetime | None = None


@dataclass(frozen=True)
class Confirmation:
    """The provider wants an operator to open this address once, before it reports anything."""

    provider: str
    url: str


@dataclass(frozen=True)
class BadReceipt:
    """Nothing that we believe or understand; the error is for the log, the caller learns the reason only.

    `anonymous`: the call names no password at all. Amazon SNS sends the one that it has only when asked for it.
    """

    reason: Literal["anonymous", "forged", "malformed", "too_large"]
    error: str


News = Receipt | Reply | Confirmation


@dataclass(frozen=True)
class Call:
    """One HTTP request as it came in. `url` is the whole address as the provider knows it, with its query."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        """The value, or ""; names know no upper and lower case."""
        return next((value for given, value in self.headers.items() if given.lower() == name), "")


class Translator(Protocol):
    """Reads one provider's calls."""

    def read(self, call: Call) -> tuple[News, ...] | BadReceipt:
        """What the call says, which may be nothing of interest. Raises nothing."""
        ...


class ReceiptSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How mail providers prove that they are who calls. Twilio signs with the account's token instead."""

    ENV: ClassVar[dict[str, str]] = {
        "secret": "SLOTWATCH_RECEIPT_SECRET",
        "ses_topic": "SLOTWATCH_SES_TOPIC_ARN",
    }

    secret: str | None = None  # the password in the address given to them; two, separated by a space, while it changes
    ses_topic: str | None = None  # the only SNS topic that is believed; None: every one that knows the secret

    def __post_init__(self) -> None:
        if self.secret is not None and not (
            1 <= len(self.secrets) <= 2 and all(len(one) >= 16 and one.isascii() for one in self.secrets)
        ):
            raise ValueError("SLOTWATCH_RECEIPT_SECRET must be one or two secrets of at least 16 ASCII characters")

    @property
    def secrets(self) -> tuple[str, ...]:
        """One, or two while it is being replaced."""
        return tuple((self.secret or "").split())

    @property
    def configured(self) -> bool:
        """Whether there is a secret to know providers by."""
        return self.secret is not None

    def __repr__(self) -> str:
        return f"ReceiptSettings(secret=***, ses_topic={self.ses_topic!r})"


def why_not_believed(call: Call, settings: ReceiptSettings) -> BadReceipt | None:
    """None for a call that carries our secret as the password of HTTP Basic, compared in constant time."""
    if not call.header("authorization"):
        return BadReceipt("anonymous", "the call names no password; the next one may")
    if not _has_secret(call, settings):
        return BadReceipt("forged", "the call does not know SLOTWATCH_RECEIPT_SECRET")
    return None


def _has_secret(call: Call, settings: ReceiptSettings) -> bool:
    scheme, _, packed = call.header("authorization").partition(" ")
    try:
        login = base64.b64decode(packed.strip().encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return False
    password = login.partition(b":")[2]
    # Every secret is compared, found or not.
    known = [hmac.compare_digest(password, secret.encode()) for secret in settings.secrets]
    return scheme.lower() == "basic" and any(known)


_T = TypeVar("_T")


def read_json(body: bytes | str, shape: type[_T]) -> _T | BadReceipt:
    """The body as a typed value, or why not."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return BadReceipt("malformed", plain(f"the body is not what the provider documents: {error}"))


def instant(text: str | None) -> datetime | None:
    """A provider's time in UTC; None when it is none, has no zone, or is nowhere near our days."""
    try:
        moment = datetime.fromisoformat(text or "")
        return moment.astimezone(UTC) if moment.tzinfo is not None and 2000 <= moment.year < 2200 else None
    except (ValueError, OverflowError):
        return None


def key_of(message_id: str | None) -> str | None:
    """The delivery's key in a Message-ID of ours (`mail.py`).

    >>> key_of("<slotwatch.delivery-7@volt.example>"), key_of("<1@elsewhere.example>")
    ('delivery-7', None)
    """
    found = _OUR_MESSAGE_ID.match(message_id or "")
    return found[1] if found else None
