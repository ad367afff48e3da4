"""The values that come with a notice itself: a code, an alert's words, a digest's lines, what a driver or vendor wrote.

They are what `storage/tell.py` was given as `facts`. Like all others they are listed in `templates/README.md`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from slotwatch.domain.alerts import AlertKind, alert_text, alert_title
from slotwatch.domain.money import Money
from slotwatch.outbox import money_words, time_words
from slotwatch.outbox.foreign_text import person_name, visible
from slotwatch.outbox.telling import Telling

__all__ = ["ALL", "NoShowLine"]

_LONGEST_TITLE, _LONGEST_WORDS, _LONGEST_STATION, _MOST_LINES = 120, 1000, 80, 20


@dataclass(frozen=True)
class NoShowLine:
    """One station of a digest, or all together: `no_shows` is such as 2 of 41."""

    station: str
    no_shows: str
    rate: str
    lost: str


def code(t: Telling) -> str:
    """The code to sign in with: six digits."""
    return visible(str(t.told.get("code") or ""), 12)


def good_for(t: Telling) -> str:
    """How long the code can be used: 10 minutes."""
    return time_words.duration(timedelta(minutes=int(t.told.get("minutes") or 0)), t.language)


def title(t: Telling) -> str:
    """An alert in a few words."""
    kind = t.told.get("kind")
    if kind is not None:
        said = alert_title(AlertKind(kind), t.told.get("subject") or "", t.told.get("station"), t.language.gettext)
        return visible(said, _LONGEST_TITLE)
    return visible(str(t.told.get("title") or ""), _LONGEST_TITLE)


def words(t: Telling) -> str:
    """What an alert says."""
    kind = t.told.get("kind")
    if kind is not None:
        detail, spoken = t.told.get("detail") or {}, t.language
        text = alert_text(AlertKind(kind), detail, spoken.gettext, lambda rate: money_words.percent_words(rate, spoken))
        return visible(time_words.digits(text, spoken), _LONGEST_WORDS)
    return visible(str(t.told.get("text") or ""), _LONGEST_WORDS)


def period(t: Telling) -> str:
    """The day or days of a digest: Monday, 2 March 2026."""
    first, last = (_day(t, t.told.get(key) or "") for key in ("from", "until"))
    return first if first == last else f"{first} \u2013 {last}"


def no_show_lines(t: Telling) -> list[NoShowLine]:
    """A digest's stations, those with the most no-shows first: lines with .station, .no_shows, .rate and .lost."""
    return [_line(t, row, visible(str(row.get("station") or ""), _LONGEST_STATION)) for row in _rows(t)[:_MOST_LINES]]


def all_no_shows(t: Telling) -> str:
    """How many no-shows a digest tells of: 3."""
    return time_words.digits(str(sum(row["no_shows"] for row in _rows(t))), t.language)


def all_lost(t: Telling) -> str:
    """The price of the slots of a digest; may be empty."""
    return _money(t, _rows(t), "lost")


def all_kept(t: Telling) -> str:
    """How much of that the vendor keeps as the terms say; may be empty."""
    return _money(t, _rows(t), "kept")


def driver(t: Telling) -> str:
    """The name of the driver whom it is about; may be empty."""
    return person_name(t.told.get("driver"))


def statement(t: Telling) -> str:
    """What the driver says about a no-show."""
    return visible(str(t.told.get("statement") or ""), _LONGEST_WORDS)


def note(t: Telling) -> str:
    """What the vendor wrote about a decision; may be empty."""
    return visible(str(t.told.get("note") or ""), _LONGEST_WORDS)


def _rows(t: Telling) -> list[Mapping[str, Any]]:
    return sorted(t.told.get("stations") or (), key=lambda row: -row["no_shows"])


def _line(t: Telling, row: Mapping[str, Any], station: str) -> NoShowLine:
    count, among = row["no_shows"], row["bookings"]
    shown = {"count": time_words.digits(str(count), t.language), "all": time_words.digits(str(among), t.language)}
    rate = money_words.percent_words(round(100 * count / among), t.language) if among else ""
    return NoShowLine(station, t.language.gettext("%(count)s of %(all)s") % shown, rate, _money(t, [row], "lost"))


def _money(t: Telling, rows: list[Mapping[str, Any]], column: str) -> str:
    amounts: dict[str, int] = {}
    for currency, amount in (pair for row in rows for pair in (row.get(column) or {}).items()):
        amounts[currency] = amounts.get(currency, 0) + amount
    return " + ".join(_amounts(t, amounts))


def _amounts(t: Telling, amounts: Mapping[str, int]) -> Iterator[str]:
    for currency, amount in sorted(amounts.items()):
        if amount:
            yield money_words.amount_words(Money(amount, currency), t.language)


def _day(t: Telling, iso: str) -> str:
    return time_words.calendar_day(date.fromisoformat(iso), t.language) if iso else ""


ALL: tuple[Callable[[Telling], Any], ...] = (
    *(code, good_for, title, words, period, no_show_lines, all_no_shows, all_lost, all_kept, driver, statement, note),
)
"""In the order in which they are listed."""
