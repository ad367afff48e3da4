"""Money as integer minor units, and the movements of the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from slotwatch.domain.lifecycle import State

__all__ = ["SETTLEMENTS", "Account", "Entry", "Money", "PaymentStatus", "Posting", "Settlement"]


@dataclass(frozen=True)
class Money:
    """An amount in minor units (cents) of an ISO 4217 currency.

    >>> Money(1250, "EUR").percent(75)
    Money(amount=937, currency='EUR')
    """

    amount: int
    currency: str

    def percent(self, percent: int) -> "Money":
        """That share, rounded down to a whole minor unit."""
        return Money(self.amount * percent // 100, self.currency)

    def minus(self, other: "Money") -> "Money":
        """The difference; both must be of one currency."""
        if self.currency != other.currency:
            raise ValueError(f"cannot subtract {other.currency} from {self.currency}")
        return Money(self.amount - other.amount, self.currency)


class PaymentStatus(StrEnum):
    """Where the money of a booking is."""

    NOT_REQUIRED = "not_required"  # payments are off: money is settled elsewhere
    AWAITED = "awaited"
    PAID = "paid"
    FORFEIT_HELD = "forfeit_held"  # no-show; final when the hold has passed
    FORFEITED = "forfeited"
    REFUNDED = "refunded"
    PARTLY_REFUNDED = "partly_refunded"
    NOT_REFUNDED = "not_refunded"
    NOT_PAID = "not_paid"  # cancelled, or the hold ran out, before it was paid


class Account(StrEnum):
    """Who the money belongs to."""

    DRIVER = "driver"
    HELD = "held"  # ours to keep safe until the booking ends
    FORFEIT = "forfeit"  # provisional no-show money
    VENDOR = "vendor"


class Entry(StrEnum):
    """Why money moved; at most once each per booking."""

    CAPTURED = "captured"
    EARNED = "earned"
    REFUNDED = "refunded"
    KEPT = "kept"  # what a late cancel does not give back
    FORFEIT_HELD = "forfeit_held"
    FORFEITED = "forfeited"


@dataclass(frozen=True)
class Posting:
    """One movement: `amount` minor units leave `debit` and reach `credit`, so every posting sums to zero."""

    entry: Entry
    debit: Account
    credit: Account
    amount: int


@dataclass(frozen=True)
class Settlement:
    """Where the whole of a paid booking's money goes when it reaches a state, and what its status is then."""

    entry: Entry
    debit: Account
    credit: Account
    payment_status: PaymentStatus

    def posting(self, amount: int) -> Posting:
        """The movement of that amount."""
        return Posting(self.entry, self.debit, self.credit, amount)


SETTLEMENTS: Mapping[State, Settlement] = MappingProxyType(
    {
        State.COMPLETED: Settlement(Entry.EARNED, Account.HELD, Account.VENDOR, PaymentStatus.PAID),
        State.EXPIRED: Settlement(Entry.FORFEIT_HELD, Account.HELD, Account.FORFEIT, PaymentStatus.FORFEIT_HELD),
        State.VOIDED: Settlement(Entry.REFUNDED, Account.HELD, Account.DRIVER, PaymentStatus.REFUNDED),
    }
)
"""States that move all of the money; a cancel divides it by the terms, see Booking.cancel."""
