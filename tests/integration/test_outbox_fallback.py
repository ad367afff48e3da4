"""Which channel steps in when one fails: along a line that never turns back, and that two senders cannot lock up."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from slotwatch.domain.notices import Channel, DeliveryState
from slotwatch.outbox.claim import Claimed, claim
from slotwatch.outbox.receipts import ReceiptBook
from slotwatch.outbox.record import record
from slotwatch.outbox.verdict import Verdict
from slotwatch.storage.statements import Connection
from tests.conftest import Town
from tests.integration.test_receipts import said
from tests.support.crew import Crew
from tests.support.provider import Provider, refusing

LEASE = timedelta(seconds=30)
MINUTE = timedelta(minutes=1)


async def _claimed(crew: Crew, channel: Channel) -> list[Claimed]:
    async with crew.desk.database.connection() as conn:
        batch = await claim(conn, crew.clock, channel, limit=10, lease_for=LEASE)
    return sorted(batch, key=lambda each: each.notice_id)


async def _failed(crew: Crew, conn: Connection, delivery: Claimed) -> int:
    rule, enabled = delivery.rule, crew.desk.channels
    verdict = Verdict(DeliveryState.FAILED, "no", tried="refused", fallback=rule.instead_of(delivery.channel, enabled))
    return len(await record(conn, delivery.channel, "double", [(delivery, verdict)], crew.clock.read()))


async def test_two_channels_that_fail_for_the_same_notices_at_the_same_time_do_not_lock_each_other_up(
    crew: Crew, town: Town
) -> None:
    for connector in town.connectors[:2]:
        await crew.booked(town.driver, connector, town.slot())
    mail, text = await _claimed(crew, Channel.EMAIL), await _claimed(crew, Channel.SMS)
    database = crew.desk.database
    async with asyncio.timeout(10), database.transaction() as first, database.transaction() as second:
        await _failed(crew, first, mail[0])
        await _failed(crew, second, text[1])
        recorded = await asyncio.gather(_failed(crew, first, mail[1]), _failed(crew, second, text[0]))
        assert sum(recorded) == 2
    assert await crew.value("SELECT count(*) FROM delivery WHERE state = 'failed'") == 4


def _louder(crew: Crew) -> tuple[Crew, Provider]:
    other = Crew(replace(crew.desk, channels=frozenset({Channel.EMAIL, Channel.SMS, Channel.WHATSAPP})))
    whatsapp = Provider(Channel.WHATSAPP)
    other.senders[Channel.WHATSAPP] = other.sender(whatsapp)
    return other, whatsapp


async def test_a_louder_channel_does_not_wait_when_everything_else_has_failed(crew: Crew, town: Town) -> None:
    louder, whatsapp = _louder(crew)
    booking = await louder.booked(town.driver, town.connectors[0], town.slot())
    louder.mail.answer = louder.sms.answer = refusing
    await louder.live_until(booking.timeline.starts_at)
    states = {"email": "failed", "sms": "failed", "whatsapp": "sent"}
    assert await louder.deliveries(booking, "slot_started") == states
    assert len(whatsapp.taken) == 1


async def test_a_louder_channel_waits_while_another_one_has_told_it(crew: Crew, town: Town) -> None:
    louder, whatsapp = _louder(crew)
    booking = await louder.booked(town.driver, town.connectors[0], town.slot())
    louder.mail.answer = refusing
    await louder.live_until(booking.timeline.starts_at)
    assert whatsapp.asked == []
    await louder.live_for(4 * MINUTE)
    assert len(whatsapp.taken) == 1


async def test_what_was_sent_and_did_not_arrive_brings_the_louder_channel_forward(crew: Crew, town: Town) -> None:
    louder, whatsapp = _louder(crew)
    booking = await louder.booked(town.driver, town.connectors[0], town.slot())
    louder.mail.answer = refusing
    await louder.live_until(booking.timeline.starts_at)
    notice = await louder.value("SELECT id FROM notice WHERE kind = 'slot_started'")
    book = ReceiptBook(louder.desk.database, louder.clock, louder.desk.channels)
    bounced = said("failed", "sms", message_id=f"id-{notice}-sms", error="unreachable")
    assert (await book.enter([bounced])).opened == 1
    await louder.deliver()
    assert len(whatsapp.taken) == 1
