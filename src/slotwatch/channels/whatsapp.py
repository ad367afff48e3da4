"""WhatsApp messages by Twilio: approved templates, because outside a conversation WhatsApp takes nothing else.

A template has two places: {{1}} is the text of the notice, {{2}} the link. What Twilio calls it (`HX…`) is looked up
by kind and language, then kind, then `*`. Without a fitting template the text goes as it is, which WhatsApp delivers
only within 24 hours of the driver's last message. How an answer is classified: `twilio_rest.py`, with the codes below.
"""

import re
from collections.abc import Callable
from typing import ClassVar, Final

import msgspec

from slotwatch.channels.channel import ChannelName, Message, Outcome, Refused
from slotwatch.channels.twilio_rest import E164, Codes, TwilioRest, callback_url
from slotwatch.channels.twilio_settings import TwilioSettings

__all__ = ["WhatsAppChannel", "WhatsAppSettings"]

_LONGEST_TEXT: Final = 1600
_TEMPLATE = re.compile(r"(\*|[a-z_]+(?:\.[a-zA-Z-]{2,12})?)=(HX[0-9a-fA-F]{32})\Z")
# No such number or not on WhatsApp; outside the 24 hours; the template is unknown, rejected, paused or filled wrongly.
# A paused template comes back by itself, but hardly before the slot is over: the next channel is the better answer.
_USELESS: Final = frozenset(
    {21211, 21214, 21217, 21265, 21408, 21602, 21605, 21608, 21614, 21617, 21635, 21654, 21655, 21656, 21658}
    | {63005, 63013, 63016, 63021, 63027, 63028, 63036, 63040, 63041, 63042, 63049, 63051}
)
_NOT_THERE: Final = frozenset({21610, 63003, 63024})
_OUR_SENDER: Final = frozenset({21212, 21603, 21606, 63007, 63020, 63112}) | frozenset(range(21700, 21800))
_TOO_FAST: Final = frozenset({14107, 20429, 21611, 30001, 63018, 63038})


class WhatsAppSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who WhatsApp messages are from, in the Twilio account that SMS goes by."""

    ENV: ClassVar[dict[str, str]] = {
        "sender": "SLOTWATCH_WHATSAPP_FROM",
        "templates": "SLOTWATCH_WHATSAPP_TEMPLATES",
    }

    sender: str | None = None  # a WhatsApp number of ours in E.164
    templates: str = ""  # "slot_started.de=HX…,slot_started=HX…,*=HX…"

    def __post_init__(self) -> None:
        if self.sender is not None and not E164.match(self.sender):
            raise ValueError("SLOTWATCH_WHATSAPP_FROM must be a number in E.164 form, such as +41791234567")
        for entry in self._entries():
            if not _TEMPLATE.match(entry):
                raise ValueError(
                    f"SLOTWATCH_WHATSAPP_TEMPLATES has {entry!r}; an entry is kind=HX…, kind.language=HX… or *=HX…"
                )

    def _entries(self) -> list[str]:
        return [entry.strip() for entry in self.templates.split(",") if entry.strip()]

    @property
    def by_kind(self) -> dict[str, str]:
        """Twilio's id of the template for `kind.lang`, `kind` or `*`."""
        return dict(entry.split("=") for entry in self._entries())  # two parts: checked above

    @property
    def configured(self) -> bool:
        """Whether there is a number to send from."""
        return self.sender is not None


class WhatsAppChannel:
    """Sends WhatsApp messages by one Twilio account; `to` is the driver's number in E.164."""

    name: ChannelName = "whatsapp"
    has_key = False

    def __init__(
        self,
        twilio: TwilioSettings,
        settings: WhatsAppSettings,
        *,
        why_not: Callable[[str], str | None] | None = None,
    ) -> None:
        if settings.sender is None:
            raise ValueError("SLOTWATCH_WHATSAPP_FROM must be set to send by WhatsApp")
        codes = Codes(
            useless=_USELESS,
            suppress=_NOT_THERE,
            our_sender=_OUR_SENDER,
            setting="SLOTWATCH_WHATSAPP_FROM",
            too_fast=_TOO_FAST,
        )
        self.provider = twilio.PROVIDER
        self.concurrency = twilio.connections
        self._twilio = twilio
        self._sender = settings.sender
        self._templates = settings.by_kind
        self._why_not = why_not
        self._rest = TwilioRest(twilio, codes, what="WhatsApp message")

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Try once, within `timeout` seconds or the configured ones if those are fewer."""
        unfit = _unfit(message) or (self._why_not(message.to) if self._why_not else None)
        if unfit is not None:
            return Refused(unfit)
        return await self._rest.create("Messages", self._form(message), key=message.key, timeout=timeout)

    async def check(self) -> str | None:
        """Ask for our own account. None when Twilio knows it and it is active, else a sentence."""
        return await self._rest.check()

    async def close(self) -> None:
        """Close all connections; again is harmless."""
        await self._rest.close()

    def _form(self, message: Message) -> dict[str, str]:
        form = {"To": f"whatsapp:{message.to}", "From": f"whatsapp:{self._sender}"}
        names = (f"{message.kind}.{message.lang}", message.kind, "*")
        template = next((self._templates[name] for name in names if name in self._templates), None)
        if template is None:
            form["Body"] = message.text
        else:
            # WhatsApp refuses line breaks inside a place of a template.
            places = {"1": " ".join(message.text.split()), "2": message.url or ""}
            form |= {"ContentSid": template, "ContentVariables": msgspec.json.encode(places).decode()}
        callback = callback_url(self._twilio, message.key)
        if callback is not None:
            form["StatusCallback"] = callback
        return form


def _unfit(message: Message) -> str | None:
    if not E164.match(message.to):
        return "this is not a phone number in E.164 form, such as +41791234567"
    if not message.text.strip():
        return "a WhatsApp message must have a text"
    if len(message.text) > _LONGEST_TEXT:
        return f"a WhatsApp message has at most {_LONGEST_TEXT} characters, this one has {len(message.text)}"
    return None
