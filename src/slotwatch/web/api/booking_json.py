"""A booking as the API shows it."""

import re
from collections.abc import Collection, Sequence
from functools import cache

import msgspec

from slotwatch.domain.ids import ref
from slotwatch.domain.lifecycle import FINAL_STATES, Cause, State
from slotwatch.domain.money import Money
from slotwatch.domain.notices import NOTICE_RULES, Channel, DeliveryState, NoticeKind
from slotwatch.storage.booking_views import BookingView, NoticeView, TransitionView
from slotwatch.web.api.shapes import (
    BookingNotice,
    BookingOut,
    DeliveryOut,
    MoneyOut,
    NextStep,
    SlotStatus,
    TermsOut,
    TransitionOut,
)

__all__ = ["booking_json", "money_json", "notice_name", "notices_json", "terms_json", "transition_json"]

_ALWAYS_SHOWN = (NoticeKind.SLOT_STARTED, NoticeKind.SLOT_EXPIRED)
_NAMES = {NoticeKind.SLOT_STARTED: "slotStart"}  # the original's name


def booking_json(
    view: BookingView,
    channels: Collection[Channel],
    history: Sequence[TransitionView] | None = None,
    notices: Sequence[NoticeView] | None = None,
) -> BookingOut:
    """The booking at the instant of the view; with its history and its notices if those were asked for."""
    booking = view.booking
    return BookingOut(
        booking_id=booking.ref,
        status=booking.state,
        station_id=ref("ST", booking.station_id),
        station_name=view.station_name,
        connector_id=ref("CN", booking.connector_id),
        connector_label=view.connector_label,
        start_time=booking.timeline.starts_at,
        end_time=booking.timeline.ends_at,
        time_zone=view.zone.key,
        amount=money_json(booking.amount),
        payment_status=booking.payment_status,
        payment_due_at=booking.timeline.hold_ends_at if booking.state is State.PENDING else None,
        vehicle=booking.vehicle,
        check_in_opens_at=booking.timeline.check_in_opens_at,
        ended_at=booking.ended_at,
        end_reason=booking.end_reason,
        slot_status=_slot_status(view, channels),
        terms=terms_json(view),
        next_step=None
        if booking.step is None or booking.due_at is None
        else NextStep(step=booking.step, due_at=booking.due_at),
        timeline=msgspec.UNSET if history is None else [transition_json(one) for one in history],
        notices=msgspec.UNSET if notices is None else notices_json(notices),
        created_at=booking.created_at,
        updated_at=booking.updated_at,
    )


def money_json(money: Money) -> MoneyOut:
    """The amount as `{"amount": 1250, "currency": "EUR"}`."""
    return MoneyOut(amount=money.amount, currency=money.currency)


def terms_json(view: BookingView) -> TermsOut:
    """The terms that were frozen into the booking."""
    return msgspec.convert(view.booking.terms.as_dict(), TermsOut)


def transition_json(move: TransitionView) -> TransitionOut:
    """One line of the timeline. What the actor wrote as a reason is shown; the cause says the rest."""
    return TransitionOut(
        at=move.at,
        from_status=move.from_state,
        to_status=move.to_state,
        cause=move.cause,
        actor=move.actor,
        reason=move.reason if move.cause is not Cause.BOOKED else None,
    )


def notices_json(notices: Sequence[NoticeView]) -> list[BookingNotice]:
    """What was told, or is to be told, by notice and channel."""
    return [
        BookingNotice(
            kind=notice_name(one.kind),
            occasion=one.occasion,
            channel=one.channel,
            status=one.state,
            attempts=one.attempts,
            provider=one.provider,
            provider_id=one.provider_message_id,
            sent_at=one.sent_at,
            error=one.error,
        )
        for one in notices
    ]


@cache
def notice_name(kind: NoticeKind) -> str:
    """The kind as a key in JSON.

    >>> notice_name(NoticeKind.SLOT_STARTED), notice_name(NoticeKind.GRACE_ALERT)
    ('slotStart', 'graceAlert')
    """
    return _NAMES.get(kind) or re.sub(r"_(\w)", lambda found: found[1].upper(), kind.value)


def _slot_status(view: BookingView, channels: Collection[Channel]) -> SlotStatus:
    booking, now = view.booking, view.now
    has_begun = now >= booking.timeline.starts_at
    started_at = booking.started_at or (booking.timeline.starts_at if booking.checked_in_at and has_begun else None)
    in_grace = booking.is_in_grace_period(now)
    return SlotStatus(
        started=started_at is not None,
        started_at=started_at,
        grace_period_active=in_grace,
        grace_period_ends_at=booking.timeline.grace_ends_at,
        expired_at=booking.expired_at,
        expired_reason=booking.end_reason if booking.state is State.EXPIRED else None,
        checked_in_at=booking.checked_in_at,
        check_in_method=booking.check_in_method,
        is_in_grace_period=in_grace,
        is_overdue_for_check_in=booking.is_overdue_for_check_in(now),
        grace_time_remaining=int(booking.grace_time_remaining(now).total_seconds()),
        should_be_expired=booking.should_be_expired(now),
        notifications_sent=_notifications(view, channels),
    )


def _notifications(view: BookingView, channels: Collection[Channel]) -> dict[str, dict[Channel, DeliveryOut]]:
    """By kind and channel, how far the newest notice has come.

    Start and expiry are pending while they may come, on the channels that go out together; who only steps in, joins in
    later or stands beside is shown once there is a delivery.
    """
    told: dict[str, dict[Channel, DeliveryOut]] = {}
    waiting = DeliveryOut(status=DeliveryState.PENDING)
    may_come = view.booking.state not in FINAL_STATES
    for kind in _ALWAYS_SHOWN:
        rule = NOTICE_RULES[kind]
        planned = sorted(set(rule.at_once_among(channels)) - set(rule.beside)) if may_come else []
        told[notice_name(kind)] = dict.fromkeys(planned, waiting)
    newest: dict[NoticeKind, int] = {}
    for delivery in view.deliveries:
        if newest.get(delivery.kind) != delivery.notice_id:
            newest[delivery.kind] = delivery.notice_id
            told[notice_name(delivery.kind)] = {}
        told[notice_name(delivery.kind)][delivery.channel] = DeliveryOut(
            status=delivery.state, sent_at=delivery.sent_at, attempts=delivery.attempts, occasion=delivery.occasion
        )
    return told
