"""What drivers of the demo town do with a booking: each plot is a few acts, told relative to the booking's times."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from slotwatch.domain.timeline import Timeline

__all__ = ["PLOTS", "Act", "Deed", "From", "Plot", "choose_plot", "schedule"]


class Deed(StrEnum):
    """One thing that a driver does. `look` only sees what became of the booking."""

    PAY = "pay"
    CHECK_IN = "check_in"
    FINISH = "finish"
    CANCEL = "cancel"
    DISPUTE = "dispute"
    LOOK = "look"


class From(StrEnum):
    """The instant that an act counts from."""

    BOOKED = "booked"
    HOLD_END = "hold_end"
    START = "start"
    GRACE_END = "grace_end"
    EXPIRY = "expiry"
    END = "end"


@dataclass(frozen=True)
class Act:
    """A deed, at a random instant between `low` and `high` seconds from there."""

    deed: Deed
    anchor: From
    low: float
    high: float


@dataclass(frozen=True)
class Plot:
    """Acts in the order in which they come, and how often this happens among others.

    The slot begins `lead` seconds after the booking, at random between the two.
    """

    weight: int
    acts: tuple[Act, ...]
    lead: tuple[float, float] = (30, 120)


_PAYS = Act(Deed.PAY, From.BOOKED, 2, 8)
_SEES_HOLD_END = Act(Deed.LOOK, From.HOLD_END, 1, 3)
_SEES_EXPIRY = Act(Deed.LOOK, From.EXPIRY, 1, 3)
_SEES_END = Act(Deed.LOOK, From.END, 1, 3)

PLOTS: Mapping[str, Plot] = MappingProxyType(
    {
        "comes early": Plot(4, (_PAYS, Act(Deed.CHECK_IN, From.START, -40, -8), Act(Deed.FINISH, From.START, 50, 130))),
        "comes in grace": Plot(
            5, (_PAYS, Act(Deed.CHECK_IN, From.START, 12, 80), Act(Deed.FINISH, From.START, 125, 260))
        ),
        "comes at the last moment": Plot(
            2, (_PAYS, Act(Deed.CHECK_IN, From.GRACE_END, -9, -1), Act(Deed.FINISH, From.GRACE_END, 40, 150))
        ),
        "stays to the end": Plot(1, (_PAYS, Act(Deed.CHECK_IN, From.START, -10, 60), _SEES_END)),
        "is too early": Plot(
            1,
            (
                _PAYS,
                Act(Deed.CHECK_IN, From.START, -85, -70),
                Act(Deed.CHECK_IN, From.START, -25, 30),
                Act(Deed.FINISH, From.START, 60, 120),
            ),
            lead=(100, 130),
        ),
        "never comes": Plot(4, (_PAYS, _SEES_EXPIRY)),
        "comes too late": Plot(2, (_PAYS, Act(Deed.CHECK_IN, From.EXPIRY, 4, 15))),
        "disputes": Plot(1, (_PAYS, _SEES_EXPIRY, Act(Deed.DISPUTE, From.EXPIRY, 10, 30))),
        "cancels": Plot(2, (_PAYS, Act(Deed.CANCEL, From.BOOKED, 15, 40)), lead=(70, 130)),
        "cancels in grace": Plot(1, (_PAYS, Act(Deed.CANCEL, From.START, 20, 70))),
        "never pays": Plot(2, (_SEES_HOLD_END,), lead=(80, 120)),
    }
)


def choose_plot(dice: random.Random) -> str:
    """One of the plots, by weight."""
    names = list(PLOTS)
    return dice.choices(names, [PLOTS[name].weight for name in names])[0]


def schedule(plot: Plot, timeline: Timeline, booked_at: datetime, dice: random.Random) -> list[tuple[datetime, Deed]]:
    """When each act comes, in order; what should have been before the booking was made comes right after it."""
    anchors = {
        From.BOOKED: booked_at,
        From.HOLD_END: timeline.hold_ends_at or booked_at,
        From.START: timeline.starts_at,
        From.GRACE_END: timeline.grace_ends_at,
        From.EXPIRY: timeline.expires_at,
        From.END: timeline.ends_at,
    }
    acts: list[tuple[datetime, Deed]] = []
    earliest = booked_at
    for act in plot.acts:
        at = anchors[act.anchor] + timedelta(seconds=dice.uniform(act.low, act.high))
        earliest = max(at, earliest + timedelta(seconds=1))
        acts.append((earliest, act.deed))
    return acts
