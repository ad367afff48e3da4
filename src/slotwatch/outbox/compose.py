"""What a notice says: plain words that name station, connector, local time with zone, deadline, policy and link."""

import re
import unicodedata
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from slotwatch.channels import Message
from slotwatch.domain.ids import booking_ref
from slotwatch.domain.money import Money, PaymentStatus
from slotwatch.domain.notices import Channel, NoticeKind
from slotwatch.domain.terms import Terms
from slotwatch.outbox.claim import Claimed

__all__ = ["compose"]

_NO_SHOW = "If you do not check in by then, the slot is released and nothing is refunded."

# kind: (subject, body of the mail, text message)
_TEXTS: dict[NoticeKind, tuple[str, str, str]] = {
    NoticeKind.BOOKING_CONFIRMED: (
        "Booked: {station}, {day_time}",
        "Your charging slot is booked.\n\n{card}\n\nCheck in between {opens} and {deadline}: in the app, with the QR"
        " code at the connector, or by plugging in. If you have not checked in by {deadline}, the slot is released"
        " and nothing is refunded.\n\nCancelling: {tiers}",
        "Booked: {station} {connector}, {day_time}. Check in by {deadline} or the slot is lost without refund. {link}",
    ),
    NoticeKind.REMINDER: (
        "Soon: your slot at {station} begins at {start}",
        "Your charging slot begins soon.\n\n{card}\n\nCheck in between {opens} and {deadline}. " + _NO_SHOW,
        "Soon: {station} {connector}, {day_time}. Check in by {deadline} or the slot is lost without refund. {link}",
    ),
    NoticeKind.SLOT_STARTED: (
        "Your slot has begun: check in by {deadline}",
        "Your charging slot has begun and the grace period of {grace} minutes is running.\n\n{card}\n\n"
        "Check in by {deadline}. " + _NO_SHOW + "\n\nCheck in: {link}",
        "Your slot at {station} {connector} has begun. Check in by {deadline} or it is lost without refund. {link}",
    ),
    NoticeKind.GRACE_ALERT: (
        "{minutes_left} minutes left to check in at {station}",
        "You have not checked in yet, and {minutes_left} minutes of your grace period are left.\n\n{card}\n\n"
        "Check in by {deadline}. " + _NO_SHOW + "\n\nCheck in: {link}",
        "{minutes_left} min left to check in at {station} {connector}: by {deadline}, or it is lost without refund."
        " {link}",
    ),
    NoticeKind.GRACE_EXTENDED: (
        "More time to check in: until {deadline}",
        "Our system was not available during a part of your grace period. That time is yours: you can now check in"
        " until {deadline}.\n\n{card}\n\n" + _NO_SHOW + "\n\nCheck in: {link}",
        "We had an outage, so you get more time: check in at {station} {connector} until {deadline}. {link}",
    ),
    NoticeKind.CHECKED_IN: (
        "Checked in at {station}",
        "You checked in at {checked_in}. The connector is yours until {end}.\n\n{card}",
        "Checked in at {station} {connector}. It is yours until {end}. {link}",
    ),
    NoticeKind.SLOT_EXPIRED: (
        "Your slot at {station} was released",
        "We are sorry: nobody had checked in when the grace period ended at {deadline}, so your slot was released at"
        " {expired} and is free for other drivers.\n\n{card}\n\n{money}\n\nIf this is wrong, tell us within 14 days:"
        " {link}\nNext time: check in with one tap as soon as you arrive, or cancel early for a refund.",
        "Nobody checked in at {station} {connector} by {deadline}, so the slot was released. {money_short}"
        " Wrong? Dispute within 14 days: {link}",
    ),
    NoticeKind.SLOT_VOIDED: (
        "Your slot at {station} could not be used: nothing is charged",
        "Your slot has ended without a check-in, and that was not your fault: {fault}. It does not count as a"
        " no-show.\n\n{card}\n\n{money}",
        "Your slot at {station} {connector} could not be used, through no fault of yours. {money_short} {link}",
    ),
    NoticeKind.BOOKING_CANCELLED: (
        "Cancelled: {station}, {day_time}",
        "Your booking is cancelled: {cancel_reason}.\n\n{card}\n\n{money}",
        "Cancelled: {station} {connector}, {day_time} ({cancel_reason}). {money_short} {link}",
    ),
    NoticeKind.BOOKING_COMPLETED: (
        "Thank you for charging at {station}",
        "Your booking is complete.\n\n{card}\n\nChecked in at {checked_in}, ended at {ended}. {money}",
        "Done: {station} {connector}, ended at {ended}. {money_short} {link}",
    ),
    NoticeKind.BOOKING_REINSTATED: (
        "You were there in time: your money comes back",
        "Your check-in at {checked_in} reached us in time, but only after the slot had been released. The no-show is"
        " undone.\n\n{card}\n\n{money}",
        "You checked in at {station} in time; the no-show is undone. {money_short} {link}",
    ),
}

_CARD = (
    "Station:   {station}\n           {address}\nConnector: {connector}\n"
    "Time:      {day_time} to {end}\nBooking:   {ref}"
)

_REASONS = {
    "payment_hold_ran_out": "it was not paid in time",
    "cancelled_by_driver": "you cancelled it",
    "cancelled_by_vendor": "the station's operator cancelled it",
    "slotwatch_outage": "our own system was not available",
    "start_notice_not_sent": "we could not tell you that your slot had begun",
    "dispute_won": "your dispute was decided in your favour",
}


def compose(delivery: Claimed, frontend_url: str) -> Message:
    """The message for one delivery. Foreign text loses its control characters; times are the station's, zone named."""
    values = _values(delivery, frontend_url)
    subject, body, short = _TEXTS[delivery.kind]
    address = delivery.address
    assert address is not None, "before_sending refuses deliveries without an address"
    if delivery.channel is not Channel.EMAIL:
        return Message(key=delivery.key, to=address, subject=None, text=short.format_map(values))
    greeting = f"Hello {values['name']},\n\n" if values["name"] else "Hello,\n\n"
    footer = f"\n\nYour booking: {values['link']}\n"
    text = greeting + body.format_map({**values, "card": _CARD.format_map(values)}) + footer
    return Message(key=delivery.key, to=address, subject=subject.format_map(values), text=text)


def _values(delivery: Claimed, frontend_url: str) -> dict[str, Any]:
    facts, zone = delivery.facts, ZoneInfo(delivery.facts["zone"])
    ref = booking_ref(facts["booking_id"])
    left = facts["grace_ends_at"] - delivery.claimed_at
    return {
        "name": _clean(facts["driver_name"] or "", 60),
        "station": _clean(facts["station_name"], 40),
        "address": _clean(facts["address"], 120),
        "connector": _clean(facts["label"], 12),
        "ref": ref,
        "link": f"{frontend_url.rstrip('/')}/bookings/{ref}",
        "day_time": _day_time(facts["starts_at"], zone),
        "start": _time(facts["starts_at"], zone),
        "end": _time(facts["ends_at"], zone),
        "opens": _time(facts["check_in_opens_at"], zone),
        "deadline": _time(facts["grace_ends_at"], zone),
        "checked_in": _time(facts["checked_in_at"], zone),
        "expired": _time(facts["expired_at"], zone),
        "ended": _time(facts["ended_at"], zone),
        "grace": delivery.terms.grace_period_minutes,
        "minutes_left": max(round(left.total_seconds() / 60), 1),
        "tiers": _tiers(delivery.terms),
        "cancel_reason": _REASONS.get(facts["end_reason"] or "", "it was cancelled"),
        "fault": _REASONS.get(facts["end_reason"] or "", "the slot could not be used"),
        "money": _money_sentence(delivery),
        "money_short": _money_sentence(delivery),
    }


def _clean(text: str, longest: int) -> str:
    """Foreign text in one line without control characters; too much of it is cut."""
    visible = "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp", "Cs"} else c for c in text)
    line = re.sub(r"\s+", " ", visible).strip()
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def _time(instant: datetime | None, zone: ZoneInfo) -> str:
    return "" if instant is None else f"{instant.astimezone(zone):%H:%M %Z}"


def _day_time(instant: datetime, zone: ZoneInfo) -> str:
    local = instant.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b} {local:%H:%M %Z}"


def _tiers(terms: Terms) -> str:
    parts = [f"{tier.percent} % back until {_ahead(tier.until_minutes_before)} before" for tier in terms.cancel_refund]
    return ", ".join([*parts, "nothing after that."])


def _ahead(minutes: int) -> str:
    return f"{minutes // 60} h" if minutes % 60 == 0 and minutes else f"{minutes} min"


def _money_sentence(delivery: Claimed) -> str:
    amount, refunded = delivery.amount, delivery.refunded
    match delivery.payment_status:
        case PaymentStatus.FORFEIT_HELD | PaymentStatus.FORFEITED:
            return f"As the terms say, {_money(amount)} is not refunded."
        case PaymentStatus.REFUNDED | PaymentStatus.PARTLY_REFUNDED:
            return f"{_money(refunded)} of {_money(amount)} goes back to you."
        case PaymentStatus.NOT_REFUNDED:
            return f"By the terms, {_money(amount)} is not refunded."
        case PaymentStatus.NOT_PAID | PaymentStatus.AWAITED:
            return "Nothing was charged."
        case PaymentStatus.PAID:
            return f"You paid {_money(amount)}."
        case PaymentStatus.NOT_REQUIRED if delivery.kind is NoticeKind.SLOT_EXPIRED:
            return "A no-show is not refunded."
        case PaymentStatus.NOT_REQUIRED:
            return ""


def _money(money: Money) -> str:
    return f"{money.amount / 100:.2f} {money.currency}"
