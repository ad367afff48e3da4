"""The instants of a booking's life, fixed in UTC when it is made; only an outage of ours moves the end of grace."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from slotwatch.domain.lifecycle import Step
from slotwatch.domain.slot import Slot
from slotwatch.domain.terms import Terms

__all__ = ["Timeline"]


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """When each step is due. A step that makes no sense for this booking has no instant and is skipped."""

    hold_ends_at: datetime | None  # None: payment is not awaited
    remind_at: datetime | None
    starts_at: datetime
    grace_half_at: datetime
    grace_last_at: datetime | None
    grace_ends_at: datetime
    expires_at: datetime
    ends_at: datetime
    check_in_opens_at: datetime

    @classmethod
    def of(cls, slot: Slot, terms: Terms, *, hold_ends_at: datetime | None) -> "Timeline":
        """The timeline of a slot under these terms; grace ends with the slot at the latest, a hold with the grace."""
        grace = min(terms.grace, slot.length)
        half = slot.starts_at + grace / 2
        last = slot.starts_at + grace - _LAST_CALL
        deadline = slot.starts_at + grace
        return cls(
            hold_ends_at=None if hold_ends_at is None else min(hold_ends_at, deadline),
            remind_at=slot.starts_at - terms.reminder_lead if terms.reminder_lead else None,
            starts_at=slot.starts_at,
            grace_half_at=half,
            grace_last_at=last if last > half else None,
            grace_ends_at=deadline,
            expires_at=deadline + terms.settle,
            ends_at=slot.ends_at,
            check_in_opens_at=slot.starts_at - terms.early_check_in,
        )

    def due(self, step: Step) -> datetime | None:
        """When that step is due; None if this booking skips it."""
        return {
            Step.HOLD_ENDS: self.hold_ends_at,
            Step.REMIND: self.remind_at,
            Step.START: self.starts_at,
            Step.GRACE_HALF: self.grace_half_at,
            Step.GRACE_LAST: self.grace_last_at,
            Step.EXPIRE: self.expires_at,
            Step.COMPLETE: self.ends_at,
        }[step]

    def first_step(self, now: datetime) -> Step:
        """What comes next for a booking confirmed at `now`: the reminder, unless its time has passed."""
        return Step.REMIND if self.remind_at is not None and self.remind_at > now else Step.START

    def extended_to(self, grace_ends_at: datetime) -> "Timeline":
        """The same timeline with grace ending later; the settle time stays as it was."""
        settle = self.expires_at - self.grace_ends_at
        return replace(self, grace_ends_at=grace_ends_at, expires_at=grace_ends_at + settle)


_LAST_CALL = timedelta(minutes=5)
