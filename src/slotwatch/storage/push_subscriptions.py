"""The browsers that a driver wants to be told by: kept until the driver or the push service says that they are gone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from slotwatch.storage.statements import Connection, Statement

__all__ = ["MOST_BROWSERS", "add_browser", "drop_browser"]

MOST_BROWSERS = 10

# A browser that subscribes again is the newest one; with another driver signed in it is that driver's alone.
_FORGET = Statement("DELETE FROM push_subscription WHERE endpoint = :endpoint")
_ADD = Statement(
    "INSERT INTO push_subscription (driver_id, endpoint, subscription, created_at)"
    " VALUES (:driver_id, :endpoint, :subscription, coalesce(:now::timestamptz, clock_timestamp()))"
    " ON CONFLICT (endpoint) DO UPDATE SET driver_id = excluded.driver_id, subscription = excluded.subscription,"
    " created_at = excluded.created_at, gone_at = NULL"
)
_TRIM = Statement(
    "DELETE FROM push_subscription WHERE id IN (SELECT id FROM push_subscription WHERE driver_id = :driver_id"
    " ORDER BY gone_at IS NULL DESC, id DESC OFFSET :most)"
)
_DROP = Statement(
    "DELETE FROM push_subscription WHERE endpoint = :endpoint"
    " AND driver_id = (SELECT id FROM driver WHERE subject = :subject)"
)


async def add_browser(
    conn: Connection, driver_id: int, endpoint: str, subscription: Mapping[str, Any], *, now: datetime | None
) -> None:
    """Keep it as the driver's newest; the oldest beyond MOST_BROWSERS goes. In a transaction."""
    await _FORGET.execute(conn, endpoint=endpoint)
    await _ADD.execute(conn, driver_id=driver_id, endpoint=endpoint, subscription=dict(subscription), now=now)
    await _TRIM.execute(conn, driver_id=driver_id, most=MOST_BROWSERS)


async def drop_browser(conn: Connection, subject: str, endpoint: str) -> bool:
    """Forget it, if it is the driver's."""
    return bool(await _DROP.execute(conn, subject=subject, endpoint=endpoint))
