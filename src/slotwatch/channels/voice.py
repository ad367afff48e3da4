"""Phone calls by Twilio: a voice reads the text in the driver's language, a key press says that it was heard.

The key press comes back to the status callback address (`receipts_twilio.py`), so without that address the call asks
for none. Twilio tells people from answering machines; a machine is no delivery. How an answer is classified:
`twilio_rest.py`, with the codes below.
"""

from collections.abc import Callable
from typing import ClassVar, Final
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

import msgspec

from slotwatch.channels.channel import ChannelName, Message, Outcome, Refused
from slotwatch.channels.twilio_rest import E164, Codes, TwilioRest, callback_url
from slotwatch.channels.twilio_settings import TwilioSettings

__all__ = ["VoiceChannel", "VoiceSettings", "thanks"]

_LONGEST_TWIML: Final = 4000  # characters; Twilio refuses more
_NO_SUCH_NUMBER: Final = frozenset({13223, 13224, 13225, 21211, 21214, 21215, 21216, 21217, 21219, 21265, 21608})
_OUR_SENDER: Final = frozenset({21210, 21212, 21213, 21220, 21263, 21401})
_TOO_FAST: Final = frozenset({10004, 14107, 20429, 30001})
# Voices that Twilio has for each language, and what they ask and answer. There is no Nepali voice: the Hindi one
# reads the same script, and is better understood by a Nepali ear than an English one.
_VOICES: Final = {
    "en": ("en-US", "Polly.Joanna", "Press any key to confirm that you heard this.", "Thank you. Goodbye."),
    "de": ("de-DE", "Polly.Vicki", "Drücken Sie eine beliebige Taste, um zu bestätigen.", "Danke. Auf Wiederhören."),
    "es": ("es-ES", "Polly.Lucia", "Pulse cualquier tecla para confirmar que lo ha oído.", "Gracias. Adiós."),
    "fr": ("fr-FR", "Polly.Lea", "Appuyez sur une touche pour confirmer.", "Merci. Au revoir."),
    "hi": ("hi-IN", "Polly.Aditi", "सुनने की पुष्टि के लिए कोई भी बटन दबाएँ।", "धन्यवाद।"),
    "ne": ("hi-IN", "Polly.Aditi", "सुनेको पुष्टि गर्न कुनै पनि बटन थिच्नुहोस्।", "धन्यवाद।"),
}


class VoiceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls, by the Twilio account that SMS goes by."""

    ENV: ClassVar[dict[str, str]] = {
        "sender": "SLOTWATCH_VOICE_FROM",
        "ring_seconds": "SLOTWATCH_VOICE_RING_SECONDS",
    }

    sender: str | None = None  # a voice number of ours in E.164
    ring_seconds: int = 25  # shorter than most voice mailboxes take to answer

    def __post_init__(self) -> None:
        if self.sender is not None and not E164.match(self.sender):
            raise ValueError("SLOTWATCH_VOICE_FROM must be a number in E.164 form, such as +41791234567")
        if not 5 <= self.ring_seconds <= 600:
            raise ValueError("SLOTWATCH_VOICE_RING_SECONDS must be between 5 and 600")

    @property
    def configured(self) -> bool:
        """Whether there is a number to call from."""
        return self.sender is not None


class VoiceChannel:
    """Calls by one Twilio account; `to` is the driver's number in E.164."""

    name: ChannelName = "voice"
    has_key = False

    def __init__(
        self, twilio: TwilioSettings, settings: VoiceSettings, *, why_not: Callable[[str], str | None] | None = None
    ) -> None:
        if settings.sender is None:
            raise ValueError("SLOTWATCH_VOICE_FROM must be set to call")
        codes = Codes(
            useless=_NO_SUCH_NUMBER,
            suppress=frozenset({21610}),
            our_sender=_OUR_SENDER,
            setting="SLOTWATCH_VOICE_FROM",
            too_fast=_TOO_FAST,
        )
        self.provider = twilio.PROVIDER
        self.concurrency = twilio.connections
        self._twilio = twilio
        self._sender = settings.sender
        self._ring_seconds = settings.ring_seconds
        self._why_not = why_not
        self._rest = TwilioRest(twilio, codes, what="call")

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Try once, within `timeout` seconds or the configured ones if those are fewer. Accepted: it will ring."""
        callback = callback_url(self._twilio, message.key)
        twiml = _twiml(message, callback)
        unfit = _unfit(message, twiml) or (self._why_not(message.to) if self._why_not else None)
        if unfit is not None:
            return Refused(unfit)
        form = {
            "To": message.to,
            "From": self._sender,
            "Twiml": twiml,
            "MachineDetection": "Enable",
            "Timeout": str(self._ring_seconds),
        }
        if callback is not None:
            form |= {"StatusCallback": callback, "StatusCallbackEvent": "completed"}
        return await self._rest.create("Calls", form, key=message.key, timeout=timeout)

    async def check(self) -> str | None:
        """Ask for our own account. None when Twilio knows it and it is active, else a sentence."""
        return await self._rest.check()

    async def close(self) -> None:
        """Close all connections; again is harmless."""
        await self._rest.close()


def thanks(lang: str) -> str:
    """What to answer Twilio when a key was pressed: words of thanks, as TwiML."""
    return f"<Response>{_say(_voice(lang)[3], lang)}<Hangup/></Response>"


def _voice(lang: str) -> tuple[str, str, str, str]:
    return _VOICES.get(lang.partition("-")[0].lower(), _VOICES["en"])


def _say(text: str, lang: str) -> str:
    language, voice, _, _ = _voice(lang)
    return f"<Say language={quoteattr(language)} voice={quoteattr(voice)}>{escape(text)}</Say>"


def _twiml(message: Message, callback: str | None) -> str:
    """The text, twice: who takes a call misses the first words."""
    said = _say(_readable(message.text), message.lang)
    if callback is None:
        return f'<Response>{said}<Pause length="1"/>{said}</Response>'
    ask = _say(_voice(message.lang)[2], message.lang)
    action = f"{callback}&lang={quote(message.lang, safe='', errors='replace')}"  # in what language to say thanks
    gather = f'<Gather numDigits="1" timeout="5" method="POST" action={quoteattr(action)}>{said}{ask}</Gather>'
    return f"<Response>{gather}{gather}</Response>"


def _readable(text: str) -> str:
    """One line without what XML cannot hold."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def _unfit(message: Message, twiml: str) -> str | None:
    if not E164.match(message.to):
        return "this is not a phone number in E.164 form, such as +41791234567"
    if not _readable(message.text):
        return "a call must have something to say"
    if len(twiml) > _LONGEST_TWIML:
        return f"a call says at most {_LONGEST_TWIML} characters with everything around them, this is {len(twiml)}"
    return None
