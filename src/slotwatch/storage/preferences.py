"""How a driver wants to be told, as the JSON that clients send, and where they can be reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from slotwatch.domain.notices import Channel
from slotwatch.storage.statements import Connection, Statement

__all__ = ["Reach", "keep_proven_address", "load_reach", "save_preferences"]

_REACH = (
    "SELECT d.id AS driver_id, d.preferences, d.email, d.phone, d.email_verified_at IS NOT NULL AS email_verified,"
    " d.phone_verified_at IS NOT NULL AS phone_verified,"
    " (SELECT count(*) FROM push_subscription AS p WHERE p.driver_id = d.id AND p.gone_at IS NULL) AS browsers,"
    " (SELECT json_object_agg(s.channel, s.reason)::jsonb FROM suppression AS s"
    "   WHERE (s.channel = 'email' AND s.address = lower(d.email))"
    "      OR (s.channel IN ('sms', 'whatsapp', 'voice') AND s.address = d.phone)) AS suppressed"
    " FROM driver AS d WHERE d.subject = :subject"
)
_LOAD, _LOCK = Statement(_REACH), Statement(f"{_REACH} FOR UPDATE OF d")
_SAVE = Statement(
    "INSERT INTO driver (subject, preferences, created_at)"
    " VALUES (:subject, :preferences, coalesce(:now::timestamptz, clock_timestamp()))"
    " ON CONFLICT (subject) DO UPDATE SET preferences = excluded.preferences"
)
_KEEP = {
    Channel.EMAIL: Statement(
        "UPDATE driver SET email = :address, email_verified_at = coalesce(:now::timestamptz, clock_timestamp())"
        " WHERE id = :driver_id"
    ),
    Channel.SMS: Statement(
        "UPDATE driver SET phone = :address, phone_verified_at = coalesce(:now::timestamptz, clock_timestamp())"
        " WHERE id = :driver_id"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Reach:
    """One driver's choices and addresses. `suppressed` says by channel why nothing is sent to the address any more."""

    driver_id: int | None = None
    preferences: dict[str, Any] = field(default_factory=dict)
    email: str | None = None
    phone: str | None = None
    email_verified: bool = False
    phone_verified: bool = False
    browsers: int = 0
    suppressed: Mapping[str, str] = field(default_factory=dict)


async def load_reach(conn: Connection, subject: str, *, lock: bool = False) -> Reach:
    """The driver behind a token's `sub`; empty for somebody who was never seen. `lock`: until the transaction ends."""
    row = await (_LOCK if lock else _LOAD).fetchrow(conn, subject=subject)
    return Reach() if row is None else Reach(**{**row, "suppressed": row["suppressed"] or {}})


async def save_preferences(
    conn: Connection, subject: str, preferences: dict[str, Any], *, now: datetime | None
) -> None:
    """Replace what the driver chose; a driver seen for the first time is made."""
    await _SAVE.execute(conn, subject=subject, preferences=preferences, now=now)


async def keep_proven_address(
    conn: Connection, driver_id: int, channel: Channel, address: str, *, now: datetime | None
) -> None:
    """The driver's e-mail address, or number for SMS, after `prove_code` said that it is theirs."""
    await _KEEP[channel].execute(conn, driver_id=driver_id, address=address, now=now)
