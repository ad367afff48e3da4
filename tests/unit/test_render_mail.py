"""What mails say, in every language, and what never gets into them."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwatch.channels import Message
from slotwatch.channels.channel import has_control_characters
from slotwatch.domain.alerts import AlertKind
from slotwatch.domain.money import Money
from slotwatch.domain.notices import NOTICE_RULES, Channel, NoticeKind
from slotwatch.domain.terms import Terms
from slotwatch.locale.catalogues import LANGUAGES, best_language, language
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.money_words import amount_words, percent_words
from slotwatch.outbox.notice_tokens import NoticeTokens
from slotwatch.outbox.render import Renderer
from slotwatch.outbox.samples import sample, samples
from slotwatch.outbox.time_words import digits, long_zone, short_zone, time_with_zone
from slotwatch.outbox.values import VALUES

FRONTEND = "https://charge.example"
TOKENS = NoticeTokens(b"k" * 32)
RENDERER = Renderer(tokens=TOKENS)
EVIL = "<b>x</b>{{ link }}{% if 1 %}&\"'%(name)s\r\nBcc: a@b.example\x07\u202e"
_TAP = "Check in with one tap as soon as you arrive, or just plug in. If you cannot make it, cancel early"
_MONEY_BACK, _NO_MONEY_BACK = f"{_TAP}: the terms then give money back.", f"{_TAP}, so that somebody else can charge."
BEFORE_THE_DEADLINE = [
    NoticeKind.BOOKING_CONFIRMED,
    NoticeKind.REMINDER,
    NoticeKind.SLOT_STARTED,
    NoticeKind.GRACE_ALERT,
    NoticeKind.GRACE_EXTENDED,
]


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.words: list[str] = []
        self.html: dict[str, str | None] = {}
        self._hidden = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "a":
            self.links.append(found["href"] or "")
        elif tag == "img":
            self.images.append(found)
        elif tag == "html":
            self.html = found
        self._hidden = tag in ("style", "title")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def told(delivery: Claimed) -> Message:
    return RENDERER.message(delivery, FRONTEND)


def page_of(delivery: Claimed) -> Page:
    return Page(told(delivery).html or "")


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_mail_names_station_connector_times_zone_and_booking_in_both_parts(code: str) -> None:
    for delivery in [one for one in samples(code) if one.rule.is_about_booking]:
        message = told(delivery)
        for text in (message.text, Page(message.html or "").text):
            for word in ("Donaukanal Garage", "Obere Donaustraße 94", "2A", "BK-5N559KE00000", "UTC+1"):
                assert word in text, (delivery.kind, word)
            assert VALUES["hours"](RENDERER.telling(delivery, FRONTEND)) in text
        assert f"{FRONTEND}/bookings/BK-5N559KE00000" in message.text
        assert message.subject and not has_control_characters(message.subject)


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("kind", BEFORE_THE_DEADLINE)
def test_the_deadline_and_what_it_costs_are_said_before_it_bites(kind: NoticeKind, code: str) -> None:
    delivery = sample(kind, code)
    deadline = VALUES["deadline"](RENDERER.telling(delivery, FRONTEND))
    rule = language(code).gettext(
        "If nobody has checked in by %(deadline)s, the slot goes to other drivers and nothing is refunded."
    ) % {"deadline": deadline}
    message = told(delivery)
    assert rule in message.text
    assert rule in Page(message.html or "").text


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("tiers", [(), ({"untilMinutesBefore": 60, "percent": 0},)])
@pytest.mark.parametrize(
    ("kind", "untrue", "instead"),
    [
        (NoticeKind.BOOKING_CONFIRMED, "After that, nothing comes back.", "If you cancel, nothing comes back."),
        (NoticeKind.SLOT_EXPIRED, _MONEY_BACK, _NO_MONEY_BACK),
    ],
)
def test_terms_that_give_nothing_back_are_not_told_as_if_they_did(
    kind: NoticeKind, untrue: str, instead: str, tiers: Any, code: str
) -> None:
    def say(words: str) -> str:
        return " ".join(language(code).gettext(words).split())  # spaces that do not break are spaces

    nothing = told(sample(kind, code, terms={**Terms().as_dict(), "cancelRefund": list(tiers)}))
    usual = told(sample(kind, code))
    for message, said, unsaid in ((nothing, instead, untrue), (usual, untrue, instead)):
        for part in (message.text, Page(message.html or "").text):
            text = " ".join(part.split())
            assert say(said) in text and say(unsaid) not in text


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_lost_slot_is_told_with_what_happened_what_it_costs_and_how_to_dispute(code: str) -> None:
    delivery = sample(NoticeKind.SLOT_EXPIRED, code)
    telling = RENDERER.telling(delivery, FRONTEND)
    for part in (told(delivery).text, page_of(delivery).text):
        text = part.replace("\u00a0", " ")
        for line in VALUES["happened"](telling):
            assert line.time in text and line.text in text
        assert VALUES["money"](telling).replace("\u00a0", " ") in text
        assert VALUES["dispute_until"](telling) in text
    assert f"{FRONTEND}/bookings/BK-5N559KE00000#dispute" in page_of(delivery).links


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_mail_is_made_for_every_screen_and_loads_nothing_from_strangers(code: str) -> None:
    for delivery in samples(code):
        html = told(delivery).html or ""
        page = Page(html)
        assert page.html["lang"] == code
        assert 'name="color-scheme" content="light dark"' in html and "prefers-color-scheme: dark" in html
        assert "max-width:600px" in html
        assert all(image["alt"] and (image["src"] or "").startswith(FRONTEND) for image in page.images)
        assert all(link.startswith((FRONTEND, "https://www.openstreetmap.org/")) for link in page.links)
        assert "{{" not in html and "{%" not in html and "[%" not in html and "mj-" not in page.text
        assert "<script" not in html and "@import" not in html
        assert len(html.encode()) < 90_000, "longer mails are clipped by some programs"


@pytest.mark.parametrize("kind", NoticeKind)
def test_foreign_text_stays_text(kind: NoticeKind) -> None:
    delivery = sample(kind, station_name=EVIL, address=EVIL, label=EVIL, driver_name=EVIL, vendor_name=EVIL)
    message = told(delivery)
    html = message.html or ""
    assert "<b>x" not in html and "&lt;b&gt;x" in html
    assert "{{ link }}" in Page(html).text, "template syntax in a name is shown as it is"
    for text in (message.subject or "", message.text, html, told(sample(kind, "de", Channel.SMS, label=EVIL)).text):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", text)
    assert "\nBcc" not in message.text


ABOUT_BOOKINGS = st.sampled_from([kind for kind, rule in NOTICE_RULES.items() if rule.is_about_booking])
OWN_WORDS: dict[NoticeKind, list[str]] = {
    NoticeKind.DISPUTE_UPHELD: ["note"],
    NoticeKind.ALERT_RAISED: ["title", "text", "station"],
    NoticeKind.DISPUTE_OPENED: ["booking", "station", "driver", "statement"],
}


@pytest.mark.parametrize("kind", OWN_WORDS)
def test_foreign_text_that_comes_with_a_notice_stays_text(kind: NoticeKind) -> None:
    delivery = sample(kind, told=dict.fromkeys(OWN_WORDS[kind], EVIL))
    message = told(delivery)
    html = message.html or ""
    assert "<b>x" not in html and "&lt;b&gt;x" in html
    for text in (message.subject or "", message.text, html):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", text)
    assert "\nBcc" not in message.text


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_code_is_in_the_subject_and_large_in_the_mail_which_leads_nowhere(code: str) -> None:
    message = told(sample(NoticeKind.SIGN_IN_CODE, code))
    assert (message.subject or "").startswith("381604")
    page = Page(message.html or "")
    assert "381604" in page.text and not page.links, "a mail with a code and a link is what thieves send"
    assert message.calendar is None


@pytest.mark.parametrize("code", LANGUAGES)
def test_an_alert_is_put_into_the_words_of_who_gets_it(code: str) -> None:
    message = told(sample(NoticeKind.ALERT_RAISED, code))
    subject = language(code).gettext("Many no-shows at %(place)s") % {"place": "Donaukanal Garage"}
    assert message.subject == subject and subject in Page(message.html or "").text
    for number in (digits("9", language(code)), digits("24", language(code)), percent_words(38, language(code))):
        assert " ".join(number.split()) in message.text


@pytest.mark.parametrize("kind", AlertKind)
@pytest.mark.parametrize("code", LANGUAGES)
def test_every_kind_of_alert_has_words_in_every_language(code: str, kind: AlertKind) -> None:
    numbers = dict.fromkeys(
        ("missed", "of", "days", "bookings", "failed", "spent", "cap", "seconds", "rate", "usual"), 0.5
    )
    at = dict.fromkeys(("began_at", "ended_at", "beat_at"), "2026-03-02T12:00:00+00:00")
    facts = {"kind": kind.value, "subject": "email/smtp", "station": "Harbour", "detail": {**numbers, **at}}
    message = told(sample(NoticeKind.ALERT_RAISED, code, told=facts))
    assert message.subject and "%(" not in message.subject + message.text
    english = told(sample(NoticeKind.ALERT_RAISED, "en", told=facts))
    assert code == "en" or message.text.splitlines()[4] != english.text.splitlines()[4]


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_digest_names_stations_rates_and_money(code: str) -> None:
    message = told(sample(NoticeKind.NO_SHOW_DIGEST, code))
    amounts = [amount_words(Money(minor, "EUR"), language(code)).replace("\u00a0", " ") for minor in (3400, 2500)]
    for part in (message.text, Page(message.html or "").text):
        text = part.replace("\u00a0", " ")
        for word in ("Donaukanal Garage", "Hauptbahnhof Parkdeck 3", *amounts):
            assert word in text
    assert message.url == f"{FRONTEND}/vendor/insights"


@given(ABOUT_BOOKINGS, st.sampled_from(LANGUAGES), st.text(max_size=300), st.text(max_size=300))
def test_no_name_can_add_a_line_or_an_element(kind: NoticeKind, code: str, station: str, driver: str) -> None:
    plain = told(sample(kind, code, station_name="S", driver_name="D"))
    message = told(sample(kind, code, station_name=station, driver_name=driver))
    assert message.text.count("\n") - plain.text.count("\n") in (0, -1)
    assert (message.html or "").count("<") == (plain.html or "").count("<")
    assert not has_control_characters(message.subject or "")


@pytest.mark.parametrize(
    "name", ["Win at http://spam.example", "www.spam.example", "spam.example/win", "a@spam.example"]
)
def test_a_name_that_is_an_advertisement_is_not_greeted(name: str) -> None:
    message = told(sample(NoticeKind.REMINDER, driver_name=name))
    assert message.text.startswith("Hello,\n") and "spam" not in message.text + (message.html or "")


def test_the_language_is_the_drivers_then_the_vendors_then_english() -> None:
    def lang(**facts: Any) -> str:
        return told(sample(NoticeKind.REMINDER, **facts)).lang

    assert lang(preferences={"language": "de-AT"}, vendor_language="fr") == "de"
    assert lang(preferences={"language": "it"}, vendor_language="fr") == "fr"
    assert lang(preferences={}, vendor_language=None) == "en"
    assert best_language(None, 7, "", "pt-BR").code == "en"


def test_times_are_the_stations_with_the_zone_named_through_both_halves_of_a_repeated_hour() -> None:
    vienna = ZoneInfo("Europe/Vienna")
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    english, german = language("en"), language("de")
    assert [time_with_zone(at, vienna, english) for at in (first, second)] == ["02:30 CEST", "02:30 CET"]
    assert [time_with_zone(at, vienna, german) for at in (first, second)] == ["02:30 MESZ", "02:30 MEZ"]
    assert time_with_zone(first, ZoneInfo("Asia/Kathmandu"), language("ne")) == "०६:१५ NPT"
    assert short_zone(first, ZoneInfo("Asia/Kolkata"), language("hi")) == "IST"
    assert short_zone(first, ZoneInfo("America/Sao_Paulo"), english) == "UTC-3"
    assert long_zone(first, ZoneInfo("Asia/Kathmandu"), english) == "Nepal Time (UTC+5:45)"
    assert long_zone(first, vienna, language("fr")).endswith("Europe centrale (UTC+2)")


@pytest.mark.parametrize(
    ("money", "code", "written"),
    [
        (Money(1250, "EUR"), "en", "€12.50"),
        (Money(1250, "EUR"), "de", "12,50\u00a0€"),
        (Money(123450, "EUR"), "fr", "1\u202f234,50\u00a0€"),
        (Money(1250, "JPY"), "en", "JP¥1,250"),
        (Money(123456789, "INR"), "hi", "₹12,34,567.89"),
        (Money(125000, "NPR"), "ne", "\u0928\u0947\u0930\u0942 \u0967,\u0968\u096b\u0966.\u0966\u0966"),
        (Money(1250, "KWD"), "en", "KWD1.250"),
    ],
)
def test_money_is_written_as_the_language_and_the_currency_want(money: Money, code: str, written: str) -> None:
    assert amount_words(money, language(code)).replace(" ", "\u00a0") == written.replace(" ", "\u00a0")


def test_what_goes_to_other_channels() -> None:
    delivery = sample(NoticeKind.SLOT_STARTED)
    telling = RENDERER.telling(delivery, FRONTEND)
    assert RENDERER.push(telling) == "Your slot has begun: check in by 18:30 CET"
    assert "http" not in RENDERER.spoken(telling)
    message = told(delivery)
    assert (message.kind, message.urgent, message.url) == ("slot_started", True, f"{FRONTEND}/bookings/BK-5N559KE00000")
    assert message.valid_for == delivery.valid_until - delivery.claimed_at


def test_without_tokens_a_mail_has_neither_picture_nor_calendar_link() -> None:
    bare = Renderer()
    for delivery in samples():
        html = bare.message(delivery, FRONTEND).html or ""
        assert not Page(html).images and "/notices/" not in html


@pytest.mark.parametrize("code", LANGUAGES)
def test_who_must_check_in_gets_a_link_that_does_it_with_one_tap(code: str) -> None:
    asking = {NoticeKind.SLOT_STARTED, NoticeKind.GRACE_ALERT, NoticeKind.GRACE_EXTENDED}
    for delivery in [one for one in samples(code) if one.rule.is_about_booking]:
        message = told(delivery)
        linked = f"{FRONTEND}/b/{TOKENS.check_in_token(delivery.facts['booking_id'])}"
        assert (linked in Page(message.html or "").links) is (delivery.kind in asking)
        assert (linked in message.text) is (delivery.kind in asking)
