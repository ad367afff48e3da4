"""Real mail to a real SMTP server, real SMS to the Twilio-compatible one, from a booking to what the driver reads."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from slotwatch.channels import SmtpChannel, SmtpSettings, TwilioSettings, TwilioSms
from slotwatch.domain.booking import Booking
from slotwatch.domain.lifecycle import State
from slotwatch.domain.notices import Channel
from slotwatch.outbox.sender import Sender
from slotwatch.outbox.settings import SenderSettings
from tests import mail_sink
from tests.conftest import NOON, Town
from tests.integration.channels import http_double
from tests.mail_sink import MailSink
from tests.support.crew import FRONTEND, Crew
from tests.twilio_double import TwilioDouble, twilio_double

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
MIRA = "mira@example.org"


@pytest.fixture
def sink() -> Iterator[MailSink]:
    """A mail server of its own for the test."""
    with mail_sink.mail_sink() as one:
        yield one


@pytest.fixture(scope="module")
def emulate() -> Iterator[TwilioDouble]:
    """The Twilio-compatible server that we did not write."""
    with twilio_double() as double:
        yield double


def _with_mail(crew: Crew, sink: MailSink) -> SmtpChannel:
    channel = SmtpChannel(
        SmtpSettings(host=sink.host, port=sink.port, security="none", sender="slots@slotwatch.example", connections=2)
    )
    crew.senders[Channel.EMAIL] = _sender(crew, channel)
    return channel


def _with_sms(crew: Crew, double: TwilioDouble) -> TwilioSms:
    settings = TwilioSettings(
        account_sid=double.account_sid,
        auth_token=double.auth_token,
        sender=double.number,
        base_url=double.base_url,
        connections=2,
    )
    channel = TwilioSms(settings)
    crew.senders[Channel.SMS] = _sender(crew, channel)
    return channel


def _sender(crew: Crew, channel: SmtpChannel | TwilioSms) -> Sender:
    desk = crew.desk
    return Sender(channel, desk.database, desk.clock, SenderSettings(), enabled=desk.channels, frontend_url=FRONTEND)


async def _no_show(crew: Crew, town: Town) -> Booking:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    await crew.live_until(booking.timeline.expires_at)
    return booking


async def test_a_no_show_is_told_by_mail_at_every_turn(crew: Crew, town: Town, sink: MailSink) -> None:
    channel = _with_mail(crew, sink)
    booking = await _no_show(crew, town)
    await channel.close()
    subjects = [mail.mail["Subject"] for mail in sink.to(MIRA)]
    assert len(subjects) == len(set(subjects)) == 4, subjects
    assert all(booking.ref in mail.mail.as_string() for mail in sink.to(MIRA))
    assert await crew.value("SELECT count(*) FROM delivery WHERE channel = 'email' AND state = 'sent'") == 4
    ids = await crew.rows("SELECT provider, provider_message_id FROM delivery WHERE channel = 'email'")
    assert all(row["provider"] == "smtp" and row["provider_message_id"] for row in ids)


@pytest.mark.node
async def test_a_no_show_is_told_by_sms_at_every_turn(crew: Crew, town: Town, emulate: TwilioDouble) -> None:
    await crew.execute("UPDATE driver SET phone = '+41791000001' WHERE id = $1", town.driver.id)
    channel = _with_sms(crew, emulate)
    booking = await _no_show(crew, town)
    await channel.close()
    texts = [str(kept["body"]) for kept in reversed(emulate.messages("+41791000001"))]
    assert len(texts) == 5
    assert [booking.ref in text for text in texts] == [True] * 5
    sent = await crew.rows("SELECT provider_message_id FROM delivery WHERE channel = 'sms' AND state = 'sent'")
    kept = {str(one["sid"]) for one in emulate.messages("+41791000001")}
    assert {row["provider_message_id"] for row in sent} == kept


async def test_a_mailbox_that_does_not_exist_makes_reminders_go_by_sms(crew: Crew, town: Town, sink: MailSink) -> None:
    sink.on_rcpt[MIRA] = "550 5.1.1 no such user"
    channel = _with_mail(crew, sink)
    booking = await _no_show(crew, town)
    await channel.close()
    assert await crew.deliveries(booking, "reminder") == {"email": "suppressed", "sms": "sent"}
    assert await crew.state(booking) is State.EXPIRED, "told by SMS"


async def test_a_mail_server_that_asks_to_come_back_gets_the_mail_later(crew: Crew, town: Town, sink: MailSink) -> None:
    sink.on_rcpt[MIRA] = "451 4.3.0 come back later"
    channel = _with_mail(crew, sink)
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    await crew.live_for(10 * SECOND)
    assert await crew.deliveries(booking, "booking_confirmed") == {"email": "pending", "sms": "sent"}
    del sink.on_rcpt[MIRA]
    await crew.live_for(30 * SECOND)
    assert await crew.deliveries(booking, "booking_confirmed") == {"email": "sent", "sms": "sent"}
    await channel.close()
    assert len(sink.to(MIRA)) == 1


async def test_a_mail_whose_answer_was_lost_goes_again_under_the_same_message_id(
    crew: Crew, town: Town, sink: MailSink
) -> None:
    sink.on_data[MIRA] = mail_sink.LOSE_ANSWER
    channel = _with_mail(crew, sink)
    await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    await crew.deliver()
    sink.on_data.clear()
    await crew.live_for(10 * SECOND)
    await channel.close()
    first, second = sink.to(MIRA)
    assert first.mail["Message-ID"] == second.mail["Message-ID"]
    assert await crew.value("SELECT error FROM attempt WHERE channel = 'email' ORDER BY lease LIMIT 1")


async def test_a_mail_server_that_is_away_is_waited_for(crew: Crew, town: Town) -> None:
    with mail_sink.mail_sink() as gone:
        channel = _with_mail(crew, gone)
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    await crew.live_for(30 * SECOND)
    assert await crew.deliveries(booking, "booking_confirmed") == {"email": "pending", "sms": "sent"}
    with mail_sink.mail_sink() as back:
        await channel.close()
        again = _with_mail(crew, back)
        await crew.live_for(60 * SECOND)
        await again.close()
        assert len(back.to(MIRA)) == 1
    assert await crew.deliveries(booking, "booking_confirmed") == {"email": "sent", "sms": "sent"}


@pytest.mark.parametrize(
    ("status", "code", "state"),
    [
        pytest.param(400, 21610, "failed", id="the driver said STOP"),
        pytest.param(429, 20429, "pending", id="too many requests"),
        pytest.param(503, 20503, "pending", id="Twilio is down"),
        pytest.param(401, 20003, "pending", id="our token is wrong"),
    ],
)
async def test_what_twilio_answers_decides_what_becomes_of_an_sms(
    crew: Crew, town: Town, status: int, code: int, state: str
) -> None:
    async with http_double.http_double() as double:
        double.answers[str(town.driver.phone)] = http_double.twilio_error(status, code, "no")
        channel = _with_sms(
            crew,
            replace(TwilioDouble(double.base_url), account_sid="AC" + "0123456789abcdef" * 2, number="+15550001111"),
        )
        booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
        await crew.deliver()
        await channel.close()
    assert await crew.deliveries(booking, "booking_confirmed") == {"email": "sent", "sms": state}
    row = (await crew.rows("SELECT * FROM delivery WHERE channel = 'sms'"))[0]
    assert str(code) in row["error"]
    assert (row["next_attempt_at"] > NOON) or state == "failed"


async def test_a_text_with_a_bell_and_line_breaks_reaches_the_driver_in_one_line(
    crew: Crew, town: Town, sink: MailSink
) -> None:
    await crew.execute("UPDATE station SET name = $1", "Har\x07bour\r\nBcc: eve@example.org")
    await crew.execute("UPDATE driver SET name = $1", "Mira\r\nSubject: gift")
    channel = _with_mail(crew, sink)
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.deliver()
    await channel.close()
    (mail,) = sink.mails
    assert mail.recipient == MIRA
    assert mail.mail["Bcc"] is None
    assert "\r" not in mail.mail["Subject"]
    assert "Har bour Bcc: eve@example.org" in mail.mail["Subject"]
