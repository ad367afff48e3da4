"""A sender dies between the provider's "accepted" and its own record of it: nobody is told twice without need."""

import asyncio
from datetime import timedelta

import pytest

from slotwatch.domain.booking import Booking
from slotwatch.domain.errors import Unavailable
from slotwatch.domain.lifecycle import State
from slotwatch.domain.notices import Channel
from slotwatch.engine.clean import Cleaner
from slotwatch.outbox.claim import claim
from slotwatch.outbox.receipts import ReceiptBook
from slotwatch.outbox.record import hand_over
from slotwatch.storage.dead_deliveries import list_dead, retry
from tests.conftest import Town
from tests.integration.test_receipts import said
from tests.support.crew import Crew
from tests.support.provider import Provider, refusing

LEASE = timedelta(seconds=30)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


async def die_sending(crew: Crew, channel: Channel) -> list[str]:
    """What a killed sender leaves behind: leased, noted as handed over, and then nothing."""
    async with crew.desk.database.connection() as conn:
        batch = await claim(conn, crew.clock, channel, limit=100, lease_for=LEASE)
        assert await hand_over(conn, channel, batch) == {delivery.notice_id for delivery in batch}
    return [delivery.key for delivery in batch]


async def _reminded(crew: Crew, town: Town, driver: object = None) -> Booking:
    """A booking whose reminder is due and whose confirmation went out."""
    booking = await crew.booked(driver or town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    await crew.deliver()
    crew.clock.move_to(booking.timeline.starts_at - HOUR)
    await crew.engine()
    return booking


async def _started(crew: Crew, town: Town, driver: object = None) -> Booking:
    await crew.never_silent()
    booking = await crew.booked(driver or town.driver, town.connectors[0], town.slot())
    await crew.deliver()
    crew.clock.move_to(booking.timeline.starts_at)
    await crew.engine()
    return booking


async def test_without_keys_it_is_unknown_and_the_other_channel_tells_it(crew: Crew, town: Town) -> None:
    booking = await _reminded(crew, town)
    (key,) = await die_sending(crew, Channel.EMAIL)
    await crew.live_for(MINUTE)
    assert key not in crew.mail.keys
    assert await crew.deliveries(booking, "reminder") == {"email": "unknown", "sms": "sent"}
    row = (await crew.rows("SELECT * FROM delivery WHERE state = 'unknown'"))[0]
    assert row["error"] == "handed over, and the answer was lost: it may have arrived"
    assert row["handed_over"] is None
    assert await crew.value("SELECT outcome FROM attempt ORDER BY at DESC, outcome DESC LIMIT 1") == "unknown"
    await crew.live_for(10 * MINUTE)
    assert await crew.deliveries(booking, "reminder") == {"email": "unknown", "sms": "sent"}


async def test_with_keys_it_is_sent_again_with_the_same_key(crew: Crew, town: Town) -> None:
    booking = await _reminded(crew, town)
    (key,) = await die_sending(crew, Channel.EMAIL)
    crew.mail.has_key = True
    await crew.live_for(MINUTE)
    assert crew.mail.keys[-1] == key
    assert await crew.deliveries(booking, "reminder") == {"email": "sent"}


async def test_what_was_claimed_and_not_yet_handed_over_is_simply_sent(crew: Crew, town: Town) -> None:
    booking = await _reminded(crew, town)
    async with crew.desk.database.connection() as conn:
        await claim(conn, crew.clock, Channel.EMAIL, limit=100, lease_for=LEASE)
    await crew.live_for(MINUTE)
    assert await crew.deliveries(booking, "reminder") == {"email": "sent"}


async def test_a_lease_that_passed_on_hands_nothing_over(crew: Crew, town: Town) -> None:
    await _reminded(crew, town)
    database = crew.desk.database
    async with database.connection() as conn:
        batch = await claim(conn, crew.clock, Channel.EMAIL, limit=100, lease_for=LEASE)
        crew.clock.advance(LEASE)
        await claim(conn, crew.clock, Channel.EMAIL, limit=100, lease_for=LEASE)
        assert await hand_over(conn, Channel.EMAIL, batch) == set()


async def test_what_cannot_wait_is_sent_once_more_to_who_has_no_other_way(crew: Crew, town: Town) -> None:
    booking = await _started(crew, town, town.stranger)  # no phone
    await crew.senders[Channel.SMS].run_once()
    (key,) = await die_sending(crew, Channel.EMAIL)
    await crew.live_for(MINUTE)
    assert crew.mail.keys.count(key) == 1
    assert await crew.deliveries(booking, "slot_started") == {"email": "sent", "sms": "suppressed"}


async def test_it_is_sent_once_more_and_not_for_ever(crew: Crew, town: Town) -> None:
    booking = await _started(crew, town, town.stranger)
    for _ in range(2):
        await die_sending(crew, Channel.EMAIL)
        crew.clock.advance(LEASE)
        await crew.senders[Channel.EMAIL].run_once()
    assert (await crew.deliveries(booking, "slot_started"))["email"] == "unknown"
    assert len(crew.mail.taken) == 1, "the confirmation"


@pytest.mark.parametrize("is_late", [False, True])
async def test_a_receipt_tells_what_became_of_it_before_and_after_it_is_called_unknown(
    crew: Crew, town: Town, *, is_late: bool
) -> None:
    booking = await _reminded(crew, town)
    (key,) = await die_sending(crew, Channel.EMAIL)
    if is_late:
        crew.clock.advance(LEASE)
        await crew.deliver()
    book = ReceiptBook(crew.desk.database, crew.clock, crew.desk.channels)
    assert (await book.enter([said("delivered", "email", key=key, message_id="of-smtp")])).risen == 1
    await crew.live_for(MINUTE)
    others = {"sms": "sent"} if is_late else {}
    assert await crew.deliveries(booking, "reminder") == {"email": "delivered", **others}


async def test_where_both_answers_are_lost_the_first_channel_tells_once_more(crew: Crew, town: Town) -> None:
    booking = await _started(crew, town)
    for channel in (Channel.SMS, Channel.EMAIL):  # whichever is looked at first
        await die_sending(crew, channel)
    crew.clock.advance(LEASE)
    for channel in (Channel.SMS, Channel.EMAIL, Channel.EMAIL):
        await crew.senders[channel].run_once()
    assert await crew.deliveries(booking, "slot_started") == {"email": "sent", "sms": "unknown"}


async def test_a_channel_that_failed_is_no_other_way(crew: Crew, town: Town) -> None:
    booking = await _started(crew, town)
    crew.sms.answer = refusing
    await crew.senders[Channel.SMS].run_once()
    await die_sending(crew, Channel.EMAIL)
    await crew.live_for(MINUTE)
    assert await crew.deliveries(booking, "slot_started") == {"email": "sent", "sms": "failed"}


async def test_one_that_the_other_channel_told_is_not_told_again(crew: Crew, town: Town) -> None:
    booking = await _started(crew, town)
    await crew.senders[Channel.SMS].run_once()
    (key,) = await die_sending(crew, Channel.EMAIL)
    await crew.live_for(MINUTE)
    assert key not in crew.mail.keys
    assert await crew.deliveries(booking, "slot_started") == {"email": "unknown", "sms": "sent"}


async def test_what_was_noted_and_never_given_is_given_back_when_the_second_look_fails(
    crew: Crew, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database blinks between the note and the send: nobody was given the message, so it is not unknown."""
    booking = await _started(crew, town)
    narrow = Provider(Channel.EMAIL, concurrency=1)
    narrow.gate = asyncio.Event()
    await crew.booked(town.stranger, town.connectors[1], town.slot())
    sending = asyncio.create_task(crew.sender(narrow).run_once())
    await narrow.entered.wait()
    await asyncio.sleep(1.05)  # longer than a claim counts as fresh

    async def gone(*_: object, **__: object) -> None:
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(type(crew.desk.database), "fetchrow_together", gone)
        narrow.gate.set()
        await sending
    assert len(narrow.asked) == 1
    crew.clock.advance(MINUTE)
    await crew.deliver()
    states = await crew.rows("SELECT DISTINCT state FROM delivery WHERE channel = 'email'")
    assert [row["state"] for row in states] == ["sent"], booking.ref


async def test_an_unknown_start_is_no_ground_to_forfeit_unless_an_alert_followed_it(crew: Crew, town: Town) -> None:
    booking = await _started(crew, town)
    await die_sending(crew, Channel.EMAIL)
    await die_sending(crew, Channel.SMS)
    crew.mail.answer = crew.sms.answer = refusing
    await crew.live_until(booking.timeline.expires_at)
    assert await crew.deliveries(booking, "slot_started") == {"email": "failed", "sms": "failed"}, "sent once more"
    assert await crew.state(booking) is State.VOIDED


async def test_an_unknown_start_and_an_alert_that_went_out_are_enough(crew: Crew, town: Town) -> None:
    booking = await _started(crew, town)
    await die_sending(crew, Channel.EMAIL)
    await die_sending(crew, Channel.SMS)
    await crew.live_until(booking.timeline.expires_at)
    assert await crew.deliveries(booking, "grace_alert") == {"sms": "sent"}
    assert await crew.state(booking) is State.EXPIRED
    await crew.assert_sound()


async def test_an_operator_sees_it_and_may_have_it_sent_again(crew: Crew, town: Town) -> None:
    booking = await _reminded(crew, town)
    (key,) = await die_sending(crew, Channel.EMAIL)
    await crew.live_for(MINUTE)
    async with crew.desk.database.connection() as conn:
        (dead,) = await list_dead(conn, limit=10)
        assert (await crew.key_of(dead.notice_id, dead.channel), dead.state) == (key, "unknown")
        await retry(conn, dead.key, now=crew.clock.read())
    await crew.deliver()
    assert (await crew.deliveries(booking, "reminder"))["email"] == "sent"


async def test_a_cleaner_that_finds_it_first_does_not_call_it_missed(crew: Crew, town: Town) -> None:
    booking = await _reminded(crew, town)
    await die_sending(crew, Channel.EMAIL)
    crew.clock.move_to(booking.timeline.starts_at + 5 * MINUTE)
    async with crew.desk.database.transaction() as conn:
        await Cleaner(crew.clock).run_once(conn)
    assert await crew.deliveries(booking, "reminder") == {"email": "unknown"}
