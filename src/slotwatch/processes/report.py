"""The `report` command: the numbers of the insights page for a terminal, a spreadsheet or a program."""

from dataclasses import dataclass
from datetime import date

import msgspec
from rich.console import Console
from rich.table import Table as Drawn

from slotwatch import wiring
from slotwatch.analytics.periods import PeriodName, calendar_zone, period_of
from slotwatch.analytics.report import TABLES, Report, as_csv, read_report, table_of
from slotwatch.analytics.scope import Scope
from slotwatch.config import Settings
from slotwatch.doctor.database import require_reachable
from slotwatch.domain.errors import InvalidInput, NotFound
from slotwatch.domain.ids import parse_ref, ref
from slotwatch.processes.address import database_url
from slotwatch.processes.session import read_settings, run_loop
from slotwatch.storage.clock import Clock, DatabaseClock
from slotwatch.storage.statements import Connection, Statement
from slotwatch.web.api.vendor_dashboard import statistics_json

__all__ = ["ReportWish", "read_wish", "run_report", "written"]

_out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)  # names may hold brackets
_VENDOR = Statement("SELECT name FROM vendor WHERE id = :id")


@dataclass(frozen=True, kw_only=True)
class ReportWish:
    """What was asked for on the command line."""

    vendor: str
    period: str = PeriodName.WEEK.value
    first: date | None = None
    last: date | None = None
    station: str | None = None
    table: str | None = None
    form: str = "text"


def run_report(wish: ReportWish) -> None:
    """Print it. Raises SlotwatchError."""
    settings = read_settings()
    with database_url(settings) as url:
        name, report = run_loop(_read(settings, url, wish))
    if wish.form == "text":
        _print_words(name, wish, report)
    else:
        print(written(wish, report), end="")  # noqa: T201


async def read_wish(conn: Connection, clock: Clock, wish: ReportWish) -> tuple[str, Report]:
    """The vendor's name, and what was asked for, read in the caller's transaction. Raises SlotwatchError."""
    try:
        vendor_id = parse_ref("VN", wish.vendor)
        station_id = None if wish.station is None else parse_ref("ST", wish.station)
    except NotFound as error:
        raise InvalidInput("Vendors look like VN-1, stations like ST-1.") from error
    name = await _VENDOR.fetchval(conn, id=vendor_id)
    if name is None:
        raise NotFound("There is no such vendor.")
    now = await clock.now(conn)
    zone = await calendar_zone(conn, vendor_id, station_id)
    period = period_of(PeriodName(wish.period), now, zone, first=wish.first, last=wish.last)
    scope = Scope(vendor_id=vendor_id, period=period, station_id=station_id, with_live=period.until == now)
    return name, await read_report(conn, scope)


def written(wish: ReportWish, report: Report) -> str:
    """As CSV or JSON, whichever was asked for."""
    if wish.form == "csv":
        return as_csv(table_of(report, wish.table or "summary"))
    return _as_json(wish, report)


async def _read(settings: Settings, url: str, wish: ReportWish) -> tuple[str, Report]:
    await require_reachable(url)
    async with (
        wiring.open_database(settings, url, name="report", connections=2) as database,
        database.connection() as conn,
        conn.transaction(isolation="repeatable_read", readonly=True),
    ):
        return await read_wish(conn, DatabaseClock(), wish)


def _as_json(wish: ReportWish, report: Report) -> str:
    tables = TABLES if wish.table is None else (wish.table,)
    document = {
        "vendorId": wish.vendor,
        "stationId": None if report.scope.station_id is None else ref("ST", report.scope.station_id),
        "since": report.scope.period.since,
        "until": report.scope.period.until,
        "statistics": statistics_json(report.insights.current),
        "previousStatistics": statistics_json(report.insights.previous),
        "tables": {
            name: [dict(zip(table.columns, row, strict=True)) for row in table.rows]
            for name, table in ((name, table_of(report, name)) for name in tables)
        },
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1).decode() + "\n"


def _print_words(name: str, wish: ReportWish, report: Report) -> None:
    period = report.scope.period
    _out.print(f"{name}, {period.since:%Y-%m-%d %H:%M} to {period.until:%Y-%m-%d %H:%M} UTC")
    for title in ("summary", "stations", "money") if wish.table is None else (wish.table,):
        table = table_of(report, title)
        drawn = Drawn(*table.columns, title=title)
        for row in table.rows:
            drawn.add_row(*(_words(cell) for cell in row))
        _out.print(drawn)


def _words(cell: str | int | float | None) -> str:
    if cell is None:
        return "-"
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)
