"""Drivers: who they are and how to reach them.

Their addresses stand in this table. What is made of them stands elsewhere only for a time (`engine/clean.sql`): a
week in the local inbox, a day in the notice of a code, 30 days in what a provider reported and in notices to staff.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slotwatch.domain.ids import DriverId
from slotwatch.storage.statements import Connection, Statement

__all__ = ["Driver", "ensure_driver", "find_driver"]

_ENSURE = Statement(
    "INSERT INTO driver AS d (subject, name, email, phone, created_at, email_verified_at, phone_verified_at)"
    " VALUES (:subject, :name, :email::text, :phone::text, :now::timestamptz,"
    " CASE WHEN lower(:email) = lower(:proven_email::text) THEN :now::timestamptz END,"
    " CASE WHEN :phone = :proven_phone::text THEN :now::timestamptz END)"
    " ON CONFLICT (subject) DO UPDATE SET name = coalesce(excluded.name, d.name),"
    " email = coalesce(excluded.email, d.email), phone = coalesce(excluded.phone, d.phone),"
    # another address is not yet proven to be theirs
    " email_verified_at = CASE WHEN lower(coalesce(excluded.email, d.email)) = lower(:proven_email) THEN :now"
    " WHEN lower(excluded.email) <> lower(d.email) THEN NULL ELSE d.email_verified_at END,"
    " phone_verified_at = CASE WHEN coalesce(excluded.phone, d.phone) = :proven_phone THEN :now"
    " WHEN excluded.phone <> d.phone THEN NULL ELSE d.phone_verified_at END"
    " RETURNING id, subject, name, email, phone, preferences"
)
_FIND = Statement("SELECT id, subject, name, email, phone, preferences FROM driver WHERE subject = :subject")


@dataclass(frozen=True)
class Driver:
    """One person who books. `phone` is E.164; `preferences` as PUT /api/users/me/notifications stores them."""

    id: DriverId
    subject: str
    name: str | None
    email: str | None
    phone: str | None
    preferences: dict[str, Any]


async def find_driver(conn: Connection, subject: str) -> Driver | None:
    """The driver behind a token's `sub`, if they were seen before."""
    row = await _FIND.fetchrow(conn, subject=subject)
    return None if row is None else Driver(**row)


async def ensure_driver(
    conn: Connection,
    subject: str,
    *,
    now: datetime,
    name: str | None = None,
    email: str | None = None,
    phone: str | None = None,
    proven_email: str | None = None,
    proven_phone: str | None = None,
) -> Driver:
    """The driver behind a token's `sub`, made on first sight; what is given replaces what was known.

    An address counts as verified where it is the proven one, and until it is replaced.
    """
    row = await _ENSURE.fetchrow(
        conn,
        subject=subject,
        name=name,
        email=email,
        phone=phone,
        now=now,
        proven_email=proven_email,
        proven_phone=proven_phone,
    )
    assert row is not None
    return Driver(**row)
