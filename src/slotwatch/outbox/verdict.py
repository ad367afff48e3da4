"""What becomes of a delivery: decided here as values, without any input or output, and recorded elsewhere.

Transient failures are tried again with exponential backoff and jitter for as long as the notice is worth telling;
permanent ones, and a channel that keeps failing, open the next channel of the kind's plan.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from slotwatch.channels import Accepted, Failed, Outcome, Refused
from slotwatch.domain.notices import WAITS_FOR_QUIET, Channel, DeliveryState
from slotwatch.outbox.claim import Claimed

__all__ = ["Verdict", "after_fault", "after_try", "backoff", "before_sending"]

_FIRST_PAUSE = timedelta(seconds=4)
_LONGEST_PAUSE = timedelta(minutes=10)
_FALL_BACK_AFTER = 4  # transient failures in a row; then the other channel is opened beside further tries
_MOST_FAULTS = 3
_SPREAD_AFTER_REST = timedelta(seconds=2)  # so that not all come at once when the provider is back


@dataclass(frozen=True)
class Verdict:
    """The delivery's next state. `tried` names the attempt's outcome, None if no provider was asked.

    `provider` is who took it where a chain of providers was asked; `suppress`: do not use the address again.
    """

    state: DeliveryState
    error: str | None = None
    next_attempt_at: datetime | None = None
    tried: str | None = None
    message_id: str | None = None
    fallback: Channel | None = None
    fault: int = 0
    provider: str | None = None
    suppress: bool = False


def before_sending(
    delivery: Claimed, enabled: Collection[Channel], now: datetime, *, voice_from: int = 0
) -> Verdict | None:
    """Why this delivery must not be sent, or None: a stale message is worse than none.

    For bookings of less than `voice_from` minor units nobody is called.
    """
    if now > delivery.valid_until:
        return Verdict(DeliveryState.MISSED, "its time had passed before it could be sent")
    if delivery.rule.is_about_booking and delivery.state not in delivery.rule.true_in:
        return Verdict(DeliveryState.SUPPRESSED, f"no longer true: the booking is {delivery.state}")
    if delivery.arrived_by is not None:
        return Verdict(DeliveryState.SUPPRESSED, f"not needed: it arrived by {delivery.arrived_by}")
    if delivery.channel is Channel.VOICE and delivery.amount.amount < voice_from:
        return Verdict(DeliveryState.SUPPRESSED, "the booking's value is too small for a phone call")
    if delivery.channel is Channel.WEBHOOK:  # the operator's own app: no driver's wish or number
        return None
    if not delivery.is_wanted:
        reason = f"the driver switched {delivery.channel} off"
        return Verdict(DeliveryState.SUPPRESSED, reason, fallback=_fallback(delivery, enabled))
    if not delivery.address:
        reason = f"no address for {delivery.channel} is known"
        return Verdict(DeliveryState.SUPPRESSED, reason, fallback=_fallback(delivery, enabled))
    if delivery.suppressed_for is not None:
        reason = f"{delivery.channel} is no longer sent to this address: {delivery.suppressed_for}"
        return Verdict(DeliveryState.SUPPRESSED, reason, fallback=_fallback(delivery, enabled))
    return _in_quiet_hours(delivery) if delivery.kind in WAITS_FOR_QUIET else None


def _in_quiet_hours(delivery: Claimed) -> Verdict | None:
    until = delivery.quiet_until
    if until is None:
        return None
    if until > delivery.valid_until:
        return Verdict(DeliveryState.SUPPRESSED, "the driver's quiet hours last longer than this is worth telling")
    return Verdict(DeliveryState.PENDING, "waits for the end of the driver's quiet hours", until)


def after_try(
    delivery: Claimed, outcome: Outcome, *, now: datetime, jitter: float, enabled: Collection[Channel]
) -> Verdict:
    """What the provider's answer means; `jitter` is a random number in [0, 1)."""
    match outcome:
        case Accepted(provider_id, provider):
            return Verdict(DeliveryState.SENT, tried="accepted", message_id=provider_id, provider=provider)
        case Refused(error, suppress=True) if delivery.has_another_browser:
            return Verdict(DeliveryState.PENDING, error, delivery.claimed_at, "refused", suppress=True)
        case Refused(error, suppress):
            fallback = _fallback(delivery, enabled)
            return Verdict(DeliveryState.FAILED, error, tried="refused", fallback=fallback, suppress=suppress)
        case Failed(asked=False):
            return _after_rest(delivery, outcome, now=now, jitter=jitter, enabled=enabled)
        case Failed(error, retry_after):
            tries = delivery.attempts + 1
            next_at = now + max(backoff(tries, jitter), retry_after or timedelta(0))
            is_last = next_at > delivery.valid_until  # the other channel may still be in time
            fallback = _fallback(delivery, enabled) if is_last or tries >= _FALL_BACK_AFTER else None
            if is_last:
                return Verdict(DeliveryState.MISSED, error, tried="failed", fallback=fallback)
            return Verdict(DeliveryState.PENDING, error, next_at, "failed", fallback=fallback)


def _after_rest(
    delivery: Claimed, outcome: Failed, *, now: datetime, jitter: float, enabled: Collection[Channel]
) -> Verdict:
    """The provider rests, or has no turn for us: that is no try, but who is down is joined by the other channel."""
    next_at = now + (outcome.retry_after or timedelta(seconds=1)) + jitter * _SPREAD_AFTER_REST
    is_last = next_at > delivery.valid_until
    fallback = _fallback(delivery, enabled) if is_last or outcome.down else None
    if is_last:
        return Verdict(DeliveryState.MISSED, outcome.error, fallback=fallback)
    return Verdict(DeliveryState.PENDING, outcome.error, next_at, fallback=fallback)


def after_fault(delivery: Claimed, error: Exception, *, now: datetime, jitter: float) -> Verdict:
    """What a failure of our own means: the third one sets the delivery aside, so that it holds up nobody."""
    text = f"{type(error).__name__}: {error}"[:300]
    if delivery.faults + 1 >= _MOST_FAULTS:
        return Verdict(DeliveryState.SET_ASIDE, text, fault=1)
    return Verdict(DeliveryState.PENDING, text, now + backoff(delivery.faults + 1, jitter), fault=1)


def backoff(tries: int, jitter: float) -> timedelta:
    """The pause after that many tries: 4 s, doubled each time up to 10 minutes, between 75 % and 125 % of it.

    >>> backoff(1, 0.5), backoff(3, 0.5), backoff(30, 0.5)
    (datetime.timedelta(seconds=4), datetime.timedelta(seconds=16), datetime.timedelta(seconds=600))
    """
    pause = min(_FIRST_PAUSE * (1 << min(tries - 1, 12)), _LONGEST_PAUSE)
    spread: timedelta = pause * (0.75 + jitter / 2)
    return spread


def _fallback(delivery: Claimed, enabled: Collection[Channel]) -> Channel | None:
    return delivery.rule.instead_of(delivery.channel, enabled)
