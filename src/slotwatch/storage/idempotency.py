"""Idempotency-Keys: the row put in first is the claim; who made it does the work and leaves the answer there."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from slotwatch.storage.statements import Connection, Statement

__all__ = ["Claim", "Held", "Request", "abandon", "claim", "finish"]

_ABANDONED_AFTER = timedelta(seconds=30)
"""Longer than any request may last: a claim that is older and has no answer belonged to a process that died."""
_GIVEN_UP = 503

_CLAIM = Statement(
    "INSERT INTO idempotency (caller, key, request_hash, created_at)"
    " VALUES (:caller, :key, :hash, coalesce(:now::timestamptz, clock_timestamp()))"
    " ON CONFLICT DO NOTHING RETURNING created_at"
)
_LOOK = Statement("SELECT request_hash, status, body FROM idempotency WHERE caller = :caller AND key = :key")
_TAKE_OVER = Statement(
    "UPDATE idempotency SET created_at = coalesce(:now::timestamptz, clock_timestamp()), status = NULL"
    " WHERE caller = :caller AND key = :key AND request_hash = :hash AND body IS NULL AND (status = :given_up"
    " OR created_at < coalesce(:now::timestamptz, clock_timestamp()) - :after::interval) RETURNING created_at"
)
_FINISH = Statement(
    "UPDATE idempotency SET status = :status, body = :body"
    " WHERE caller = :caller AND key = :key AND created_at = :claimed_at AND body IS NULL"
)
_ABANDON = Statement(
    "UPDATE idempotency SET status = :given_up"
    " WHERE caller = :caller AND key = :key AND created_at = :claimed_at AND body IS NULL"
)


@dataclass(frozen=True)
class Request:
    """What makes two requests the same: who asks, the key they chose, and a hash of what they ask for."""

    caller: str
    key: str
    hash: str


@dataclass(frozen=True)
class Claim:
    """The right to do the work. `is_second`: somebody had it before and may have done the work already."""

    claimed_at: datetime
    is_second: bool


@dataclass(frozen=True)
class Held:
    """The key is somebody's: with the answer when it is there. `is_same` tells whether it was for this request."""

    is_same: bool
    status: int | None
    body: str | None


async def claim(conn: Connection, request: Request, *, now: datetime | None) -> Claim | Held:
    """Claim the key, or say who holds it. `now` None: by the database's clock."""
    claimed_at = await _CLAIM.fetchval(conn, caller=request.caller, key=request.key, hash=request.hash, now=now)
    if claimed_at is not None:
        return Claim(claimed_at, is_second=False)
    row = await _LOOK.fetchrow(conn, caller=request.caller, key=request.key)
    if row is not None and row["body"] is not None:
        return Held(row["request_hash"] == request.hash, row["status"], row["body"])
    claimed_at = await _TAKE_OVER.fetchval(
        conn,
        caller=request.caller,
        key=request.key,
        hash=request.hash,
        given_up=_GIVEN_UP,
        after=_ABANDONED_AFTER,
        now=now,
    )
    if claimed_at is not None:
        return Claim(claimed_at, is_second=True)
    return Held(row is None or row["request_hash"] == request.hash, None, None)


async def finish(conn: Connection, request: Request, held: Claim, *, status: int, body: str) -> bool:
    """Leave the answer for every repeat; False if the claim was taken over meanwhile."""
    written = await _FINISH.execute(
        conn, caller=request.caller, key=request.key, claimed_at=held.claimed_at, status=status, body=body
    )
    return bool(written)


async def abandon(conn: Connection, request: Request, held: Claim) -> None:
    """Say that no answer will come, so that the next repeat takes over at once."""
    await _ABANDON.execute(conn, caller=request.caller, key=request.key, claimed_at=held.claimed_at, given_up=_GIVEN_UP)
