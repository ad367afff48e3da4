"""What is looked at: whose bookings, of which period, seen when."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

__all__ = ["GroupBy", "Period", "Scope", "TimeRange"]


class TimeRange(StrEnum):
    """The period that ends now."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return _LENGTHS[self]


_LENGTHS = {TimeRange.HOUR: timedelta(hours=1), TimeRange.DAY: timedelta(days=1), TimeRange.WEEK: timedelta(days=7)}


class GroupBy(StrEnum):
    """By what numbers are told apart. Hours, weekdays (Monday is 0) and days are those of the station's own zone."""

    ALL = "all"
    STATION = "station"
    CONNECTOR = "connector"
    HOUR = "hour"
    WEEKDAY = "weekday"
    HOUR_OF_WEEK = "hour_of_week"  # 24 * weekday + hour
    DAY = "day"  # days since 1970-01-01


@dataclass(frozen=True)
class Period:
    """`(since, until]`; aware instants in UTC. Open at the beginning, so that two periods in a row share nothing."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise ValueError("a period ends after it begins")

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.until - self.since

    @property
    def previous(self) -> "Period":
        """The one of the same length just before it."""
        return Period(self.since - self.length, self.since)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """One vendor's bookings whose slot began in the period, at one station or at all of them.

    `with_live` adds the bookings that are live now: right for a period that ends now, wrong for one that is over.
    """

    vendor_id: int
    period: Period
    station_id: int | None = None
    with_live: bool = False

    @classmethod
    def until_now(cls, vendor_id: int, length: timedelta, now: datetime, station_id: int | None = None) -> "Scope":
        """The period of that length that ends at `now`, and what is live."""
        return cls(vendor_id=vendor_id, period=Period(now - length, now), station_id=station_id, with_live=True)

    @property
    def previous(self) -> "Scope":
        """The same of the period before, without what is live now."""
        return replace(self, period=self.period.previous, with_live=False)
