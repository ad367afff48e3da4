"""The outbox, one rule at a time: who is told what by which channel, what is tried again, what is not sent any more."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from slotwatch.channels import Accepted, Failed, Message, Outcome
from slotwatch.domain.booking import Booking
from slotwatch.domain.lifecycle import State
from slotwatch.domain.notices import Channel
from slotwatch.usecases.cancel import cancel
from tests.conftest import NOON, Town
from tests.support.crew import FRONTEND, Crew
from tests.support.provider import down, refusing, throttled

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


async def _booked(crew: Crew, town: Town) -> Booking:
    return await crew.booked(town.driver, town.connectors[0], town.slot())


async def _delivery(crew: Crew, booking: Booking, kind: str, channel: str) -> dict[str, Any]:
    rows = await crew.rows(
        "SELECT d.* FROM delivery AS d JOIN notice AS n ON n.id = d.notice_id"
        " WHERE n.booking_id = $1 AND n.kind = $2 AND d.channel = $3",
        *(booking.id, kind, channel),
    )
    return dict(rows[0])


async def _attempts(crew: Crew, channel: str) -> list[str]:
    rows = await crew.rows("SELECT outcome FROM attempt WHERE channel = $1 ORDER BY at, lease", channel)
    return [row["outcome"] for row in rows]


async def test_a_message_goes_to_the_driver_once_with_its_stable_key(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    await crew.deliver()
    await crew.deliver()
    (mail,), (text,) = crew.mail.taken, crew.sms.taken
    assert (mail.to, text.to) == ("mira@example.org", "+15005550010")
    notice = await crew.value("SELECT id FROM notice")
    assert [mail.key, text.key] == [await crew.key_of(notice, channel) for channel in ("email", "sms")]
    assert f"{FRONTEND}/bookings/{booking.ref}" in mail.text
    sent = await _delivery(crew, booking, "booking_confirmed", "email")
    assert (sent["state"], sent["provider"], sent["provider_message_id"], sent["sent_at"]) == (
        *("sent", "double", f"id-{notice}-email"),
        NOON,
    )
    assert await _attempts(crew, "email") == ["accepted"]


async def test_a_transient_failure_is_tried_again_later_and_later(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    crew.mail.answer = down
    pauses = []
    for _ in range(5):
        await crew.deliver()
        row = await _delivery(crew, booking, "booking_confirmed", "email")
        pauses.append(row["next_attempt_at"] - crew.clock.read())
        assert (row["state"], row["error"]) == ("pending", "connection refused")
        crew.clock.move_to(row["next_attempt_at"] - timedelta(microseconds=1))
        assert (await crew.senders[Channel.EMAIL].run_once()).claimed == 0
        crew.clock.move_to(row["next_attempt_at"])
    for tries, pause in enumerate(pauses):
        assert 3 * SECOND * 2**tries <= pause <= 5 * SECOND * 2**tries + SECOND
    crew.mail.answer = None
    await crew.deliver()
    assert len(crew.mail.taken) == 1
    assert {message.key for message in crew.mail.asked} == set(crew.mail.keys), "every try bears the same key"
    assert await _attempts(crew, "email") == ["failed"] * 5 + ["accepted"]


async def test_a_provider_that_names_a_time_is_left_alone_until_then(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    crew.mail.answer = throttled(3 * MINUTE)
    await crew.deliver()
    row = await _delivery(crew, booking, "booking_confirmed", "email")
    assert 3 * MINUTE <= row["next_attempt_at"] - NOON < 3 * MINUTE + SECOND


async def test_a_permanent_refusal_is_final_and_opens_the_other_channel_once(crew: Crew, town: Town) -> None:
    crew.mail.answer = refusing
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    await crew.live_until(booking.timeline.starts_at - HOUR)
    assert await crew.deliveries(booking, "reminder") == {"email": "failed", "sms": "sent"}
    await crew.live_for(30 * MINUTE)
    assert (await crew.kinds(crew.sms.taken)).count("reminder") == 1
    row = await _delivery(crew, booking, "reminder", "email")
    assert (row["error"], row["attempts"]) == ("550 no such user", 1)


async def test_when_both_channels_refuse_nothing_goes_round_in_circles(crew: Crew, town: Town) -> None:
    crew.mail.answer = crew.sms.answer = refusing
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    await crew.live_until(booking.timeline.starts_at - 30 * MINUTE)
    assert await crew.deliveries(booking, "reminder") == {"email": "failed", "sms": "failed"}
    assert len(crew.mail.asked) == len(crew.sms.asked) == 2


async def test_a_channel_that_keeps_failing_is_joined_by_the_other_after_the_fourth_try(crew: Crew, town: Town) -> None:
    crew.mail.answer = down
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    await crew.live_until(booking.timeline.starts_at - HOUR)
    for tries in range(1, 5):
        assert (await _delivery(crew, booking, "reminder", "email"))["attempts"] == tries
        assert ("sms" in await crew.deliveries(booking, "reminder")) is (tries == 4)
        row = await _delivery(crew, booking, "reminder", "email")
        crew.clock.move_to(row["next_attempt_at"])
        await crew.deliver()
    assert await crew.deliveries(booking, "reminder") == {"email": "pending", "sms": "sent"}
    crew.mail.answer = None
    await crew.live_for(10 * MINUTE)
    assert await crew.deliveries(booking, "reminder") == {"email": "sent", "sms": "sent"}


async def test_a_channel_that_asks_for_more_time_than_there_is_gives_way_to_the_other(crew: Crew, town: Town) -> None:
    """A grace alert goes by SMS; a provider that wants an hour of rest must not keep it from the driver."""
    booking = await _booked(crew, town)
    await crew.live_until(booking.timeline.starts_at)
    crew.sms.answer = throttled(HOUR)
    await crew.live_until(booking.timeline.grace_last_at or NOON)
    rows = await crew.rows(
        "SELECT n.occasion, d.channel, d.state, d.error FROM delivery AS d JOIN notice AS n ON n.id = d.notice_id"
        " WHERE n.kind = 'grace_alert' ORDER BY n.id, d.channel DESC"
    )
    assert [tuple(row) for row in rows] == [
        *(("half", "sms", "missed", "429 too many requests"), ("half", "email", "sent", None)),
        *(("last", "sms", "missed", "429 too many requests"), ("last", "email", "sent", None)),
    ]


async def test_what_could_not_be_sent_in_its_time_is_missed_with_a_reason(crew: Crew, town: Town) -> None:
    crew.mail.answer = crew.sms.answer = down
    booking = await _booked(crew, town)
    await crew.live_until(booking.timeline.starts_at)
    await crew.live_until(booking.timeline.grace_ends_at + MINUTE)
    assert await crew.deliveries(booking, "slot_started") == {"email": "missed", "sms": "missed"}
    row = await _delivery(crew, booking, "slot_started", "email")
    assert row["error"] == "connection refused"


async def test_a_message_that_waited_too_long_is_missed_without_asking_the_provider(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    crew.clock.move_to(booking.timeline.starts_at)
    await crew.engine()
    crew.clock.move_to(booking.timeline.grace_ends_at + timedelta(microseconds=1))
    await crew.deliver()
    assert await crew.deliveries(booking, "slot_started") == {"email": "missed", "sms": "missed"}
    assert "slot_started" not in await crew.kinds(crew.mail.asked)


async def test_a_message_is_still_sent_in_the_last_instant_of_its_time(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    crew.clock.move_to(booking.timeline.starts_at)
    await crew.engine()
    crew.clock.move_to(booking.timeline.grace_ends_at)
    await crew.deliver()
    assert await crew.deliveries(booking, "slot_started") == {"email": "sent", "sms": "sent"}


async def test_what_is_no_longer_true_is_not_sent(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    await crew.live_until(booking.timeline.starts_at - MINUTE)
    crew.clock.move_to(booking.timeline.starts_at)
    await crew.engine()
    await crew.checked_in(booking)
    await crew.deliver()
    assert await crew.deliveries(booking, "slot_started") == {"email": "suppressed", "sms": "suppressed"}
    row = await _delivery(crew, booking, "slot_started", "sms")
    assert (row["error"], row["attempts"]) == ("no longer true: the booking is active", 0)
    assert await crew.deliveries(booking, "checked_in") == {"email": "sent"}


async def test_a_cancelled_booking_is_not_confirmed_any_more(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    await cancel(crew.desk, town.driver.id, booking.id)
    await crew.deliver()
    assert set((await crew.deliveries(booking, "booking_confirmed")).values()) == {"suppressed"}
    assert await crew.deliveries(booking, "booking_cancelled") == {"email": "sent", "sms": "sent"}


async def test_a_start_notice_overtakes_reminders_however_many_wait(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    await crew.deliver()
    for n in range(40):
        slot = town.slot(starts_in=timedelta(days=1) + n * HOUR)
        other = await crew.booked(town.driver, town.connectors[1], slot)
        await cancel(crew.desk, town.driver.id, other.id)
    crew.clock.move_to(booking.timeline.starts_at)
    await crew.engine()
    one_at_a_time = crew.sender(crew.mail)
    await one_at_a_time.run_once()
    assert (await crew.kinds(crew.mail.taken))[1] == "slot_started"


async def test_a_channel_that_the_driver_switched_off_is_replaced_by_the_other(crew: Crew, town: Town) -> None:
    await crew.execute("UPDATE driver SET preferences = $1", {"channels": {"email": False}})
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    await crew.live_until(booking.timeline.starts_at - HOUR)
    assert crew.mail.asked == []
    assert await crew.deliveries(booking, "booking_confirmed") == {"email": "suppressed", "sms": "sent"}
    assert await crew.deliveries(booking, "reminder") == {"email": "suppressed", "sms": "sent"}


async def test_a_driver_without_a_phone_gets_the_alerts_by_mail(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.stranger, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.expires_at)
    assert crew.sms.asked == []
    assert await crew.deliveries(booking, "grace_alert") == {"sms": "suppressed", "email": "sent"}
    assert await crew.state(booking) is State.EXPIRED


async def test_a_sender_whose_lease_passed_on_changes_nothing(crew: Crew, town: Town) -> None:
    """The first sender hangs in the provider; its lease lapses and another one sends; then the first comes back."""
    booking = await _booked(crew, town)
    slow, quick = crew.mail, Crew(crew.desk).mail
    slow.has_key = quick.has_key = True
    slow.gate = asyncio.Event()
    slow.answer = lambda message: Failed("too late")
    hanging = asyncio.create_task(crew.senders[Channel.EMAIL].run_once())
    await slow.entered.wait()
    assert (await crew.sender(quick).run_once()).claimed == 0, "leased"
    crew.clock.advance(30 * SECOND)
    assert (await crew.sender(quick).run_once()).claimed == 1, "rescued when the lease had lapsed"
    slow.gate.set()
    report = await hanging
    assert report.lost == 1
    row = await _delivery(crew, booking, "booking_confirmed", "email")
    assert (row["state"], row["lease"], row["attempts"]) == ("sent", 2, 1)
    assert await crew.value("SELECT count(*) FROM attempt") == 2, "both tries stay on record"


async def test_a_late_success_of_an_old_lease_does_not_overwrite_the_later_one(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    slow = crew.mail
    slow.gate = asyncio.Event()
    hanging = asyncio.create_task(crew.senders[Channel.EMAIL].run_once())
    await slow.entered.wait()
    crew.clock.advance(30 * SECOND)
    other = Crew(crew.desk)
    other.mail.has_key = True
    other.mail.answer = refusing
    await other.senders[Channel.EMAIL].run_once()
    slow.gate.set()
    await hanging
    assert (await _delivery(crew, booking, "booking_confirmed", "email"))["state"] == "failed"


async def test_two_senders_of_a_channel_never_send_the_same_message(crew: Crew, town: Town) -> None:
    for connector in town.connectors:
        await crew.booked(town.driver, connector, town.slot())
    others = [Crew(crew.desk) for _ in range(4)]
    await asyncio.gather(*(one.deliver() for one in others))
    keys = [key for one in others for key in (*one.mail.keys, *one.sms.keys)]
    assert len(keys) == len(set(keys)) == 8


async def test_a_message_that_we_cannot_write_is_set_aside_after_three_tries_and_holds_up_nobody(
    crew: Crew, town: Town
) -> None:
    poison = await crew.booked(town.driver, town.night_shut_connector, town.slot(starts_in=15 * HOUR))
    await crew.execute("UPDATE station SET zone = 'Mars/Olympus' WHERE id = $1", town.night_shut)
    booking = await _booked(crew, town)
    await crew.live_for(10 * MINUTE)
    assert await crew.deliveries(booking, "booking_confirmed") == {"email": "sent", "sms": "sent"}
    assert await crew.deliveries(poison, "booking_confirmed") == {"email": "set_aside", "sms": "set_aside"}
    row = await _delivery(crew, poison, "booking_confirmed", "email")
    assert (row["faults"], row["attempts"]) == (3, 0)
    assert "Mars/Olympus" in row["error"]
    await crew.live_for(HOUR)
    assert (await _delivery(crew, poison, "booking_confirmed", "email"))["lease"] == 3


async def test_a_provider_that_raises_is_our_fault_and_set_aside_likewise(crew: Crew, town: Town) -> None:
    def broken(message: Message) -> Outcome:
        raise RuntimeError("bug in the channel")

    crew.mail.answer = broken
    booking = await _booked(crew, town)
    await crew.live_for(MINUTE)
    assert await crew.deliveries(booking, "booking_confirmed") == {"email": "set_aside", "sms": "sent"}


async def test_a_message_that_queued_for_long_is_judged_anew_before_it_goes(crew: Crew, town: Town) -> None:
    """One connection to the provider, the first message takes more than a second: meanwhile the second driver came."""
    first = await _booked(crew, town)
    second = await crew.booked(town.stranger, town.connectors[1], town.slot())
    await crew.deliver()
    crew.clock.move_to(first.timeline.starts_at)
    await crew.engine()
    narrow = type(crew.mail)(Channel.EMAIL, concurrency=1)
    narrow.gate = asyncio.Event()
    sending = asyncio.create_task(crew.sender(narrow).run_once())
    await narrow.entered.wait()
    await crew.checked_in(first)
    await crew.checked_in(second)
    await asyncio.sleep(1.05)  # longer than a claim counts as fresh
    narrow.gate.set()
    await sending
    assert len(narrow.asked) == 1
    states = [(await crew.deliveries(booking, "slot_started"))["email"] for booking in (first, second)]
    assert sorted(states) == ["sent", "suppressed"]


async def test_a_message_whose_lease_grew_old_in_the_queue_is_left_to_the_next_claim(crew: Crew, town: Town) -> None:
    await _booked(crew, town)
    await crew.booked(town.stranger, town.connectors[1], town.slot())
    hasty = type(crew.settings)(lease_seconds=2, timeout_seconds=1)
    narrow = type(crew.mail)(Channel.EMAIL, concurrency=1)
    narrow.gate = asyncio.Event()
    sending = asyncio.create_task(crew.sender(narrow, hasty).run_once())
    await narrow.entered.wait()
    await asyncio.sleep(1.05)  # longer than lease_seconds - timeout_seconds
    narrow.gate.set()
    await sending
    assert len(narrow.asked) == 1
    crew.clock.advance(2.5 * SECOND)
    await crew.deliver()
    assert len(crew.mail.taken) == 1, "the other one went out later"


async def test_an_answer_that_names_no_id_is_recorded_all_the_same(crew: Crew, town: Town) -> None:
    crew.mail.answer = lambda message: Accepted("")
    booking = await _booked(crew, town)
    await crew.deliver()
    assert (await _delivery(crew, booking, "booking_confirmed", "email"))["state"] == "sent"


@pytest.mark.parametrize(
    ("channels", "alert"), [({Channel.EMAIL}, {"email": "sent"}), ({Channel.SMS}, {"sms": "sent"}), (set(), {})]
)
async def test_a_channel_that_is_switched_off_gets_nothing_and_the_other_takes_its_part(
    crew: Crew, town: Town, channels: set[Channel], alert: dict[str, str]
) -> None:
    some = Crew(replace(crew.desk, channels=frozenset(channels)))
    booking = await some.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    await some.live_until(booking.timeline.expires_at)
    for kind in ("reminder", "grace_alert"):
        assert await some.deliveries(booking, kind) == alert
    assert set(await some.deliveries(booking, "slot_started")) == {channel.value for channel in channels}
    assert await some.state(booking) is (State.EXPIRED if channels else State.VOIDED)
