"""The terms of a booking: grace, windows and refunds, a snapshot frozen into the booking when it is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from slotwatch.domain.errors import InvalidInput

__all__ = ["DEFAULT_CANCEL_REFUND", "RefundTier", "Terms"]


@dataclass(frozen=True)
class RefundTier:
    """Up to `until_minutes_before` minutes before the slot begins, a cancel gives back `percent` %."""

    until_minutes_before: int
    percent: int


DEFAULT_CANCEL_REFUND = (RefundTier(24 * 60, 100), RefundTier(4 * 60, 75), RefundTier(60, 50))


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What driver and vendor agreed on. All durations are whole minutes but for `settle_seconds`.

    The check-in window is `[start - early_check_in_minutes, start + grace_period_minutes]`, closed at both ends;
    `settle_seconds` later the booking expires, so that a check-in received in time is never overtaken.
    """

    grace_period_minutes: int = 30
    early_check_in_minutes: int = 15
    reminder_minutes: int = 60
    settle_seconds: int = 5
    cancel_refund: tuple[RefundTier, ...] = DEFAULT_CANCEL_REFUND

    def __post_init__(self) -> None:
        for name, low, high in (
            ("grace_period_minutes", 1, 480),
            ("early_check_in_minutes", 0, 240),
            ("reminder_minutes", 0, 10_080),
            ("settle_seconds", 0, 60),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise InvalidInput(f"{name} must be between {low} and {high}, not {value}.")
        minutes = [tier.until_minutes_before for tier in self.cancel_refund]
        percents = [tier.percent for tier in self.cancel_refund]
        falls = minutes == sorted(set(minutes), reverse=True) and percents == sorted(percents, reverse=True)
        if not falls or any(value < 0 for value in (*minutes, *percents)) or any(value > 100 for value in percents):
            raise InvalidInput("cancel_refund must fall with the time left, each between 0 and 100 percent.")

    @property
    def grace(self) -> timedelta:
        """Length of the grace period."""
        return timedelta(minutes=self.grace_period_minutes)

    @property
    def early_check_in(self) -> timedelta:
        """How long before the start the check-in window opens."""
        return timedelta(minutes=self.early_check_in_minutes)

    @property
    def reminder_lead(self) -> timedelta:
        """How long before the start the reminder goes out; zero means no reminder."""
        return timedelta(minutes=self.reminder_minutes)

    @property
    def settle(self) -> timedelta:
        """How long after the deadline the booking expires."""
        return timedelta(seconds=self.settle_seconds)

    def refund_percent(self, before_start: timedelta) -> int:
        """Share given back for a cancel that long before the start (negative: after it), in percent.

        >>> Terms().refund_percent(timedelta(hours=24)), Terms().refund_percent(timedelta(hours=4))
        (100, 75)
        >>> Terms().refund_percent(timedelta(minutes=59))
        0
        """
        for tier in self.cancel_refund:
            if before_start >= timedelta(minutes=tier.until_minutes_before):
                return tier.percent
        return 0

    def as_dict(self) -> dict[str, Any]:
        """The snapshot as it is stored and shown (API.md, `terms`)."""
        return {
            "gracePeriodMinutes": self.grace_period_minutes,
            "earlyCheckInMinutes": self.early_check_in_minutes,
            "reminderMinutes": self.reminder_minutes,
            "settleSeconds": self.settle_seconds,
            "noShowRefund": "none",
            "cancelRefund": [
                {"untilMinutesBefore": tier.until_minutes_before, "percent": tier.percent}
                for tier in self.cancel_refund
            ],
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Terms":
        """The terms of a stored snapshot; missing values take the defaults."""
        names = {
            "gracePeriodMinutes": "grace_period_minutes",
            "earlyCheckInMinutes": "early_check_in_minutes",
            "reminderMinutes": "reminder_minutes",
            "settleSeconds": "settle_seconds",
        }
        values: dict[str, Any] = {names[key]: stored[key] for key in names if key in stored}
        if "cancelRefund" in stored:
            values["cancel_refund"] = tuple(
                RefundTier(tier["untilMinutesBefore"], tier["percent"]) for tier in stored["cancelRefund"]
            )
        return cls(**values)
