"""Periods by name, as pages and the command line offer them: the last hours or days, a calendar month, own dates."""

from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from slotwatch.analytics.scope import Period
from slotwatch.domain.errors import InvalidInput
from slotwatch.storage.statements import Connection, Statement

__all__ = ["LONGEST_PERIOD", "PeriodName", "calendar_zone", "period_of"]

_ZONE = Statement(
    "SELECT s.zone FROM station AS s LEFT JOIN connector AS c ON c.station_id = s.id"
    " WHERE s.vendor_id = :vendor_id AND (:station_id::bigint IS NULL OR s.id = :station_id)"
    " GROUP BY s.zone ORDER BY count(*) DESC, s.zone LIMIT 1"
)
_INSTANT = timedelta(microseconds=1)
"""Periods are open at the beginning, so that one which holds midnight begins just before it."""

LONGEST_PERIOD = timedelta(days=100)
"""Numbers are counted from the rows: what is longer is for the archive."""


class PeriodName(StrEnum):
    """What can be chosen."""

    DAY = "24h"
    WEEK = "7d"
    THIRTY_DAYS = "30d"
    THIS_MONTH = "this-month"
    LAST_MONTH = "last-month"
    CUSTOM = "custom"


_LENGTHS = {
    PeriodName.DAY: timedelta(days=1),
    PeriodName.WEEK: timedelta(days=7),
    PeriodName.THIRTY_DAYS: timedelta(days=30),
}


def period_of(
    name: PeriodName, now: datetime, zone: ZoneInfo, *, first: date | None = None, last: date | None = None
) -> Period:
    """The period of that name; months, and the days `first` to `last` of an own one, are those of `zone`.

    One that would reach beyond `now` ends now. Raises InvalidInput for days that make no period.
    """
    if name in _LENGTHS:
        return Period(now - _LENGTHS[name], now)
    today = now.astimezone(zone).date()
    if name is PeriodName.CUSTOM:
        begin, end = _own_days(first, last, today)
    elif name is PeriodName.THIS_MONTH:
        begin, end = today.replace(day=1), today
    else:
        end = today.replace(day=1) - timedelta(days=1)
        begin = end.replace(day=1)
    since, until = _midnight(begin, zone), _midnight(end + timedelta(days=1), zone)
    return Period(since - _INSTANT, min(until - _INSTANT, now))


async def calendar_zone(conn: Connection, vendor_id: int, station_id: int | None) -> ZoneInfo:
    """Whose midnights divide days and months: the station's zone, or that of most of the vendor's connectors."""
    found = await _ZONE.fetchval(conn, vendor_id=vendor_id, station_id=station_id)
    return ZoneInfo(found or "UTC")


def _own_days(first: date | None, last: date | None, today: date) -> tuple[date, date]:
    if first is None:
        raise InvalidInput("Say from which day on.")
    last = min(last or today, today)
    if first > last:
        raise InvalidInput("The first day must not be after the last day, nor after today.")
    if last - first >= LONGEST_PERIOD:
        raise InvalidInput(f"At most {LONGEST_PERIOD.days} days can be looked at together.")
    return first, last


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(ZoneInfo("UTC"))
