"""Which channel steps in when one fails: along a line that never turns back, and that two senders cannot lock up."""

import asyncio
from datetime import timedelta

from slotwatch.domain.notices import Channel, DeliveryState
from slotwatch.outbox.claim import Claimed, claim
from slotwatch.outbox.record import record
from slotwatch.outbox.verdict import Verdict
from slotwatch.storage.statements import Connection
from tests.conftest import Town
from tests.support.crew import Crew

LEASE = timedelta(seconds=30)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


async def _claimed(crew: Crew, channel: Channel) -> list[Claimed]:
    async with crew.desk.database.connection() as conn:
        batch = await claim(conn, crew.clock, channel, limit=10, lease_for=LEASE)
    return sorted(batch, key=lambda each: each.notice_id)


async def _failed(crew: Crew, conn: Connection, delivery: Claimed) -> int:
    rule, enabled = delivery.rule, crew.desk.channels
    verdict = Verdict(DeliveryState.FAILED, "no", tried="refused", fallback=rule.instead_of(delivery.channel, enabled))
    return await record(conn, delivery.channel, "double", [(delivery, verdict)], crew.clock.read())


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
        assert await asyncio.gather(_failed(crew, first, mail[1]), _failed(crew, second, text[0])) == [1, 1]
    assert await crew.value("SELECT count(*) FROM delivery WHERE state = 'failed'") == 4
