"""The states of a booking, the causes that move it and the steps of its timeline, once, as data.

Everything else is derived from these tables or compared with them by a test: the rows of `allowed_transition`
that the history references, the `CHECK` constraints, the arrays given to `engine/advance_due.sql` and the diagram
in the docs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = [
    "FINAL_STATES",
    "LIVE_STATES",
    "STEP_RULES",
    "TRANSITIONS",
    "Cause",
    "EndReason",
    "State",
    "Step",
    "StepRule",
]


class State(StrEnum):
    """Where a booking stands. The comment says who moves it out of that state."""

    PENDING = "pending"  # slot held while payment is awaited; left by payment, by a cancel or when the hold runs out
    CONFIRMED = "confirmed"  # paid, the slot has not begun; left by the clock, by an early check-in or by a cancel
    GRACE = "grace"  # slot began, nobody is there yet; left by a check-in, by a cancel or by the clock
    ACTIVE = "active"  # the driver checked in; left when the slot ends or the driver leaves
    COMPLETED = "completed"  # final: used to the end
    EXPIRED = "expired"  # no-show: final for the slot; late proof or a won dispute still moves the money back
    CANCELLED = "cancelled"  # final: by driver, vendor or an unpaid hold
    VOIDED = "voided"  # final: nobody's fault, full refund, no strike
    REINSTATED = "reinstated"  # final: a no-show that proof undid after the slot was released


class Step(StrEnum):
    """What comes next on a booking's timeline; `due_at` says when. A final state has no step."""

    HOLD_ENDS = "hold_ends"
    REMIND = "remind"
    START = "start"
    GRACE_HALF = "grace_half"
    GRACE_LAST = "grace_last"
    EXPIRE = "expire"
    COMPLETE = "complete"


class Cause(StrEnum):
    """Why a booking moved."""

    BOOKED = "booked"  # it came into being
    TIME = "time"  # its step was due
    PAID = "paid"
    CHECKED_IN = "checked_in"
    CANCELLED = "cancelled"
    LEFT = "left"  # the driver left before the slot ended
    EXTENDED = "extended"  # grace was lengthened by our own outage
    NO_FAULT = "no_fault"  # the driver could not have used the slot, or was never told that it began
    PROVEN = "proven"  # evidence from inside the window came after the slot was released
    DISPUTE_WON = "dispute_won"


class EndReason(StrEnum):
    """Why a booking is in its final state, in one word for programs (`expiredReason`, `cancelReason`)."""

    NO_SHOW = "no_show_after_grace_period"
    HOLD_RAN_OUT = "payment_hold_ran_out"
    BY_DRIVER = "cancelled_by_driver"
    BY_VENDOR = "cancelled_by_vendor"
    OUTAGE = "slotwatch_outage"
    NOT_TOLD = "start_notice_not_sent"
    SLOT_ENDED = "slot_ended"
    LEFT_EARLY = "driver_left"
    PROVEN = "checked_in_in_time"
    DISPUTE_WON = "dispute_won"


TRANSITIONS: Mapping[tuple[State, Cause], State] = MappingProxyType(
    {
        (State.PENDING, Cause.PAID): State.CONFIRMED,
        (State.PENDING, Cause.TIME): State.CANCELLED,
        (State.PENDING, Cause.CANCELLED): State.CANCELLED,
        (State.CONFIRMED, Cause.TIME): State.GRACE,
        (State.CONFIRMED, Cause.CHECKED_IN): State.ACTIVE,
        (State.CONFIRMED, Cause.CANCELLED): State.CANCELLED,
        (State.GRACE, Cause.CHECKED_IN): State.ACTIVE,
        (State.GRACE, Cause.CANCELLED): State.CANCELLED,
        (State.GRACE, Cause.EXTENDED): State.GRACE,
        (State.GRACE, Cause.TIME): State.EXPIRED,
        (State.GRACE, Cause.NO_FAULT): State.VOIDED,
        (State.ACTIVE, Cause.TIME): State.COMPLETED,
        (State.ACTIVE, Cause.LEFT): State.COMPLETED,
        (State.EXPIRED, Cause.PROVEN): State.REINSTATED,
        (State.EXPIRED, Cause.DISPUTE_WON): State.VOIDED,
    }
)

LIVE_STATES = (State.PENDING, State.CONFIRMED, State.GRACE, State.ACTIVE)
"""States that hold the slot: no two live bookings overlap on one connector."""

FINAL_STATES = (State.COMPLETED, State.EXPIRED, State.CANCELLED, State.VOIDED, State.REINSTATED)
"""States with nothing left on the timeline: final if and only if `due_at` is null."""


@dataclass(frozen=True)
class StepRule:
    """What happens to a booking in `state` when `step` is due, or would be due but for `cause`."""

    step: Step
    state: State
    cause: Cause
    next_step: Step | None
    notice: str
    occasion: str = ""  # tells two notices of one kind apart
    end_reason: EndReason | None = None

    @property
    def to_state(self) -> State:
        """The state after the step: by TRANSITIONS, or the same where the step only tells somebody something."""
        return self.state if not self.is_logged else TRANSITIONS[self.state, self.cause]

    @property
    def is_logged(self) -> bool:
        """Whether the step is a transition; reminders and alerts only tell somebody something."""
        return self.step not in _TELLING_STEPS


_TELLING_STEPS = (Step.REMIND, Step.GRACE_HALF, Step.GRACE_LAST)

STEP_RULES: tuple[StepRule, ...] = (
    StepRule(Step.HOLD_ENDS, State.PENDING, Cause.TIME, None, "booking_cancelled", end_reason=EndReason.HOLD_RAN_OUT),
    StepRule(Step.REMIND, State.CONFIRMED, Cause.TIME, Step.START, "reminder"),
    StepRule(Step.START, State.CONFIRMED, Cause.TIME, Step.GRACE_HALF, "slot_started"),
    StepRule(Step.GRACE_HALF, State.GRACE, Cause.TIME, Step.GRACE_LAST, "grace_alert", "half"),
    StepRule(Step.GRACE_LAST, State.GRACE, Cause.TIME, Step.EXPIRE, "grace_alert", "last"),
    StepRule(Step.EXPIRE, State.GRACE, Cause.TIME, None, "slot_expired", end_reason=EndReason.NO_SHOW),
    StepRule(Step.EXPIRE, State.GRACE, Cause.CHECKED_IN, Step.COMPLETE, "checked_in"),
    StepRule(Step.EXPIRE, State.GRACE, Cause.EXTENDED, Step.EXPIRE, "grace_extended"),
    StepRule(Step.EXPIRE, State.GRACE, Cause.NO_FAULT, None, "slot_voided", end_reason=EndReason.OUTAGE),
    StepRule(Step.COMPLETE, State.ACTIVE, Cause.TIME, None, "booking_completed", end_reason=EndReason.SLOT_ENDED),
)
