"""A booking in words for its driver: the state, what comes next, what the countdown shows, how each notice fared."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby

from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.lifecycle import Cause, State
from slotwatch.domain.money import PaymentStatus
from slotwatch.domain.notices import DeliveryState, NoticeKind
from slotwatch.storage.booking_views import BookingView, DeliveryView, TransitionView
from slotwatch.web.pages.station_times import milliseconds

__all__ = [
    "CHANNEL_WORDS",
    "DELIVERY_WORDS",
    "KIND_WORDS",
    "METHOD_WORDS",
    "STATE_WORDS",
    "Dial",
    "Phase",
    "Told",
    "dial_of",
    "happened",
    "money_sentence",
    "phase_of",
    "told",
]

STATE_WORDS = {
    State.PENDING: "To be paid",
    State.CONFIRMED: "Confirmed",
    State.GRACE: "Waiting for you",
    State.ACTIVE: "Checked in",
    State.COMPLETED: "Completed",
    State.EXPIRED: "No-show",
    State.CANCELLED: "Cancelled",
    State.VOIDED: "Paid back",
    State.REINSTATED: "Made good",
}
KIND_WORDS = {
    NoticeKind.BOOKING_CONFIRMED: "Your booking is confirmed",
    NoticeKind.REMINDER: "Your slot begins soon",
    NoticeKind.SLOT_STARTED: "Your slot has begun",
    NoticeKind.GRACE_ALERT: "Your grace period is running out",
    NoticeKind.GRACE_EXTENDED: "You have more time",
    NoticeKind.CHECKED_IN: "You are checked in",
    NoticeKind.SLOT_EXPIRED: "Your slot was released",
    NoticeKind.SLOT_VOIDED: "You get your money back",
    NoticeKind.BOOKING_CANCELLED: "Your booking is cancelled",
    NoticeKind.BOOKING_COMPLETED: "Your booking is complete",
    NoticeKind.BOOKING_REINSTATED: "The no-show was undone",
    NoticeKind.DISPUTE_UPHELD: "Your dispute was decided",
}
CHANNEL_WORDS = {
    "email": "e-mail",
    "sms": "SMS",
    "push": "browser",
    "whatsapp": "WhatsApp",
    "voice": "phone call",
    "webhook": "app",
}
DELIVERY_WORDS = {
    DeliveryState.PENDING: "on its way",
    DeliveryState.UNKNOWN: "handed over; no answer, it may have arrived",
    DeliveryState.SENT: "sent; no receipt so far",
    DeliveryState.DELIVERED: "arrived",
    DeliveryState.FAILED: "could not be delivered",
    DeliveryState.MISSED: "not sent: it would have come too late",
    DeliveryState.SUPPRESSED: "not sent: no longer needed, not wanted, or no address for it",
    DeliveryState.SET_ASIDE: "held back by a fault of ours; an operator looks at it",
}
METHOD_WORDS = {
    CheckInMethod.APP: "on the page or in the app",
    CheckInMethod.QR: "with the code at the bay",
    CheckInMethod.CHARGER: "by plugging in",
    CheckInMethod.VENDOR: "by the station's staff",
}
_HAPPENED = {
    Cause.PAID: "You paid",
    Cause.CHECKED_IN: "You checked in",
    Cause.LEFT: "You left; the rest of the slot is free",
    Cause.EXTENDED: "Your grace was made longer, because slotwatch itself had not worked",
    Cause.NO_FAULT: "Voided without any fault of yours",
    Cause.PROVEN: "A check-in in time came to light; the no-show was undone",
    Cause.DISPUTE_WON: "Your dispute was decided in your favour",
}
_BY_TIME = {
    State.GRACE: "The slot began",
    State.EXPIRED: "Grace ran out; the slot was released",
    State.COMPLETED: "The slot ended",
    State.CANCELLED: "The hold ran out unpaid",
}


class Phase(StrEnum):
    """What the driver can do now."""

    TO_PAY = "to_pay"
    AHEAD = "ahead"  # check-in is not open yet
    OPEN = "open"  # check in now
    CLOSING = "closing"  # grace is over, the engine is about to release the slot
    CHARGING = "charging"
    OVER = "over"


@dataclass(frozen=True)
class Dial:
    """A ring that empties from `since` to `until`, in milliseconds since 1970; `share` of it is left, in percent."""

    since: int
    until: int
    share: float
    left: str
    words: str


@dataclass(frozen=True)
class Told:
    """One notice and how it fared on each channel."""

    title: str
    ways: tuple[tuple[str, DeliveryState, str, datetime | None], ...]


def phase_of(view: BookingView) -> Phase:
    """What the driver can do at the instant of the view."""
    timeline, now = view.booking.timeline, view.now
    match view.booking.state:
        case State.PENDING:
            return Phase.TO_PAY
        case State.ACTIVE:
            return Phase.CHARGING
        case State.CONFIRMED | State.GRACE if now < timeline.check_in_opens_at:
            return Phase.AHEAD
        case State.CONFIRMED | State.GRACE:
            return Phase.OPEN if now <= timeline.grace_ends_at else Phase.CLOSING
        case _:
            return Phase.OVER


def dial_of(view: BookingView) -> Dial | None:
    """The countdown of a live booking."""
    booking, timeline, phase = view.booking, view.booking.timeline, phase_of(view)
    since, until, words = {
        Phase.TO_PAY: (booking.created_at, timeline.hold_ends_at, "left to pay"),
        Phase.AHEAD: (booking.created_at, timeline.check_in_opens_at, "until check-in opens"),
        Phase.OPEN: (timeline.check_in_opens_at, timeline.grace_ends_at, "left to check in"),
        Phase.CHARGING: (booking.checked_in_at or timeline.starts_at, timeline.ends_at, "left to charge"),
    }.get(phase, (None, None, ""))
    if phase is Phase.OPEN and view.now >= timeline.starts_at:
        since = timeline.starts_at
    if since is None or until is None:
        return None
    left = max(until - view.now, timedelta(0))
    share = 100 * left / max(until - since, timedelta(seconds=1))
    return Dial(milliseconds(since), milliseconds(until), round(min(share, 100.0), 2), _left(left), words)


def told(deliveries: Iterable[DeliveryView]) -> list[Told]:
    """By notice, the newest first."""
    found = [(kind, [_way(one) for one in ways]) for (_, kind), ways in groupby(deliveries, _notice_of)]
    return [
        Told(KIND_WORDS.get(kind, kind.value.replace("_", " ").capitalize()), tuple(ways))
        for kind, ways in reversed(found)
    ]


def _notice_of(delivery: DeliveryView) -> tuple[int, NoticeKind]:
    return delivery.notice_id, delivery.kind


def happened(move: TransitionView) -> str:
    """One line of the history."""
    if move.cause is Cause.BOOKED:
        return "You booked; the slot is held until you pay" if move.to_state is State.PENDING else "You booked"
    if move.cause is Cause.CANCELLED:
        return "You cancelled" if move.actor == "driver" else "The station's staff cancelled"
    if move.cause is Cause.CHECKED_IN and move.actor == "vendor":
        return "The station's staff checked you in"
    if move.cause is Cause.TIME:
        return _BY_TIME.get(move.to_state, move.to_state.value)
    return _HAPPENED.get(move.cause, move.cause.value)


def money_sentence(status: PaymentStatus, amount: str, refunded: str) -> str:
    """Where the money is; nothing where none is known to us."""
    return {
        PaymentStatus.NOT_REQUIRED: "",
        PaymentStatus.AWAITED: f"{amount} to pay.",
        PaymentStatus.PAID: f"You paid {amount}.",
        PaymentStatus.FORFEIT_HELD: (
            f"{amount} is not refunded, as the terms say. It is kept aside for a day, and longer if you dispute it."
        ),
        PaymentStatus.FORFEITED: f"{amount} is not refunded, as the terms say.",
        PaymentStatus.REFUNDED: f"{amount} goes back to you.",
        PaymentStatus.PARTLY_REFUNDED: f"{refunded} of {amount} goes back to you.",
        PaymentStatus.NOT_REFUNDED: f"{amount} is not refunded, as the terms say.",
        PaymentStatus.NOT_PAID: "Nothing was charged.",
    }[status]


def _way(delivery: DeliveryView) -> tuple[str, DeliveryState, str, datetime | None]:
    channel = CHANNEL_WORDS.get(delivery.channel, delivery.channel)
    return channel, delivery.state, DELIVERY_WORDS[delivery.state], delivery.sent_at


def _left(left: timedelta) -> str:
    """As the script ticks on.

    >>> _left(timedelta(seconds=754)), _left(timedelta(hours=3, minutes=5)), _left(timedelta(days=2, hours=4))
    ('12:34', '3:05 h', '2 d 4 h')
    """
    seconds = -int(-left.total_seconds() // 1)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days >= 1:
        return f"{days} d {hours % 24} h"
    if hours >= 1:
        return f"{hours}:{minutes % 60:02} h"
    return f"{minutes}:{seconds % 60:02}"
