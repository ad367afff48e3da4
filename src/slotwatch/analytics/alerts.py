"""Alerts as people see them: the open ones for boards and metrics, and those of the past."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from slotwatch.domain.alerts import AlertKind, alert_text, alert_title
from slotwatch.storage.statements import Connection, Statement

__all__ = ["Alert", "count_open", "find_alert", "open_alerts", "past_alerts"]

_COLUMNS = (
    "SELECT a.id, a.vendor_id, a.kind, a.subject, a.station_id, s.name AS station_name, s.zone, a.detail, a.raised_at,"
    " a.acknowledged_at, a.acknowledged_by, a.resolved_at FROM alert AS a LEFT JOIN station AS s ON s.id = a.station_id"
    " WHERE coalesce(a.vendor_id, 0) = coalesce(:vendor_id::bigint, 0)"
)
_OPEN = Statement(
    f"{_COLUMNS} AND a.resolved_at IS NULL"
    " AND (:after_id::bigint IS NULL OR (a.acknowledged_at IS NOT NULL, -a.id) > (:after_seen::boolean, -:after_id))"
    " ORDER BY a.acknowledged_at IS NOT NULL, a.id DESC LIMIT :limit"
)
_PAST = Statement(
    f"{_COLUMNS} AND a.resolved_at IS NOT NULL"
    " AND (:before::bigint IS NULL OR a.id < :before) ORDER BY a.id DESC LIMIT :limit"
)
_FIND = Statement(f"{_COLUMNS} AND a.id = :id")
_COUNT = Statement("SELECT kind, count(*) AS n FROM alert WHERE resolved_at IS NULL GROUP BY kind")

MOST_OPEN = 500
"""As many as a page shows; a house with more is told so by its metrics."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert; the numbers in its text are those of when it was raised. `zone` is its station's, if it has one."""

    id: int
    vendor_id: int | None
    kind: AlertKind
    subject: str
    station_id: int | None
    station_name: str | None
    zone: ZoneInfo | None
    detail: dict[str, Any]
    raised_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None

    @property
    def title(self) -> str:
        """What is wrong, in a few words."""
        return alert_title(self.kind, self.subject, self.station_name)

    @property
    def text(self) -> str:
        """What was found."""
        return alert_text(self.kind, self.detail)

    @property
    def status(self) -> str:
        """`open`, `acknowledged` or `resolved`."""
        if self.resolved_at is not None:
            return "resolved"
        return "open" if self.acknowledged_at is None else "acknowledged"


async def open_alerts(
    conn: Connection, vendor_id: int | None, *, limit: int = MOST_OPEN, after: tuple[bool, int] | None = None
) -> list[Alert]:
    """What is wrong now for that vendor, or with None for operators; what nobody acknowledged comes first.

    `after`: beginning after the alert of that id, and whether it was acknowledged.
    """
    seen, number = after or (None, None)
    rows = await _OPEN.fetch(conn, vendor_id=vendor_id, limit=limit, after_seen=seen, after_id=number)
    return [_alert(row) for row in rows]


async def past_alerts(conn: Connection, vendor_id: int | None, *, limit: int, before: int | None = None) -> list[Alert]:
    """What is over, the latest first, beginning after the alert `before`."""
    return [_alert(row) for row in await _PAST.fetch(conn, vendor_id=vendor_id, limit=limit, before=before)]


async def find_alert(conn: Connection, vendor_id: int | None, alert_id: int) -> Alert | None:
    """One alert of that vendor, or of the operators."""
    row = await _FIND.fetchrow(conn, vendor_id=vendor_id, id=alert_id)
    return None if row is None else _alert(row)


async def count_open(conn: Connection) -> dict[AlertKind, int]:
    """How many alerts are open, of all vendors and operators, by kind; every kind is there."""
    counted = {row["kind"]: row["n"] for row in await _COUNT.fetch(conn)}
    return {kind: counted.get(kind.value, 0) for kind in AlertKind}


def _alert(row: Any) -> Alert:
    zone = None if row["zone"] is None else ZoneInfo(row["zone"])
    return Alert(**{**row, "kind": AlertKind(row["kind"]), "zone": zone})
