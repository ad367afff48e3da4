"""A driver looks for a free slot: stations near a point with free times, or one station's slots of one day."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from slotwatch.domain.errors import InvalidInput, NotFound
from slotwatch.domain.opening_hours import OpeningHours
from slotwatch.domain.slot import LONGEST, SHORTEST, Slot
from slotwatch.storage.stations import (
    Connector,
    Near,
    Station,
    busy_times,
    connectors_of,
    find_station,
    search_stations,
)
from slotwatch.usecases.desk import Desk

__all__ = [
    "Day",
    "FreeTimes",
    "Search",
    "StationFound",
    "day_at",
    "find_stations",
    "first_slot",
    "free_slots",
    "free_times",
]

GRID = timedelta(minutes=15)
LONGEST_SEARCH = timedelta(days=7)
_USUAL_SEARCH = timedelta(hours=24)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # every zone's offset is a whole number of quarter hours

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Search:
    """What is looked for. Without `since` from now on; without `until` for 24 hours."""

    near: Near | None = None
    connector_type: str | None = None
    words: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    after: tuple[float, int] | None = None


@dataclass(frozen=True)
class FreeTimes:
    """A connector and the times in which it can be booked, each at least 15 minutes long."""

    connector: Connector
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class StationFound:
    """A station with its connectors, as many as were asked for."""

    station: Station
    connectors: tuple[FreeTimes, ...]


@dataclass(frozen=True)
class Day:
    """One station's day: each connector with the slots of the wanted length that can still be booked."""

    station: Station
    starts_at: datetime
    ends_at: datetime
    connectors: tuple[tuple[Connector, tuple[Slot, ...]], ...]


async def find_stations(desk: Desk, search: Search) -> tuple[list[StationFound], tuple[float, int] | None]:
    """The stations in order of distance, and the place to go on from when there are more.

    Raises InvalidInput for a window that is reversed or longer than 7 days.
    """
    async with desk.database.connection() as conn:
        now = await desk.clock.now(conn)
        since, until = _window(search, now)
        stations = await search_stations(
            conn,
            near=search.near,
            connector_type=search.connector_type,
            words=search.words,
            limit=search.limit + 1,
            after=search.after,
        )
        page = stations[: search.limit]
        ids = [station.id for station in page]
        connectors = await connectors_of(conn, ids, connector_type=search.connector_type)
        busy = await busy_times(conn, ids, since, until)
    found = []
    for station in page:
        open_times = _open_times(station, since, until)
        own = (connector for connector in connectors if connector.station_id == station.id)
        found.append(StationFound(station, tuple(_free(connector, open_times, busy) for connector in own)))
    last = page[-1] if len(stations) > len(page) else None
    return found, None if last is None else (last.place, last.id)


async def free_slots(desk: Desk, station_id: int, day: date, length: timedelta) -> Day:
    """The slots of that length which begin on that day in the station's zone, on a 15-minute grid, not in the past.

    Raises NotFound, or InvalidInput for a length that cannot be booked.
    """
    if not SHORTEST <= length <= LONGEST:
        raise InvalidInput("A slot lasts between 15 minutes and 8 hours.")
    async with desk.database.connection() as conn:
        now = await desk.clock.now(conn)
        station = await find_station(conn, station_id)
        if station is None:
            raise NotFound("There is no such station.")
        starts_at, ends_at = day_at(day, station.zone)
        connectors = await connectors_of(conn, [station_id])
        busy = await busy_times(conn, [station_id], starts_at, ends_at + length)
    earliest = max(now, starts_at)
    open_times = _open_times(station, starts_at, ends_at + length)
    return Day(
        station,
        starts_at,
        ends_at,
        tuple(
            (connector, tuple(_slots(_free(connector, open_times, busy).spans, earliest, ends_at, length)))
            for connector in connectors
        ),
    )


def day_at(day: date, zone: ZoneInfo) -> Span:
    """When that day begins and ends in the zone, as UTC instants: 23 or 25 hours apart where clocks change.

    >>> begins, ends = day_at(date(2026, 3, 29), ZoneInfo("Europe/Vienna"))
    >>> ends - begins
    datetime.timedelta(seconds=82800)
    """
    begins, ends = (
        datetime.combine(midnight, time.min, tzinfo=zone).astimezone(UTC) for midnight in (day, day + timedelta(days=1))
    )
    return begins, ends


def free_times(open_times: Sequence[Span], busy: Sequence[Span]) -> Iterator[Span]:
    """What is left of the open times without the busy ones; both in order. Leftovers too short to book are dropped."""
    for opens, closes in open_times:
        at = opens
        for starts, ends in busy:
            if ends <= at or starts >= closes:
                continue
            if starts - at >= SHORTEST:
                yield at, starts
            at = max(at, ends)
        if closes - at >= SHORTEST:
            yield at, closes


def first_slot(free: FreeTimes, length: timedelta, *, earliest: datetime, before: datetime) -> Slot | None:
    """The first slot of that length which can begin in `[earliest, before)`, on the grid."""
    return next(_slots(free.spans, earliest, before, length), None)


def _window(search: Search, now: datetime) -> Span:
    since = max(search.since or now, now)
    until = search.until or since + _USUAL_SEARCH
    if search.since is not None and search.until is not None and search.until <= search.since:
        raise InvalidInput("`to` must be after `from`.")
    if until - since > LONGEST_SEARCH:
        raise InvalidInput("A search covers at most 7 days.")
    return since, max(until, since)


def _open_times(station: Station, since: datetime, until: datetime) -> list[Span]:
    """The opening hours cut to the window."""
    hours: OpeningHours = station.hours
    return [(max(opens, since), min(closes, until)) for opens, closes in hours.within(since, until, station.zone)]


def _free(connector: Connector, open_times: list[Span], busy: dict[int, list[Span]]) -> FreeTimes:
    return FreeTimes(connector, tuple(free_times(open_times, busy.get(connector.id, []))))


def _slots(spans: Sequence[Span], earliest: datetime, day_ends: datetime, length: timedelta) -> Iterator[Slot]:
    for begins, ends in spans:
        at = _on_grid(max(begins, earliest))
        while at < day_ends and at + length <= ends:
            yield Slot(at, at + length)
            at += GRID


def _on_grid(instant: datetime) -> datetime:
    """The first quarter hour at or after `instant`."""
    return instant + (_EPOCH - instant) % GRID
