"""Made-up deliveries, one or more of every kind: for the preview, for trying out templates, for measuring."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from slotwatch.domain.ids import booking_ref, new_booking_id
from slotwatch.domain.lifecycle import EndReason, State
from slotwatch.domain.money import PaymentStatus
from slotwatch.domain.notices import NOTICE_RULES, Channel, NoticeKind
from slotwatch.domain.terms import Terms
from slotwatch.outbox.claim import Claimed

__all__ = ["SAMPLE_START", "bare_samples", "sample", "samples"]

SAMPLE_START = datetime(2026, 3, 2, 17, tzinfo=UTC)
_GRACE = timedelta(minutes=30)
_HOUR = timedelta(hours=1)
_BOOKING = new_booking_id(datetime(2026, 3, 1, 9, 30, tzinfo=UTC)) >> 20 << 20


@dataclass(frozen=True)
class _Moment:
    """When a kind is sent, counted from the start of the slot, and how the booking stands then."""

    kind: NoticeKind
    state: State
    after_start: timedelta
    payment: PaymentStatus = PaymentStatus.PAID
    reason: EndReason | None = None
    occasion: str = ""
    refunded: int = 0


_MOMENTS = (
    _Moment(NoticeKind.BOOKING_CONFIRMED, State.CONFIRMED, -26 * _HOUR),
    _Moment(NoticeKind.REMINDER, State.CONFIRMED, -_HOUR),
    _Moment(NoticeKind.SLOT_STARTED, State.GRACE, timedelta(0)),
    _Moment(NoticeKind.GRACE_ALERT, State.GRACE, _GRACE / 2, occasion="half"),
    _Moment(NoticeKind.GRACE_ALERT, State.GRACE, _GRACE - timedelta(minutes=5), occasion="last"),
    _Moment(NoticeKind.GRACE_EXTENDED, State.GRACE, _GRACE / 3),
    _Moment(NoticeKind.CHECKED_IN, State.ACTIVE, timedelta(minutes=7)),
    _Moment(NoticeKind.SLOT_EXPIRED, State.EXPIRED, _GRACE, PaymentStatus.FORFEIT_HELD, EndReason.NO_SHOW),
    _Moment(NoticeKind.SLOT_VOIDED, State.VOIDED, _HOUR, PaymentStatus.REFUNDED, EndReason.OUTAGE, "", 1250),
    _Moment(
        NoticeKind.SLOT_VOIDED, State.VOIDED, _HOUR, PaymentStatus.REFUNDED, EndReason.DISPUTE_WON, "dispute", 1250
    ),
    _Moment(
        kind=NoticeKind.BOOKING_CANCELLED,
        state=State.CANCELLED,
        after_start=-5 * _HOUR,
        payment=PaymentStatus.PARTLY_REFUNDED,
        reason=EndReason.BY_DRIVER,
        refunded=937,
    ),
    _Moment(NoticeKind.BOOKING_COMPLETED, State.COMPLETED, _HOUR, reason=EndReason.SLOT_ENDED),
    _Moment(NoticeKind.BOOKING_REINSTATED, State.REINSTATED, _HOUR, PaymentStatus.REFUNDED, EndReason.PROVEN, "", 1250),
    _Moment(NoticeKind.DISPUTE_UPHELD, State.EXPIRED, 26 * _HOUR, PaymentStatus.FORFEIT_HELD, EndReason.NO_SHOW),
)

_DIGEST = [
    {"station": "Donaukanal Garage", "no_shows": 2, "bookings": 41, "lost": {"EUR": 2500}, "kept": {"EUR": 2500}},
    {"station": "Hauptbahnhof Parkdeck 3", "no_shows": 1, "bookings": 17, "lost": {"EUR": 900}, "kept": {}},
]
_TOLD: Mapping[NoticeKind, Mapping[str, Any]] = {
    NoticeKind.DISPUTE_UPHELD: {"note": "The camera at the gate shows that the bay stayed empty until 18:40."},
    NoticeKind.SIGN_IN_CODE: {"code": "381604", "minutes": 10},
    NoticeKind.ALERT_RAISED: {
        "kind": "high_no_show_rate",
        "detail": {"missed": 9, "of": 24, "days": 14, "rate": 0.375, "usual": 0.05},
        "station": "Donaukanal Garage",
        "link": "vendor/alerts",
    },
    NoticeKind.NO_SHOW_DIGEST: {
        "from": "2026-03-01",
        "until": "2026-03-01",
        "stations": _DIGEST,
        "link": "vendor/insights",
    },
    NoticeKind.DISPUTE_OPENED: {
        "booking": booking_ref(_BOOKING),
        "station": "Donaukanal Garage",
        "driver": "Mira Sharma",
        "statement": "I stood in front of the gate from 17:55 on, and it did not open.",
        "link": f"vendor/disputes/{booking_ref(_BOOKING)}",
    },
}
"""What notices bring along themselves, by kind; all but the first are about no booking."""


def samples(language: str = "en", channel: Channel = Channel.EMAIL, **facts: Any) -> list[Claimed]:
    """One delivery of every kind, two where a kind has two faces; `facts` replace what is made up."""
    return list(_all(language, channel, facts))


def bare_samples() -> list[Claimed]:
    """The same where there is little to say: no name, no price, nothing that comes back, no place on the map."""
    nothing = {
        **{"amount": 0, "refunded": 0, "payment_status": PaymentStatus.NOT_REQUIRED},
        **{"terms": {**Terms().as_dict(), "cancelRefund": []}, "latitude": None, "longitude": None},
    }
    return [
        replace(one, facts={**one.facts, **(nothing if one.rule.is_about_booking else {}), "driver_name": ""})
        for one in samples()
    ]


def sample(kind: NoticeKind, language: str = "en", channel: Channel = Channel.EMAIL, **facts: Any) -> Claimed:
    """The first of that kind."""
    return next(delivery for delivery in samples(language, channel, **facts) if delivery.kind is kind)


def _all(language: str, channel: Channel, facts: dict[str, Any]) -> Iterator[Claimed]:
    for number, (kind, occasion, now, about) in enumerate(_scenes(), start=1):
        yield Claimed(
            notice_id=number,
            channel=channel,
            lease=1,
            attempts=0,
            faults=0,
            kind=kind,
            occasion=occasion,
            written_at=now,
            valid_until=now + timedelta(minutes=20),
            claimed_at=now,
            facts={**about, "told": _TOLD.get(kind), "preferences": {"language": language}, **facts},
        )


def _scenes() -> Iterator[tuple[NoticeKind, str, datetime, dict[str, Any]]]:
    """Kind, occasion, when it is sent, and what is known then."""
    for moment in _MOMENTS:
        now = SAMPLE_START + moment.after_start
        yield moment.kind, moment.occasion, now, _facts(moment, now)
    for kind, rule in NOTICE_RULES.items():
        if not rule.is_about_booking:
            yield kind, "1", SAMPLE_START, _NO_BOOKING


def _facts(moment: _Moment, now: datetime) -> dict[str, Any]:
    came = moment.state in (State.ACTIVE, State.COMPLETED, State.REINSTATED)
    is_over = moment.reason is not None
    longer = timedelta(minutes=12) if moment.kind is NoticeKind.GRACE_EXTENDED else timedelta(0)
    return {
        **{"booking_id": _BOOKING, "version": 2, "state": moment.state, "end_reason": moment.reason},
        "starts_at": SAMPLE_START,
        "ends_at": SAMPLE_START + _HOUR,
        "grace_ends_at": SAMPLE_START + _GRACE + longer,
        "check_in_opens_at": SAMPLE_START - timedelta(minutes=15),
        "checked_in_at": SAMPLE_START + timedelta(minutes=7) if came else None,
        "expired_at": SAMPLE_START + _GRACE + timedelta(seconds=5) if moment.state is State.EXPIRED else None,
        "ended_at": now if is_over else None,
        **{"amount": 1250, "currency": "EUR", "payment_status": moment.payment, "refunded": moment.refunded},
        "terms": Terms().as_dict(),
        **{"station_id": 12, "station_name": "Donaukanal Garage", "address": "Obere Donaustraße 94, 1020 Wien"},
        **{"zone": "Europe/Vienna", "latitude": 48.21386, "longitude": 16.37861, "label": "2A"},
        **{"vendor_id": 3, "vendor_name": "Wien Volt", "vendor_language": None},
        **{"driver_name": "Mira Sharma", "email": "mira@example.org", "phone": "+15005550010"},
    }


_NO_BOOKING = {
    **dict.fromkeys(_facts(_MOMENTS[0], SAMPLE_START)),
    **{"vendor_id": 3, "vendor_name": "Wien Volt", "zone": "Europe/Vienna"},
    **{"driver_name": "Rosa Wagner", "email": "rosa@example.org", "phone": "+15005550011"},
}
"""What the claim finds for a notice that is about no booking: who is told, and nothing else."""
