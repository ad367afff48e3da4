"""The shapes of the driver API: what requests hold and what answers hold, as API clients see them."""

from datetime import datetime
from typing import Annotated

import msgspec

from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.lifecycle import Cause, EndReason, State, Step
from slotwatch.domain.money import PaymentStatus
from slotwatch.domain.notices import Channel, DeliveryState
from slotwatch.web.contract import Instant, Line, Text

__all__ = [
    "BookingList",
    "BookingNotice",
    "BookingOut",
    "BookingRequest",
    "CancelRequest",
    "CancelTier",
    "CheckInRequest",
    "Contact",
    "DeliveryOut",
    "DisputeOut",
    "DisputeRequest",
    "EmptyRequest",
    "In",
    "Location",
    "MoneyOut",
    "NextStep",
    "Out",
    "SlotStatus",
    "TermsOut",
    "TransitionOut",
]


class In(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A request: unknown fields are refused."""


class Out(msgspec.Struct, kw_only=True, rename="camel"):
    """An answer."""


class Contact(In):
    """How to reach the driver; what is given replaces what was known. `phone` in E.164."""

    name: Line | None = None
    email: Annotated[str, msgspec.Meta(max_length=320)] | None = None
    phone: Annotated[str, msgspec.Meta(max_length=20, examples=["+15005550010"])] | None = None


class BookingRequest(In):
    """A slot to book: 15 minutes to 8 hours, not in the past, inside opening hours."""

    connector_id: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    start_time: Instant
    end_time: Instant
    vehicle: Line | None = None
    contact: Contact | None = None


class Location(In):
    """Where the driver's device says that it is, in degrees, and its own doubt about that, in metres."""

    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    accuracy: Annotated[float, msgspec.Meta(ge=0)] | None = None


class CheckInRequest(In):
    """How the driver shows up. `qrToken` is what the code on the connector says, needed with `qr`; with
    the part that changes, where the connector has a screen."""

    method: CheckInMethod
    qr_token: Annotated[str, msgspec.Meta(min_length=1, max_length=500)] | None = None
    location: Location | None = None


class CancelRequest(In):
    """Why, if the driver wants to say."""

    reason: Annotated[str, msgspec.Meta(max_length=500, pattern=r"^[^\x00]*$")] | None = None


class EmptyRequest(In):
    """Nothing but the call itself."""


class DisputeRequest(In):
    """What happened, in the driver's words."""

    statement: Text


class MoneyOut(Out):
    """An amount in minor units of an ISO 4217 currency."""

    amount: int
    currency: str


class DeliveryOut(Out, omit_defaults=True):
    """How far one notice on one channel has come. `occasion`: which of its kind it is, such as the last grace alert."""

    status: DeliveryState
    sent_at: datetime | None = None
    attempts: int = 0
    occasion: str = ""


class SlotStatus(Out):
    """What the countdown shows, at the instant of the answer. `graceTimeRemaining` in seconds."""

    started: bool
    started_at: datetime | None
    grace_period_active: bool
    grace_period_ends_at: datetime
    expired_at: datetime | None
    expired_reason: EndReason | None
    checked_in_at: datetime | None
    check_in_method: CheckInMethod | None
    is_in_grace_period: bool
    is_overdue_for_check_in: bool
    grace_time_remaining: int
    should_be_expired: bool
    notifications_sent: dict[str, dict[Channel, DeliveryOut]]


class CancelTier(Out):
    """Up to so many minutes before the start, a cancel gives that share back."""

    until_minutes_before: int
    percent: int


class TermsOut(Out):
    """What driver and vendor agreed on when the booking was made."""

    grace_period_minutes: int
    early_check_in_minutes: int
    reminder_minutes: int
    settle_seconds: int
    no_show_refund: str
    cancel_refund: list[CancelTier]


class TransitionOut(Out):
    """One move on the booking's timeline, and what kind of person or part made it."""

    at: datetime
    from_status: State | None
    to_status: State
    cause: Cause
    actor: str
    reason: str | None


class BookingNotice(Out):
    """The whole way of one notice on one channel. `providerId` is the provider's name for the message, `error` says in
    words why it did not arrive, or not yet."""

    kind: str
    occasion: str
    channel: Channel
    status: DeliveryState
    attempts: int
    provider: str | None
    provider_id: str | None
    sent_at: datetime | None
    error: str | None


class NextStep(Out):
    """What comes next, and when, if nobody does anything."""

    step: Step
    due_at: datetime


class BookingOut(Out):
    """One booking. `timeline` and `notices` are in the answer to a single GET."""

    booking_id: str
    status: State
    station_id: str
    station_name: str
    connector_id: str
    connector_label: str
    start_time: datetime
    end_time: datetime
    time_zone: str
    amount: MoneyOut
    payment_status: PaymentStatus
    payment_due_at: datetime | None
    vehicle: str | None
    check_in_opens_at: datetime
    ended_at: datetime | None
    end_reason: EndReason | None
    slot_status: SlotStatus
    terms: TermsOut
    next_step: NextStep | None
    created_at: datetime
    updated_at: datetime
    timeline: list[TransitionOut] | msgspec.UnsetType = msgspec.UNSET
    notices: list[BookingNotice] | msgspec.UnsetType = msgspec.UNSET


class BookingList(Out):
    """A part of the driver's bookings; `nextCursor` leads to the next part."""

    items: list[BookingOut]
    next_cursor: str | None


class DisputeOut(Out):
    """A dispute, as it stands."""

    booking_id: str
    statement: str
    opened_at: datetime
    decision: str | None
    note: str | None
    decided_at: datetime | None
