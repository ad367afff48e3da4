"""Puts a delivery into words: the message for its channel, in the driver's language, from compiled templates."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

from slotwatch.channels.channel import Message
from slotwatch.domain.ids import ref
from slotwatch.domain.notices import Channel, Urgency
from slotwatch.locale.catalogues import LANGUAGES, Language, best_language, language
from slotwatch.outbox.app_facts import app_facts
from slotwatch.outbox.calendar import calendar_part
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.foreign_text import visible
from slotwatch.outbox.notice_tokens import NoticeTokens
from slotwatch.outbox.sms_length import fit
from slotwatch.outbox.telling import Telling
from slotwatch.outbox.template_check import Fault, TemplateFault
from slotwatch.outbox.template_settings import TemplateSettings
from slotwatch.outbox.values import VALUES
from slotwatch.outbox.wording import Compiled, Part, Wording

__all__ = ["Renderer"]

_LONGEST_SUBJECT = 160
_SHORTENED_BY_FIT = ("station", "money", "link", "check_in_link")
_GAPS = re.compile(r"\n{3,}")


class Renderer:
    """Makes messages. Build one at start: it reads, checks and compiles every template.

    Without `tokens` mails have neither countdown picture nor calendar link. `organizer` is the address that calendar
    entries come from, `app_url` where the operator's own app listens. Raises TemplateFault with file and line of each
    fault in the operator's own templates.
    """

    def __init__(
        self,
        settings: TemplateSettings | None = None,
        *,
        tokens: NoticeTokens | None = None,
        organizer: str = "",
        app_url: str | None = None,
    ) -> None:
        self._wording = Wording((settings or TemplateSettings()).folder)
        self._tokens = tokens
        self._organizer = organizer
        self._app_url = app_url
        if self._wording.folder is not None:
            self._try_out()

    def vendors(self) -> list[str]:
        """Who has wording of their own, by VN-…."""
        return sorted({vendor for vendor, _ in self._wording.scopes() if vendor}, key=lambda vendor: int(vendor[3:]))

    def message(self, delivery: Claimed, frontend_url: str) -> Message:
        """The message for one delivery. Links lead to `frontend_url`."""
        address = self._app_url if delivery.channel is Channel.WEBHOOK else delivery.address
        assert address is not None, "before_sending refuses deliveries without an address"
        return self.message_to(address, self.telling(delivery, frontend_url))

    def telling(self, delivery: Claimed, frontend_url: str) -> Telling:
        """The delivery in the person's language: of the profile, else the vendor's, else English."""
        spoken = best_language(delivery.facts["preferences"].get("language"), delivery.facts.get("vendor_language"))
        booking_id = delivery.facts["booking_id"]
        token = "" if self._tokens is None or booking_id is None else self._tokens.token(booking_id)
        check_in = self._tokens.check_in_token(booking_id) if token and self._tokens else ""
        return Telling(
            delivery=delivery, language=spoken, frontend_url=frontend_url, token=token, check_in_token=check_in
        )

    def message_to(self, address: str, telling: Telling) -> Message:
        """The message to that address; what it holds depends on the delivery's channel."""
        delivery, channel = telling.delivery, telling.delivery.channel.value
        texts: dict[str, Any]
        match channel:
            case "email":
                texts = {
                    "subject": self.subject(telling),
                    "text": self.text(telling),
                    "html": self.html(telling),
                    "calendar": calendar_part(telling, organizer=self._organizer, attendee=address),
                }
            case "push":
                texts = {"subject": self._push_title(telling), "text": self.push(telling)}
            case "voice":
                texts = {"subject": None, "text": self.spoken(telling)}
            case "webhook":
                texts = {
                    "subject": self.subject(telling),
                    "text": self.spoken(telling),
                    "facts": app_facts(delivery),
                }
            case "whatsapp":
                texts = {"subject": None, "text": self.chat(telling)}
            case _:
                texts = {"subject": None, "text": self.sms(telling)}
        return Message(
            key=delivery.key,
            to=address,
            kind=delivery.kind.value,
            lang=telling.language.code,
            url=_values(["link"], telling)["link"],
            urgent=delivery.rule.urgency is Urgency.NOW,
            valid_for=delivery.valid_until - delivery.claimed_at,
            **texts,
        )

    def subject(self, telling: Telling) -> str:
        """One line."""
        return visible(self._filled(Part.SUBJECT, telling), _LONGEST_SUBJECT)

    def text(self, telling: Telling) -> str:
        """The plain-text part of the mail."""
        lines = (line.rstrip() for line in self._filled(Part.TEXT, telling).strip().splitlines())
        return _GAPS.sub("\n\n", "\n".join(lines)) + "\n"

    def html(self, telling: Telling) -> str:
        """The HTML part of the mail."""
        return self._filled(Part.HTML, telling)

    def push(self, telling: Telling) -> str:
        """One line for a lock screen."""
        return visible(self._filled(Part.PUSH, telling), _LONGEST_SUBJECT)

    def _push_title(self, telling: Telling) -> str:
        """Where, since the text says what."""
        if telling.delivery.state is None:
            return self.subject(telling)
        return f"{VALUES['station'](telling)} \u00b7 {VALUES['connector'](telling)}"

    def sms(self, telling: Telling) -> str:
        """At most two segments."""
        write, values = self._short_text(telling)
        return fit(write, {key: values[key] for key in _SHORTENED_BY_FIT})

    def chat(self, telling: Telling) -> str:
        """The same where nobody counts segments: nothing is left out."""
        write, values = self._short_text(telling)
        return " ".join(write(values).split())

    def spoken(self, telling: Telling) -> str:
        """The same without the link, which nobody can tap."""
        write, values = self._short_text(telling)
        return " ".join(write({**values, "link": "", "check_in_link": ""}).split())

    def _short_text(self, telling: Telling) -> tuple[Callable[[Mapping[str, Any]], str], dict[str, Any]]:
        """What writes it with some values replaced, and the values as they are."""
        compiled = self._compiled(Part.SMS, telling)
        values = _values(compiled.needs.union(_SHORTENED_BY_FIT), telling)
        words = _words(telling.language, html=False)
        return lambda replaced: compiled.fill({**values, **replaced, **words}, telling.language), values

    def _compiled(self, part: Part, telling: Telling) -> Compiled:
        vendor_id = telling.facts.get("vendor_id")
        vendor = None if vendor_id is None else ref("VN", vendor_id)
        return self._wording.compiled(telling.delivery.kind, part, vendor=vendor, lang=telling.language.code)

    def _filled(self, part: Part, telling: Telling) -> str:
        return self._fill(self._compiled(part, telling), telling, html=part.is_html)

    def _fill(self, compiled: Compiled, telling: Telling, *, html: bool) -> str:
        values = _values(compiled.needs, telling)
        return compiled.fill({**values, **_words(telling.language, html=html)}, telling.language)

    def _try_out(self) -> None:
        """Fill in every template of the operator's, with much to say and with little, so that a fault shows at start
        and not with a driver."""
        from slotwatch.outbox.samples import bare_samples, samples

        for vendor, lang in self._wording.scopes():
            for delivery in (*samples(), *bare_samples()):
                facts = {**delivery.facts, "vendor_id": int(vendor.partition("-")[2]) if vendor else None}
                telling = Telling(
                    delivery=replace(delivery, facts=facts),
                    language=language(lang or LANGUAGES[0]),
                    frontend_url="https://charge.example",
                    token="sample",  # noqa: S106  # no secret
                )
                for part in Part:
                    compiled = self._compiled(part, telling)
                    try:
                        text = self._fill(compiled, telling, html=part.is_html)
                        if part is Part.SMS:  # as short as it may have to become
                            write, values = self._short_text(telling)
                            text = write({**values, **dict.fromkeys(("money", "link", "check_in_link"), "")})
                    except Exception as error:  # whatever a template may do wrong
                        raise TemplateFault([self._wording.fault(error, compiled)]) from error
                    if not text.strip():
                        raise TemplateFault([Fault(compiled.file, 0, f"leaves nothing to say in {delivery.kind}")])


def _values(names: Iterable[str], telling: Telling) -> dict[str, Any]:
    """Those of the fixed list that are asked for, each made once for all parts of a message."""
    made = telling.values
    for name in names:
        if name not in made:
            made[name] = VALUES[name](telling)
    return {name: made[name] for name in names}


@cache
def _words(spoken: Language, *, html: bool) -> Mapping[str, Callable[..., str]]:
    """What `{% trans %}` calls. A translation is ours and may be trusted; the values in it are escaped."""
    mark: Callable[[str], str] = Markup if html else str
    whole: dict[str, str] = {}  # those without values, of which the templates have so many and no more

    def gettext(message: str, /, **values: Any) -> str:
        if values:
            return mark(spoken.gettext(message)) % values
        if message not in whole:
            whole[message] = mark(spoken.gettext(message)) % {}
        return whole[message]

    def ngettext(one: str, many: str, count: int, /, **values: Any) -> str:
        return mark(spoken.ngettext(one, many, count)) % {"num": count, **values}

    return MappingProxyType({"gettext": gettext, "ngettext": ngettext})
