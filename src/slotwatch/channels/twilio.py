"""SMS by Twilio's REST API. How an answer is classified: `twilio_rest.py`, with the codes below."""

from collections.abc import Callable
from typing import Final

from slotwatch.channels.channel import ChannelName, Message, Outcome, Refused
from slotwatch.channels.twilio_rest import E164, Codes, TwilioRest, callback_url
from slotwatch.channels.twilio_settings import TwilioSettings

__all__ = ["TwilioSettings", "TwilioSms"]

_LONGEST_TEXT: Final = 1600  # characters; Twilio refuses more with 21617
_NO_SUCH_NUMBER: Final = frozenset({21211, 21214, 21217, 21265, 21266, 21408, 21608, 21612, 21614, 21635})
_BAD_TEXT: Final = frozenset({21602, 21605, 21617})
_STOPPED: Final = frozenset({21610})
_OUR_SENDER: Final = frozenset({21212, 21603, 21606, 21659, 21660, 21661}) | frozenset(range(21700, 21800))


class TwilioSms:
    """Sends SMS by one Twilio account.

    `why_not` says why a number must not be written to (`numbers.py`); without it every number may.
    """

    name: ChannelName = "sms"
    has_key = False  # Twilio has no idempotency keys

    def __init__(self, settings: TwilioSettings, *, why_not: Callable[[str], str | None] | None = None) -> None:
        sender = f"{settings.ENV['sender']} and _MESSAGING_SERVICE_SID"
        codes = Codes(useless=_NO_SUCH_NUMBER | _BAD_TEXT, suppress=_STOPPED, our_sender=_OUR_SENDER, setting=sender)
        self.provider = settings.PROVIDER
        self.concurrency = settings.connections
        self._settings = settings
        self._why_not = why_not
        self._rest = TwilioRest(settings, codes, what="SMS")

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
        form = {"To": message.to, "Body": message.text}
        if self._settings.messaging_service_sid is not None:
            form["MessagingServiceSid"] = self._settings.messaging_service_sid
        if self._settings.sender is not None:
            form["From"] = self._settings.sender
        callback = callback_url(self._settings, message.key)
        if callback is not None:
            form["StatusCallback"] = callback
        return form


def _unfit(message: Message) -> str | None:
    """Why Twilio would refuse the message whatever we do, found out without asking."""
    if not E164.match(message.to):
        return "this is not a phone number in E.164 form, such as +41791234567"
    if not message.text.strip():
        return "an SMS must have a text"
    if len(message.text) > _LONGEST_TEXT:
        return f"an SMS has at most {_LONGEST_TEXT} characters, this one has {len(message.text)}"
    return None
