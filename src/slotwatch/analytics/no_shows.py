"""A vendor's no-shows of a period by station, as a digest tells them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from slotwatch.analytics.scope import GroupBy, Period, Scope
from slotwatch.analytics.statistics import read_breakdown
from slotwatch.storage.statements import Connection

__all__ = ["no_shows_by_station"]


async def no_shows_by_station(
    conn: Connection, vendor_id: int, since: datetime, until: datetime
) -> list[Mapping[str, Any]]:
    """Stations with no-shows, those with the most first; numbers as everywhere (docs/reference/metrics.md), as JSON.

    `bookings` is what the rate counts among; `lost` the price of the slots, `kept` what the vendor keeps of it.
    """
    scope = Scope(vendor_id=vendor_id, period=Period(since, until))
    found: list[Mapping[str, Any]] = [
        {
            "station": group.label,
            "no_shows": group.figures.no_shows.part,
            "bookings": group.figures.no_shows.whole,
            "lost": dict(group.figures.revenue.lost_to_no_shows),
            "kept": dict(group.figures.revenue.forfeited),
        }
        for group in await read_breakdown(conn, scope, GroupBy.STATION)
        if group.figures.no_shows.part
    ]
    return sorted(found, key=lambda row: -row["no_shows"])
