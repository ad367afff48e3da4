"""When a station is open: weekly local wall times in the station's zone, answered in UTC instants.

Local times exist only here and on the screen. A day's opening is worked out afresh for each date, so a day on
which clocks change is as long as it really is. Local times that a clock change skips are read as the instant of
the change; repeated ones as their first pass for opening and their last for closing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from slotwatch.domain.errors import InvalidInput

__all__ = ["ALWAYS_OPEN", "OpeningHours", "Shift"]


@dataclass(frozen=True)
class Shift:
    """Open on these weekdays (Monday is 0) from `opens` to `closes`; a close at or before the opening is next day."""

    days: tuple[int, ...]
    opens: time
    closes: time


@dataclass(frozen=True)
class OpeningHours:
    """No shifts at all means always open."""

    shifts: tuple[Shift, ...] = ()

    def cover(self, starts_at: datetime, ends_at: datetime, zone: ZoneInfo) -> bool:
        """Whether the station is open during the whole of `[starts_at, ends_at)`."""
        return any(opens <= starts_at and ends_at <= closes for opens, closes in self.within(starts_at, ends_at, zone))

    def within(self, starts_at: datetime, ends_at: datetime, zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
        """The open intervals that touch `[starts_at, ends_at)`, in order, joined where they meet, as UTC instants."""
        if not self.shifts:
            return [(starts_at.astimezone(UTC), ends_at.astimezone(UTC))]
        first = starts_at.astimezone(zone).date() - timedelta(days=1)
        last = ends_at.astimezone(zone).date()
        spans = sorted(
            span
            for day in _days(first, last)
            for span in self._on(day, zone)
            if span[1] > starts_at and span[0] < ends_at
        )
        joined: list[tuple[datetime, datetime]] = []
        for opens, closes in spans:
            if joined and opens <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(closes, joined[-1][1]))
            else:
                joined.append((opens, closes))
        return joined

    def _on(self, day: date, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
        for shift in self.shifts:
            if day.weekday() in shift.days:
                closing_day = day if shift.closes > shift.opens else day + timedelta(days=1)
                opens = _instant(day, shift.opens, zone, fold=0)
                closes = _instant(closing_day, shift.closes, zone, fold=1)
                if closes > opens:
                    yield opens, closes

    def as_list(self) -> list[dict[str, Any]]:
        """The hours as they are stored and shown: `[{"days": [0], "opens": "08:00", "closes": "22:00"}]`."""
        return [
            {"days": list(shift.days), "opens": f"{shift.opens:%H:%M}", "closes": f"{shift.closes:%H:%M}"}
            for shift in self.shifts
        ]

    @classmethod
    def from_list(cls, stored: Sequence[dict[str, Any]]) -> "OpeningHours":
        """The hours of their stored form. Raises InvalidInput where a day or time makes no sense."""
        try:
            shifts = tuple(
                Shift(tuple(entry["days"]), time.fromisoformat(entry["opens"]), time.fromisoformat(entry["closes"]))
                for entry in stored
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput("Opening hours need days, opens and closes, such as 08:00.") from error
        if any(not 0 <= day <= 6 for shift in shifts for day in shift.days):
            raise InvalidInput("Weekdays run from 0 (Monday) to 6 (Sunday).")
        return cls(shifts)


ALWAYS_OPEN = OpeningHours()


def _days(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def _instant(day: date, at: time, zone: ZoneInfo, *, fold: int) -> datetime:
    local = datetime.combine(day, at, tzinfo=zone).replace(fold=fold)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return instant
    return _change_before(instant, zone)


def _change_before(instant: datetime, zone: ZoneInfo) -> datetime:
    """The instant, within three hours of `instant`, at which the zone's offset changed, to the second."""
    low, high = instant - timedelta(hours=3), instant + timedelta(hours=3)
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
