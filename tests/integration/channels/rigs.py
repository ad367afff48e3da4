"""One rig for each side of the seam: a channel, the provider behind it, and a way to make that provider misbehave."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from enum import Enum, auto
from typing import Any, Protocol

from slotwatch.channels import (
    Channel,
    InboxChannel,
    InboxMessage,
    Message,
    SmtpChannel,
    SmtpSettings,
    TwilioSettings,
    TwilioSms,
    VoiceChannel,
    VoiceSettings,
    WhatsAppChannel,
    WhatsAppSettings,
)
from tests import mail_sink
from tests.integration.channels import http_double
from tests.mail_sink import MailSink
from tests.twilio_double import TwilioDouble

__all__ = ["ACCOUNT_SID", "RIGS", "Mood", "Rig", "emulate_rig", "twilio_settings", "voice", "whatsapp"]

_FRESH = itertools.count(2_000_000)
ACCOUNT_SID = "AC" + "0123456789abcdef" * 2


class Mood(Enum):
    """What the provider does with a message."""

    REFUSES = auto()
    STUMBLES = auto()
    HANGS = auto()
    DROPS = auto()


class Rig(Protocol):
    """A channel under test and the provider behind it."""

    channel: Channel

    def message(self, key: str = "delivery-1") -> Message:
        """A message that the provider takes."""
        ...

    def troubled(self, mood: Mood) -> Message:
        """A message that meets a provider in that mood."""
        ...

    def identities(self) -> list[str]:
        """By what the provider can tell that two messages are the same one, for each that it took."""
        ...

    def connections(self) -> int | None:
        """How many connections the provider has seen; None when it cannot say."""
        ...

    async def until_it_hangs(self) -> None:
        """Wait until the provider has kept a message waiting."""
        ...


class SmtpRig:
    def __init__(self, sink: MailSink) -> None:
        self.sink = sink
        self.channel: Channel = SmtpChannel(
            SmtpSettings(host=sink.host, port=sink.port, security="none", sender="s@slotwatch.example", connections=1)
        )
        sink.on_rcpt["refuses@example.com"] = "550 5.1.1 no such user"
        sink.on_rcpt["stumbles@example.com"] = "451 4.3.0 come back later"
        sink.on_data["hangs@example.com"] = mail_sink.HANG
        sink.on_data["drops@example.com"] = mail_sink.DROP

    def message(self, key: str = "delivery-1") -> Message:
        return Message(key=key, to="driver@example.com", subject="Your slot begins", text="Go.", html="<b>Go.</b>")

    def troubled(self, mood: Mood) -> Message:
        to = f"{mood.name.lower()}@example.com"
        return Message(key="delivery-1", to=to, subject="Your slot begins", text="Go.")

    def identities(self) -> list[str]:
        return [received.mail["Message-ID"] for received in self.sink.mails]

    def connections(self) -> int | None:
        return self.sink.connections

    async def until_it_hangs(self) -> None:
        assert await asyncio.to_thread(self.sink.hanging.wait, 5)


class TwilioRig:
    """SMS, WhatsApp or voice before the HTTP double; `prefix` is what Twilio writes before the number."""

    _ANSWERS = {  # noqa: RUF012
        Mood.REFUSES: ("+41790000001", http_double.twilio_error(400, 21610, "unsubscribed")),
        Mood.STUMBLES: ("+41790000002", http_double.twilio_error(503, 20503, "unavailable")),
        Mood.HANGS: ("+41790000003", http_double.HANG),
        Mood.DROPS: ("+41790000004", http_double.DROP),
    }

    def __init__(
        self, double: http_double.HttpDouble, make: Callable[[TwilioSettings], Channel] = TwilioSms, prefix: str = ""
    ) -> None:
        self.double = double
        self.channel: Channel = make(twilio_settings(double.base_url))
        double.answers.update({prefix + number: answer for number, answer in self._ANSWERS.values()})

    def message(self, key: str = "delivery-1") -> Message:
        return Message(key=key, to="+41791234567", subject=None, text="Your slot begins. Go.")

    def troubled(self, mood: Mood) -> Message:
        return Message(key="delivery-1", to=self._ANSWERS[mood][0], subject=None, text="Your slot begins. Go.")

    def identities(self) -> list[str]:
        return [request.headers["i-twilio-idempotency-token"] for request in self.double.requests]

    def connections(self) -> int | None:
        return self.double.connections

    async def until_it_hangs(self) -> None:
        await asyncio.wait_for(self.double.hanging.wait(), 5)


def twilio_settings(base_url: str, **changes: Any) -> TwilioSettings:
    """An account before a double."""
    given = {"account_sid": ACCOUNT_SID, "auth_token": "secret", "sender": "+15550001111", "connections": 1, **changes}
    return TwilioSettings(base_url=base_url, **given)


def whatsapp(twilio: TwilioSettings) -> Channel:
    """WhatsApp from a number of ours."""
    return WhatsAppChannel(twilio, WhatsAppSettings(sender="+15550002222"))


def voice(twilio: TwilioSettings) -> Channel:
    """Calls from a number of ours."""
    return VoiceChannel(twilio, VoiceSettings(sender=twilio.sender))


class EmulateRig:
    """The Twilio-compatible server. It takes messages for real, but cannot misbehave and keeps no idempotency token."""

    def __init__(
        self,
        double: TwilioDouble,
        to: str,
        make: Callable[[TwilioSettings], Channel] = TwilioSms,
        kept: str = "Messages",
    ) -> None:
        self._double = double
        self._to = to
        self._kept = kept
        own = {"account_sid": double.account_sid, "auth_token": double.auth_token, "sender": double.number}
        self.channel: Channel = make(twilio_settings(double.base_url, **own))

    def message(self, key: str = "delivery-1") -> Message:
        return Message(key=key, to=self._to, subject=None, text="Your slot begins. Go.")

    def troubled(self, mood: Mood) -> Message:
        raise NotImplementedError(f"the Twilio-compatible server cannot do {mood.name}")

    def identities(self) -> list[str]:
        return [str(kept["sid"]) for kept in self._double.kept(self._kept, self._to)]

    def connections(self) -> int | None:
        return None

    async def until_it_hangs(self) -> None:
        raise NotImplementedError("the Twilio-compatible server does not hang")


class InboxRig:
    def __init__(self) -> None:
        self.kept: list[InboxMessage] = []
        self.mood: Mood | None = None
        self._hanging = asyncio.Event()
        self.channel: Channel = InboxChannel("email", self._save, concurrency=1)

    async def _save(self, message: InboxMessage) -> str:
        if "hangs" in message.to:
            self._hanging.set()
            await asyncio.Event().wait()
        if "stumbles" in message.to or "drops" in message.to:
            raise ConnectionResetError("the database went away")
        self.kept.append(message)
        return f"inbox-{message.key}"

    def message(self, key: str = "delivery-1") -> Message:
        return Message(key=key, to="driver@example.com", subject="Your slot begins", text="Go.", html="<b>Go.</b>")

    def troubled(self, mood: Mood) -> Message:
        to = "a@example.com\r\nBcc: b@example.com" if mood is Mood.REFUSES else f"{mood.name.lower()}@example.com"
        return Message(key="delivery-1", to=to, subject="Your slot begins", text="Go.")

    def identities(self) -> list[str]:
        return [message.key for message in self.kept]

    def connections(self) -> int | None:
        return None

    async def until_it_hangs(self) -> None:
        await asyncio.wait_for(self._hanging.wait(), 5)


@contextlib.asynccontextmanager
async def _smtp_rig() -> AsyncIterator[Rig]:
    with mail_sink.mail_sink() as sink:
        rig = SmtpRig(sink)
        yield rig
        await rig.channel.close()


def _twilio_rig(
    make: Callable[[TwilioSettings], Channel] = TwilioSms, prefix: str = ""
) -> Callable[[], AbstractAsyncContextManager[Rig]]:
    @contextlib.asynccontextmanager
    async def start() -> AsyncIterator[Rig]:
        async with http_double.http_double() as double:
            rig = TwilioRig(double, make, prefix)
            yield rig
            await rig.channel.close()

    return start


@contextlib.asynccontextmanager
async def _inbox_rig() -> AsyncIterator[Rig]:
    yield InboxRig()


@contextlib.asynccontextmanager
async def emulate_rig(
    double: TwilioDouble, make: Callable[[TwilioSettings], Channel] = TwilioSms, kept: str = "Messages"
) -> AsyncIterator[Rig]:
    """A channel before the Twilio-compatible server, with a recipient of its own."""
    rig = EmulateRig(double, f"+4179{next(_FRESH):07d}", make, kept)
    yield rig
    await rig.channel.close()


RIGS: dict[str, Callable[[], AbstractAsyncContextManager[Rig]]] = {
    "smtp": _smtp_rig,
    "twilio": _twilio_rig(),
    "whatsapp": _twilio_rig(whatsapp, "whatsapp:"),
    "voice": _twilio_rig(voice),
    "inbox": _inbox_rig,
}
