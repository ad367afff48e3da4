"""Outcomes of one sender are written together where they come together, and each caller hears of its own."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from slotwatch.domain.notices import Channel, DeliveryState
from slotwatch.outbox.claim import Claimed, claim
from slotwatch.outbox.recorder import Recorder
from slotwatch.outbox.verdict import Verdict
from slotwatch.storage.clock import monotonic
from tests.conftest import Town
from tests.support.crew import Crew

LEASE = timedelta(seconds=30)
HOUR = timedelta(hours=1)


async def claimed(crew: Crew, town: Town, count: int = 5) -> list[Claimed]:
    """That many leased e-mails, each of a booking of its own."""
    for number in range(count):
        await crew.booked(town.driver, town.connectors[number % 4], town.slot(starts_in=(2 + 3 * (number // 4)) * HOUR))
    async with crew.desk.database.connection() as conn:
        return await claim(conn, crew.clock, Channel.EMAIL, limit=100, lease_for=LEASE)


def recorder(crew: Crew) -> Recorder:
    return Recorder(crew.desk.database, crew.clock, Channel.EMAIL, "double", None)


def sent(delivery: Claimed, message_id: str = "") -> tuple[Claimed, Verdict]:
    return delivery, Verdict(DeliveryState.SENT, tried="accepted", message_id=message_id or delivery.key)


async def test_outcomes_that_come_together_share_a_commit(crew: Crew, town: Town) -> None:
    batch, book = await claimed(crew, town), recorder(crew)
    ours = await asyncio.gather(*(book.record(*sent(delivery), monotonic() + 30) for delivery in batch))
    assert ours == [True] * len(batch)
    assert await crew.value("SELECT count(*) FROM attempt") == len(batch) == 5
    assert await crew.value("SELECT count(DISTINCT xmin::text) FROM attempt") == 1


async def test_each_caller_hears_whether_its_own_was_still_its_own(crew: Crew, town: Town) -> None:
    batch, book = await claimed(crew, town), recorder(crew)
    await crew.execute("UPDATE delivery SET lease = lease + 1 WHERE notice_id = $1", batch[0].notice_id)
    ours = await asyncio.gather(*(book.record(*sent(delivery), monotonic() + 30) for delivery in batch))
    assert ours == [False, True, True, True, True]


async def test_what_postgresql_will_not_keep_is_the_matter_of_who_brought_it(crew: Crew, town: Town) -> None:
    (bad, *good), book = await claimed(crew, town), recorder(crew)
    results = await asyncio.gather(
        book.record(*sent(bad, "\0"), monotonic() + 30),
        *(book.record(*sent(delivery), monotonic() + 30) for delivery in good),
        return_exceptions=True,
    )
    assert isinstance(results[0], asyncpg.DataError)
    assert results[1:] == [True] * len(good)


async def test_without_a_database_it_tries_until_the_lease_is_over(crew: Crew, town: Town) -> None:
    batch, book = await claimed(crew, town), recorder(crew)
    await crew.desk.database.close()
    with pytest.raises(Exception, match=r"\S"):
        await book.record(*sent(batch[0]), monotonic() - 1)
