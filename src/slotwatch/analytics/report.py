"""A vendor's report: the numbers of a period with their breakdowns, and as plain tables for pages, files and terminals.

A table holds values, not words: counts, shares between 0 and 1, hours, and money in minor units. Whoever shows it
decides how they are written; None is a rate without anything to divide by.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slotwatch.analytics.figures import Figures
from slotwatch.analytics.scope import GroupBy, Scope
from slotwatch.analytics.statistics import Group, Insights, Statistics, read_breakdown, read_insights
from slotwatch.domain.lifecycle import LIVE_STATES, State
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


TABLES = ("summary", "days", "hours", "grace", "deliveries", "stations", "money")
"""Every table of a report."""


async def read_report(conn: Connection, scope: Scope) -> Report:
    """All of it; inside one repeatable-read transaction it is of one instant. Raises NotFound for a foreign station."""
    return Report(
        scope,
        await read_insights(conn, scope),
        await read_breakdown(conn, scope, GroupBy.DAY, with_deliveries=False),
        await read_breakdown(conn, scope, GroupBy.HOUR_OF_WEEK, with_deliveries=False),
        await read_breakdown(conn, scope, GroupBy.STATION, with_deliveries=False),
    )


def table_of(report: Report, name: str) -> Table:
    """One of TABLES. Raises KeyError for any other."""
    makers = {
        "summary": _summary,
        "days": lambda one: _groups("day", one.days),
        "hours": _hours,
        "grace": _grace,
        "deliveries": _deliveries,
        "stations": lambda one: _groups("station", one.stations),
        "money": _money,
    }
    return makers[name](report)


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


def _no_shows(figures: Figures) -> tuple[Cell, ...]:
    rate = figures.no_shows
    return rate.part, rate.whole - rate.part, rate.value, *(rate.interval or (None, None))


def _groups(what: str, groups: Sequence[Group]) -> Table:
    rows = []
    for group in groups:
        offered = group.offered
        rows.append(
            (
                group.label,
                group.figures.total,
                *_no_shows(group.figures),
                group.figures.completion.value,
                group.figures.held.total_seconds() / _HOUR,
                group.figures.used.total_seconds() / _HOUR,
                None if offered is None else offered.total_seconds() / _HOUR,
                None if offered is None else group.figures.utilisation(offered),
            )
        )
    columns = (what, "bookings", *_COUNTED, "completion rate", "booked hours", "used hours", "offered hours")
    return Table((*columns, "utilisation"), tuple(rows))


def _hours(report: Report) -> Table:
    rows = tuple((*group.label.split(" "), *_no_shows(group.figures)) for group in report.hours_of_week)
    return Table(("weekday", "hour", *_COUNTED), rows)


def _grace(report: Report) -> Table:
    curve = report.insights.grace_curve
    last = max(curve, default=-1)
    total = sum(curve.values())
    rows, so_far = [], 0
    for minute in range(last + 1):
        so_far += curve.get(minute, 0)
        rows.append((minute, curve.get(minute, 0), so_far / total))
    return Table(("minute", "check-ins", "share up to then"), tuple(rows))


def _deliveries(report: Report) -> Table:
    rows = tuple(
        (channel.value, told.sent, told.delivered, told.unknown, told.failed, told.suppressed, told.rate.value)
        for channel, told in report.insights.current.deliveries.items()
    )
    return Table(("channel", "sent", "delivered", "unknown", "failed", "suppressed", "rate"), rows)


def _money(report: Report) -> Table:
    now, before = report.insights.current.figures.revenue, report.insights.previous.figures.revenue
    rows: list[tuple[Cell, ...]] = []
    for name, field in (
        ("earned", "earned"),
        ("forfeited", "forfeited"),
        ("lost to no-shows", "lost_to_no_shows"),
        ("refunded", "refunded"),
    ):
        amounts, earlier = getattr(now, field), getattr(before, field)
        rows += [
            (name, currency, amounts.get(currency, 0), earlier.get(currency, 0))
            for currency in sorted({*amounts, *earlier})
        ]
    return Table(("what", "currency", "minor units", "minor units, period before"), tuple(rows))
