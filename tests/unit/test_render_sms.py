"""Text messages stay within two segments in every language, whatever a station is called."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwatch.domain.notices import Channel, NoticeKind
from slotwatch.locale.catalogues import LANGUAGES
from slotwatch.outbox.notice_tokens import NoticeTokens
from slotwatch.outbox.render import Renderer
from slotwatch.outbox.samples import SAMPLE_START, sample, samples
from slotwatch.outbox.sms_length import MOST_SEGMENTS, fit, fold_to_gsm, segments

FRONTEND = "https://slots.example.org"
LONG_FRONTEND = "https://slotwatch.example-charging.com"
TOKENS = NoticeTokens(b"k" * 32)
RENDERER = Renderer(tokens=TOKENS)
CHECK_IN = (NoticeKind.SLOT_STARTED, NoticeKind.GRACE_ALERT, NoticeKind.GRACE_EXTENDED)
COMMANDS = re.compile(r"\b(stop|stopall|cancel|end|quit|unsubscribe|start|help|info|arret|alto|baja)\b", re.IGNORECASE)


def sms(kind: NoticeKind, language: str, frontend: str = FRONTEND, **facts: object) -> str:
    return RENDERER.message(sample(kind, language, Channel.SMS, **facts), frontend).text


@given(
    st.sampled_from(list(NoticeKind)),
    st.sampled_from(LANGUAGES),
    st.text(min_size=1, max_size=200) | st.text(alphabet="^{}[]~\\|€ aé", min_size=1, max_size=200),
    st.text(min_size=1, max_size=30),
    st.integers(0, 120),
)
def test_a_text_message_never_needs_a_third_segment(
    kind: NoticeKind, language: str, station: str, label: str, path: int
) -> None:
    text = sms(kind, language, FRONTEND + "/" + "x" * path, station_name=station, label=label)
    assert segments(text) <= MOST_SEGMENTS
    assert "\n" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_with_an_ordinary_name_nothing_is_left_out(language: str) -> None:
    for delivery in [one for one in samples(language, Channel.SMS) if one.rule.is_about_booking]:
        message = RENDERER.message(delivery, FRONTEND)
        # Devanagari has room for 134 characters, 50 of them for the link: there the name may lose its tail.
        assert ("Donaukan" if language in ("hi", "ne") else "Donaukanal Garage") in message.text, message.text
        path = "b/" if delivery.kind in CHECK_IN else "bookings/BK-"
        assert f"{FRONTEND}/{path}" in message.text, message.text
        assert segments(message.text) <= MOST_SEGMENTS


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("zone", ["Europe/Vienna", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Dubai"])
def test_the_link_to_check_in_is_kept_under_a_long_address_too(language: str, zone: str) -> None:
    late = {"grace_ends_at": SAMPLE_START + timedelta(hours=4, minutes=25)}  # two digits of hours in Hindi
    for delivery in [one for one in samples(language, Channel.SMS, zone=zone, **late) if one.kind in CHECK_IN]:
        text = RENDERER.message(delivery, LONG_FRONTEND).text
        assert text.endswith(f" {LONG_FRONTEND}/b/{TOKENS.check_in_token(delivery.facts['booking_id'])}"), text
        assert "2A" in text, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_link_of_a_no_show_is_kept_under_a_long_address_too(language: str) -> None:
    assert f"{LONG_FRONTEND}/bookings/BK-" in sms(NoticeKind.SLOT_EXPIRED, language, LONG_FRONTEND)


@pytest.mark.parametrize("language", LANGUAGES)
def test_whatsapp_has_no_segments_and_loses_nothing(language: str) -> None:
    name, frontend = "Grand Central Underground Parking and Charging Plaza", FRONTEND + "/" + "x" * 120
    for kind in (*CHECK_IN, NoticeKind.SLOT_EXPIRED):
        delivery = sample(kind, language, Channel.WHATSAPP, station_name=name)
        text = RENDERER.message(delivery, frontend).text
        assert name in text and frontend in text, text
        assert "\n" not in text
    assert re.search("12|१२", text.replace(frontend, "")), "the sentence about money"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("zone", ["Europe/Vienna", "Asia/Kathmandu", "America/St_Johns"])
def test_a_long_name_is_shortened_before_deadline_or_link_go(language: str, zone: str) -> None:
    name = "Grand Central Underground Parking and Charging Plaza of the Northern Quarter"
    text = sms(NoticeKind.SLOT_STARTED, language, station_name=name, zone=zone)
    hour = {"Europe/Vienna": "30", "Asia/Kathmandu": "15", "America/St_Johns": "00"}[zone]
    assert re.search(rf":({hour}|{hour.translate(str.maketrans('0123456789', '०१२३४५६७८९'))})\b", text), text
    assert "Grand Ce" in text
    assert f"{FRONTEND}/b/" in text, text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", NoticeKind)
def test_no_text_message_holds_a_word_that_networks_take_for_a_command(kind: NoticeKind, language: str) -> None:
    assert not COMMANDS.search(re.sub(r"https://\S+", "", sms(kind, language)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_code_stands_in_the_first_words_and_needs_one_segment(language: str) -> None:
    text = sms(NoticeKind.SIGN_IN_CODE, language)
    assert text.startswith("381604 ") and "http" not in text
    assert segments(text) == 1


def test_a_shortened_name_is_never_cut_inside_a_letter_and_its_marks() -> None:
    text = sms(NoticeKind.SLOT_STARTED, "ne", station_name="काठमाडौँ अन्तर्राष्ट्रिय विमानस्थल विद्युतीय चार्जिङ केन्द्र")
    shortened = text.partition(".")[0]
    assert "काठमाडौँ".startswith(shortened[:8].rstrip()) or shortened.startswith("काठमाडौँ")
    assert segments(text) <= MOST_SEGMENTS


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("a" * 152 + "€" + "a" * 152, 3),  # the escape would be torn from its character, so the segment ends early
        ("€" * 80, 1),
        ("é" * 160, 1),
        ("á" * 70, 1),
        ("á" * 134, 2),
        ("á" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 66, 2),  # 33 pairs a segment: the 67th unit stays empty
        ("😀" * 67, 3),
        ("", 1),
    ],
)
def test_segments_are_counted_as_networks_count_them(text: str, count: int) -> None:
    assert segments(text) == count


def test_rarer_accents_go_only_when_the_text_would_not_fit() -> None:
    values = {"station": "S", "money": "", "link": "L"}
    assert fit(lambda given: f"¿Llegó usted? {given['station']}", values) == "¿Llegó usted? S"
    assert fit(lambda given: "Llegó usted. " * 20, values).startswith("Llego usted. Llego")
    assert fold_to_gsm("Registró su llegada \u2013 ¿no?") == "Registro su llegada - ¿no?"
    assert fold_to_gsm("स्लॉट") is None


def test_the_money_goes_before_the_name_the_name_before_the_link_and_the_link_before_the_rule() -> None:
    values = {"station": "Harbour Parking", "money": "m" * 200, "link": "l" * 40}

    def write(given: object) -> str:
        assert isinstance(given, dict)
        return f"{given['station']} {'rule ' * 40}{given['money']} {given['link']}"

    text = fit(write, values)
    assert "mmm" not in text and "Harbour P" in text and "l" * 40 in text and text.count("rule") == 40
    text = fit(write, {**values, "link": "l" * 104})
    assert "Harbour" not in text and "l" * 104 in text and text.count("rule") == 40
    text = fit(write, {**values, "link": "l" * 107})
    assert "Harbour" in text and "lll" not in text and text.count("rule") == 40


def test_the_time_that_is_left_is_of_the_moment_of_sending() -> None:
    delivery = sample(NoticeKind.GRACE_ALERT, "en", Channel.SMS)
    assert RENDERER.message(delivery, FRONTEND).text.startswith("15 minutes left")
    late = {**delivery.facts, "grace_ends_at": delivery.claimed_at + timedelta(seconds=50)}
    assert "1 minute left" in sms(NoticeKind.GRACE_ALERT, "en", **late)
