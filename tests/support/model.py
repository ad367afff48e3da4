"""A booking's life as plain Python: what the state machine expects of the real thing, written from the description."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

__all__ = ["Expected", "Outages"]

MINUTE = timedelta(minutes=1)
SETTLE = timedelta(seconds=5)
HOLD = timedelta(minutes=10)
EARLY = timedelta(minutes=15)
SILENCE = timedelta(seconds=15)
LIVE = {"pending", "confirmed", "grace", "active"}


@dataclass
class Outages:
    """Heartbeats and silences of the two components, as the description has them."""

    beats: dict[str, datetime] = field(default_factory=dict)
    gaps: list[tuple[datetime, datetime]] = field(default_factory=list)

    def beat(self, component: str, now: datetime) -> None:
        """A beat; after more than 15 s of silence that silence was an outage."""
        last = self.beats.get(component)
        if last is not None and now - last > SILENCE:
            self.gaps.append((last, now))
        self.beats[component] = now

    def usable(self, since: datetime, until: datetime) -> timedelta:
        """How much of the interval the system was there."""
        silent = [(last, until) for last in self.beats.values() if until - last > SILENCE]
        cut = sorted((max(a, since), min(b, until)) for a, b in [*self.gaps, *silent] if a < until and b > since)
        usable, seen = until - since, since
        for begin, end in cut:
            begin = max(begin, seen)
            if end > begin:
                usable -= end - begin
                seen = end
        return usable


@dataclass
class Expected:
    """One booking."""

    starts_at: datetime
    ends_at: datetime
    state: str
    hold_ends_at: datetime | None
    deadline: datetime = field(init=False)
    grace: timedelta = field(init=False)
    proofs: list[datetime] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.grace = min(30 * MINUTE, self.ends_at - self.starts_at)
        self.deadline = self.starts_at + self.grace

    @property
    def is_live(self) -> bool:
        """Whether it holds its slot."""
        return self.state in LIVE

    def owed(self, seen_at: datetime, outages: Outages) -> datetime | None:
        """Until when grace must last because of our outages, seen from that instant."""
        usable = outages.usable(self.starts_at, seen_at) if seen_at > self.starts_at else seen_at - self.starts_at
        if usable >= self.grace - min(MINUTE, self.grace / 10):
            return None
        return min(seen_at + (self.grace - usable), self.ends_at)

    def in_window(self, received_at: datetime, outages: Outages) -> bool:
        """Whether a check-in received then counts."""
        if received_at < self.starts_at - EARLY:
            return False
        owed = self.owed(received_at, outages) if received_at > self.deadline else None
        return received_at <= self.deadline or (owed is not None and received_at <= owed)

    def engine(self, now: datetime, outages: Outages, *, told: bool) -> None:
        """What the clock does to it at `now`, all steps that are due."""
        if self.state == "pending" and self.hold_ends_at is not None and self.hold_ends_at <= now:
            self.state = "cancelled"
        if self.state == "confirmed" and self.starts_at <= now:
            self.state = "grace"
        if self.state == "grace" and self.deadline + SETTLE <= now:
            self._end_of_grace(now, outages, told)
        if self.state == "active" and self.ends_at <= now:
            self.state = "completed"

    def _end_of_grace(self, now: datetime, outages: Outages, told: bool) -> None:
        owed = self.owed(now, outages)
        proofs = [proof for proof in self.proofs if self.in_window(proof, outages)]
        if proofs:
            self.state = "active"
            self.deadline = max(self.deadline, min(proofs))
        elif owed is not None and owed > now:
            self.deadline = owed
        elif owed is not None or not told:
            self.state = "voided"
        else:
            self.state = "expired"
