"""The rows of made-up bookings as COPY reads them: how each ended, its notices and their deliveries."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from slotwatch.domain.lifecycle import State, Step
from slotwatch.domain.money import PaymentStatus
from slotwatch.domain.notices import NOTICE_RULES, USUAL_CHANNELS, Channel, DeliveryState, NoticeKind
from slotwatch.domain.terms import Terms

__all__ = ["COLUMNS", "Place", "Rows"]

COLUMNS = {
    "booking": (
        *("id", "vendor_id", "station_id", "connector_id", "driver_id", "state", "step", "due_at", "payment_status"),
        *("check_in_opens_at", "starts_at", "grace_half_at", "grace_last_at", "grace_ends_at", "expires_at", "ends_at"),
        *("started_at", "checked_in_at", "check_in_method", "expired_at", "ended_at", "terms", "amount", "currency"),
        *("version", "epoch", "created_at", "updated_at"),
    ),
    "notice": ("id", "booking_id", "kind", "occasion", "epoch", "valid_until", "created_at"),
    "delivery": (
        *("notice_id", "channel", "state", "urgency", "next_attempt_at", "lease", "attempts", "provider"),
        *("provider_message_id", "sent_at", "vendor_id", "station_id", "slot_starts_at"),
    ),
    "ledger": ("booking_id", "entry", "debit", "credit", "amount", "currency", "at"),
}
"""What is copied of each table, in the order of their keys; other columns have their defaults."""

_AMOUNT = 1250
_TERMS = json.dumps(Terms().as_dict())
_NULL = "\\N"

_CONFIRMED = (NoticeKind.BOOKING_CONFIRMED, "", -1440)
_REMINDED = (NoticeKind.REMINDER, "", -60)
_STARTED = (NoticeKind.SLOT_STARTED, "", 0)


@dataclass(frozen=True)
class _Fate:
    """How a booking goes. Times are minutes after the start; `checked_in` is the earliest and the latest."""

    weight: float
    state: State
    payment: PaymentStatus
    ended: int
    notices: tuple[tuple[NoticeKind, str, int], ...]
    checked_in: tuple[int, int] | None = None
    expired: int | None = None
    refunded: int = 0


_CAME_EARLY = _Fate(
    weight=30,
    state=State.COMPLETED,
    payment=PaymentStatus.PAID,
    ended=60,
    notices=(_CONFIRMED, _REMINDED, (NoticeKind.CHECKED_IN, "", -5), (NoticeKind.BOOKING_COMPLETED, "", 60)),
    checked_in=(-14, -1),
)
_CAME = _Fate(
    weight=50,
    state=State.COMPLETED,
    payment=PaymentStatus.PAID,
    ended=60,
    notices=(_CONFIRMED, _REMINDED, _STARTED, (NoticeKind.CHECKED_IN, "", 12), (NoticeKind.BOOKING_COMPLETED, "", 60)),
    checked_in=(0, 29),
)
_FATES = (
    _CAME_EARLY,
    _CAME,
    _Fate(
        weight=9,
        state=State.EXPIRED,
        payment=PaymentStatus.FORFEITED,
        ended=30,
        notices=(
            *(_CONFIRMED, _REMINDED, _STARTED),
            *((NoticeKind.GRACE_ALERT, "half", 15), (NoticeKind.GRACE_ALERT, "last", 25)),
            (NoticeKind.SLOT_EXPIRED, "", 30),
        ),
        expired=30,
    ),
    _Fate(6, State.CANCELLED, PaymentStatus.REFUNDED, -1500, (_CONFIRMED, (NoticeKind.BOOKING_CANCELLED, "", -1500))),
    _Fate(
        weight=2,
        state=State.CANCELLED,
        payment=PaymentStatus.PARTLY_REFUNDED,
        ended=-90,
        notices=(_CONFIRMED, (NoticeKind.BOOKING_CANCELLED, "", -90)),
        refunded=625,
    ),
    _Fate(2, State.CANCELLED, PaymentStatus.NOT_PAID, -1430, ((NoticeKind.BOOKING_CANCELLED, "", -1430),)),
    _Fate(
        weight=0.7,
        state=State.VOIDED,
        payment=PaymentStatus.REFUNDED,
        ended=40,
        notices=(_CONFIRMED, _REMINDED, _STARTED, (NoticeKind.SLOT_VOIDED, "", 40)),
    ),
    _Fate(
        weight=0.3,
        state=State.REINSTATED,
        payment=PaymentStatus.REFUNDED,
        ended=55,
        notices=(_CONFIRMED, _REMINDED, _STARTED, (NoticeKind.SLOT_EXPIRED, "", 30)),
        checked_in=(20, 29),
        expired=30,
    ),
)
_WEIGHTS = [fate.weight for fate in _FATES]


@dataclass(frozen=True)
class Place:
    """Whose connector."""

    vendor_id: int
    station_id: int
    connector_id: int


class Rows:
    """Collects the lines of each table. `now` is a whole minute (UTC); equal seeds make equal rows."""

    def __init__(self, now: datetime, *, drivers: int, seed: int) -> None:
        self.lines: dict[str, list[str]] = {table: [] for table in COLUMNS}
        self._now = now
        self._drivers = drivers
        self._random = random.Random(seed)  # noqa: S311  # no secret
        self._texts: dict[int, str] = {}
        self._notices = 0

    def add(self, booking_id: int, place: Place, start: int) -> None:
        """A booking that starts that many minutes after now (before, where negative) and takes an hour."""
        (fate,) = self._random.choices(_FATES, _WEIGHTS)
        if start > 0:
            self._ahead(booking_id, place, start)
        elif start > -60:
            self._running(booking_id, place, start)
        else:
            self._ended(booking_id, place, start, fate)

    def take(self) -> Iterable[tuple[str, bytes]]:
        """Table by table what was added since the last time, as COPY reads it."""
        for table, lines in self.lines.items():
            yield table, "".join(lines).encode()
            lines.clear()

    def _ahead(self, booking_id: int, place: Place, start: int) -> None:
        state = (State.CONFIRMED, Step.START, start, PaymentStatus.PAID)
        self._booking(booking_id, place, start, state)
        self._told(booking_id, place, start, [_CONFIRMED])

    def _running(self, booking_id: int, place: Place, start: int) -> None:
        """In grace where that is not over yet, for every third booking; else the driver is there."""
        if start > -14 and booking_id % 3 == 0:
            state = (State.GRACE, Step.GRACE_HALF, start + 15, PaymentStatus.PAID)
            self._booking(booking_id, place, start, state)
            self._told(booking_id, place, start, [_CONFIRMED, _REMINDED, _STARTED])
        else:
            state = (State.ACTIVE, Step.COMPLETE, start + 60, PaymentStatus.PAID)
            self._booking(booking_id, place, start, state, checked_in=start - 5)
            self._told(booking_id, place, start, [_CONFIRMED, _REMINDED, (NoticeKind.CHECKED_IN, "", -5)])

    def _ended(self, booking_id: int, place: Place, start: int, fate: _Fate) -> None:
        self._booking(
            booking_id,
            place,
            start,
            (fate.state, None, None, fate.payment),
            checked_in=None if fate.checked_in is None else start + self._random.randint(*fate.checked_in),
            expired=None if fate.expired is None else start + fate.expired,
            ended=start + fate.ended,
        )
        self._told(booking_id, place, start, fate.notices)
        if fate.refunded:
            at = self._text(start + fate.ended)
            line = f"{booking_id}\trefunded\theld\tdriver\t{fate.refunded}\tEUR\t{at}\n"
            self.lines["ledger"].append(line)

    def _booking(
        self,
        booking_id: int,
        place: Place,
        start: int,
        stand: tuple[State, Step | None, int | None, PaymentStatus],
        *,
        checked_in: int | None = None,
        expired: int | None = None,
        ended: int | None = None,
    ) -> None:
        state, step, due, payment = stand
        text = self._text
        timeline = "\t".join([text(start + minutes) for minutes in (-15, 0, 15, 25, 30, 31, 60)])
        made, method = text(start - 1440), _NULL if checked_in is None else "app"
        driver_id = 1 + booking_id % self._drivers
        self.lines["booking"].append(
            f"{booking_id}\t{place.vendor_id}\t{place.station_id}\t{place.connector_id}\t{driver_id}"
            f"\t{state}\t{step or _NULL}\t{text(due)}\t{payment}\t{timeline}"
            f"\t{text(start) if start <= 0 else _NULL}\t{text(checked_in)}\t{method}\t{text(expired)}\t{text(ended)}"
            f"\t{_TERMS}\t{_AMOUNT}\tEUR\t4\t0\t{made}\t{made}\n"
        )

    def _told(self, booking_id: int, place: Place, start: int, notices: Iterable[tuple[NoticeKind, str, int]]) -> None:
        starts_at = self._text(start)
        for kind, occasion, minutes in notices:
            self._notices += 1
            at, number = self._text(start + minutes), self._notices
            valid_until = self._text(start + 60)
            self.lines["notice"].append(f"{number}\t{booking_id}\t{kind}\t{occasion}\t0\t{valid_until}\t{at}\n")
            for channel, provider in _ROUTES[kind]:
                state = self._random.choices(_ENDS, _END_WEIGHTS)[0]
                self.lines["delivery"].append(
                    f"{number}\t{channel}\t{state}\t1\t{at}\t1\t1\t{provider}\t{channel[0]}{number:012x}\t{at}"
                    f"\t{place.vendor_id}\t{place.station_id}\t{starts_at}\n"
                )

    def _text(self, minutes: int | None) -> str:
        """The instant that many minutes after now, as PostgreSQL reads it."""
        if minutes is None:
            return _NULL
        found = self._texts.get(minutes)
        if found is None:
            found = self._texts[minutes] = (self._now + timedelta(minutes=minutes)).isoformat(" ")
        return found


_ENDS = (DeliveryState.DELIVERED, DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.MISSED)
_END_WEIGHTS = (55, 42, 2, 1)
_PROVIDERS = {Channel.EMAIL: "smtp", Channel.SMS: "twilio"}
_ROUTES = {
    kind: [(channel, _PROVIDERS[channel]) for channel in rule.at_once_among(USUAL_CHANNELS)]
    for kind, rule in NOTICE_RULES.items()
}
