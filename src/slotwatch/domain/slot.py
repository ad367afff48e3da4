"""A slot: one connector's half-open interval of UTC time, and what makes it bookable."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from slotwatch.domain.errors import SlotNotBookable
from slotwatch.domain.opening_hours import OpeningHours

__all__ = ["FARTHEST", "LONGEST", "SHORTEST", "Slot"]

SHORTEST = timedelta(minutes=15)
LONGEST = timedelta(hours=8)
FARTHEST = timedelta(days=731)


@dataclass(frozen=True)
class Slot:
    """`[starts_at, ends_at)`; both aware instants."""

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        if self.starts_at.tzinfo is None or self.ends_at.tzinfo is None:
            raise SlotNotBookable("Start and end need a UTC offset, such as 2026-11-22T18:00:00Z.")

    @property
    def length(self) -> timedelta:
        """How long the slot lasts on a stopwatch, whatever local clocks do."""
        return self.ends_at - self.starts_at

    def check_bookable(self, *, now: datetime, hours: OpeningHours, zone: ZoneInfo) -> None:
        """Raise SlotNotBookable with a sentence for the first rule that the slot breaks."""
        if self.ends_at <= self.starts_at:
            raise SlotNotBookable("The slot ends before it begins.")
        if self.starts_at < now:
            raise SlotNotBookable("The slot begins in the past.")
        if self.length < SHORTEST:
            raise SlotNotBookable("A slot lasts at least 15 minutes.")
        if self.length > LONGEST:
            raise SlotNotBookable("A slot lasts at most 8 hours.")
        if self.starts_at > now + FARTHEST:
            raise SlotNotBookable("A slot begins at most two years ahead.")
        if not hours.cover(self.starts_at, self.ends_at, zone):
            raise SlotNotBookable("The station is closed during a part of this slot.")
