"""What people are told: the kinds of notice, on which channels, how urgent, and while what is true."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

from slotwatch.domain.lifecycle import State

__all__ = [
    "LOUDER_AFTER",
    "NOTICE_RULES",
    "PAID_CHANNELS",
    "SAID_STOP",
    "USUAL_CHANNELS",
    "Anchor",
    "Channel",
    "DeliveryState",
    "KeptBack",
    "Later",
    "NoticeKind",
    "NoticeRule",
    "Recipient",
    "Urgency",
    "waits_for_quiet",
]


class NoticeKind(StrEnum):
    """One thing to tell one person."""

    BOOKING_CONFIRMED = "booking_confirmed"
    REMINDER = "reminder"
    SLOT_STARTED = "slot_started"
    GRACE_ALERT = "grace_alert"
    GRACE_EXTENDED = "grace_extended"
    CHECKED_IN = "checked_in"
    SLOT_EXPIRED = "slot_expired"
    SLOT_VOIDED = "slot_voided"
    BOOKING_CANCELLED = "booking_cancelled"
    BOOKING_COMPLETED = "booking_completed"
    BOOKING_REINSTATED = "booking_reinstated"
    DISPUTE_UPHELD = "dispute_upheld"  # the no-show stands, after a person looked at the dispute
    # About no booking; who is told stands in the notice itself.
    SIGN_IN_CODE = "sign_in_code"
    ALERT_RAISED = "alert_raised"  # to a vendor's staff, or to operators
    NO_SHOW_DIGEST = "no_show_digest"  # to a vendor's staff
    DISPUTE_OPENED = "dispute_opened"  # to a vendor's staff


class Channel(StrEnum):
    """A way to reach a person."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"  # to the driver's browsers
    WHATSAPP = "whatsapp"
    VOICE = "voice"
    WEBHOOK = "webhook"  # to the operator's own app


LOUDER_AFTER = timedelta(minutes=4)
"""How long a delivery is waited for before a louder channel joins in, unless it is set otherwise."""

USUAL_CHANNELS = frozenset({Channel.EMAIL, Channel.SMS})
"""On unless they are switched off, by a provider or the local inbox; the others need one that is configured."""


PAID_CHANNELS = frozenset({Channel.SMS, Channel.WHATSAPP, Channel.VOICE})
"""Every message costs money, and goes to a phone."""


class DeliveryState(StrEnum):
    """How far one notice on one channel has come. All but `pending`, `sent` and `unknown` are final."""

    PENDING = "pending"  # waiting for its next attempt, or leased by a sender until `next_attempt_at`
    UNKNOWN = "unknown"  # handed over, and the answer was lost: it may have arrived; only a receipt can tell
    SENT = "sent"  # the provider accepted it
    DELIVERED = "delivered"  # the provider reports that it arrived
    FAILED = "failed"  # refused for good, or every try used up
    MISSED = "missed"  # its `valid_until` passed before it could be sent
    SUPPRESSED = "suppressed"  # no longer true, or the driver does not want this channel
    SET_ASIDE = "set_aside"  # we failed on it three times ourselves; an operator looks at it


class KeptBack(StrEnum):
    """Why a suppressed delivery had no way to the driver, where that is not our failure."""

    SWITCHED_OFF = "switched_off"  # the driver's own wish: counts as told
    SAID_STOP = "said_stop"  # likewise
    NO_ADDRESS = "no_address"  # none that may be used: neither a wish nor a failure


SAID_STOP = "the recipient said STOP"
"""The reason of a suppression that is the recipient's own wish."""


_WAITS_FOR_QUIET = frozenset(
    {
        NoticeKind.BOOKING_CONFIRMED,
        NoticeKind.REMINDER,
        NoticeKind.CHECKED_IN,
        NoticeKind.BOOKING_COMPLETED,
        NoticeKind.BOOKING_REINSTATED,
        NoticeKind.DISPUTE_UPHELD,
    }
)
"""What waits until a driver's quiet hours are over; the others tell of a slot that runs or is lost."""


def waits_for_quiet(kind: NoticeKind, channel: Channel) -> bool:
    """Whether it waits for their end on that channel.

    A confirmation does not by e-mail: the driver asked for it a moment ago, and without it has no calendar entry.
    """
    return kind in _WAITS_FOR_QUIET and (kind, channel) != (NoticeKind.BOOKING_CONFIRMED, Channel.EMAIL)


class Urgency(IntEnum):
    """Lower goes first: a start notice overtakes reminders."""

    NOW = 0
    SOON = 1
    LATER = 2


class Anchor(StrEnum):
    """The instant of a booking that a notice's `valid_until` counts from."""

    STARTS_AT = "starts_at"
    GRACE_ENDS_AT = "grace_ends_at"
    ENDS_AT = "ends_at"
    CREATED_AT = "created_at"  # the notice's own creation


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """Whom a notice about no booking is for, as it was when the notice was written."""

    name: str = ""
    email: str | None = None
    phone: str | None = None
    language: str | None = None  # None: the vendor's, else English
    zone: str = "UTC"  # IANA name, for the times in it
    vendor_id: int | None = None  # whose wording and whose costs
    staff_id: int | None = None  # who of the staff; not stored, it tells occasions apart

    @property
    def mark(self) -> str:
        """Who it is, in an occasion: an address would stay there for longer than it is needed."""
        return "office" if self.staff_id is None else f"staff-{self.staff_id}"

    def as_dict(self) -> dict[str, Any]:
        """For storage."""
        return {name: value for name, value in asdict(self).items() if name != "staff_id"}

    @staticmethod
    def from_dict(stored: Mapping[str, Any]) -> "Recipient":
        """What `as_dict` made."""
        return Recipient(**stored)


@dataclass(frozen=True)
class Later:
    """A channel that joins in when no delivery is known after that long."""

    channel: Channel
    after: timedelta


@dataclass(frozen=True)
class NoticeRule:
    """How one kind of notice is sent.

    `at_once` goes out together; `fallback` only when a channel of this notice failed for good. What stands `beside`
    goes out with them where it can, and takes nobody's place: push to drivers with a browser for it, the operator's own
    app. `later` joins in one after the other and is dropped when a delivery is known by then. Who fails is followed
    along one line, at_once -> fallback -> later, which never turns back: see `instead_of`.

    A delivery is sent only while the booking is in one of `true_in` and before `anchor + offset`; later it is stale,
    and a stale message is worse than none. A kind without `true_in` is about no booking: who writes it names its
    channels and its time.
    """

    urgency: Urgency
    at_once: tuple[Channel, ...]
    fallback: tuple[Channel, ...]
    true_in: tuple[State, ...]
    anchor: Anchor
    offset: timedelta = timedelta(0)
    beside: tuple[Channel, ...] = (Channel.WEBHOOK,)
    later: tuple[Channel, ...] = ()

    @property
    def is_about_booking(self) -> bool:
        """Whether it is told to the driver of a booking."""
        return bool(self.true_in)

    def at_once_among(self, enabled: Collection[Channel]) -> tuple[Channel, ...]:
        """Which of the enabled channels go out together.

        Where all of `at_once` are switched off, the enabled fallback channels step in, so that nobody goes untold.
        """
        people = tuple(c for c in self.at_once if c in enabled) or tuple(c for c in self.fallback if c in enabled)
        return people + tuple(c for c in self.beside if c in enabled)

    def plan(self, enabled: Collection[Channel], louder_after: timedelta = LOUDER_AFTER) -> tuple[Later, ...]:
        """Which of the enabled channels go out and how long after the notice is made.

        A phone does not ring earlier because the channel before it is switched off.
        """
        at_once = tuple(Later(channel, timedelta(0)) for channel in self.at_once_among(enabled))
        louder = (Later(channel, louder_after * place) for place, channel in enumerate(self.later, start=1))
        return at_once + tuple(each for each in louder if each.channel in enabled)

    def instead_of(self, channel: Channel, enabled: Collection[Channel]) -> Channel | None:
        """Which of the enabled channels steps in where that one failed for good, if any: the next one on the line.

        What went out at once has had its turn. A channel that is planned for later only comes sooner. Nobody steps in
        for what stands beside.
        """
        if channel in self.beside:
            return None
        at_once = self.at_once_among(enabled)
        line = [each for each in (*self.fallback, *self.later) if each in enabled and each not in at_once]
        place = line.index(channel) + 1 if channel in line else 0
        return line[place] if place < len(line) else None

    @property
    def line(self) -> tuple[Channel, ...]:
        """Every channel that may tell a person of this kind, at once or in the end, the first one first."""
        every = (*self.at_once, *self.beside, *self.fallback, *self.later)
        return tuple(dict.fromkeys(channel for channel in every if channel is not Channel.WEBHOOK))

    def is_before(self, channel: Channel, other: Channel) -> bool:
        """Whether that channel comes earlier in the plan; one that is not in it comes last."""
        places = {each: place for place, each in enumerate(self.line)}
        return places.get(channel, len(places)) < places.get(other, len(places))

    def others(self, channel: Channel, enabled: Collection[Channel]) -> tuple[Channel, ...]:
        """The other enabled channels of the line."""
        return tuple(each for each in self.line if each in enabled and each is not channel)


_BOTH = (Channel.EMAIL, Channel.SMS)
_MAIL = (Channel.EMAIL,)
_TEXT = (Channel.SMS,)
_DAY = timedelta(hours=24)
_LOUDER = (Channel.WHATSAPP, Channel.VOICE)
_PUSHED = (Channel.PUSH, Channel.WEBHOOK)  # what is lost when it is seen too late


def _afterwards(urgency: Urgency, state: State) -> NoticeRule:
    """What a final state has to say."""
    return NoticeRule(urgency, _BOTH, (), (state,), Anchor.CREATED_AT, _DAY, beside=_PUSHED)


def _own(urgency: Urgency, at_once: tuple[Channel, ...], valid_for: timedelta) -> NoticeRule:
    """About no booking, so nothing of the driver's or the app's."""
    return NoticeRule(urgency, at_once, (), (), Anchor.CREATED_AT, valid_for, beside=())


NOTICE_RULES: Mapping[NoticeKind, NoticeRule] = MappingProxyType(
    {
        NoticeKind.BOOKING_CONFIRMED: NoticeRule(
            Urgency.SOON, _BOTH, (), (State.CONFIRMED, State.GRACE, State.ACTIVE), Anchor.ENDS_AT
        ),
        NoticeKind.REMINDER: NoticeRule(
            Urgency.LATER, _MAIL, _TEXT, (State.CONFIRMED,), Anchor.STARTS_AT, beside=_PUSHED
        ),
        NoticeKind.SLOT_STARTED: NoticeRule(
            Urgency.NOW, _BOTH, (), (State.GRACE,), Anchor.GRACE_ENDS_AT, beside=_PUSHED, later=_LOUDER
        ),
        NoticeKind.GRACE_ALERT: NoticeRule(
            Urgency.NOW, _TEXT, _MAIL, (State.GRACE,), Anchor.GRACE_ENDS_AT, beside=_PUSHED
        ),
        NoticeKind.GRACE_EXTENDED: NoticeRule(
            Urgency.NOW, _BOTH, (), (State.GRACE,), Anchor.GRACE_ENDS_AT, beside=_PUSHED
        ),
        NoticeKind.CHECKED_IN: NoticeRule(Urgency.SOON, _MAIL, _TEXT, (State.ACTIVE, State.COMPLETED), Anchor.ENDS_AT),
        NoticeKind.SLOT_EXPIRED: _afterwards(Urgency.SOON, State.EXPIRED),
        NoticeKind.SLOT_VOIDED: _afterwards(Urgency.SOON, State.VOIDED),
        NoticeKind.BOOKING_CANCELLED: _afterwards(Urgency.SOON, State.CANCELLED),
        NoticeKind.BOOKING_COMPLETED: NoticeRule(
            Urgency.LATER, _MAIL, _TEXT, (State.COMPLETED,), Anchor.CREATED_AT, _DAY
        ),
        NoticeKind.BOOKING_REINSTATED: _afterwards(Urgency.SOON, State.REINSTATED),
        NoticeKind.DISPUTE_UPHELD: _afterwards(Urgency.SOON, State.EXPIRED),
        NoticeKind.SIGN_IN_CODE: _own(Urgency.NOW, (), timedelta(minutes=10)),
        NoticeKind.ALERT_RAISED: _own(Urgency.SOON, _MAIL, _DAY),
        NoticeKind.NO_SHOW_DIGEST: _own(Urgency.LATER, _MAIL, _DAY),
        NoticeKind.DISPUTE_OPENED: _own(Urgency.LATER, _MAIL, _DAY),
    }
)
"""Every kind has exactly one rule. What a final state says stays true for a day after it was written."""
