"""The live board /vendor: every station's slots on a timeline and as a list, the numbers, and what needs a look."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from slotwatch.analytics.alerts import Alert, open_alerts
from slotwatch.analytics.board import MOST_SLOTS, Board, BoardWish, read_board
from slotwatch.analytics.board_changes import current_mark
from slotwatch.analytics.scope import Period, Scope, TimeRange
from slotwatch.analytics.statistics import Statistics, read_statistics
from slotwatch.domain.ids import parse_ref, ref
from slotwatch.domain.lifecycle import State
from slotwatch.storage.statements import Statement
from slotwatch.usecases.desk import Desk
from slotwatch.web.contract import Instant, in_utc, read_query
from slotwatch.web.live import Pass, stream_of
from slotwatch.web.pages.rendering import packed
from slotwatch.web.pages.shell import show
from slotwatch.web.pages.vendor.board_view import MARKS, draw, rows_of, start_of_window
from slotwatch.web.pages.vendor.number_words import figures_of
from slotwatch.web.visitors import PageRequest, Visitor

__all__ = ["BOARD_PAGES"]

_STATIONS = Statement(
    "SELECT s.id, s.name, s.zone, count(c.id) AS connectors FROM station AS s"
    " LEFT JOIN connector AS c ON c.station_id = s.id AND c.removed_at IS NULL"
    " WHERE s.vendor_id = :vendor_id AND s.removed_at IS NULL GROUP BY s.id ORDER BY s.name, s.id"
)
_EVERYTHING = frozenset({"numbers", "list", "timeline"})
_ROWS_A_PAGE = 50


class BoardQuery(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """What of the board to show: all of it is in the address, so that a view can be kept and shared."""

    status: State | None = None
    station: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    q: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    hours: Literal[2, 6, 12, 24] = 12
    at: Instant | None = None  # where the window begins; else it follows the present
    time_range: TimeRange = TimeRange.DAY  # of the numbers
    page: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1

    def address(self, **changes: object) -> str:
        """The board's address with these filters, some of them changed; defaults are left out."""
        wanted = msgspec.structs.replace(self, **changes)
        given = msgspec.to_builtins(wanted)
        usual = msgspec.to_builtins(BoardQuery())
        chosen = {name: given[name] for name in usual if given[name] not in (None, "", usual[name])}
        return "/vendor" + (f"?{urlencode(chosen)}" if chosen else "")


class PartsQuery(BoardQuery, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """The same for what renews itself: `numbers`, `list`, `timeline`, or stations of it, parted by commas."""

    parts: Annotated[str, msgspec.Meta(max_length=2000)] = ",".join(sorted(_EVERYTHING))
    drawn: Annotated[str, msgspec.Meta(max_length=6000)] = ""  # stations that the page has drawn already

    @property
    def names(self) -> frozenset[str]:
        """The parts."""
        return frozenset(self.parts.split(","))

    @property
    def only(self) -> list[int] | None:
        """The stations to read; None: all, for parts that tell of all."""
        if self.names & {"list", "timeline"}:
            return None
        return self.wanted

    @property
    def wanted(self) -> list[int]:
        """The stations to draw in any case."""
        named = {*self.names, *self.drawn.split(",")} - _EVERYTHING - {""}
        return [parse_ref("ST", one) for one in sorted(named)]


@dataclass(frozen=True)
class _Read:
    """What the database said, all at one instant."""

    now: datetime
    mark: str
    window: Period
    stations: list[Any]
    station_id: int | None
    statistics: Statistics
    alerts: list[Alert]
    board: Board


@get("/vendor", include_in_schema=False)
async def show_board(request: PageRequest) -> Response[Any]:
    """GET /vendor."""
    query = read_query(request, BoardQuery)
    return packed(request, show(request, "vendor_board.html", **await _values(request, query)), unless=bool(query.q))


@get("/vendor/board", include_in_schema=False)
async def show_parts(request: PageRequest) -> Response[Any]:
    """GET /vendor/board: the parts that change, for the page that shows them."""
    query = read_query(request, PartsQuery)
    values = await _values(request, query, query.only, query.wanted)
    answer = show(request, "vendor_board_parts.html", parts=query.names, **values)
    return packed(request, answer, unless=bool(query.q))


@get("/vendor/stream", include_in_schema=False)
async def stream_to_page(request: PageRequest) -> Stream:
    """GET /vendor/stream: the same events as the API's, for the session's board."""
    visitor: Visitor = request.scope["user"]
    since = request.headers.get("last-event-id") or request.query_params.get("since")
    admission = Pass(visitor.vendor_id, session_hash=visitor.session.token_hash)
    return await stream_of(request.app.state.live, admission, since)


async def _values(
    request: PageRequest, query: BoardQuery, only: Sequence[int] | None = None, wanted: Sequence[int] = ()
) -> dict[str, Any]:
    visitor: Visitor = request.scope["user"]
    read = await _read(request.app.state.desk, visitor.vendor_id, query, only)
    rows, row_count = rows_of(read.board, query.page, _ROWS_A_PAGE)
    return {
        "read": read,
        "query": query,
        "drawn": draw(read.board, read.window, _zone_of_axis(read), wanted),
        "rows": rows,
        "row_count": row_count,
        "page_number": query.page,
        "page_count": max(1, -(-row_count // _ROWS_A_PAGE)),
        "most_slots": MOST_SLOTS,
        "alerts": read.alerts,
        "figures": figures_of(read.statistics),
        "states": [(state.value, MARKS[state]) for state in State],
        "ranges": [("1h", "hour"), ("24h", "24 hours"), ("7d", "7 days")],
        "station_ref": ref,
        "now_x": f"{100 * ((read.now - read.window.since) / read.window.length):.3f}%",
        "holds_now": read.window.since <= read.now < read.window.until,
        "links": _links(query, read),
    }


async def _read(desk: Desk, vendor_id: int, query: BoardQuery, only: Sequence[int] | None) -> _Read:
    async with desk.database.snapshot() as conn:
        mark = await current_mark(conn, now=desk.clock.fixed)
        now = await desk.clock.now(conn)
        since = start_of_window(now, query.hours) if query.at is None else in_utc(query.at, "at")
        window = Period(since, since + timedelta(hours=query.hours))
        stations = await _STATIONS.fetch(conn, vendor_id=vendor_id)
        station_id = _station(query.station)
        statistics = await read_statistics(conn, Scope.until_now(vendor_id, query.time_range.length, now, station_id))
        alerts = await open_alerts(conn, vendor_id)
        shown = only if station_id is None else [station_id]
        wish = BoardWish(vendor_id=vendor_id, window=window, station_ids=shown, state=query.status, words=query.q)
        board = await read_board(conn, wish)
    return _Read(now, str(mark), window, stations, station_id, statistics, alerts, board)


def _station(text: str | None) -> int | None:
    return None if text is None else parse_ref("ST", text)


def _zone_of_axis(read: _Read) -> ZoneInfo:
    """That of the station that is shown, else of most connectors."""
    counts: Counter[str] = Counter()
    for station in read.stations:
        if read.station_id in (None, station["id"]):
            counts[station["zone"]] += 1 + station["connectors"]
    return ZoneInfo(counts.most_common(1)[0][0]) if counts else ZoneInfo("UTC")


def _links(query: BoardQuery, read: _Read) -> dict[str, str]:
    step = timedelta(hours=query.hours) / 2
    since = read.window.since
    return {
        "earlier": query.address(at=since - step, page=1),
        "later": query.address(at=since + step, page=1),
        "now": query.address(at=None, page=1),
        "2": query.address(hours=2, page=1),
        "6": query.address(hours=6, page=1),
        "12": query.address(hours=12, page=1),
        "24": query.address(hours=24, page=1),
        "before": query.address(page=max(1, query.page - 1)),
        "after": query.address(page=query.page + 1),
    }


BOARD_PAGES: tuple[HTTPRouteHandler, ...] = (show_board, show_parts, stream_to_page)
