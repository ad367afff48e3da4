"""A booking and the moves that people make it do. Moves are values; storage writes them, guarded by `version`."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from slotwatch.domain import errors
from slotwatch.domain.ids import BookingId, ConnectorId, DriverId, StationId, VendorId, booking_ref
from slotwatch.domain.lifecycle import TRANSITIONS, Cause, EndReason, State, Step
from slotwatch.domain.money import SETTLEMENTS, Account, Entry, Money, PaymentStatus, Posting
from slotwatch.domain.notices import NoticeKind
from slotwatch.domain.terms import Terms
from slotwatch.domain.timeline import Timeline

__all__ = ["DISPUTE_WINDOW", "Booking", "CheckInMethod", "Move"]

DISPUTE_WINDOW = timedelta(days=14)


class CheckInMethod(StrEnum):
    """How the driver showed up."""

    APP = "app"
    QR = "qr"
    CHARGER = "charger"
    VENDOR = "vendor"


@dataclass(frozen=True, kw_only=True)
class Booking:
    """One driver's claim on one slot. All instants are aware and in UTC; `version` counts its transitions."""

    id: BookingId
    vendor_id: VendorId
    station_id: StationId
    connector_id: ConnectorId
    driver_id: DriverId
    state: State
    step: Step | None
    timeline: Timeline
    terms: Terms
    amount: Money
    payment_status: PaymentStatus
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    checked_in_at: datetime | None = None
    check_in_method: CheckInMethod | None = None
    expired_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: EndReason | None = None
    vehicle: str | None = None
    version: int = 1
    epoch: int = 0

    @property
    def due_at(self) -> datetime | None:
        """When `step` is due; None in a final state."""
        return None if self.step is None else self.timeline.due(self.step)

    @property
    def ref(self) -> str:
        """The id that people see."""
        return booking_ref(self.id)

    def is_in_grace_period(self, now: datetime) -> bool:
        """Whether the countdown runs: the slot began, nobody checked in, the deadline is not over."""
        return self._awaits_driver and self.timeline.starts_at <= now <= self.timeline.grace_ends_at

    def is_overdue_for_check_in(self, now: datetime) -> bool:
        """Whether the driver should have been there by now."""
        return self._awaits_driver and now >= self.timeline.starts_at

    def grace_time_remaining(self, now: datetime) -> timedelta:
        """Time left to check in, never negative; zero when no countdown runs."""
        if not self.is_in_grace_period(now):
            return timedelta(0)
        return self.timeline.grace_ends_at - now

    def should_be_expired(self, now: datetime) -> bool:
        """Whether grace and the settle time are over and nobody checked in."""
        return self._awaits_driver and now >= self.timeline.expires_at

    def check_in(self, method: CheckInMethod, now: datetime) -> "Move":
        """The move of a driver who shows up; `now` is when the request was received.

        Raises CheckInTooEarly, GraceOver or NotCheckInable. A check-in received in time on a booking that has
        expired meanwhile reinstates it: the money goes back, the slot stays with whoever has it now.
        """
        if not (self._awaits_driver or self.state is State.EXPIRED):
            raise errors.NotCheckInable(f"This booking is {self.state}, so it cannot be checked in.")
        if now < self.timeline.check_in_opens_at:
            raise errors.CheckInTooEarly(opensAt=self.timeline.check_in_opens_at)
        if now > self.timeline.grace_ends_at:
            raise errors.GraceOver(graceEndedAt=self.timeline.grace_ends_at, bookingId=self.ref)
        if self.state is State.EXPIRED:
            return self._reinstate(method, now)
        after = self._moved(
            Cause.CHECKED_IN, now, Step.COMPLETE, checked_in_at=now, check_in_method=method, started_at=self.started_at
        )
        return Move(self, after, Cause.CHECKED_IN, NoticeKind.CHECKED_IN)

    def mark_as_expired(self, now: datetime) -> "Move":
        """The move of the clock when grace is over. Raises Conflict before that."""
        if self.state is not State.GRACE or not self.should_be_expired(now):
            raise errors.Conflict("Grace is not over, so this booking cannot expire.")
        after = self._ended(Cause.TIME, now, EndReason.NO_SHOW, expired_at=now)
        after, postings = self._settled(after)
        return Move(self, after, Cause.TIME, NoticeKind.SLOT_EXPIRED, postings)

    def pay(self, now: datetime) -> "Move":
        """The move of a payment that came in. Raises NotPayable unless payment is awaited and the hold still runs."""
        if self.state is not State.PENDING:
            raise errors.NotPayable
        if self.timeline.hold_ends_at is not None and now > self.timeline.hold_ends_at:
            raise errors.NotPayable("The hold on this slot has run out. Book again.")
        after = self._moved(Cause.PAID, now, self.timeline.first_step(now), payment_status=PaymentStatus.PAID)
        captured = Posting(Entry.CAPTURED, Account.DRIVER, Account.HELD, self.amount.amount)
        return Move(self, after, Cause.PAID, NoticeKind.BOOKING_CONFIRMED, (captured,) if captured.amount else ())

    def cancel(self, reason: EndReason, now: datetime) -> "Move":
        """The move of a cancel, with the refund by the terms; a vendor's cancel gives everything back.

        Raises NotCancellable once somebody checked in or the booking has ended.
        """
        if (self.state, Cause.CANCELLED) not in TRANSITIONS:
            raise errors.NotCancellable(f"This booking is {self.state}, so it cannot be cancelled.")
        after = self._ended(Cause.CANCELLED, now, reason)
        refund = self.refund_if_cancelled(reason, now)
        postings = self._posting(Entry.REFUNDED, Account.HELD, Account.DRIVER, refund.amount)
        kept = self.amount.amount - refund.amount
        postings += self._posting(Entry.KEPT, Account.HELD, Account.VENDOR, kept)
        after = replace(after, payment_status=self._status_after_refund(refund))
        return Move(self, after, Cause.CANCELLED, NoticeKind.BOOKING_CANCELLED, postings)

    def refund_if_cancelled(self, reason: EndReason, now: datetime) -> Money:
        """What a cancel at `now` gives back."""
        if self.payment_status is not PaymentStatus.PAID:
            return Money(0, self.amount.currency)
        if reason is EndReason.BY_VENDOR:
            return self.amount
        return self.amount.percent(self.terms.refund_percent(self.timeline.starts_at - now))

    def finish(self, now: datetime) -> "Move":
        """The move of a driver who leaves early; the rest of the slot is free. Raises NotFinishable."""
        if self.state is not State.ACTIVE:
            raise errors.NotFinishable(f"This booking is {self.state}, so there is nothing to finish.")
        after = self._ended(Cause.LEFT, now, EndReason.LEFT_EARLY)
        after, postings = self._settled(after)
        return Move(self, after, Cause.LEFT, NoticeKind.BOOKING_COMPLETED, postings)

    def check_disputable(self, now: datetime) -> None:
        """Raise NotDisputable or DisputeWindowOver unless this is a no-show of the last 14 days."""
        if self.state is not State.EXPIRED or self.expired_at is None:
            raise errors.NotDisputable
        if now > self.expired_at + DISPUTE_WINDOW:
            raise errors.DisputeWindowOver

    def win_dispute(self, now: datetime) -> "Move":
        """The move of a dispute that the driver won: no longer a no-show, all of the money goes back.

        Raises NotDisputable unless this is a no-show.
        """
        if self.state is not State.EXPIRED:
            raise errors.NotDisputable
        after, postings = self._paid_back(self._ended(Cause.DISPUTE_WON, now, EndReason.DISPUTE_WON))
        return Move(self, after, Cause.DISPUTE_WON, NoticeKind.SLOT_VOIDED, postings)

    def with_grace_until(self, grace_ends_at: datetime) -> "Booking":
        """The same booking with grace ending later, because our own outage took that time from the driver."""
        return replace(self, timeline=self.timeline.extended_to(max(grace_ends_at, self.timeline.grace_ends_at)))

    @property
    def _awaits_driver(self) -> bool:
        return self.state in (State.CONFIRMED, State.GRACE)

    def _reinstate(self, method: CheckInMethod, received_at: datetime) -> "Move":
        after = self._ended(
            Cause.PROVEN, received_at, EndReason.PROVEN, checked_in_at=received_at, check_in_method=method
        )
        after, postings = self._paid_back(after)
        return Move(self, after, Cause.PROVEN, NoticeKind.BOOKING_REINSTATED, postings)

    def _paid_back(self, after: "Booking") -> tuple["Booking", tuple[Posting, ...]]:
        """All of a no-show's money goes back, from wherever it is by now."""
        source = Account.VENDOR if self.payment_status is PaymentStatus.FORFEITED else Account.FORFEIT
        postings = self._posting(Entry.REFUNDED, source, Account.DRIVER)
        return (replace(after, payment_status=PaymentStatus.REFUNDED) if postings else after), postings

    def _moved(self, cause: Cause, now: datetime, step: Step | None, **changes: Any) -> "Booking":
        state = TRANSITIONS[self.state, cause]
        at = self._not_before_last_move(now)
        return replace(self, state=state, step=step, version=self.version + 1, updated_at=at, **changes)

    def _ended(self, cause: Cause, now: datetime, reason: EndReason, **changes: Any) -> "Booking":
        return self._moved(cause, now, None, ended_at=self._not_before_last_move(now), end_reason=reason, **changes)

    def _not_before_last_move(self, now: datetime) -> datetime:
        """A check-in counts from when it was received; its move is stamped no earlier than the one before it."""
        return max(now, self.updated_at)

    def _settled(self, after: "Booking") -> tuple["Booking", tuple[Posting, ...]]:
        """All of the money goes where SETTLEMENTS says for the new state."""
        if self.payment_status is not PaymentStatus.PAID:
            return after, ()
        settlement = SETTLEMENTS[after.state]
        postings = (settlement.posting(self.amount.amount),) if self.amount.amount else ()
        return replace(after, payment_status=settlement.payment_status), postings

    def _posting(self, entry: Entry, debit: Account, credit: Account, amount: int | None = None) -> tuple[Posting, ...]:
        """One movement of this booking's money, or none where there is nothing to move."""
        amount = self.amount.amount if amount is None else amount
        captured = self.payment_status in (PaymentStatus.PAID, PaymentStatus.FORFEIT_HELD, PaymentStatus.FORFEITED)
        return (Posting(entry, debit, credit, amount),) if captured and amount else ()

    def _status_after_refund(self, refund: Money) -> PaymentStatus:
        if self.payment_status is not PaymentStatus.PAID:
            return PaymentStatus.NOT_PAID if self.payment_status is PaymentStatus.AWAITED else self.payment_status
        if refund.amount == self.amount.amount:
            return PaymentStatus.REFUNDED
        return PaymentStatus.PARTLY_REFUNDED if refund.amount else PaymentStatus.NOT_REFUNDED


@dataclass(frozen=True)
class Move:
    """One transition: what was, what is, why, what to tell the driver and where the money goes."""

    before: Booking
    after: Booking
    cause: Cause
    notice: NoticeKind
    postings: tuple[Posting, ...] = ()
