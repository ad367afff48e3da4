"""How a driver wants to be told: stored with the driver as the JSON that clients send."""

from datetime import datetime
from typing import Any

from slotwatch.storage.statements import Connection, Statement

__all__ = ["load_preferences", "save_preferences"]

_LOAD = Statement("SELECT preferences FROM driver WHERE subject = :subject")
_SAVE = Statement(
    "INSERT INTO driver (subject, preferences, created_at)"
    " VALUES (:subject, :preferences, coalesce(:now::timestamptz, clock_timestamp()))"
    " ON CONFLICT (subject) DO UPDATE SET preferences = excluded.preferences"
)


async def load_preferences(conn: Connection, subject: str) -> dict[str, Any]:
    """What the driver behind a token's `sub` chose; empty when nothing was chosen."""
    found: dict[str, Any] | None = await _LOAD.fetchval(conn, subject=subject)
    return found or {}


async def save_preferences(
    conn: Connection, subject: str, preferences: dict[str, Any], *, now: datetime | None
) -> None:
    """Replace what the driver chose; a driver seen for the first time is made."""
    await _SAVE.execute(conn, subject=subject, preferences=preferences, now=now)
