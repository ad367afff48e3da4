"""What becomes of a delivery: decided here as values, without any input or output, and recorded elsewhere.

Transient failures are tried again with exponential backoff and jitter for as long as the notice is worth telling;
permanent ones, and a channel that keeps failing, open the next channel of the kind's plan.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from slotwatch.channels import Accepted, Failed, Outcome, Refused
from slotwatch.domain.notices import (
    PAID_CHANNELS,
    SAID_STOP,
    Channel,
    DeliveryState,
    KeptBack,
    NoticeKind,
    Urgency,
    waits_for_quiet,
)
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.settings import CapSettings, SenderSettings

__all__ = ["Verdict", "after_fault", "after_silence", "after_try", "backoff", "before_sending"]

_FIRST_PAUSE = timedelta(seconds=4)
_LONGEST_PAUSE = timedelta(minutes=10)
_FALL_BACK_AFTER = 4  # transient failures in a row; then the other channel is opened beside further tries
_MOST_FAULTS = 3
_LAST_TRY_BEFORE = timedelta(seconds=10)  # twice that at the most
_USUAL = SenderSettings()
_NO_CAPS = CapSettings()
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
    kept_back: KeptBack | None = None


def before_sending(
    delivery: Claimed,
    enabled: Collection[Channel],
    now: datetime,
    *,
    settings: SenderSettings = _USUAL,
    caps: CapSettings = _NO_CAPS,
) -> Verdict | None:
    """Why this delivery must not be sent, or None: a stale message is worse than none."""
    if now > delivery.valid_until:
        return Verdict(DeliveryState.MISSED, "its time had passed before it could be sent")
    if not _is_true(delivery):
        return Verdict(DeliveryState.SUPPRESSED, f"no longer true: the booking is {delivery.state}")
    if delivery.arrived_by is not None:
        return Verdict(DeliveryState.SUPPRESSED, f"not needed: it arrived by {delivery.arrived_by}")
    if delivery.channel is Channel.VOICE and delivery.amount.amount < settings.voice_from:
        return Verdict(DeliveryState.SUPPRESSED, "the booking's value is too small for a phone call")
    if delivery.channel is Channel.WEBHOOK:  # the operator's own app: no driver's wish or number
        return None
    reason, kept_back = _why_not_here(delivery, settings) or (_why_not_paid(delivery, caps), None)
    if reason is not None:
        fallback = _fallback(delivery, enabled)
        return Verdict(DeliveryState.SUPPRESSED, reason, fallback=fallback, kept_back=kept_back)
    return _in_quiet_hours(delivery) if waits_for_quiet(delivery.kind, delivery.channel) else None


def _is_true(delivery: Claimed) -> bool:
    return not delivery.rule.is_about_booking or delivery.state in delivery.rule.true_in


def _why_not_here(delivery: Claimed, settings: SenderSettings) -> tuple[str, KeptBack | None] | None:
    """What speaks against this channel and not against another; and what of it is not our failure."""
    if not delivery.address:
        return f"no address for {delivery.channel} is known", KeptBack.NO_ADDRESS
    if not delivery.is_wanted:
        return f"the driver switched {delivery.channel} off", KeptBack.SWITCHED_OFF
    if delivery.suppressed_for is not None:
        by_wish = KeptBack.SAID_STOP if delivery.suppressed_for == SAID_STOP else None
        return f"{delivery.channel} is no longer sent to this address: {delivery.suppressed_for}", by_wish
    is_call = delivery.channel is Channel.VOICE  # rings at whoever has the number
    if (settings.verified_only or is_call) and not delivery.is_verified:
        return f"the address for {delivery.channel} is not verified", KeptBack.NO_ADDRESS
    return None


def _why_not_paid(delivery: Claimed, caps: CapSettings) -> str | None:
    """Which cap is reached. What cannot wait may go on up to twice as far: it saves a slot, and a flood still ends."""
    if delivery.is_counted_mail and delivery.paid_today.messages >= caps.mail_cap:
        return f"this address got {delivery.paid_today.messages} mails about bookings today, which is the most"
    if delivery.channel not in PAID_CHANNELS:
        return None
    so_far, times = delivery.paid_today, 2 if delivery.rule.urgency is Urgency.NOW else 1
    if so_far.messages >= caps.recipient_cap * times:
        return f"this address got {so_far.messages} paid messages today, which is the most"
    if delivery.kind is NoticeKind.SIGN_IN_CODE:
        return None  # no vendor's: counted where they are asked for
    cap = caps.spend_cap if so_far.cap is None else so_far.cap
    if cap is not None and so_far.spent + so_far.going * caps.cost(delivery.channel) >= cap * times:
        return "what the vendor spends on messages in a day is used up"
    return None


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
            is_late = next_at > delivery.valid_until  # the other channel may still be in time
            fallback = _fallback(delivery, enabled) if is_late or tries >= _FALL_BACK_AFTER else None
            last = delivery.valid_until - _LAST_TRY_BEFORE * (1 + jitter)
            if not is_late:
                return Verdict(DeliveryState.PENDING, error, next_at, "failed", fallback=fallback)
            if last >= now + max(_LAST_TRY_BEFORE, retry_after or timedelta(0)):
                return Verdict(DeliveryState.PENDING, error, last, "failed", fallback=fallback)
            return Verdict(DeliveryState.MISSED, error, tried="failed", fallback=fallback)


def _after_rest(
    delivery: Claimed, outcome: Failed, *, now: datetime, jitter: float, enabled: Collection[Channel]
) -> Verdict:
    """The provider rests, or has no turn for us: that is no try, but who is down is joined by the other channel."""
    rested_at = now + (outcome.retry_after or timedelta(seconds=1))
    next_at = max(rested_at, min(rested_at + jitter * _SPREAD_AFTER_REST, delivery.valid_until))
    is_last = next_at > delivery.valid_until
    fallback = _fallback(delivery, enabled) if is_last or outcome.down else None
    if is_last:
        return Verdict(DeliveryState.MISSED, outcome.error, fallback=fallback)
    return Verdict(DeliveryState.PENDING, outcome.error, next_at, fallback=fallback)


def after_silence(delivery: Claimed, enabled: Collection[Channel]) -> Verdict:
    """What becomes of one that a provider without keys was given, and whose answer was lost with the process.

    It may have arrived, so it is not simply sent again: another channel is opened. Only what cannot wait and has no
    other way is sent once more, for who is told nothing may lose the slot, and who is told twice loses nothing.
    """
    words = "handed over, and the answer was lost: it may have arrived"
    is_of_use = delivery.claimed_at <= delivery.valid_until and _is_true(delivery)
    has_no_other = delivery.rule.urgency is Urgency.NOW and not delivery.has_other_way(enabled)
    if is_of_use and has_no_other and not delivery.faults:
        again = f"{words}; sent once more, there is no other way"
        return Verdict(DeliveryState.PENDING, again, delivery.claimed_at, "unknown", fault=1)
    fallback = _fallback(delivery, enabled) if is_of_use else None
    return Verdict(DeliveryState.UNKNOWN, words, tried="unknown", fallback=fallback)


def after_fault(
    delivery: Claimed, error: Exception, *, now: datetime, jitter: float, enabled: Collection[Channel]
) -> Verdict:
    """What a failure of our own means: the third one sets the delivery aside, so that it holds up nobody.

    Another channel takes over: it is written from other files.
    """
    text = f"{type(error).__name__}: {error}"[:300]
    if delivery.faults + 1 >= _MOST_FAULTS:
        return Verdict(DeliveryState.SET_ASIDE, text, fallback=_fallback(delivery, enabled), fault=1)
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
