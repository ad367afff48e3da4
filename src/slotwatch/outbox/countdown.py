"""Draws the picture of the time left: a ring that empties, the number in it; a tick once the driver is there."""

import io
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from slotwatch.domain.lifecycle import State

__all__ = ["Countdown", "Phase", "countdown_of", "draw_countdown"]

_SIZE = 300  # shown at half of it, so that it is sharp on fine screens
_OVERSAMPLED = 4
_HOUR = 60
_DAY = 24 * _HOUR

_DISC = (16, 33, 30)
_TRACK = (41, 66, 60)
_NUMBER = (255, 255, 255)
_UNIT = (168, 195, 187)


class Phase(StrEnum):
    """What the picture says."""

    AHEAD = "ahead"  # the slot has not begun
    RUNNING = "running"
    LAST = "last"  # five minutes and less
    DONE = "done"
    OVER = "over"


_COLOURS = {
    Phase.AHEAD: (63, 196, 166),
    Phase.RUNNING: (242, 190, 62),
    Phase.LAST: (255, 118, 98),
    Phase.DONE: (63, 196, 166),
    Phase.OVER: (122, 139, 134),
}


@dataclass(frozen=True)
class Countdown:
    """What is shown: whole minutes, and how much of the ring is left in sixtieths."""

    phase: Phase
    minutes: int = 0
    sixtieths: int = 0


def countdown_of(state: State, *, starts_at: datetime, grace_ends_at: datetime, now: datetime) -> Countdown:
    """What to show for a booking at `now`. Minutes are rounded up: with 30 s left there is 1 minute, not 0."""
    if state in (State.ACTIVE, State.COMPLETED, State.REINSTATED):
        return Countdown(Phase.DONE)
    left = grace_ends_at - now
    if state not in (State.PENDING, State.CONFIRMED, State.GRACE) or left <= timedelta(0):
        return Countdown(Phase.OVER)
    if now < starts_at:
        return Countdown(Phase.AHEAD, _up(starts_at - now), 60)
    share = math.ceil(60 * (left / (grace_ends_at - starts_at)))
    minutes = _up(left)
    return Countdown(Phase.LAST if minutes <= 5 else Phase.RUNNING, minutes, share)


@lru_cache(256)
def draw_countdown(countdown: Countdown) -> bytes:
    """The PNG. Digits and `min` are read in all of our languages; the words stand in the mail."""
    size = _SIZE * _OVERSAMPLED
    picture = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((0, 0, size - 1, size - 1), fill=_DISC)
    edge, width = size * 0.07, round(size * 0.055)
    ring = (edge, edge, size - edge, size - edge)
    pen.arc(ring, 0, 360, fill=_TRACK, width=width)
    share = 60 if countdown.phase is Phase.DONE else countdown.sixtieths
    if share:
        pen.arc(ring, -90, -90 + 6 * share, fill=_COLOURS[countdown.phase], width=width)
    if countdown.phase is Phase.DONE:
        _tick(pen, size)
    else:
        _number(pen, size, countdown)
    small = picture.resize((_SIZE, _SIZE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.quantize(128, method=Image.Quantize.FASTOCTREE).save(file, "PNG", optimize=True)
    return file.getvalue()


def _tick(pen: ImageDraw.ImageDraw, size: int) -> None:
    points = [(0.30 * size, 0.52 * size), (0.44 * size, 0.66 * size), (0.71 * size, 0.37 * size)]
    width = round(size * 0.075)
    pen.line(points, fill=_COLOURS[Phase.DONE], width=width, joint="curve")
    for x, y in (points[0], points[-1]):
        pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=_COLOURS[Phase.DONE])


def _number(pen: ImageDraw.ImageDraw, size: int, countdown: Countdown) -> None:
    number, unit = _shown(countdown.minutes)
    large = 0.34 if len(number) <= 2 else 0.26
    pen.text((size / 2, size * 0.46), number, _NUMBER, ImageFont.load_default(size * large), anchor="mm")
    pen.text((size / 2, size * 0.70), unit, _UNIT, ImageFont.load_default(size * 0.11), anchor="mm")


def _shown(minutes: int) -> tuple[str, str]:
    """Number and unit: minutes up to two hours, then hours, then days.

    >>> _shown(12), _shown(119), _shown(300), _shown(4000)
    (('12', 'min'), ('119', 'min'), ('5', 'h'), ('3', 'd'))
    """
    if minutes < 2 * _HOUR:
        return str(minutes), "min"
    if minutes < 2 * _DAY:
        return str(round(minutes / _HOUR)), "h"
    return str(round(minutes / _DAY)), "d"


def _up(span: timedelta) -> int:
    return math.ceil(span.total_seconds() / 60)
