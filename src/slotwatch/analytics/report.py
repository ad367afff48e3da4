"""A vendor's report: the numbers of a period with their breakdowns, and as plain tables for pages, files and terminals.

A table holds values, not words: counts, shares between 0 and 1, hours, and money in minor units. Whoever shows it
decides how they are written; None is a rate without anything to divide by.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from slotwatch.analytics.deliveries import NO_DELIVERIES, DeliveryFigures
from slotwatch.analytics.figures import Figures
from slotwatch.analytics.scope import GroupBy, Scope
from slotwatch.analytics.statistics import Group, Insights, Statistics, fold, read_breakdown, read_insights
from slotwatch.domain.lifecycle import LIVE_STATES, State
from slotwatch.domain.notices import Channel
from slotwatch.storage.statements import Connection

__all__ = ["TABLES", "Report", "Table", "as_csv", "read_report", "table_of"]

Cell = str | int | float | None
_HOUR = 3600
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Table:
    """Rows under named columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Report:
    """The numbers of a scope, the period before it, and how they spread."""

    scope: Scope
    insights: Insights
    days: Sequence[Group]
    hours_of_week: Sequence[Group]
    stations: Sequence[Group]
    connectors: Sequence[Group]

    @property
    def hours_of_day(self) -> Sequence[Group]:
        """By hour, over all weekdays."""
        return fold(self.hours_of_week, GroupBy.HOUR)

    @property
    def weekdays(self) -> Sequence[Group]:
        """By weekday."""
        return fold(self.hours_of_week, GroupBy.WEEKDAY)

    @property
    def most_no_shows(self) -> Sequence[Group]:
        """The stations with no-shows, those with the most first."""
        with_any = [group for group in self.stations if group.figures.no_shows.part]
        return sorted(with_any, key=lambda group: (-group.figures.no_shows.part, group.label))


async def read_report(conn: Connection, scope: Scope) -> Report:
    """All of it; inside one repeatable-read transaction it is of one instant. Raises NotFound for a foreign station."""
    return Report(
        scope,
        await read_insights(conn, scope),
        await read_breakdown(conn, scope, GroupBy.DAY, with_deliveries=False),
        await read_breakdown(conn, scope, GroupBy.HOUR_OF_WEEK, with_deliveries=False),
        await read_breakdown(conn, scope, GroupBy.STATION),
        await read_breakdown(conn, scope, GroupBy.CONNECTOR),
    )


def table_of(report: Report, name: str) -> Table:
    """One of TABLES. Raises KeyError for any other."""
    return _MAKERS[name](report)


def as_csv(table: Table) -> str:
    """As RFC 4180 has it, with a line of column names; no text is taken for a formula by a spreadsheet.

    >>> as_csv(Table(("station", "rate"), (('=HYPERLINK("x")', None), ("A, B", 0.5)))).splitlines()
    ['station,rate', '"\\'=HYPERLINK(""x"")",', '"A, B",0.5']
    """
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(table.columns)
    writer.writerows([_harmless(cell) for cell in row] for row in table.rows)
    return file.getvalue()


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _summary(report: Report) -> Table:
    measures = zip(_measures(report.insights.current), _measures(report.insights.previous), strict=True)
    unlike = {"bookings", *(f"bookings {state}" for state in LIVE_STATES)} if report.scope.with_live else set()
    rows = [(name, value, None if name in unlike else before) for (name, value), (_, before) in measures]
    rows.append(("let again after a no-show", report.insights.relet_after_no_show, None))
    return Table(("measure", "value", "period before"), tuple(rows))


def _measures(statistics: Statistics) -> Iterator[tuple[str, Cell]]:
    figures = statistics.figures
    low, high = figures.no_shows.interval or (None, None)
    yield "slots begun", figures.begun
    yield "bookings", figures.total
    for state in State:
        yield f"bookings {state}", figures.by_state[state]
    yield "no-show rate", figures.no_shows.value
    yield "no-show rate, lower bound", low
    yield "no-show rate, upper bound", high
    yield "completion rate", figures.completion.value
    yield "checked in during grace", figures.grace_use.value
    median = figures.median_into_grace
    yield "median minutes into grace", None if median is None else median.total_seconds() / 60
    yield "booked hours", figures.held.total_seconds() / _HOUR
    yield "used hours", figures.used.total_seconds() / _HOUR
    yield "offered hours", statistics.offered.total_seconds() / _HOUR
    yield "utilisation", statistics.utilisation


_COUNTED = ("no-shows", "showed up", "no-show rate", "lower bound", "upper bound")
_MEASURED = ("bookings", *_COUNTED, "completion rate", "booked hours", "used hours")


def _no_shows(figures: Figures) -> tuple[Cell, ...]:
    rate = figures.no_shows
    return rate.part, rate.whole - rate.part, rate.value, *(rate.interval or (None, None))


def _measured(figures: Figures) -> tuple[Cell, ...]:
    hours = (figures.held.total_seconds() / _HOUR, figures.used.total_seconds() / _HOUR)
    return figures.total, *_no_shows(figures), figures.completion.value, *hours


def _times(what: str, groups: Sequence[Group]) -> Table:
    return Table((what, *_MEASURED), tuple((group.label, *_measured(group.figures)) for group in groups))


def _hours(report: Report) -> Table:
    rows = tuple((*group.label.split(" "), *_measured(group.figures)) for group in report.hours_of_week)
    return Table(("weekday", "hour", *_MEASURED), rows)


def _places(report: Report, by: GroupBy, groups: Sequence[Group]) -> Table:
    let_again = report.insights.let_again[by]
    rows = []
    for group in groups:
        offered = group.offered
        assert offered is not None, "places are on offer, if only for no time"
        use = (offered.total_seconds() / _HOUR, group.figures.utilisation(offered))
        rows.append((group.label, *_measured(group.figures), *use, let_again.get(group.key, 0)))
    return Table((by.value, *_MEASURED, "offered hours", "utilisation", "let again"), tuple(rows))


def _most(report: Report) -> Table:
    rows = tuple((group.label, *_no_shows(group.figures)) for group in report.most_no_shows)
    return Table(("station", *_COUNTED), rows)


def _grace(report: Report) -> Table:
    curve = report.insights.grace_curve
    last = max(curve, default=-1)
    total = sum(curve.values())
    rows, so_far = [], 0
    for minute in range(last + 1):
        so_far += curve.get(minute, 0)
        rows.append((minute, curve.get(minute, 0), so_far / total))
    return Table(("minute", "check-ins", "share up to then"), tuple(rows))


_TOLD = ("channel", "sent", "delivered", "unknown", "failed", "suppressed", "rate")


def _told(channel: Channel, told: DeliveryFigures) -> tuple[Cell, ...]:
    return channel.value, told.sent, told.delivered, told.unknown, told.failed, told.suppressed, told.rate.value


def _deliveries(report: Report) -> Table:
    return Table(_TOLD, tuple(_told(*one) for one in report.insights.current.deliveries.items()))


def _deliveries_by_station(report: Report) -> Table:
    rows = tuple(
        (group.label, *_told(*one))
        for group in report.stations
        for one in (group.deliveries or NO_DELIVERIES).items()
        if one[1] != DeliveryFigures()
    )
    return Table(("station", *_TOLD), rows)


def _money(report: Report) -> Table:
    now, before = report.insights.current.figures.revenue, report.insights.previous.figures.revenue
    rows: list[tuple[Cell, ...]] = []
    for name, field in _SUMS.items():
        amounts, earlier = getattr(now, field), getattr(before, field)
        rows += [
            (name, currency, amounts.get(currency, 0), earlier.get(currency, 0))
            for currency in sorted({*amounts, *earlier})
        ]
    return Table(("what", "currency", "minor units", "minor units, period before"), tuple(rows))


def _money_by_group(report: Report) -> Table:
    """Only groups and currencies with money."""
    kinds = {
        "station": report.stations,
        "connector": report.connectors,
        "weekday": report.weekdays,
        "hour": report.hours_of_day,
    }
    rows: list[tuple[Cell, ...]] = []
    for kind, groups in kinds.items():
        for group in groups:
            sums = [getattr(group.figures.revenue, field) for field in _SUMS.values()]
            for currency in sorted({one for amounts in sums for one in amounts}):
                rows.append((kind, group.label, currency, *(amounts.get(currency, 0) for amounts in sums)))
    return Table(("by", "group", "currency", *_SUMS), tuple(rows))


_SUMS = {
    "earned": "earned",
    "forfeited": "forfeited",
    "lost to no-shows": "lost_to_no_shows",
    "refunded": "refunded",
}
_MAKERS: dict[str, Callable[[Report], Table]] = {
    "summary": _summary,
    "days": lambda one: _times("day", one.days),
    "hours": _hours,
    "weekdays": lambda one: _times("weekday", one.weekdays),
    "hours-of-day": lambda one: _times("hour", one.hours_of_day),
    "grace": _grace,
    "deliveries": _deliveries,
    "deliveries-by-station": _deliveries_by_station,
    "stations": lambda one: _places(one, GroupBy.STATION, one.stations),
    "connectors": lambda one: _places(one, GroupBy.CONNECTOR, one.connectors),
    "most-no-shows": _most,
    "money": _money,
    "money-by-group": _money_by_group,
}
TABLES = tuple(_MAKERS)
"""Every table of a report."""
