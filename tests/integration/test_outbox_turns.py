"""Vendors take turns: who has very much to tell delays nobody else, and what is urgent still goes first."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from slotwatch.domain.notices import Channel
from slotwatch.outbox.claim import Claimed, claim
from slotwatch.outbox.sender import Sender
from slotwatch.outbox.settings import SenderSettings
from tests.conftest import NOON, Town
from tests.support.crew import Crew, until
from tests.support.many import put_bookings
from tests.support.provider import Provider

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


async def _claim(crew: Crew, limit: int, last: int = -1) -> list[Claimed]:
    async with crew.desk.database.connection() as conn:
        return await claim(conn, crew.clock, Channel.EMAIL, limit=limit, lease_for=MINUTE, last=last)


async def _backlog(crew: Crew, town: Town, count: int = 60) -> None:
    """So many confirmations of one vendor, and then one of another."""
    await put_bookings(crew, town, count, starts_at=NOON + HOUR)
    crew.clock.advance(MINUTE)
    await crew.booked(town.driver, town.other_connector, town.slot(starts_in=2 * HOUR))


async def test_who_comes_last_with_little_is_in_the_first_claim(crew: Crew, town: Town) -> None:
    await _backlog(crew, town)
    batch = await _claim(crew, 8)
    assert Counter(each.turn for each in batch) == {town.vendor: 4, town.other_vendor: 1}
    assert Counter(each.turn for each in await _claim(crew, 8)) == {town.vendor: 8}, "nobody else has anything"


async def test_with_one_delivery_a_claim_they_go_in_turn(crew: Crew, town: Town) -> None:
    await _backlog(crew, town, 6)
    await crew.execute("UPDATE delivery SET vendor_id = 9 WHERE notice_id % 3 = 0")
    await crew.execute("UPDATE delivery SET vendor_id = 0 WHERE notice_id % 3 = 1")
    turns = {str(row["notice_id"]): row["vendor_id"] for row in await crew.rows("SELECT * FROM delivery")}
    one_by_one = crew.sender(crew.mail, SenderSettings(batch_size=1))
    while (await one_by_one.run_once()).claimed:
        pass
    order = [turns[key.split("-")[0]] for key in crew.mail.keys]
    assert len(order) == 7
    assert len(set(order[:3])) == 3, "each had a turn before anybody had a second one"
    assert order[:3] == sorted(order[:3])


async def test_the_turn_goes_on_after_the_last_vendor_and_comes_round(crew: Crew, town: Town) -> None:
    await _backlog(crew, town)
    assert [each.turn for each in await _claim(crew, 1, last=town.vendor)] == [town.other_vendor]
    assert [each.turn for each in await _claim(crew, 1, last=town.other_vendor)] == [town.vendor]


async def test_what_is_urgent_goes_before_any_turn(crew: Crew, town: Town) -> None:
    await _backlog(crew, town)
    started = await crew.booked(town.stranger, town.connectors[0], town.slot(starts_in=30 * MINUTE))
    crew.clock.move_to(started.timeline.starts_at)
    await crew.engine()
    first = await _claim(crew, 8, last=town.vendor)
    assert [each.kind for each in first] == ["slot_started"]


async def test_senders_side_by_side_claim_nothing_twice_and_leave_nothing(crew: Crew, town: Town) -> None:
    await _backlog(crew, town)
    await crew.execute("UPDATE delivery SET vendor_id = notice_id % 7")
    others = [Crew(crew.desk, SenderSettings(batch_size=4)) for _ in range(4)]
    while (await asyncio.gather(*(one.deliver() for one in others))) and await crew.value(
        "SELECT count(*) FROM delivery WHERE state = 'pending'"
    ):
        pass
    keys = [key for one in others for key in (*one.mail.keys, *one.sms.keys)]
    assert len(keys) == len(set(keys)) == 122


@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.SMS])
async def test_a_thousand_notices_that_twenty_senders_want_are_sent_once_each(
    crew: Crew, town: Town, channel: Channel
) -> None:
    await put_bookings(crew, town, 1000, starts_at=NOON + HOUR)
    await crew.execute("DELETE FROM delivery WHERE channel <> $1", channel.value)
    providers = [Provider(channel) for _ in range(20)]
    senders = [crew.sender(provider, SenderSettings(batch_size=1)) for provider in providers]  # all want the first one

    async def all_of(sender: Sender) -> None:
        while await crew.value("SELECT EXISTS (SELECT FROM delivery WHERE state = 'pending' AND lease = 0)"):
            await sender.run_once()

    await asyncio.gather(*(all_of(sender) for sender in senders))
    assert all(provider.keys for provider in providers), "each had its share"
    keys = [key for provider in providers for key in provider.keys]
    assert len(keys) == len(set(keys)) == 1000
    assert await crew.value("SELECT count(*) FROM delivery WHERE state = 'sent' AND attempts = 1 AND lease = 1") == 1000


async def test_a_start_notice_stands_behind_no_batch_of_reminders_that_a_slow_provider_holds(
    crew: Crew, town: Town
) -> None:
    await put_bookings(crew, town, 40, starts_at=NOON + HOUR)
    slow = Provider(Channel.EMAIL, concurrency=1)
    slow.gate = asyncio.Event()
    sender, stop = crew.sender(slow, SenderSettings(batch_size=5, lanes=2)), asyncio.Event()
    sending = asyncio.create_task(sender.run(stop))
    await until(lambda: _are_leased(crew, 2 * 5))
    started = await crew.booked(town.stranger, town.connectors[0], town.slot(starts_in=30 * MINUTE))
    crew.clock.move_to(started.timeline.starts_at)
    await crew.engine()
    sender.wake.set()
    await until(lambda: _is_leased(crew, "slot_started"))
    assert await crew.value("SELECT count(*) FROM delivery WHERE lease > 0 AND channel = 'email'") == 2 * 5 + 1
    slow.gate.set()
    await until(lambda: _all_are_sent(crew))
    stop.set()
    await sending
    kinds = [message.kind for message in slow.asked]
    assert kinds.index("slot_started") <= 2, "only what was ready and what was under way went before it"


async def _are_leased(crew: Crew, count: int) -> bool:
    return bool(await crew.value("SELECT count(*) = $1 FROM delivery WHERE lease > 0 AND channel = 'email'", count))


async def _is_leased(crew: Crew, kind: str) -> bool:
    count = await crew.value(
        "SELECT count(*) FROM delivery AS d JOIN notice AS n ON n.id = d.notice_id"
        " WHERE n.kind = $1 AND d.channel = 'email' AND d.lease > 0",
        kind,
    )
    return bool(count)


async def _all_are_sent(crew: Crew) -> bool:
    return not await crew.value("SELECT count(*) FROM delivery WHERE channel = 'email' AND state = 'pending'")
