"""Paid messages are counted where they are recorded, and over a cap free channels tell what is to be told."""

import asyncio
from datetime import timedelta

from slotwatch.domain.notices import Channel
from slotwatch.engine.clean import Cleaner
from slotwatch.outbox.settings import CapSettings, SenderSettings
from slotwatch.usecases.addresses import request_code
from slotwatch.usecases.desk import Desk
from tests.conftest import NOON, Town
from tests.support.crew import Crew
from tests.support.many import put_bookings
from tests.support.provider import Provider, down, refusing

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def thrifty(desk: Desk, **caps: int) -> Crew:
    """A crew with these caps; an SMS costs 10."""
    return Crew(desk, caps=CapSettings(sms_cost=10, **caps))


async def _spent(crew: Crew) -> list[tuple[int, str, int, int]]:
    rows = await crew.rows("SELECT vendor_id, channel, messages, amount FROM spend ORDER BY 1, 2")
    return [tuple(row) for row in rows]


async def test_what_was_accepted_is_counted_once_for_vendor_and_address_and_nothing_else_is(
    desk: Desk, town: Town
) -> None:
    crew = thrifty(desk)
    crew.sms.answer = down
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.deliver()
    assert await _spent(crew) == []
    crew.sms.answer = None
    await crew.live_for(MINUTE)
    await crew.booked(town.driver, town.other_connector, town.slot(starts_in=3 * HOUR))
    await crew.booked(town.stranger, town.connectors[1], town.slot())  # has no phone
    await crew.deliver()
    assert await _spent(crew) == [(town.vendor, "sms", 1, 10), (town.other_vendor, "sms", 1, 10)]
    assert [tuple(row) for row in await crew.rows("SELECT * FROM recipient_day WHERE address LIKE '+%'")] == [
        ("+15005550010", NOON.date(), 2)
    ]
    crew.sms.answer = refusing
    await crew.booked(town.driver, town.connectors[2], town.slot(starts_in=5 * HOUR))
    await crew.deliver()
    assert await crew.value("SELECT sum(messages) FROM spend") == 2


async def test_the_local_inbox_costs_nothing(desk: Desk, town: Town) -> None:
    crew = thrifty(desk)
    inbox = Provider(Channel.SMS, has_key=True)
    inbox.provider = "inbox"
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.sender(inbox).run_once()
    assert (len(inbox.taken), await _spent(crew)) == (1, [])


async def test_an_address_gets_no_more_than_its_cap_even_from_one_claim(desk: Desk, town: Town) -> None:
    crew = thrifty(desk, recipient_cap=3)
    for n in range(5):
        await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=(2 + n) * HOUR))
    await crew.deliver()
    assert (len(crew.sms.taken), len(crew.mail.taken)) == (3, 5)
    errors = await crew.rows("SELECT DISTINCT error FROM delivery WHERE state = 'suppressed'")
    assert "this address got 3 paid messages today, which is the most" in {row["error"] for row in errors}
    crew.clock.advance(timedelta(days=1))
    await crew.booked(town.driver, town.connectors[1], town.slot(starts_in=timedelta(days=2)))
    await crew.deliver()
    assert len(crew.sms.taken) == 4, "tomorrow is another day"


async def test_over_the_vendors_cap_mail_steps_in_and_what_cannot_wait_goes_on_for_a_while(
    desk: Desk, town: Town
) -> None:
    crew = thrifty(desk)
    await crew.execute("UPDATE vendor SET spend_cap = 10 WHERE id = $1", town.vendor)
    await crew.never_silent()
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())  # an SMS confirms it: the cap is reached
    await crew.live_until(booking.timeline.grace_half_at)
    assert await crew.deliveries(booking, "slot_started") == {"email": "sent", "sms": "sent"}
    assert await crew.deliveries(booking, "grace_alert") == {"email": "sent", "sms": "suppressed"}
    error = await crew.value("SELECT error FROM delivery WHERE state = 'suppressed' LIMIT 1")
    assert error == "what the vendor spends on messages in a day is used up"
    elsewhere = await crew.booked(town.driver, town.other_connector, town.slot(starts_in=3 * HOUR))
    await crew.deliver()
    assert await crew.deliveries(elsewhere, "booking_confirmed") == {"email": "sent", "sms": "sent"}


async def test_what_goes_to_nobody_uses_up_nothing_of_the_vendors_cap(desk: Desk, town: Town) -> None:
    crew = thrifty(desk, spend_cap=20)
    slots = [town.slot(starts_in=(2 + n) * HOUR) for n in range(5)]
    for slot in slots[:2]:
        await crew.booked(town.stranger, town.connectors[0], slot)  # has no phone
    told = await crew.booked(town.driver, town.connectors[1], slots[2])
    for slot in slots[3:]:
        await crew.booked(town.stranger, town.connectors[0], slot)
    await crew.senders[Channel.SMS].run_once()
    assert (await crew.deliveries(told, "booking_confirmed"))["sms"] == "sent"
    assert await _spent(crew) == [(town.vendor, "sms", 1, 10)]


async def test_codes_to_sign_in_go_out_whatever_messages_may_cost_a_vendor(desk: Desk, town: Town) -> None:
    crew = thrifty(desk, spend_cap=0)
    for number in range(30):
        await request_code(crew.desk, Channel.SMS, f"+150055502{number:02}", key=b"k" * 32, caller=f"192.0.2.{number}")
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.deliver()
    assert await crew.kinds(crew.sms.taken) == ["sign_in_code"] * 30
    assert await _spent(crew) == [(0, "sms", 30, 300)], "what the house pays is still counted"


async def test_senders_that_count_for_the_same_vendors_at_once_lose_no_message_and_never_lock_up(
    desk: Desk, town: Town
) -> None:
    await put_bookings(Crew(desk), town, 300, starts_at=NOON + HOUR)
    await Crew(desk).execute("UPDATE delivery SET vendor_id = 1 + notice_id % 5")
    crews = [Crew(desk, SenderSettings(batch_size=20)) for _ in range(6)]
    async with asyncio.timeout(30):
        await asyncio.gather(*(crew.senders[Channel.SMS].run_once() for crew in crews for _ in range(5)))
        await asyncio.gather(*(crew.deliver() for crew in crews))
    assert sum(len(crew.sms.taken) for crew in crews) == 300
    assert await crews[0].value("SELECT sum(messages) FROM spend") == 300
    assert await crews[0].value("SELECT sum(messages) FROM recipient_day WHERE address LIKE '+%'") == 300


async def test_what_an_address_got_is_forgotten_after_two_days(desk: Desk, town: Town) -> None:
    crew = thrifty(desk)
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.deliver()
    for day, left in ((0, 1), (1, 1), (2, 0)):
        crew.clock.move_to(NOON + timedelta(days=day))
        async with desk.database.transaction() as conn:
            await Cleaner(crew.clock).run_once(conn)
        assert await crew.value("SELECT count(*) FROM recipient_day WHERE address LIKE '+%'") == left


async def test_whoever_books_and_cancels_in_a_loop_floods_no_mailbox_and_the_start_is_still_told(
    desk: Desk, town: Town
) -> None:
    crew = thrifty(desk, mail_cap=3)
    await crew.never_silent()
    for n in range(5):
        await crew.booked(town.stranger, town.connectors[0], town.slot(starts_in=(2 + n) * HOUR))
        await crew.deliver()
    assert len(crew.mail.taken) == 3
    errors = await crew.rows("SELECT DISTINCT error FROM delivery WHERE state = 'suppressed' AND channel = 'email'")
    assert [row["error"] for row in errors] == ["this address got 3 mails about bookings today, which is the most"]
    await crew.booked(town.driver, town.connectors[1], town.slot(starts_in=2 * HOUR))
    await crew.deliver()
    assert len(crew.mail.taken) == 4, "another address is another day"
    await crew.live_for(2 * HOUR)
    assert "slot_started" in await crew.kinds(crew.mail.taken)
    assert await crew.value("SELECT messages FROM recipient_day WHERE address = 'otto@example.org'") == 3


async def test_mails_into_the_local_inbox_are_not_counted(desk: Desk, town: Town) -> None:
    crew = thrifty(desk)
    inbox = Provider(Channel.EMAIL, has_key=True)
    inbox.provider = "inbox"
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.sender(inbox).run_once()
    assert (len(inbox.taken), await crew.value("SELECT count(*) FROM recipient_day")) == (1, 0)
