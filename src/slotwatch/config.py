"""The environment, read once, as the frozen settings of every part; what cannot be used is said in a sentence.

Each part defines its own section beside itself, with `ENV` naming the variable of each field. No file is read.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Protocol, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec

from slotwatch.channels.guarded import GuardSettings
from slotwatch.channels.numbers import NumberSettings
from slotwatch.channels.push import PushSettings
from slotwatch.channels.receipts import ReceiptSettings
from slotwatch.channels.smtp_settings import SecondSmtpSettings, SmtpSettings
from slotwatch.channels.twilio_settings import SecondTwilioSettings, TwilioSettings
from slotwatch.channels.voice import VoiceSettings
from slotwatch.channels.webhook import WebhookSettings
from slotwatch.channels.whatsapp import WhatsAppSettings
from slotwatch.domain.errors import SlotwatchError
from slotwatch.domain.notices import Channel
from slotwatch.engine.advance import AdvanceSettings
from slotwatch.outbox.settings import CapSettings, NoticeSettings, SenderSettings
from slotwatch.outbox.template_settings import TemplateSettings
from slotwatch.storage.database import DatabaseSettings
from slotwatch.storage.embedded import EmbeddedSettings
from slotwatch.usecases.desk import BookingSettings
from slotwatch.web.settings import WebSettings

__all__ = ["BadSetting", "Settings", "known_variables", "load_settings", "unknown_variables", "without_password"]

_PREFIX = "SLOTWATCH_"
_SWITCH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|KEY|DATABASE_URL")
_NOT_OURS = re.compile(r"SLOTWATCH_(TEST_\w+|CHROMIUM)\Z")
"""Read by the test suite and the scripts of the repository, not by slotwatch."""


class BadSetting(SlotwatchError):
    """An environment variable has a value that cannot be used."""

    code = "bad_setting"


class _Section(Protocol):
    ENV: ClassVar[dict[str, str]]


_S = TypeVar("_S")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One section per part of slotwatch, each a frozen struct with `ENV`."""

    database: DatabaseSettings
    embedded: EmbeddedSettings
    advance: AdvanceSettings
    booking: BookingSettings
    notices: NoticeSettings
    templates: TemplateSettings
    senders: SenderSettings
    caps: CapSettings
    smtp: SmtpSettings
    smtp2: SecondSmtpSettings
    twilio: TwilioSettings
    twilio2: SecondTwilioSettings
    whatsapp: WhatsAppSettings
    voice: VoiceSettings
    push: PushSettings
    webhook: WebhookSettings
    guard: GuardSettings
    numbers: NumberSettings
    receipts: ReceiptSettings
    web: WebSettings

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels that are on: those switched on, and those with a provider that need one."""
        configured = {
            Channel.WHATSAPP: self.whatsapp.configured,
            Channel.VOICE: self.voice.configured,
            Channel.PUSH: self.push.configured,
            Channel.WEBHOOK: self.webhook.configured,
        }
        return self.notices.channels | {channel for channel, is_on in configured.items() if is_on}

    @property
    def data_dir(self) -> Path:
        """The folder of everything that slotwatch keeps on this machine."""
        return Path(self.embedded.data_dir).expanduser().absolute()


def load_settings(environ: Mapping[str, str]) -> Settings:
    """The settings that these variables make; an empty value is as good as none. Raises BadSetting."""
    settings = Settings(**{name: _section(section, environ) for name, section in _sections()})
    for louder in (settings.whatsapp, settings.voice):
        if louder.configured and not settings.twilio.configured:
            raise BadSetting(f"{louder.ENV['sender']} needs a Twilio account: set SLOTWATCH_TWILIO_ACCOUNT_SID.")
    return settings


def known_variables() -> list[str]:
    """Every variable that a section reads, sorted."""
    return sorted({variable for _, section in _sections() for variable in section.ENV.values()})


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """One sentence for each SLOTWATCH_ variable that nothing reads, with the known one that it may have meant."""
    known = {name.removeprefix(_PREFIX): name for name in known_variables()}
    sentences = []
    for name in sorted(environ):
        if not name.startswith(_PREFIX) or name in known.values() or _NOT_OURS.match(name):
            continue
        close = difflib.get_close_matches(name.removeprefix(_PREFIX), known, n=1, cutoff=0.6)
        hint = f"did you mean {known[close[0]]}?" if close else "it has no effect."
        sentences.append(f"{name} is not a setting of slotwatch: {hint}")
    return sentences


def without_password(url: str) -> str:
    """The address of a database as it may be shown."""
    parts = urlsplit(url)
    user = f"{parts.username}@" if parts.username else ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{user}{parts.hostname or 'localhost'}{port}{parts.path}"


def _sections() -> Iterator[tuple[str, Any]]:
    yield from get_type_hints(Settings).items()


def _section(section: type[_S], environ: Mapping[str, str]) -> _S:
    variables: dict[str, str] = section.ENV  # type: ignore[attr-defined]  # every section has it
    hints = get_type_hints(section)
    given = {field: environ[name].strip() for field, name in variables.items() if environ.get(name, "").strip()}
    values = {field: _value(variables[field], hints[field], text) for field, text in given.items()}
    try:
        return section(**values)
    except ValueError as error:
        raise BadSetting(_said_with_variables(str(error), variables, given)) from None


def _value(name: str, kind: Any, text: str) -> Any:
    wanted = _without_none(kind)
    if wanted is bool:
        if text.lower() not in _SWITCH:
            raise BadSetting(f"{name} must be true or false, but is {_shown(name, text)}.")
        return _SWITCH[text.lower()]
    try:
        return msgspec.convert(text, wanted, strict=False)
    except msgspec.ValidationError:
        raise BadSetting(f"{name} must be {_expectation(wanted)}, but is {_shown(name, text)}.") from None


def _without_none(kind: Any) -> Any:
    """The type itself where None is allowed too; every setting has at most one."""
    if get_origin(kind) is UnionType:
        return next(part for part in get_args(kind) if part is not NoneType)
    return kind


def _expectation(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(str(word) for word in get_args(kind))
    return {int: "a whole number", float: "a number"}.get(kind, "text")


def _shown(name: str, text: str) -> str:
    return "something else (not shown: it may be a secret)" if _SECRET.search(name) else repr(text)


def _said_with_variables(sentence: str, variables: Mapping[str, str], given: Mapping[str, str]) -> str:
    """A part speaks of its fields; people know the variables, and want to see what they gave."""
    named = [field for field in variables if re.search(rf"\b({field}|{variables[field]})\b", sentence)]
    for field in named:
        place = rf"\b{field}\b" if "_" in field else rf"\A{field}\b"  # "port" elsewhere is a plain word
        sentence = re.sub(place, variables[field], sentence)
    blamed = [field for field in (named or given) if field in given]
    if len(blamed) == 1 and variables[blamed[0]] not in sentence:
        joint = " " if sentence.startswith("must ") else ": "
        sentence = f"{variables[blamed[0]]}{joint}{sentence}"
    values = [f"{variables[field]} is {_shown(variables[field], given[field])}" for field in blamed]
    if len(blamed) == 1 and sentence.startswith(f"{variables[blamed[0]]} must "):
        return f"{sentence.rstrip('.')}, but is {_shown(variables[blamed[0]], given[blamed[0]])}."
    return "; ".join([sentence.rstrip("."), *values]) + "."
