"""A vendor's slots as the board lists them: with the driver's name and what was told."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from slotwatch.analytics.scope import Scope
from slotwatch.domain.lifecycle import State
from slotwatch.storage.booking_views import BookingView, deliveries_of
from slotwatch.storage.bookings import booking_from_row
from slotwatch.storage.statements import Connection, load_sql

__all__ = ["MonitoredSlot", "Place", "read_slots"]

_SLOTS = load_sql(__package__, "slots.sql")


@dataclass(frozen=True)
class Place:
    """Where in the list: part 0 is live in the order of start, part 1 has ended, the latest start first."""

    part: int
    starts_at: datetime
    booking_id: int


@dataclass(frozen=True)
class MonitoredSlot:
    """One booking of the vendor, seen at the end of the period."""

    view: BookingView
    driver_name: str | None
    place: Place


async def read_slots(
    conn: Connection, scope: Scope, *, state: State | None, limit: int, after: Place | None
) -> list[MonitoredSlot]:
    """Live ones and those that began in the period, in the state if one is given, from the place `after` on."""
    rows = await _SLOTS.fetch(
        conn,
        vendor_id=scope.vendor_id,
        station_id=scope.station_id,
        since=scope.period.since,
        until=scope.period.until,
        state=state,
        limit=limit,
        after_part=after and after.part,
        after_at=after and after.starts_at,
        after_id=after and after.booking_id,
    )
    return [_slot(row, scope.period.until) for row in rows]


def _slot(row: Any, now: datetime) -> MonitoredSlot:
    view = BookingView(
        booking=booking_from_row(row),
        station_name=row["station_name"],
        connector_label=row["label"],
        zone=ZoneInfo(row["zone"]),
        now=now,
        deliveries=deliveries_of(row),
    )
    return MonitoredSlot(view, row["driver_name"], Place(row["part"], row["starts_at"], row["id"]))
