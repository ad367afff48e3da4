"""When a person does not want to be disturbed, between two wall times of their zone, also over midnight."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

__all__ = ["QuietHours"]


@dataclass(frozen=True)
class QuietHours:
    """From `start` to `end`, wall times in `zone`; the same time twice is no quiet at all."""

    start: time
    end: time
    zone: ZoneInfo

    def until(self, now: datetime) -> datetime | None:
        """When the quiet that reigns at `now` ends, in UTC; None when there is none.

        >>> night = QuietHours(time(22), time(7), ZoneInfo("Europe/Vienna"))
        >>> night.until(datetime(2026, 3, 2, 23, 30, tzinfo=UTC))
        datetime.datetime(2026, 3, 3, 6, 0, tzinfo=datetime.timezone.utc)
        >>> night.until(datetime(2026, 3, 2, 12, tzinfo=UTC))
        """
        local = now.astimezone(self.zone)
        wall = local.time()
        over_midnight = self.start > self.end
        is_quiet = wall >= self.start or wall < self.end if over_midnight else self.start <= wall < self.end
        if not is_quiet:
            return None
        day = local.date() + timedelta(days=1) if over_midnight and wall >= self.start else local.date()
        end = datetime.combine(day, self.end.replace(fold=0), self.zone)
        if end.astimezone(UTC) <= now:  # clocks went back, and it is quiet for the second time
            end = end.replace(fold=1)
        return end.astimezone(UTC)
