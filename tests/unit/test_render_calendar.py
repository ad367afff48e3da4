"""Calendar entries: one UID for a booking's life, a sequence that rises, times that hold through changes of clocks."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar

from slotwatch.channels.channel import CalendarPart
from slotwatch.domain.lifecycle import EndReason
from slotwatch.domain.money import PaymentStatus
from slotwatch.domain.notices import NoticeKind
from slotwatch.locale.catalogues import LANGUAGES
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.render import Renderer
from slotwatch.outbox.samples import sample, samples

FRONTEND = "https://charge.example"
RENDERER = Renderer(organizer="bookings@charge.example")
CONFIRMED, CANCELLED, EXPIRED = NoticeKind.BOOKING_CONFIRMED, NoticeKind.BOOKING_CANCELLED, NoticeKind.SLOT_EXPIRED
VOIDED = NoticeKind.SLOT_VOIDED
TAKEN_BACK = "The calendar entry that came with your confirmation is taken back by this message."


def part_of(delivery: Claimed) -> CalendarPart | None:
    return RENDERER.message(delivery, FRONTEND).calendar


def calendar_of(delivery: Claimed) -> Any:
    part = part_of(delivery)
    assert part is not None
    return Calendar.from_ical(part.content)


def event_of(delivery: Claimed) -> Any:
    (event,) = calendar_of(delivery).walk("VEVENT")
    return event


def test_only_a_confirmation_and_the_end_of_a_booking_touch_the_calendar() -> None:
    methods = {delivery.kind: part.method for delivery in samples() if (part := part_of(delivery)) is not None}
    assert methods == {CONFIRMED: "REQUEST", CANCELLED: "CANCEL", EXPIRED: "CANCEL", VOIDED: "CANCEL"}


@pytest.mark.parametrize("reason", [EndReason.HOLD_RAN_OUT, EndReason.BY_DRIVER, EndReason.BY_VENDOR])
def test_an_unpaid_booking_was_never_in_the_calendar_so_nothing_is_taken_back(reason: EndReason) -> None:
    delivery = sample(CANCELLED, end_reason=reason, payment_status=PaymentStatus.NOT_PAID)
    message = RENDERER.message(delivery, FRONTEND)
    assert message.calendar is None
    for words in (message.text, message.html or ""):
        assert "calendar" not in words and "confirmation" not in words
        assert "Nothing was charged." in words


@pytest.mark.parametrize("kind", [CANCELLED, VOIDED])
@pytest.mark.parametrize("payment", [PaymentStatus.REFUNDED, PaymentStatus.NOT_REQUIRED])
def test_the_mail_that_takes_the_entry_back_says_so(kind: NoticeKind, payment: PaymentStatus) -> None:
    message = RENDERER.message(sample(kind, payment_status=payment), FRONTEND)
    assert message.calendar is not None and message.calendar.method == "CANCEL"
    assert TAKEN_BACK in message.text and TAKEN_BACK in (message.html or "")


def test_a_won_dispute_takes_nothing_back_since_the_no_show_did_so_before() -> None:
    message = RENDERER.message(sample(VOIDED, end_reason=EndReason.DISPUTE_WON), FRONTEND)
    assert message.calendar is None
    assert "calendar" not in message.text + (message.html or "")


def test_the_uid_stays_and_the_sequence_rises_over_a_bookings_life() -> None:
    confirmed, cancelled = event_of(sample(CONFIRMED, version=1)), event_of(sample(CANCELLED, version=4))
    assert confirmed["UID"] == cancelled["UID"] == "BK-5N559KE00000@slotwatch"
    assert confirmed["SEQUENCE"] < cancelled["SEQUENCE"]
    assert (confirmed["STATUS"], cancelled["STATUS"]) == ("CONFIRMED", "CANCELLED")
    assert confirmed["ORGANIZER"] == cancelled["ORGANIZER"] == "mailto:bookings@charge.example"
    voided = event_of(sample(VOIDED, version=5))
    assert (voided["UID"], voided["STATUS"]) == (confirmed["UID"], "CANCELLED")
    assert voided["SEQUENCE"] > confirmed["SEQUENCE"]
    assert confirmed["ATTENDEE"] == cancelled["ATTENDEE"] == "mailto:mira@example.org"


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_entry_says_where_until_when_and_what_happens_else(code: str) -> None:
    event = event_of(sample(CONFIRMED, code))
    assert "Donaukanal Garage" in event["SUMMARY"] and "2A" in event["SUMMARY"]
    assert event["LOCATION"] == "Donaukanal Garage, Obere Donaustraße 94, 1020 Wien"
    assert event["URL"] == f"{FRONTEND}/bookings/BK-5N559KE00000"
    assert ":30" in event["DESCRIPTION"] or ":३०" in event["DESCRIPTION"]
    (alarm,) = event.walk("VALARM")
    assert alarm["TRIGGER"].dt == -timedelta(minutes=15)


@pytest.mark.parametrize("zone", ["Europe/Vienna", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])
@pytest.mark.parametrize("month", range(1, 13))
def test_the_described_zone_gives_the_right_instants_all_year(zone: str, month: int) -> None:
    for day in (1, 8, 15, 28, 29 if month != 2 else 28):
        start = datetime(2026, month, day, 1, 30, tzinfo=UTC)
        delivery = sample(CONFIRMED, zone=zone, starts_at=start, ends_at=start + timedelta(hours=1))
        calendar = calendar_of(delivery)
        (event,), (described,) = calendar.walk("VEVENT"), calendar.walk("VTIMEZONE")
        assert event["DTSTART"].params["TZID"] == described["TZID"] == zone
        local = event["DTSTART"].dt.replace(tzinfo=None)
        assert offset_by(described, local) == start.astimezone(ZoneInfo(zone)).utcoffset()


def test_a_station_on_utc_needs_no_described_zone() -> None:
    calendar = calendar_of(sample(CONFIRMED, zone="UTC"))
    assert not calendar.walk("VTIMEZONE")
    assert calendar.walk("VEVENT")[0]["DTSTART"].to_ical() == b"20260302T170000Z"


def offset_by(described: Any, local: datetime) -> timedelta:
    """As RFC 5545 reads it: the last onset (in the offset before it) that is not after the local time."""
    begun = [(part["DTSTART"].dt, part["TZOFFSETTO"].td) for part in described.subcomponents]
    offset: timedelta = max(
        (onset.replace(tzinfo=None), to) for onset, to in begun if onset.replace(tzinfo=None) <= local
    )[1]
    return offset


def test_clocks_change_when_the_zone_says() -> None:
    content = (part_of(sample(CONFIRMED)) or CalendarPart("REQUEST", "")).content
    assert "BEGIN:DAYLIGHT\r\nDTSTART:20260329T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\n" in content
    assert "BEGIN:STANDARD\r\nDTSTART:20261025T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\n" in content


def test_foreign_text_cannot_add_a_line_to_the_file() -> None:
    evil = "Harbour\r\nATTENDEE:mailto:x@y.example\nSEQUENCE:9;,\\"
    content = (part_of(sample(CONFIRMED, station_name=evil, label=evil)) or CalendarPart("REQUEST", "")).content
    lines = content.split("\r\n")
    assert [line for line in lines if line.startswith("ATTENDEE")] and "ATTENDEE:mailto:x@y.example" not in lines
    assert [line for line in lines if line.startswith("SEQUENCE")] == ["SEQUENCE:2"]
    assert "\n" not in content.replace("\r\n", "")
    assert all(len(line.encode()) <= 75 for line in lines)
