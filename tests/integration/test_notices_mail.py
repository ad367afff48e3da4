"""A message with all its parts, from the booking through the template to a real mail server."""

import html as html_text
from datetime import timedelta

import pytest
from icalendar import Calendar

from slotwatch.channels import Message
from slotwatch.channels.channel import CalendarPart
from slotwatch.channels.smtp import SmtpChannel
from slotwatch.channels.smtp_settings import SmtpSettings
from slotwatch.domain.notices import Channel
from slotwatch.outbox.claim import Claimed, claim
from slotwatch.outbox.notice_tokens import NoticeTokens
from slotwatch.outbox.render import Renderer
from slotwatch.outbox.samples import samples
from slotwatch.usecases.desk import Desk
from tests.conftest import Town
from tests.mail_sink import mail_sink
from tests.support.crew import FRONTEND, Crew

RENDERER = Renderer(tokens=NoticeTokens(b"k" * 32), organizer="bookings@slots.example.org")


def smtp(port: int) -> SmtpChannel:
    return SmtpChannel(SmtpSettings(host="127.0.0.1", port=port, security="none", sender="w@slots.example.org"))


async def claimed(desk: Desk, channel: Channel) -> Claimed:
    async with desk.database.connection() as conn:
        (delivery,) = await claim(conn, desk.clock, channel, limit=10, lease_for=timedelta(seconds=30))
    return delivery


async def test_a_real_booking_has_every_fact_that_templates_need(crew: Crew, town: Town, desk: Desk) -> None:
    booking = await crew.booked(town.driver, town.night_shut_connector, town.slot())
    await crew.execute("""UPDATE driver SET preferences = '{"language": "ne"}'""")
    mail = RENDERER.message(await claimed(desk, Channel.EMAIL), FRONTEND)
    text = RENDERER.message(await claimed(desk, Channel.SMS), FRONTEND)
    assert mail.lang == text.lang == "ne"
    for part in (mail.subject, mail.text, mail.html, text.text):
        assert "Thamel" in (part or "")
        assert "१८:" in (part or ""), "times are the station's"
    assert "NPT" in text.text and booking.ref in text.text
    assert f"{FRONTEND}/notices/{booking.ref}." in (mail.html or "")
    assert "48.20000" in mail.text and "Volt" in (mail.html or "")
    assert mail.calendar is not None and mail.calendar.method == "REQUEST"


@pytest.mark.parametrize("language", ["en", "hi"])
async def test_every_kind_arrives_whole_at_a_mail_server(language: str) -> None:
    with mail_sink() as sink:
        channel = smtp(sink.port)
        sent = [RENDERER.message(delivery, FRONTEND) for delivery in samples(language)]
        for message in sent:
            outcome = await channel.send(message, timeout=10)
            assert type(outcome).__name__ == "Accepted", outcome
        await channel.close()
        received = [kept.mail for kept in sink.mails]
    assert len(received) == len(sent) == 18
    for message, mail in zip(sent, received, strict=True):
        plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
        assert plain is not None and html is not None
        assert plain.get_content().replace("\r\n", "\n") == message.text
        shown = html_text.unescape(html.get_content()).strip().replace("\r\n", "\n")
        assert shown == html_text.unescape(message.html or "").strip(), "but for how HTML writes a character"
        assert mail["Subject"] == message.subject
        assert mail["Content-Language"] == language
        found = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
        assert len(found) == (message.calendar is not None)
        for part in found:
            assert message.calendar is not None
            assert part.get_param("method") == message.calendar.method
            assert Calendar.from_ical(part.get_content())["METHOD"] == message.calendar.method
            (file,) = mail.iter_attachments()
            assert file.get_filename() == "booking.ics"
            assert Calendar.from_ical(file.get_content()).walk("VEVENT")


async def test_a_calendar_part_of_a_plain_mail_stands_beside_its_text() -> None:
    with mail_sink() as sink:
        channel = smtp(sink.port)
        part = CalendarPart("CANCEL", "BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\nEND:VCALENDAR\r\n")
        await channel.send(Message(key="k", to="a@example.org", subject="s", text="t", calendar=part), timeout=10)
        await channel.close()
        mail = sink.mails[0].mail
    assert [piece.get_content_type() for piece in mail.walk()] == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "text/calendar", "application/ics")
    ]
