"""Writes what became of leased deliveries; a lease that is no longer ours changes nothing."""

from collections.abc import Sequence
from datetime import datetime

from slotwatch.domain.notices import Channel
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.verdict import Verdict
from slotwatch.storage.statements import Connection, load_sql

__all__ = ["record"]

_RECORD = load_sql(__package__, "record_outcomes.sql")


async def record(
    conn: Connection, channel: Channel, provider: str, results: Sequence[tuple[Claimed, Verdict]], at: datetime
) -> int:
    """Write them in one statement. How many were still ours; the others belong to a later lease."""
    rows = await _RECORD.fetch(
        conn,
        channel=channel,
        at=at,
        notice_ids=[delivery.notice_id for delivery, _ in results],
        leases=[delivery.lease for delivery, _ in results],
        states=[verdict.state for _, verdict in results],
        next_attempts=[verdict.next_attempt_at for _, verdict in results],
        tries=[verdict.tried for _, verdict in results],
        message_ids=[verdict.message_id for _, verdict in results],
        errors=[verdict.error for _, verdict in results],
        faults=[verdict.fault for _, verdict in results],
        fallbacks=[verdict.fallback for _, verdict in results],
        fallback_urgencies=[int(delivery.rule.urgency) for delivery, _ in results],
        providers=[verdict.provider or provider for _, verdict in results],
        suppressions=[delivery.suppressible if verdict.suppress else None for delivery, verdict in results],
    )
    return len(rows)
