"""Terms as a driver will read them: plain sentences, and one refund worked out."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from slotwatch.domain.money import Money
from slotwatch.domain.terms import Terms
from slotwatch.locale.catalogues import Language, language
from slotwatch.outbox.money_words import amount_words, percent_words
from slotwatch.outbox.time_words import day_time, duration

__all__ = ["Example", "Preview", "preview_terms"]


_ENGLISH = language("en")


@dataclass(frozen=True)
class Example:
    """A cancel at one moment and what goes back."""

    when: str
    back: str
    percent: str


@dataclass(frozen=True)
class Preview:
    """In English, with `examples` for one slot; `own_tiers` in the vendor's language, as messages say it."""

    rules: tuple[str, ...]
    tiers: tuple[str, ...]
    own_language: str
    own_tiers: tuple[str, ...]
    slot: str
    price: str
    examples: tuple[Example, ...]


def preview_terms(terms: Terms, spoken: Language, *, now: datetime, zone: ZoneInfo, price: Money) -> Preview:
    """For a slot of an hour that begins at 18:00 in three days, by the clock of the zone."""
    evening = (now.astimezone(zone) + timedelta(days=3)).replace(hour=18, minute=0, second=0, microsecond=0)
    starts_at = evening.astimezone(UTC)  # hours before it are hours that pass, also when clocks change meanwhile
    return Preview(
        rules=_rules(terms, _ENGLISH),
        tiers=tuple(_tiers(terms, _ENGLISH)),
        own_language=spoken.name,
        own_tiers=() if spoken is _ENGLISH else tuple(_tiers(terms, spoken)),
        slot=day_time(starts_at, zone, _ENGLISH),
        price=amount_words(price, _ENGLISH),
        examples=tuple(_examples(terms, zone, starts_at=starts_at, price=price)),
    )


def _rules(terms: Terms, spoken: Language) -> tuple[str, ...]:
    early = (
        f"Check-in opens {duration(terms.early_check_in, spoken)} before the slot begins"
        if terms.early_check_in
        else "Check-in opens when the slot begins"
    )
    remind = (
        f"You get a reminder {duration(terms.reminder_lead, spoken)} before the slot begins."
        if terms.reminder_lead
        else "No reminder is sent."
    )
    return (
        remind,
        f"{early}. You have {duration(terms.grace, spoken)} from the start to check in.",
        "Without a check-in the slot is then freed for other drivers, and a no-show is not refunded.",
        "Whatever keeps you away that is our fault is never a no-show.",
    )


def _tiers(terms: Terms, spoken: Language) -> list[str]:
    sentence = spoken.gettext("Up to %(ahead)s before the slot begins: %(percent)s back")
    return [
        sentence
        % {
            "percent": percent_words(tier.percent, spoken),
            "ahead": duration(timedelta(minutes=tier.until_minutes_before), spoken),
        }
        for tier in terms.cancel_refund
        if tier.until_minutes_before
    ]


def _examples(terms: Terms, zone: ZoneInfo, *, starts_at: datetime, price: Money) -> list[Example]:
    """Just in time for each tier, and a minute too late for the last one."""
    minutes = [tier.until_minutes_before for tier in terms.cancel_refund]
    moments = [timedelta(minutes=before) for before in minutes]
    moments.append(moments[-1] - timedelta(minutes=1) if moments else timedelta(hours=48))
    examples = []
    for before in moments:
        percent = terms.refund_percent(before)
        at = day_time(starts_at - before, zone, _ENGLISH)
        examples.append(Example(at, amount_words(price.percent(percent), _ENGLISH), percent_words(percent, _ENGLISH)))
    return examples
