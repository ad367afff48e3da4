"""Writes what became of leased deliveries; a lease that is no longer ours changes nothing."""

from collections.abc import Sequence
from datetime import datetime

from slotwatch.domain.notices import Channel, DeliveryState
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.verdict import Verdict
from slotwatch.storage.statements import Connection, Statement, load_sql

__all__ = ["hand_over", "record"]

_RECORD = load_sql(__package__, "record_outcomes.sql")
# Durable before the provider is asked: a row whose answer never came may have arrived. Same order as everywhere.
_HAND_OVER = Statement(
    "UPDATE delivery AS d SET handed_over = d.lease"
    " FROM unnest((SELECT :notice_ids::bigint[]), (SELECT :leases::int[])) AS o(id, lease)"  # else planned anew
    " WHERE d.notice_id = o.id AND d.channel = :channel AND d.lease = o.lease AND d.state || '' = 'pending'"  # by key
    " RETURNING d.notice_id"
)
_IS_PAID_FOR = (DeliveryState.SENT, DeliveryState.UNKNOWN)


async def hand_over(conn: Connection, channel: Channel, deliveries: Sequence[Claimed]) -> set[int]:
    """Note that a provider is about to be given these; the notices of those that are still ours and still wait."""
    mine = sorted(deliveries, key=lambda delivery: delivery.notice_id)
    rows = await _HAND_OVER.fetch(
        conn,
        channel=channel,
        notice_ids=[delivery.notice_id for delivery in mine],
        leases=[delivery.lease for delivery in mine],
    )
    return {row["notice_id"] for row in rows}


async def record(
    conn: Connection,
    channel: Channel,
    provider: str,
    results: Sequence[tuple[Claimed, Verdict]],
    at: datetime | None,
    *,
    cost: int | None = None,
) -> set[int]:
    """Write them in one statement. The notices of those that were still ours; the others belong to a later lease.

    They came at `at`; None: now, by the database's clock.
    `cost` of a message, in minor units, makes what was sent count towards the caps; None: it costs nothing.
    """
    results = sorted(results, key=lambda result: result[0].notice_id)
    rows = await _RECORD.fetch(
        conn,
        channel=channel,
        now=at,
        cost=cost or 0,
        notice_ids=[delivery.notice_id for delivery, _ in results],
        leases=[delivery.lease for delivery, _ in results],
        states=[verdict.state for _, verdict in results],
        next_attempts=[verdict.next_attempt_at for _, verdict in results],
        tries=[verdict.tried for _, verdict in results],
        message_ids=[verdict.message_id for _, verdict in results],
        errors=[verdict.error for _, verdict in results],
        faults=[verdict.fault for _, verdict in results],
        kept_back=[verdict.kept_back for _, verdict in results],
        fallbacks=[verdict.fallback for _, verdict in results],
        providers=[verdict.provider or provider for _, verdict in results],
        suppressions=[delivery.suppressible if verdict.suppress else None for delivery, verdict in results],
        paid_to=[
            delivery.address if cost is not None and verdict.state in _IS_PAID_FOR else None
            for delivery, verdict in results
        ],
        mailed_to=[
            delivery.suppressible
            if delivery.is_counted_mail and provider != "inbox" and verdict.state in _IS_PAID_FOR
            else None
            for delivery, verdict in results
        ],
    )
    return {row["notice_id"] for row in rows}
