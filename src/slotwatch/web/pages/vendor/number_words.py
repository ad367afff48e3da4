"""Numbers as pages and reports write them: rates with their interval, hours, money by currency."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from slotwatch.analytics.rates import Rate
from slotwatch.analytics.statistics import Statistics
from slotwatch.domain.lifecycle import State
from slotwatch.domain.money import Money
from slotwatch.locale.catalogues import DEFAULT, language
from slotwatch.outbox.money_words import amount_words

__all__ = ["NONE", "Figure", "compared", "figures_of", "hours", "interval", "minutes", "money", "percent", "sums"]

NONE = "-"
"""What stands where nothing can be divided: never 0."""


@dataclass(frozen=True)
class Figure:
    """One number of the strip: what it is, the number, one a currency, and what it rests on."""

    title: str
    values: tuple[str, ...]
    note: str = ""


def percent(share: float | None) -> str:
    """One decimal.

    >>> percent(0.1234), percent(None)
    ('12.3 %', '-')
    """
    return NONE if share is None else f"{100 * share:.1f} %"


def interval(rate: Rate) -> str:
    """The 95 % interval and how many it rests on.

    >>> interval(Rate(15, 100)), interval(Rate(0, 0))
    ('9.3 to 23.3 %, 15 of 100', 'nothing to count yet')
    """
    if rate.interval is None:
        return "nothing to count yet"
    low, high = rate.interval
    return f"{100 * low:.1f} to {100 * high:.1f} %, {rate.part} of {rate.whole}"


def hours(duration: timedelta) -> str:
    """One decimal.

    >>> hours(timedelta(minutes=90))
    '1.5 h'
    """
    return f"{duration / timedelta(hours=1):.1f} h"


def minutes(duration: timedelta | None) -> str:
    """One decimal."""
    return NONE if duration is None else f"{duration / timedelta(minutes=1):.1f} min"


def money(amounts: Mapping[str, int]) -> str:
    """Every currency's sum.

    >>> money({"EUR": 125000, "JPY": 900}), money({})
    ('€1,250.00 + JP¥900', '-')
    """
    return " + ".join(sums(amounts))


def sums(amounts: Mapping[str, int]) -> tuple[str, ...]:
    """The sum of each currency, for a line of its own.

    >>> sums({"EUR": 125000, "JPY": 900}), sums({})
    (('€1,250.00', 'JP¥900'), ('-',))
    """
    words = language(DEFAULT)
    return tuple(amount_words(Money(amount, currency), words) for currency, amount in amounts.items()) or (NONE,)


def _beside(word: str, amounts: Mapping[str, int]) -> str:
    """A sum in a note. Those of several currencies have no room in a card: the table of the insights has them.

    >>> _beside("before", {"EUR": 100}), _beside("before", {"EUR": 100, "JPY": 9})
    ('before €1.00', '')
    """
    return f"{word} {money(amounts)}" if len(amounts) <= 1 else ""


def figures_of(statistics: Statistics) -> list[Figure]:
    """The strip of the board."""
    figures, revenue = statistics.figures, statistics.figures.revenue
    return [
        Figure("No-shows", (percent(figures.no_shows.value),), interval(figures.no_shows)),
        Figure("In grace now", (str(figures.by_state[State.GRACE]),), f"{figures.by_state[State.ACTIVE]} charging"),
        Figure(
            "Completed",
            (percent(figures.completion.value),),
            f"{figures.completion.part} of {figures.completion.whole} that ended",
        ),
        Figure("In use", (percent(statistics.utilisation),), f"{hours(figures.used)} of {hours(statistics.offered)}"),
        Figure("Earned", sums(revenue.earned), _beside("forfeited", revenue.forfeited)),
        Figure("Lost to no-shows", sums(revenue.lost_to_no_shows), _beside("refunded", revenue.refunded)),
    ]


def compared(now: Statistics, before: Statistics, let_again: int) -> list[Figure]:
    """The strip of the insights: each number with that of the period before."""
    a, b = now.figures, before.figures
    return [
        Figure("Slots begun", (str(a.begun),), f"before {b.begun}; {a.total} bookings with what is live"),
        Figure("No-shows", (percent(a.no_shows.value),), f"{interval(a.no_shows)}; before {percent(b.no_shows.value)}"),
        Figure("Completed", (percent(a.completion.value),), f"before {percent(b.completion.value)}"),
        Figure("In use", (percent(now.utilisation),), f"before {percent(before.utilisation)}"),
        Figure("Earned", sums(a.revenue.earned), _beside("before", b.revenue.earned)),
        Figure(
            "Lost to no-shows",
            sums(a.revenue.lost_to_no_shows),
            "; ".join(
                filter(None, (_beside("before", b.revenue.lost_to_no_shows), _beside("forfeited", a.revenue.forfeited)))
            ),
        ),
        Figure("Refunded", sums(a.revenue.refunded), _beside("before", b.revenue.refunded)),
        Figure("Let again after a no-show", (str(let_again),), f"of {a.no_shows.part} no-shows"),
    ]
