"""Codes that prove an address: kept as keyed hashes, a few tries each, counted for each address and each caller.

A code counts only for the browser that asked for it: whoever asks for codes to a foreign address, and types wrong ones,
neither uses up the owner's codes nor the owner's share of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from slotwatch.domain.notices import Channel
from slotwatch.storage.statements import Connection, Statement

__all__ = ["CodeLimits", "keep_code", "spend_code", "use_code"]

# Whoever asks for the same address, or from the same place, waits here until the one before is counted.
_QUEUE = Statement(
    "SELECT pg_advisory_xact_lock(hashtextextended(:address, 1)), pg_advisory_xact_lock(hashtextextended(:caller, 2))"
)
_KEEP = Statement(
    "WITH clock AS MATERIALIZED (SELECT coalesce(:now::timestamptz, clock_timestamp()) AS now)"
    " INSERT INTO sign_in_code (channel, address, code_hash, caller, created_at, ends_at)"
    " SELECT :channel, :address, :code_hash, :caller, now, now + :lasts::interval FROM clock"
    " WHERE (SELECT count(*) FROM sign_in_code WHERE channel = :channel AND address = :address"
    "         AND created_at > clock.now - interval '1 hour') < :most_an_address"
    " AND (SELECT count(*) FROM sign_in_code WHERE channel = :channel AND address = :address AND caller = :caller"
    "       AND created_at > clock.now - interval '1 hour') < :most_of_both"
    " AND (SELECT count(*) FROM sign_in_code WHERE caller = :caller"
    "       AND created_at > clock.now - interval '1 hour') < :most_a_caller"
    # no more rows are read than may be; anybody may ask for codes, and each SMS costs the house
    " AND (:channel <> 'sms' OR (SELECT count(*) FROM (SELECT FROM sign_in_code WHERE channel = 'sms'"
    "       AND created_at > clock.now - interval '24 hours' LIMIT :most_sms) AS sms) < :most_sms)"
    " RETURNING id"
)
# Every live one of these codes has its try counted; when one fits, none of them can be used again.
_USE = Statement(
    "WITH clock AS MATERIALIZED (SELECT coalesce(:now::timestamptz, clock_timestamp()) AS now), live AS MATERIALIZED ("
    " SELECT id, code_hash = :code_hash AS fits FROM sign_in_code, clock"
    " WHERE id = ANY (:numbers::bigint[]) AND channel = :channel AND address = :address"
    " AND created_at > now - interval '1 hour' AND ends_at > now AND used_at IS NULL"
    " AND tries < :most_tries ORDER BY id FOR UPDATE OF sign_in_code), proof AS MATERIALIZED ("
    " SELECT min(id) FILTER (WHERE fits) AS id FROM live), tried AS ("
    " UPDATE sign_in_code AS c SET tries = tries + 1, used_at = CASE WHEN proof.id IS NOT NULL THEN clock.now END"
    " FROM live, proof, clock WHERE c.id = live.id)"
    " SELECT id FROM proof"
)
_SPEND = Statement(
    "UPDATE sign_in_code SET spent_at = coalesce(:now::timestamptz, clock_timestamp())"
    " WHERE id = :number AND used_at IS NOT NULL AND spent_at IS NULL RETURNING id"
)


@dataclass(frozen=True)
class CodeLimits:
    """How long a code can be used, how often it may be mistyped, and how many there are an hour."""

    lasts: timedelta = timedelta(minutes=10)
    most_tries: int = 5
    most_an_address: int = 15
    most_of_both: int = 5  # for one address, asked for by one caller
    most_a_caller: int = 20


async def keep_code(
    conn: Connection,
    channel: Channel,
    address: str,
    *,
    code_hash: str,
    caller: str,
    limits: CodeLimits,
    most_sms: int,
    now: datetime | None,
) -> int | None:
    """The new code's number, or None where address, caller or the house (`most_sms` in 24 hours) had its share.

    Inside a transaction.
    """
    await _QUEUE.fetchrow(conn, address=f"{channel} {address}", caller=caller)
    number: int | None = await _KEEP.fetchval(
        conn,
        channel=channel,
        address=address,
        code_hash=code_hash,
        caller=caller,
        lasts=limits.lasts,
        most_an_address=limits.most_an_address,
        most_of_both=limits.most_of_both,
        most_a_caller=limits.most_a_caller,
        most_sms=most_sms,
        now=now,
    )
    return number


async def use_code(
    conn: Connection,
    channel: Channel,
    address: str,
    *,
    numbers: Sequence[int],
    code_hash: str,
    limits: CodeLimits,
    now: datetime | None,
) -> int | None:
    """Which of the codes with these numbers it is, while it is live; then all of them are used up."""
    found: int | None = await _USE.fetchval(
        conn,
        channel=channel,
        address=address,
        numbers=list(numbers),
        code_hash=code_hash,
        most_tries=limits.most_tries,
        now=now,
    )
    return found


async def spend_code(conn: Connection, number: int, *, now: datetime | None) -> bool:
    """Let a code that was used open something; False: it has opened something before."""
    return await _SPEND.fetchval(conn, number=number, now=now) is not None
