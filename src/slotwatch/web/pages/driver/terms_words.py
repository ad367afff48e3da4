"""Terms as a driver reads them before booking: until when, what it costs to stay away, what comes back."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from slotwatch.domain.slot import Slot
from slotwatch.domain.terms import Terms
from slotwatch.domain.timeline import Timeline
from slotwatch.outbox.money_words import amount_words
from slotwatch.usecases.book import Agreed
from slotwatch.web.pages.station_times import StationTimes

__all__ = ["Refund", "TermsWords", "changes", "terms_words"]


@dataclass(frozen=True)
class Refund:
    """A cancel until then gives that share back."""

    until: str
    percent: int


@dataclass(frozen=True)
class TermsWords:
    """Sentences. `refunds` from the earliest cancel on; after the last nothing comes back."""

    check_in: str
    grace: str
    refunds: tuple[Refund, ...]
    last: str  # what a cancel later than all of them gives back


def terms_words(terms: Terms, times: StationTimes, slot: Slot | None = None) -> TermsWords:
    """With the instants of the slot, where one is chosen."""
    grace, early = times.length(terms.grace), terms.early_check_in
    if slot is None:
        opens = f"from {times.length(early)} before the slot begins" if early else "from the moment the slot begins"
        kept = f"for {grace} after it begins"
    else:
        timeline = Timeline.of(slot, terms, hold_ends_at=None)
        opens = f"from {times.time(timeline.check_in_opens_at)}"
        kept = f"for {grace}, until {times.time(timeline.grace_ends_at)}"
    tiers = [tier for tier in terms.cancel_refund if tier.percent]
    return TermsWords(
        check_in=f"Check in {opens}: on your booking's page, or with the code at the bay.",
        grace=(
            f"Your slot is kept {kept}. If nobody has checked in by then, it goes to other drivers"
            " and nothing is refunded."
        ),
        refunds=tuple(Refund(_until(tier.until_minutes_before, times, slot), tier.percent) for tier in tiers),
        last="later, nothing comes back" if tiers else "a cancelled booking is not refunded",
    )


def changes(before: Agreed, now: Agreed, times: StationTimes, slot: Slot) -> list[str]:
    """What the vendor changed between two looks, a sentence each."""
    pairs = zip(_said(before, times, slot), _said(now, times, slot), strict=True)
    return [f"{name}: now {new}; it was {old}." for (name, old), (_, new) in pairs if old != new]


def _said(agreed: Agreed, times: StationTimes, slot: Slot) -> list[tuple[str, str]]:
    terms = agreed.terms
    words = terms_words(terms, times, slot)
    back = [f"{refund.percent} % {refund.until}" for refund in words.refunds]
    return [
        ("Price", amount_words(agreed.amount, times.spoken)),
        ("Your slot is kept for", times.length(terms.grace)),
        (
            "Check-in opens before the slot begins by",
            times.length(terms.early_check_in) if terms.early_check_in else "nothing",
        ),
        ("When you cancel, this comes back", ", ".join(back) or "nothing"),
    ]


def _until(minutes: int, times: StationTimes, slot: Slot | None) -> str:
    before = timedelta(minutes=minutes)
    if not minutes:
        return "until the slot begins" if slot is None else f"until {_at(slot.starts_at, times)}"
    if slot is None:
        return f"until {times.length(before)} before the slot begins"
    return f"until {_at(slot.starts_at - before, times)}"


def _at(instant: datetime, times: StationTimes) -> str:
    return times.day_time(instant)
