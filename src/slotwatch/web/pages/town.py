"""The page /town of the demo: every booking of the town as it lives and dies, on one screen."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from slotwatch.domain.ids import booking_ref
from slotwatch.domain.lifecycle import EndReason, State
from slotwatch.storage.statements import load_sql
from slotwatch.usecases.desk import Desk
from slotwatch.web.pages.rendering import page

__all__ = ["TownGuide", "town_pages"]

_TOWN = load_sql(__package__, "town.sql")
_KEPT = timedelta(minutes=6)
"""How long an ended booking stays on the page."""
_LONGEST_AGO = timedelta(hours=9)  # the longest slot is 8 h
_MOST_ENDED = 24

_TOLD = {
    "booking_confirmed": "booking confirmed",
    "reminder": "reminded",
    "slot_started": "slot has begun",
    "grace_alert": "grace is running out",
    "grace_extended": "grace is longer",
    "checked_in": "checked in",
    "slot_expired": "lost the slot",
    "slot_voided": "voided, money back",
    "booking_cancelled": "cancelled",
    "booking_completed": "thanks, completed",
    "booking_reinstated": "reinstated, money back",
}
_ENDED = {
    EndReason.NO_SHOW: "never came, or came too late",
    EndReason.HOLD_RAN_OUT: "never paid",
    EndReason.BY_DRIVER: "cancelled by the driver",
    EndReason.BY_VENDOR: "cancelled by the vendor",
    EndReason.OUTAGE: "slotwatch was down",
    EndReason.NOT_TOLD: "was never told",
    EndReason.SLOT_ENDED: "stayed to the end",
    EndReason.LEFT_EARLY: "left early",
    EndReason.PROVEN: "had checked in in time",
    EndReason.DISPUTE_WON: "won the dispute",
}
_METHODS = {"app": "in the app", "qr": "by QR code", "charger": "by plugging in", "vendor": "by the staff"}


@dataclass(frozen=True)
class TownGuide:
    """What the page says of the town: its grace, and commands to try, worked out for an instant."""

    grace_minutes: int
    commands: Callable[[datetime], list[tuple[str, str]]]


@dataclass(frozen=True)
class _Line:
    """One booking on the page. The countdown runs from `since` to `until`, in milliseconds since 1970."""

    ref: str
    state: str
    driver: str
    station: str
    bay: str
    city: str
    local_start: str
    local_now: str
    what: str
    told: str
    since: int | None
    until: int | None


def town_pages(desk: Desk, guide: TownGuide) -> list[HTTPRouteHandler]:
    """The page, and the part of it that renews itself."""

    @get("/town", include_in_schema=False)
    async def show_town() -> Response[str]:
        """GET /town."""
        board = await _board(desk)
        return page("town.html", grace=guide.grace_minutes, commands=guide.commands(board["now"]), **board)

    @get("/town/board", include_in_schema=False)
    async def show_board() -> Response[str]:
        """GET /town/board: the part that changes, for the script that renews it."""
        return page("town_board.html", **await _board(desk))

    return [show_town, show_board]


async def _board(desk: Desk) -> dict[str, Any]:
    async with desk.database.connection() as conn:
        now = await desk.clock.now(conn)
        rows = await _TOWN.fetch(conn, since=now - _LONGEST_AGO, ended_since=now - _KEPT)
    live = sorted((_line(row, now) for row in rows if row["ended_at"] is None), key=lambda line: line.until or 0)
    ended = [_line(row, now) for row in rows if row["ended_at"] is not None]
    counts = Counter(str(row["state"]) for row in rows)
    return {
        "now": now,
        "now_ms": _milliseconds(now),
        "live": live,
        "ended": ended[:_MOST_ENDED],
        "counts": [(state.value, counts[state.value]) for state in State],
        "kept_minutes": int(_KEPT.total_seconds() // 60),
    }


def _line(row: Mapping[str, Any], now: datetime) -> _Line:
    zone = ZoneInfo(row["zone"])
    since, until = _countdown(row)
    return _Line(
        ref=booking_ref(row["id"]),
        state=row["state"],
        driver=row["driver"] or "somebody",
        station=row["station"],
        bay=f"{row['label']} · {row['type']} {row['power_kw']:g} kW",
        city=zone.key.rpartition("/")[2].replace("_", " "),
        local_start=f"{row['starts_at'].astimezone(zone):%H:%M:%S}",
        local_now=f"{now.astimezone(zone):%H:%M}",
        what=_what(row),
        told=_TOLD.get(row["told"], "") if row["told"] else "",
        since=None if since is None else _milliseconds(since),
        until=None if until is None else _milliseconds(until),
    )


def _countdown(row: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    match State(row["state"]):
        case State.PENDING:
            return row["created_at"], row["hold_ends_at"]
        case State.CONFIRMED:
            return row["created_at"], row["starts_at"]
        case State.GRACE:
            return row["starts_at"], row["grace_ends_at"]
        case State.ACTIVE:
            return row["checked_in_at"], row["ends_at"]
        case _:
            return None, None


def _what(row: Mapping[str, Any]) -> str:
    match State(row["state"]):
        case State.PENDING:
            return "held until it is paid"
        case State.CONFIRMED:
            return "paid; the slot begins soon"
        case State.GRACE:
            return "nobody is there yet"
        case State.ACTIVE:
            return f"checked in {_METHODS[row['check_in_method']]}"
        case _:
            return _ENDED.get(row["end_reason"], "")


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
