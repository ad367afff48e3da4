"""A vendor's stations and connectors with their slots in a window of time, as the board draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from slotwatch.analytics.scope import Period
from slotwatch.domain.errors import NotFound
from slotwatch.domain.ids import booking_ref, parse_booking_ref
from slotwatch.domain.lifecycle import EndReason, State
from slotwatch.domain.slot import LONGEST
from slotwatch.storage.statements import Connection, Statement, load_sql

__all__ = ["MOST_SLOTS", "Board", "BoardConnector", "BoardSlot", "BoardStation", "BoardWish", "read_board"]

_SLOTS = load_sql(__package__, "board.sql")
_PLACES = Statement(
    "SELECT s.id AS station_id, s.name, s.zone, s.removed_at IS NOT NULL AS station_removed,"
    " c.id AS connector_id, c.label, c.type, c.power_kw, c.removed_at IS NOT NULL AS connector_removed"
    " FROM station AS s LEFT JOIN connector AS c ON c.station_id = s.id"
    " WHERE s.vendor_id = :vendor_id AND (:station_ids::bigint[] IS NULL OR s.id = ANY (:station_ids))"
    " ORDER BY s.name, s.id, c.label, c.id"
)

MOST_SLOTS = 6000
"""No board shows more at once."""


@dataclass(frozen=True, kw_only=True)
class BoardWish:
    """What to show of a vendor's board; `words` are searched for in booking ids, plates and drivers' names."""

    vendor_id: int
    window: Period
    station_ids: Sequence[int] | None = None
    state: State | None = None
    words: str | None = None


@dataclass(frozen=True)
class BoardSlot:
    """One booking on a connector; `freed_at` is when it let the connector go, if it has."""

    id: int
    station_id: int
    connector_id: int
    state: State
    starts_at: datetime
    ends_at: datetime
    grace_ends_at: datetime
    checked_in_at: datetime | None
    freed_at: datetime | None
    end_reason: EndReason | None
    vehicle: str | None
    driver_name: str | None

    @property
    def ref(self) -> str:
        """The id as people see it."""
        return booking_ref(self.id)


@dataclass(frozen=True)
class BoardConnector:
    """One row of the board."""

    id: int
    label: str
    type: str
    power_kw: float
    slots: tuple[BoardSlot, ...]


@dataclass(frozen=True)
class BoardStation:
    """A station with the connectors that are there, or that the window still has bookings of."""

    id: int
    name: str
    zone: ZoneInfo
    is_removed: bool
    connectors: tuple[BoardConnector, ...]


@dataclass(frozen=True)
class Board:
    """The stations by name. `is_cut`: there are more slots than one board shows."""

    stations: tuple[BoardStation, ...]
    is_cut: bool

    @property
    def slots(self) -> list[BoardSlot]:
        """All of them, in the order of the stations."""
        return [slot for station in self.stations for one in station.connectors for slot in one.slots]


async def read_board(conn: Connection, wish: BoardWish) -> Board:
    """The vendor's board; stations of somebody else are not there."""
    places = await _PLACES.fetch(conn, vendor_id=wish.vendor_id, station_ids=wish.station_ids)
    words = "".join((wish.words or "").split()).replace("-", "")
    rows = await _SLOTS.fetch(
        conn,
        vendor_id=wish.vendor_id,
        station_ids=wish.station_ids,
        since=wish.window.since,
        until=wish.window.until,
        longest=LONGEST,
        state=wish.state,
        words=_anywhere(wish.words) if wish.words else None,
        plate=_anywhere(words) if words else None,
        booking_id=_booking_id(wish.words),
        limit=MOST_SLOTS + 1,
    )
    by_connector: dict[int, list[BoardSlot]] = {}
    for row in rows[:MOST_SLOTS]:
        by_connector.setdefault(row["connector_id"], []).append(_slot(row))
    return Board(tuple(_stations(places, by_connector)), is_cut=len(rows) > MOST_SLOTS)


def _stations(places: Sequence[Any], slots: dict[int, list[BoardSlot]]) -> list[BoardStation]:
    by_station: dict[int, list[Any]] = {}
    for row in places:
        by_station.setdefault(row["station_id"], []).append(row)
    stations = []
    for rows in by_station.values():
        connectors = tuple(
            BoardConnector(
                *(row["connector_id"], row["label"], row["type"], row["power_kw"]),
                tuple(slots.get(row["connector_id"], ())),
            )
            for row in rows
            if row["connector_id"] is not None
            and (not (row["connector_removed"] or row["station_removed"]) or row["connector_id"] in slots)
        )
        first = rows[0]
        if connectors or not first["station_removed"]:
            zone = ZoneInfo(first["zone"])
            stations.append(
                BoardStation(first["station_id"], first["name"], zone, first["station_removed"], connectors)
            )
    return stations


def _slot(row: Any) -> BoardSlot:
    reason = row["end_reason"]
    return BoardSlot(
        **{**row, "state": State(row["state"]), "end_reason": None if reason is None else EndReason(reason)}
    )


def _anywhere(words: str) -> str:
    escaped = words.strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _booking_id(words: str | None) -> int | None:
    try:
        return parse_booking_ref((words or "").strip().upper())
    except NotFound:
        return None
