"""When a slot's start is not known to have arrived: WhatsApp joins in, then a phone call; and not otherwise."""

from dataclasses import replace
from datetime import timedelta

import pytest

from slotwatch.channels import Failed, Message
from slotwatch.channels.receipts import Receipt
from slotwatch.config import BadSetting, load_settings
from slotwatch.domain.booking import Booking
from slotwatch.domain.lifecycle import State
from slotwatch.domain.notices import NOTICE_RULES, USUAL_CHANNELS, Channel, NoticeKind
from slotwatch.outbox.receipts import ReceiptBook
from slotwatch.outbox.settings import SenderSettings
from slotwatch.usecases.desk import Desk
from slotwatch.wiring import build_channels, build_provider
from tests.conftest import Town
from tests.support.crew import Crew
from tests.support.provider import Provider, refusing

MINUTE = timedelta(minutes=1)
LOUD = USUAL_CHANNELS | {Channel.WHATSAPP, Channel.VOICE}
TWILIO = {
    "SLOTWATCH_TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "SLOTWATCH_TWILIO_AUTH_TOKEN": "t0ken",
    "SLOTWATCH_TWILIO_FROM": "+15550001111",
}


def louder(desk: Desk, settings: SenderSettings | None = None) -> tuple[Crew, Provider, Provider]:
    """A crew with WhatsApp and voice, and the doubles of their providers."""
    crew = Crew(replace(desk, channels=LOUD), settings or SenderSettings())
    whatsapp, voice = Provider(Channel.WHATSAPP), Provider(Channel.VOICE)
    for provider in (whatsapp, voice):
        crew.senders[Channel(provider.name)] = crew.sender(provider)
    return crew, whatsapp, voice


async def started(crew: Crew, town: Town, *, is_proven: bool = True) -> Booking:
    """A booking whose slot has begun; its driver has proven their number."""
    await crew.never_silent()
    if is_proven:
        await crew.execute("UPDATE driver SET phone_verified_at = $1", crew.clock.read())
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.starts_at)
    return booking


async def test_without_a_known_delivery_whatsapp_joins_in_and_then_a_call(desk: Desk, town: Town) -> None:
    crew, whatsapp, voice = louder(desk)
    booking = await started(crew, town)
    await crew.live_for(4 * MINUTE - timedelta(seconds=1))
    assert (whatsapp.taken, voice.taken) == ([], [])
    await crew.live_for(timedelta(seconds=1))
    assert ([message.to for message in whatsapp.taken], voice.taken) == (["+15005550010"], [])
    await crew.live_for(4 * MINUTE)
    assert [message.to for message in voice.taken] == ["+15005550010"]
    states = {"email": "sent", "sms": "sent", "whatsapp": "sent", "voice": "sent"}
    assert await crew.deliveries(booking, "slot_started") == states
    assert set(await crew.deliveries(booking, "booking_confirmed")) == {"email", "sms"}, "only the start is so urgent"


async def test_a_known_delivery_keeps_the_phone_silent(desk: Desk, town: Town) -> None:
    crew, whatsapp, voice = louder(desk)
    booking = await started(crew, town)
    notice = await crew.value("SELECT id FROM notice WHERE kind = 'slot_started'")
    book = ReceiptBook(crew.desk.database, crew.clock, crew.desk.channels)
    await book.enter(
        [
            Receipt(
                provider="double",
                channel="sms",
                message_id=f"id-{notice}-sms",
                status="delivered",
                event_id="delivered",
            )
        ]
    )
    await crew.live_for(10 * MINUTE)
    assert (whatsapp.asked, voice.asked) == ([], [])
    assert (await crew.deliveries(booking, "slot_started"))["voice"] == "suppressed"
    assert await crew.value("SELECT error FROM delivery WHERE channel = 'voice'") == "not needed: it arrived by sms"


async def test_who_has_checked_in_is_not_called(desk: Desk, town: Town) -> None:
    crew, whatsapp, voice = louder(desk)
    booking = await started(crew, town)
    await crew.checked_in(booking)
    await crew.live_for(10 * MINUTE)
    assert (whatsapp.asked, voice.asked) == ([], [])


async def test_nobody_is_called_about_a_booking_of_small_value(desk: Desk, town: Town) -> None:
    crew, whatsapp, voice = louder(desk, SenderSettings(voice_from=100_000))
    await started(crew, town)
    await crew.live_for(10 * MINUTE)
    assert (len(whatsapp.taken), voice.asked) == (1, [])


async def test_nobody_is_called_at_a_number_that_was_never_proven(desk: Desk, town: Town) -> None:
    crew, whatsapp, voice = louder(desk)
    booking = await started(crew, town, is_proven=False)
    await crew.live_for(10 * MINUTE)
    assert (len(whatsapp.taken), voice.asked) == (1, [])
    states = {"email": "sent", "sms": "sent", "whatsapp": "sent", "voice": "suppressed"}
    assert await crew.deliveries(booking, "slot_started") == states
    await crew.live_until(booking.timeline.ends_at)
    assert await crew.state(booking) is State.EXPIRED, "they were told by other ways"


async def test_who_could_only_have_been_called_at_an_unproven_number_is_no_no_show(desk: Desk, town: Town) -> None:
    crew, whatsapp, voice = louder(desk)
    for provider in (crew.mail, crew.sms, whatsapp):
        provider.answer = refusing
    booking = await started(crew, town, is_proven=False)
    await crew.live_until(booking.timeline.ends_at)
    assert voice.asked == []
    assert await crew.state(booking) is State.VOIDED
    await crew.assert_sound()


async def test_a_grace_that_is_shorter_has_no_such_deliveries(desk: Desk, town: Town) -> None:
    crew, _, voice = louder(desk)
    await crew.execute("""UPDATE vendor SET terms = '{"gracePeriodMinutes": 5}'""")
    booking = await started(crew, town)
    assert set(await crew.deliveries(booking, "slot_started")) == {"email", "sms", "whatsapp"}
    await crew.live_for(10 * MINUTE)
    assert voice.asked == []


def test_how_long_a_delivery_is_waited_for_is_a_setting() -> None:
    settings = load_settings({"SLOTWATCH_LOUDER_AFTER_MINUTES": "2.5"})
    plan = NOTICE_RULES[NoticeKind.SLOT_STARTED].plan(LOUD, settings.notices.louder_after)
    assert [(later.channel, later.after) for later in plan[2:]] == [
        (Channel.WHATSAPP, 2.5 * MINUTE),
        (Channel.VOICE, 5 * MINUTE),
    ]
    with pytest.raises(BadSetting, match="SLOTWATCH_LOUDER_AFTER_MINUTES must be above 0"):
        load_settings({"SLOTWATCH_LOUDER_AFTER_MINUTES": "0"})


def test_louder_channels_are_on_when_they_have_a_sender_and_an_account() -> None:
    settings = load_settings({**TWILIO, "SLOTWATCH_VOICE_FROM": "+15550001111"})
    assert settings.channels == {Channel.EMAIL, Channel.SMS, Channel.VOICE}
    provider = build_provider(settings, Channel.VOICE)
    assert provider is not None
    assert (provider.name, provider.provider) == ("voice", "twilio")
    with pytest.raises(BadSetting, match="SLOTWATCH_WHATSAPP_FROM needs a Twilio account"):
        load_settings({"SLOTWATCH_WHATSAPP_FROM": "+15550001111"})


async def test_one_account_has_one_rate_and_one_count_of_turns_for_all_of_its_channels(desk: Desk) -> None:
    nobody_listens = "http://127.0.0.1:9"
    louder_numbers = {"SLOTWATCH_VOICE_FROM": "+15550001111", "SLOTWATCH_WHATSAPP_FROM": "+15550001111"}
    rates = {"SLOTWATCH_PROVIDER_RATES": "twilio=0.001,twilio2=0.001", "SLOTWATCH_TWILIO_BASE_URL": nobody_listens}
    second = {name.replace("TWILIO_", "TWILIO2_"): value for name, value in TWILIO.items()}
    settings = load_settings({**TWILIO, **louder_numbers, **rates})
    message = Message(key="delivery-1", to="+15005550010", subject=None, text="Go.")
    channels = {each.name: each for each in build_channels(settings, desk.database, desk.clock)}
    first = await channels["whatsapp"].send(message, timeout=1)
    assert isinstance(first, Failed) and first.asked
    for name in ("voice", "sms", "whatsapp"):
        outcome = await channels[name].send(message, timeout=1)
        assert outcome == Failed("too many messages a second for twilio", timedelta(seconds=1), asked=False), name
    settings = load_settings({**TWILIO, **second, **rates, "SLOTWATCH_TWILIO2_BASE_URL": nobody_listens})
    (sms,) = [each for each in build_channels(settings, desk.database, desk.clock) if each.name == "sms"]
    outcome = await sms.send(message, timeout=1)
    assert isinstance(outcome, Failed) and outcome.asked, "another account, another count"
    for each in (*channels.values(), sms):
        await each.close()
