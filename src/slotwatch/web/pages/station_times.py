"""Instants on the pages: by the station's clocks, with their zone named."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from slotwatch.locale.catalogues import Language, language
from slotwatch.outbox import time_words

__all__ = ["StationTimes", "milliseconds"]


@dataclass(frozen=True)
class StationTimes:
    """Puts instants into words for one station."""

    zone: ZoneInfo
    spoken: Language = field(default_factory=lambda: language("en"))

    def clock(self, instant: datetime) -> str:
        """`18:30`."""
        return time_words.clock_time(instant, self.zone, self.spoken)

    def time(self, instant: datetime) -> str:
        """`18:30 CET`."""
        return time_words.time_with_zone(instant, self.zone, self.spoken)

    def exact(self, instant: datetime) -> str:
        """`2 Mar, 18:30:04 CET`."""
        local = instant.astimezone(self.zone)
        return f"{local.day} {local:%b, %H:%M:%S} {time_words.short_zone(instant, self.zone, self.spoken)}"

    def day_time(self, instant: datetime) -> str:
        """`Mon 2 Mar, 18:30 CET`."""
        return time_words.day_time(instant, self.zone, self.spoken)

    def dated(self, instant: datetime) -> str:
        """`2 Mar 2026, 18:30 CET`."""
        local = instant.astimezone(self.zone)
        return f"{local.day} {local:%b %Y}, {self.time(instant)}"

    def day(self, instant: datetime) -> str:
        """`Monday 2 March 2026`."""
        return time_words.date(instant, self.zone, self.spoken)

    def local_date(self, instant: datetime) -> date:
        """The day in the station's calendar."""
        return instant.astimezone(self.zone).date()

    def hours(self, starts_at: datetime, ends_at: datetime) -> str:
        """`18:00 - 19:00 CET` with a dash; both zones where the clocks change in between."""
        first, last = (time_words.short_zone(at, self.zone, self.spoken) for at in (starts_at, ends_at))
        begins = self.clock(starts_at) if first == last else self.time(starts_at)
        return f"{begins} \u2013 {self.time(ends_at)}"

    def slot(self, starts_at: datetime, ends_at: datetime) -> str:
        """`Monday, 2 March 2026, 18:00 - 19:00 CET`."""
        return f"{self.day(starts_at)}, {self.hours(starts_at, ends_at)}"

    def short_slot(self, starts_at: datetime, ends_at: datetime) -> str:
        """`Mon 2 Mar, 18:00 - 19:00 CET`."""
        return f"{time_words.short_day(starts_at, self.zone, self.spoken)}, {self.hours(starts_at, ends_at)}"

    def long_zone(self, instant: datetime) -> str:
        """`Central European Standard Time (UTC+1)`."""
        words = time_words.long_zone(instant, self.zone, self.spoken)
        return "UTC" if words == "UTC (UTC)" else words

    def length(self, span: timedelta) -> str:
        """`90 minutes`."""
        return time_words.duration(span, self.spoken)


def milliseconds(instant: datetime) -> int:
    """As scripts count: since 1970."""
    return int(instant.timestamp() * 1000)
