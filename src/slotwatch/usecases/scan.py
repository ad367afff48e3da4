"""A driver scans the code of a bay: which booking that means, and what stands in the way of checking in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from slotwatch.domain.errors import NotFound
from slotwatch.domain.lifecycle import State
from slotwatch.domain.slot import LONGEST
from slotwatch.storage.booking_views import BookingFilter, BookingView, list_views
from slotwatch.storage.places import Place, find_place
from slotwatch.usecases.desk import Desk

__all__ = ["Finding", "Scan", "choose", "look_up"]

_AHEAD = timedelta(hours=24)
_MOST = 50


class Finding(StrEnum):
    """What a scan means for the driver, from the best to the worst."""

    CHECKED_IN = "checked_in"  # already, on this bay
    READY = "ready"  # one tap checks in
    OTHER_BAY = "other_bay"  # the driver's slot runs on another bay of this station
    UNPAID = "unpaid"
    TOO_EARLY = "too_early"
    TOO_LATE = "too_late"
    NO_BOOKING = "no_booking"


@dataclass(frozen=True)
class Scan:
    """The bay, what was found, and the booking that it is about, if any."""

    place: Place
    finding: Finding
    view: BookingView | None
    now: datetime


async def look_up(desk: Desk, driver_id: int, connector_id: int) -> Scan:
    """What the code of that connector means for that driver. Raises NotFound for a code of no connector."""
    async with desk.database.connection() as conn:
        now = await desk.clock.now(conn)
        place = await find_place(conn, connector_id)
        if place is None:
            raise NotFound("This code belongs to no bay of ours.")
        wanted = BookingFilter(since=now - LONGEST - _AHEAD, until=now + _AHEAD)
        views = await list_views(conn, driver_id, wanted, limit=_MOST, now=now)
    here = [view for view in views if view.booking.station_id == place.station_id]
    finding, view = choose(here, connector_id, now)
    return Scan(place, finding, view, now)


def choose(views: Sequence[BookingView], connector_id: int, now: datetime) -> tuple[Finding, BookingView | None]:
    """Of a driver's bookings at one station the one that a scan is about: the most helpful finding, nearest in time."""
    judged = [(_finding(view, connector_id, now), view) for view in views]
    known = [(finding, view) for finding, view in judged if finding is not None]
    if not known:
        return Finding.NO_BOOKING, None
    order = list(Finding)
    last = order.index(Finding.TOO_EARLY)  # from there on the nearest in time counts, be it ahead or over
    return min(known, key=lambda one: (min(order.index(one[0]), last), abs(one[1].booking.timeline.starts_at - now)))


def _finding(view: BookingView, connector_id: int, now: datetime) -> Finding | None:
    booking, timeline = view.booking, view.booking.timeline
    is_here = booking.connector_id == connector_id
    is_open = timeline.check_in_opens_at <= now <= timeline.grace_ends_at
    match booking.state:
        case State.ACTIVE:
            return Finding.CHECKED_IN if is_here else Finding.OTHER_BAY
        case State.CONFIRMED | State.GRACE if is_open:
            return Finding.READY if is_here else Finding.OTHER_BAY
        case State.CONFIRMED | State.GRACE if now > timeline.grace_ends_at:
            return Finding.TOO_LATE if is_here else None
        case State.CONFIRMED | State.GRACE:
            return Finding.TOO_EARLY
        case State.PENDING if is_here:
            return Finding.UNPAID
        case State.EXPIRED if is_here and now < timeline.ends_at + _AHEAD:
            return Finding.TOO_LATE
        case _:
            return None
