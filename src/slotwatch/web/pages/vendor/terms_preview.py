"""Terms as a driver will read them: plain sentences, and one refund worked out."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from slotwatch.domain.money import Money
from slotwatch.domain.terms import Terms
from slotwatch.locale.catalogues import Language, language
from slotwatch.outbox.money_words import amount_words, percent_words, refund_lines
from slotwatch.outbox.time_words import day_time, duration
from slotwatch.web.pages.driver.terms_words import TermsWords, terms_words
from slotwatch.web.pages.station_times import StationTimes

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
    """In English, as on the driver's pages, with `examples` for one slot.

    `own_tiers` are as messages say it, in the vendor's language.
    """

    reminder: str
    terms: TermsWords
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
        reminder=(
            f"You get a reminder {duration(terms.reminder_lead, _ENGLISH)} before the slot begins."
            if terms.reminder_lead
            else "No reminder is sent."
        ),
        terms=terms_words(terms, StationTimes(zone)),
        own_language=spoken.name,
        own_tiers=tuple(refund_lines(terms, spoken)),
        slot=day_time(starts_at, zone, _ENGLISH),
        price=amount_words(price, _ENGLISH),
        examples=tuple(_examples(terms, zone, starts_at=starts_at, price=price)),
    )


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
