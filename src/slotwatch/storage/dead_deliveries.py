"""Deliveries that nobody will try again: listed for an operator, tried once more, or put away for good."""

import re
from dataclasses import dataclass
from datetime import datetime

from slotwatch.domain.errors import Conflict, NotFound
from slotwatch.storage.statements import Connection, Statement

__all__ = ["DeadDelivery", "discard", "list_dead", "parse_key", "retry"]

_COLUMNS = (
    "d.notice_id, d.channel, d.state, d.attempts, d.faults, d.provider, d.provider_message_id, d.error, d.sent_at,"
    " n.kind, n.booking_id, n.created_at, n.valid_until"
)
_LIST = Statement(
    f"SELECT {_COLUMNS} FROM delivery AS d JOIN notice AS n ON n.id = d.notice_id"  # noqa: S608  # names only
    " WHERE d.state IN ('unknown', 'failed', 'set_aside')"
    " AND (:before_id::bigint IS NULL OR (d.notice_id, d.channel) < (:before_id, :before_channel::text))"
    " ORDER BY d.notice_id DESC, d.channel DESC LIMIT :limit"
)
# Only what is dead and still worth telling is tried again; whoever lost the race changes nothing.
_RETRY = Statement(
    "UPDATE delivery AS d SET state = 'pending', faults = 0, lease = d.lease + 1, handed_over = NULL,"
    " next_attempt_at = coalesce(:now::timestamptz, clock_timestamp())"
    " FROM notice AS n WHERE n.id = d.notice_id AND d.notice_id = :notice_id AND d.channel = :channel"
    " AND d.state IN ('unknown', 'failed', 'set_aside')"
    " AND n.valid_until > coalesce(:now::timestamptz, clock_timestamp())"
)
_DISCARD = Statement(
    "UPDATE delivery AS d SET state = 'suppressed',"
    " error = left('discarded by an operator: ' || coalesce(d.error, ''), 300)"
    " WHERE d.notice_id = :notice_id AND d.channel = :channel AND d.state IN ('unknown', 'failed', 'set_aside')"
)
_STATE = Statement("SELECT state FROM delivery WHERE notice_id = :notice_id AND channel = :channel")
_KEY = re.compile(r"([0-9]{1,18})-([a-z]{1,20})\Z")


@dataclass(frozen=True, kw_only=True)
class DeadDelivery:
    """One delivery that failed, was set aside or whose answer was lost, with its notice."""

    notice_id: int
    channel: str
    state: str
    attempts: int
    faults: int
    provider: str | None
    provider_message_id: str | None
    error: str | None
    sent_at: datetime | None
    kind: str
    booking_id: int | None  # None: about no booking
    created_at: datetime
    valid_until: datetime

    @property
    def key(self) -> str:
        """What operators call it."""
        return f"{self.notice_id}-{self.channel}"


def parse_key(key: str) -> tuple[int, str]:
    """Notice and channel of the delivery that operators call so. Raises NotFound."""
    found = _KEY.match(key)
    if found is None:
        raise NotFound
    return int(found[1]), found[2]


async def list_dead(conn: Connection, *, limit: int, before: tuple[int, str] | None = None) -> list[DeadDelivery]:
    """The newest first, beginning after the place `before`."""
    rows = await _LIST.fetch(conn, limit=limit, before_id=before and before[0], before_channel=before and before[1])
    return [DeadDelivery(**row) for row in rows]


async def retry(conn: Connection, key: str, *, now: datetime | None) -> None:
    """Due again at once. Raises NotFound, or Conflict for one that is not dead or no longer worth telling."""
    notice_id, channel = parse_key(key)
    if not await _RETRY.execute(conn, notice_id=notice_id, channel=channel, now=now):
        await _refuse(conn, notice_id, channel, "its time has passed: a stale message is worse than none")


async def discard(conn: Connection, key: str) -> None:
    """Put away for good, with its error. Raises NotFound, or Conflict for one that is not dead."""
    notice_id, channel = parse_key(key)
    if not await _DISCARD.execute(conn, notice_id=notice_id, channel=channel):
        await _refuse(conn, notice_id, channel, "somebody else was faster")


async def _refuse(conn: Connection, notice_id: int, channel: str, otherwise: str) -> None:
    state = await _STATE.fetchval(conn, notice_id=notice_id, channel=channel)
    if state is None:
        raise NotFound
    reason = otherwise if state in ("unknown", "failed", "set_aside") else f"it is {state}, not dead"
    raise Conflict(f"This delivery stays as it is: {reason}.")
