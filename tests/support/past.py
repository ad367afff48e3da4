"""A past made up by dice: bookings with their histories, written in bulk as engine and people would have left them."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from slotwatch.domain.lifecycle import LIVE_STATES, Cause, State
from slotwatch.domain.money import Account, Entry, PaymentStatus
from slotwatch.domain.notices import USUAL_CHANNELS, Channel, DeliveryState
from slotwatch.domain.terms import Terms

__all__ = ["Bay", "Life", "live_through", "write_past"]

MINUTE = timedelta(minutes=1)
GRACE = timedelta(minutes=30)
SETTLE = timedelta(seconds=5)
_TERMS = json.dumps(Terms().as_dict())


@dataclass(frozen=True)
class Bay:
    """One connector and whose it is."""

    connector_id: int
    station_id: int
    vendor_id: int
    currency: str


@dataclass
class Life:
    """One booking: what never changes, and its history as rows."""

    id: int
    bay: Bay
    starts_at: datetime
    ends_at: datetime
    amount: int
    moves: list[tuple[State | None, State, Cause, datetime]] = field(default_factory=list)
    money: list[tuple[Entry, Account, Account, int, datetime]] = field(default_factory=list)
    deliveries: list[tuple[Channel, DeliveryState]] = field(default_factory=list)
    payment: PaymentStatus = PaymentStatus.NOT_REQUIRED

    @property
    def state(self) -> State:
        """Where the last move led."""
        return self.moves[-1][1]

    def at(self, *states: State) -> datetime | None:
        """When it first came into one of these states."""
        return next((at for _, state, _, at in self.moves if state in states), None)

    @property
    def is_live(self) -> bool:
        """Whether it holds its slot."""
        return self.state in LIVE_STATES

    @property
    def ended_at(self) -> datetime | None:
        """When it came to its end."""
        return None if self.is_live else self.moves[-1][3]

    def move(self, state: State, cause: Cause, at: datetime) -> None:
        """One more line of history."""
        self.moves.append((self.moves[-1][1] if self.moves else None, state, cause, at))

    def pay(self, entry: Entry, debit: Account, credit: Account, amount: int, at: datetime) -> None:
        """One movement, where there is anything to move."""
        if amount:
            self.money.append((entry, debit, credit, amount, at))


def live_through(
    bays: Sequence[Bay], since: datetime, now: datetime, until: datetime, dice: random.Random
) -> Iterator[Life]:
    """Lives on every connector one after the other: those before `now` have ended or run, later ones are to come."""
    number = 1000
    for bay in bays:
        at = since + dice.randrange(120) * MINUTE
        while at < until:
            length = dice.choice([15, 20, 45, 60, 90, 180, 480]) * MINUTE
            number += 1
            life = Life(number, bay, at, at + length, dice.choice([0, 400, 1250, 3333]))
            _live(life, now, dice)
            yield life
            freed = life.at(State.EXPIRED, State.CANCELLED)
            is_let_again = freed is not None and life.starts_at < freed < life.ends_at and dice.random() < 0.5
            at = freed if is_let_again and freed is not None else life.ends_at + dice.choice([0, 0, 5, 40]) * MINUTE


def _live(life: Life, now: datetime, dice: random.Random) -> None:
    booked = life.starts_at - dice.choice([30, 300, 3000]) * MINUTE
    life.move(State.PENDING, Cause.BOOKED, booked)
    is_paid = dice.random() < 0.8
    if is_paid and dice.random() < 0.1:
        life.payment = PaymentStatus.AWAITED
        if booked + 10 * MINUTE < now:
            life.payment = PaymentStatus.NOT_PAID
            life.move(State.CANCELLED, Cause.TIME, booked + 10 * MINUTE)
        return
    life.move(State.CONFIRMED, Cause.PAID, booked + MINUTE)
    if is_paid:
        life.payment = PaymentStatus.PAID
        life.pay(Entry.CAPTURED, Account.DRIVER, Account.HELD, life.amount, booked + MINUTE)
    _tell(life, dice, 2)
    _come_or_not(life, now, dice)


def _come_or_not(life: Life, now: datetime, dice: random.Random) -> None:
    fate = dice.random()
    if fate < 0.1:
        return _cancel(life, life.starts_at - dice.choice([5, 20]) * MINUTE, now, dice)
    grace = min(GRACE, life.ends_at - life.starts_at)
    if fate < 0.6:
        came = life.starts_at + timedelta(seconds=dice.randrange(-900, int(grace.total_seconds())))
        if came > life.starts_at and life.starts_at <= now:
            life.move(State.GRACE, Cause.TIME, life.starts_at)
        if came <= now:
            life.move(State.ACTIVE, Cause.CHECKED_IN, came)
            _tell(life, dice, 1)
            _leave(life, max(came, life.starts_at), now, dice)
        return None
    if life.starts_at > now:
        return None
    life.move(State.GRACE, Cause.TIME, life.starts_at)
    _tell(life, dice, 3)
    if fate < 0.65:
        return _cancel(life, life.starts_at + dice.randrange(1, 14) * MINUTE, now, dice)
    over = life.starts_at + grace + SETTLE
    if over > now:
        return None
    if fate < 0.7:
        life.move(State.VOIDED, Cause.NO_FAULT, over)
        return _refund(life, Account.HELD, over)
    return _expire(life, over, now, dice)


def _leave(life: Life, earliest: datetime, now: datetime, dice: random.Random) -> None:
    left = life.ends_at if dice.random() < 0.5 else earliest + (life.ends_at - earliest) * dice.random()
    if left <= now:
        life.move(State.COMPLETED, Cause.TIME if left == life.ends_at else Cause.LEFT, left)
        if life.payment is PaymentStatus.PAID:
            life.pay(Entry.EARNED, Account.HELD, Account.VENDOR, life.amount, left)


def _expire(life: Life, over: datetime, now: datetime, dice: random.Random) -> None:
    life.move(State.EXPIRED, Cause.TIME, over)
    source = Account.FORFEIT
    if life.payment is PaymentStatus.PAID:
        life.payment = PaymentStatus.FORFEIT_HELD
        life.pay(Entry.FORFEIT_HELD, Account.HELD, Account.FORFEIT, life.amount, over)
        if dice.random() < 0.5:
            life.payment, source = PaymentStatus.FORFEITED, Account.VENDOR
            life.pay(Entry.FORFEITED, Account.FORFEIT, Account.VENDOR, life.amount, over)
    fate = dice.random()
    if fate < 0.15 and over + 50 * MINUTE <= now:
        life.move(State.VOIDED, Cause.DISPUTE_WON, over + 50 * MINUTE)
        _refund(life, source, over)
    elif fate < 0.3:
        life.move(State.REINSTATED, Cause.PROVEN, life.starts_at + 7 * MINUTE)
        _refund(life, source, over)


def _refund(life: Life, source: Account, at: datetime) -> None:
    if life.payment is not PaymentStatus.NOT_REQUIRED:
        life.payment = PaymentStatus.REFUNDED
        life.pay(Entry.REFUNDED, source, Account.DRIVER, life.amount, at)


def _cancel(life: Life, at: datetime, now: datetime, dice: random.Random) -> None:
    if at > now:
        return
    life.move(State.CANCELLED, Cause.CANCELLED, at)
    if life.payment is PaymentStatus.PAID:
        back = life.amount * dice.choice([0, 50, 100]) // 100
        life.pay(Entry.REFUNDED, Account.HELD, Account.DRIVER, back, at)
        life.pay(Entry.KEPT, Account.HELD, Account.VENDOR, life.amount - back, at)
        some = PaymentStatus.PARTLY_REFUNDED if back else PaymentStatus.NOT_REFUNDED
        life.payment = PaymentStatus.REFUNDED if back == life.amount else some


def _tell(life: Life, dice: random.Random, times: int) -> None:
    for _ in range(times):
        life.deliveries.append((dice.choice(sorted(USUAL_CHANNELS)), dice.choice(list(DeliveryState))))


async def write_past(url: str, lives: Sequence[Life], driver_id: int) -> None:
    """Put it all in, in bulk."""
    conn = await asyncpg.connect(url)
    try:
        await _copy(conn, "booking", [_booking(life, driver_id) for life in lives])
        await _copy(conn, "transition", [row for life in lives for row in _transitions(life)])
        await _copy(conn, "ledger", [row for life in lives for row in _ledger(life)])
        told = [(life, number) for life in lives for number in range(len(life.deliveries))]
        await _copy(conn, "notice", [_notice(life, number) for life, number in told])
        await _copy(conn, "delivery", [_delivery(life, number) for life, number in told])
        await conn.execute("VACUUM ANALYZE")
    finally:
        await conn.close()


async def _copy(conn: asyncpg.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    columns = list(rows[0])
    await conn.copy_records_to_table(
        table, records=[tuple(row[name] for name in columns) for row in rows], columns=columns
    )


def _booking(life: Life, driver_id: int) -> dict[str, Any]:
    step, due_at = _next(life)
    grace_ends_at = min(life.starts_at + GRACE, life.ends_at)
    came = life.at(State.ACTIVE, State.REINSTATED)
    return {
        "id": life.id,
        "vendor_id": life.bay.vendor_id,
        "station_id": life.bay.station_id,
        "connector_id": life.bay.connector_id,
        "driver_id": driver_id,
        "state": life.state,
        "step": step,
        "due_at": due_at,
        "check_in_opens_at": life.starts_at - 15 * MINUTE,
        "starts_at": life.starts_at,
        "grace_half_at": life.starts_at + (grace_ends_at - life.starts_at) / 2,
        "grace_ends_at": grace_ends_at,
        "expires_at": grace_ends_at + SETTLE,
        "ends_at": life.ends_at,
        "terms": _TERMS,
        "amount": life.amount,
        "currency": life.bay.currency,
        "payment_status": life.payment,
        "started_at": life.at(State.GRACE),
        "checked_in_at": came,
        "check_in_method": "app" if came else None,
        "expired_at": life.at(State.EXPIRED),
        "ended_at": life.ended_at,
        "version": len(life.moves),
        "epoch": 0,
        "created_at": life.moves[0][3],
        "updated_at": life.moves[-1][3],
    }


def _next(life: Life) -> tuple[str | None, datetime | None]:
    steps = {
        State.PENDING: ("hold_ends", life.moves[0][3] + 10 * MINUTE),
        State.CONFIRMED: ("start", life.starts_at),
        State.GRACE: ("expire", min(life.starts_at + GRACE, life.ends_at) + SETTLE),
        State.ACTIVE: ("complete", life.ends_at),
    }
    return steps.get(life.state, (None, None))


def _transitions(life: Life) -> Iterator[dict[str, Any]]:
    for version, (before, after, cause, at) in enumerate(life.moves, start=1):
        yield {
            "booking_id": life.id,
            "version": version,
            "from_state": before,
            "to_state": after,
            "cause": cause,
            "actor": "dice",
            "at": at,
        }


def _ledger(life: Life) -> Iterator[dict[str, Any]]:
    for entry, debit, credit, amount, at in life.money:
        yield {
            "booking_id": life.id,
            "entry": entry,
            "debit": debit,
            "credit": credit,
            "amount": amount,
            "currency": life.bay.currency,
            "at": at,
        }


def _notice(life: Life, number: int) -> dict[str, Any]:
    return {
        "id": life.id * 100 + number,
        "booking_id": life.id,
        "kind": "reminder",
        "occasion": str(number),
        "epoch": 0,
        "valid_until": life.ends_at,
        "created_at": life.starts_at,
    }


def _delivery(life: Life, number: int) -> dict[str, Any]:
    channel, state = life.deliveries[number]
    return {
        "notice_id": life.id * 100 + number,
        "channel": channel,
        "state": state,
        "urgency": 1,
        "next_attempt_at": life.starts_at,
    }
