"""When thousands begin at once PostgreSQL still believes that nobody waits: a delivery is found by its key."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from slotwatch.bench.seed import Wave, seed
from slotwatch.channels.receipts import Receipt
from slotwatch.domain.notices import USUAL_CHANNELS, Channel, DeliveryState
from slotwatch.outbox.claim import claim
from slotwatch.outbox.keys import delivery_key
from slotwatch.outbox.receipts import ReceiptBook
from slotwatch.outbox.record import hand_over, record
from slotwatch.outbox.verdict import Verdict
from slotwatch.storage.database import Database
from slotwatch.storage.statements import Connection
from tests.conftest import NOON
from tests.integration.test_query_plans import CLOCK, LATER

Play = Callable[[Connection, Database], Awaitable[object]]
HURRIED = "SELECT count(*) FROM delivery WHERE channel = 'sms' AND next_attempt_at = $1"
ROWS_READ = (
    "SELECT sum(idx_tup_fetch + seq_tup_read) FROM pg_stat_xact_user_tables WHERE relname IN ('delivery', 'notice')"
)


async def _hand_over_and_fail(conn: Connection, _: Database) -> None:
    batch = await claim(conn, CLOCK, Channel.EMAIL, limit=32, lease_for=timedelta(seconds=30))
    assert len(batch) == 32
    assert len(await hand_over(conn, Channel.EMAIL, batch)) == 32
    down = Verdict(DeliveryState.FAILED, tried="refused", fallback=Channel.SMS)
    assert len(await record(conn, Channel.EMAIL, "smtp", [(each, down) for each in batch], LATER)) == 32


async def _report_that_it_failed(conn: Connection, database: Database) -> None:
    await conn.execute(
        "UPDATE delivery SET state = 'sent', provider = 'smtp', provider_message_id = notice_id"
        " WHERE notice_id = 7 AND channel = 'email'"
    )
    book = ReceiptBook(database, CLOCK, sorted(USUAL_CHANNELS))
    key = delivery_key(7, NOON, Channel.EMAIL)
    failed = Receipt(provider="smtp", channel="email", message_id="7", status="failed", event_id="new", key=key)
    await book.apply(conn, [failed], waiting=100)


@pytest.mark.parametrize("play", [_hand_over_and_fail, _report_that_it_failed])
async def test_who_names_a_delivery_never_walks_over_the_queue_however_long_it_has_grown(
    play: Play, database: Database
) -> None:
    """Counted in rows, not in time."""
    async with database.connection() as conn:
        await seed(conn, Wave(1, 1, NOON))  # ends with VACUUM ANALYZE
        await conn.execute(
            "INSERT INTO notice (booking_id, kind, occasion, epoch, valid_until, created_at)"
            " SELECT 1, 'reminder', n::text, n, $1, $2 FROM generate_series(1, 20000) AS n",
            *(NOON + timedelta(minutes=30), NOON),
        )
        await conn.execute(
            "INSERT INTO delivery (notice_id, channel, state, urgency, vendor_id, next_attempt_at)"
            " SELECT id, channel, 'pending', 0, 1, $1::timestamptz + CASE channel WHEN 'sms' THEN interval '1 hour'"
            " ELSE '0' END FROM notice CROSS JOIN unnest(ARRAY['email', 'sms']) AS channel",
            NOON,
        )
        for mode in ("force_custom_plan", "force_generic_plan"):
            await conn.execute(f"SET plan_cache_mode = {mode}")
            transaction = conn.transaction()
            await transaction.start()
            before = await conn.fetchval(ROWS_READ)
            await play(conn, database)
            assert await conn.fetchval(ROWS_READ) - before < 1000, mode
            assert await conn.fetchval(HURRIED, LATER) > 0, "the other channel comes now"
            await transaction.rollback()
