"""The numbers /vendor/insights: how many do not come, when and where, and what it costs; each table as a file, too."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.analytics.periods import PeriodName, calendar_zone, period_of
from slotwatch.analytics.report import TABLES, Report, as_csv, read_report, table_of
from slotwatch.analytics.scope import Period, Scope
from slotwatch.domain.errors import InvalidInput, NotFound
from slotwatch.domain.ids import parse_ref, ref
from slotwatch.storage.statements import Statement
from slotwatch.usecases.desk import Desk
from slotwatch.web.contract import read_query
from slotwatch.web.pages.rendering import packed
from slotwatch.web.pages.shell import show
from slotwatch.web.pages.station_times import StationTimes
from slotwatch.web.pages.vendor import charts
from slotwatch.web.pages.vendor.number_words import compared, hours, interval, minutes, percent, sums
from slotwatch.web.problems import status_of
from slotwatch.web.visitors import PageRequest, Visitor

__all__ = ["INSIGHTS_PAGES"]

_STATIONS = Statement("SELECT id, name FROM station WHERE vendor_id = :vendor_id ORDER BY name, id")
_TOP = 10
_PERIODS = (
    ("24h", "Last 24 hours"),
    ("7d", "Last 7 days"),
    ("30d", "Last 30 days"),
    ("this-month", "This month"),
    ("last-month", "Last month"),
    ("custom", "Own dates"),
)


class InsightsQuery(msgspec.Struct, forbid_unknown_fields=True, rename={"first": "from", "last": "to"}, kw_only=True):
    """The period by its name, with days for an own one, and the station."""

    period: PeriodName = PeriodName.WEEK
    first: date | None = None
    last: date | None = None
    station: Annotated[str, msgspec.Meta(max_length=40)] | None = None

    def address(self, path: str) -> str:
        """The same for another page."""
        given = msgspec.to_builtins(self)
        chosen = {name: value for name, value in given.items() if value is not None}
        return f"{path}?{urlencode(chosen)}"


@dataclass(frozen=True)
class _Read:
    report: Report
    zone: ZoneInfo
    stations: list[Any]


@get("/vendor/insights", include_in_schema=False)
async def show_insights(request: PageRequest) -> Response[Any]:
    """GET /vendor/insights."""
    query = read_query(request, InsightsQuery)
    try:
        read = await _read(request, query)
    except InvalidInput as error:
        return await _form_again(request, query, error)
    now, before = read.report.insights.current, read.report.insights.previous
    answer = show(
        request,
        "vendor_insights.html",
        **_choices(query, read.stations),
        report=read.report,
        zone=read.zone,
        words=_period_words(read.report.scope.period, read.zone),
        words_before=_period_words(read.report.scope.previous.period, read.zone),
        figures=compared(now, before, read.report.insights.relet_after_no_show),
        tables={name: table_of(read.report, name) for name in TABLES},
        csv={name: query.address(f"/vendor/insights/{name}.csv") for name in TABLES},
        heat=charts.heat_map(read.report.hours_of_week),
        curve=charts.bars(table_of(read.report, "grace").rows),
        health=charts.health(now.deliveries),
        use=charts.shares(
            (group.label, group.figures.utilisation(group.offered))
            for group in read.report.stations
            if group.offered is not None
        ),
        top=read.report.most_no_shows[:_TOP],
        percent=percent,
        interval=interval,
        hours=hours,
        minutes=minutes,
        sums=sums,
    )
    return packed(request, answer)


@get("/vendor/insights/{name:str}", include_in_schema=False)
async def send_table(request: PageRequest, name: FromPath[str]) -> Response[bytes]:
    """GET /vendor/insights/….csv: one table as a file."""
    table, _, kind = name.partition(".")
    if table not in TABLES or kind != "csv":
        raise NotFound
    query = read_query(request, InsightsQuery)
    read = await _read(request, query)
    period = read.report.scope.period
    days = f"{_first_instant(period, read.zone):%Y-%m-%d}-to-{period.until.astimezone(read.zone):%Y-%m-%d}"
    headers = {"Content-Disposition": f'attachment; filename="slotwatch-{table}-{days}.csv"'}
    text = as_csv(table_of(read.report, table))
    return Response(text.encode(), media_type="text/csv", headers=headers)


async def _form_again(request: PageRequest, query: InsightsQuery, error: InvalidInput) -> Response[str]:
    """The form alone, with a word at the dates, which make no period."""
    desk: Desk = request.app.state.desk
    visitor: Visitor = request.scope["user"]
    async with desk.database.connection() as conn:
        stations = await _STATIONS.fetch(conn, vendor_id=visitor.vendor_id)
    return show(
        request,
        "vendor_insights.html",
        status=status_of(type(error)),
        **_choices(query, stations, refusal=error.message),
        report=None,
    )


def _choices(query: InsightsQuery, stations: list[Any], *, refusal: str = "") -> dict[str, Any]:
    """What the form offers, what is chosen, and what is wrong with the dates."""
    return {
        "query": query,
        "stations": [(ref("ST", one["id"]), one["name"]) for one in stations],
        "periods": _PERIODS,
        "refusal": refusal,
    }


async def _read(request: PageRequest, query: InsightsQuery) -> _Read:
    desk: Desk = request.app.state.desk
    visitor: Visitor = request.scope["user"]
    station_id = None if query.station is None else parse_ref("ST", query.station)
    async with desk.database.snapshot() as conn:
        now = await desk.clock.now(conn)
        zone = await calendar_zone(conn, visitor.vendor_id, station_id)
        period = period_of(query.period, now, zone, first=query.first, last=query.last)
        scope = Scope(vendor_id=visitor.vendor_id, period=period, station_id=station_id, with_live=period.until == now)
        return _Read(await read_report(conn, scope), zone, await _STATIONS.fetch(conn, vendor_id=visitor.vendor_id))


def _period_words(period: Period, zone: ZoneInfo) -> str:
    times, since = StationTimes(zone), _first_instant(period, zone)
    until = period.until.astimezone(zone)
    return f"{since.day} {since:%b %Y}, {times.time(since)} to {until.day} {until:%b %Y}, {times.time(until)}"


def _first_instant(period: Period, zone: ZoneInfo) -> datetime:
    """Periods are open at the beginning."""
    return (period.since + timedelta(microseconds=1)).astimezone(zone)


INSIGHTS_PAGES: tuple[HTTPRouteHandler, ...] = (show_insights, send_table)
