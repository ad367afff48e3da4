"""How the board is drawn: places of slots and ticks in percent of the window, words and marks of states, zones."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from zoneinfo import ZoneInfo

from slotwatch.analytics.board import Board, BoardConnector, BoardSlot, BoardStation
from slotwatch.analytics.scope import Period
from slotwatch.domain.ids import ref
from slotwatch.domain.lifecycle import FINAL_STATES, State
from slotwatch.locale.catalogues import language
from slotwatch.outbox.time_words import short_zone
from slotwatch.web.pages.station_times import StationTimes

__all__ = [
    "MARKS",
    "Axis",
    "Drawn",
    "DrawnSlot",
    "Row",
    "Section",
    "draw",
    "rows_of",
    "short",
    "start_of_window",
    "zone_words",
]

MARKS = {
    State.PENDING: "…",
    State.CONFIRMED: "○",
    State.GRACE: "◔",
    State.ACTIVE: "●",
    State.COMPLETED: "✓",
    State.EXPIRED: "✕",
    State.CANCELLED: "\u2013",
    State.VOIDED: "⊘",
    State.REINSTATED: "↺",
}
_ENGLISH = language("en")
_LET_GO = (State.EXPIRED, State.CANCELLED, State.VOIDED)
_MOST_LETTERS = 32
_QUARTER = timedelta(minutes=15)
_ORDER = {State.GRACE: 0, State.ACTIVE: 1, State.PENDING: 2, State.CONFIRMED: 2}


@dataclass(frozen=True)
class Tick:
    """A line of the axis, with its label in the axis's zone where there is room for one."""

    x: str
    label: str


@dataclass(frozen=True)
class Axis:
    """The time axis in one zone, which it names in letters that fit into its corner, and in full."""

    zone: str
    zone_about: str
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class DrawnSlot:
    """A slot as a box: `x` and `width` in percent, `low` for one that let its time go to another."""

    ref: str
    state: str
    x: str
    width: str
    low: bool
    words: str
    label: str
    since: int | None  # of a countdown, in seconds since 1970
    until: int | None
    deadline: str


@dataclass(frozen=True)
class DrawnConnector:
    """One line of a station; `y` is the top of its line."""

    y: int
    label: str
    about: str
    slots: tuple[DrawnSlot, ...]


@dataclass(frozen=True)
class Section:
    """One station. It has an axis of its own if its zone is not the board's; slots of a later one are not drawn yet."""

    ref: str
    name: str
    zone: str
    is_removed: bool
    axis: Axis | None
    connectors: tuple[DrawnConnector, ...]
    height: int
    is_later: bool


@dataclass(frozen=True)
class Drawn:
    """The whole board."""

    axis: Axis
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Row:
    """One slot in the list, times in its station's zone."""

    ref: str
    state: str
    station: str
    connector: str
    driver: str
    vehicle: str
    day: str
    times: str
    zone: str
    since: int | None
    until: int | None
    deadline: str


_FIRST_LINES = 100
"""Connectors on three screens; the page fetches others when they come near."""

_CLOSE_UP = 2  # hours
LINE = 38  # pixels; board.css has the same
AXIS = 22


def draw(board: Board, window: Period, zone: ZoneInfo, wanted: Collection[int] = ()) -> Drawn:
    """The axis in `zone`, and the slots of as many stations as are seen at first, and of those that are wanted."""
    sections, lines = [], 0
    for station in board.stations:
        is_later = lines > _FIRST_LINES and station.id not in wanted
        lines += len(station.connectors)
        sections.append(_section(station, window, zone, is_later=is_later))
    return Drawn(_axis(window, zone), tuple(sections))


def rows_of(board: Board, page: int, length: int) -> tuple[list[Row], int]:
    """A page of the slots as a list, and how many slots there are: what runs out first, then what is to come, then what
    has ended, the latest first."""
    placed = sorted(
        (
            (_place(slot), slot, station, connector)
            for station in board.stations
            for connector in station.connectors
            for slot in connector.slots
        ),
        key=itemgetter(0),
    )
    shown = placed[(page - 1) * length : page * length]
    return [_row(slot, station, connector) for _, slot, station, connector in shown], len(placed)


def short(text: str | None, most: int = _MOST_LETTERS) -> str:
    """The text, cut where it would fill the screen, and closed in so that right-to-left script stays inside."""
    text = " ".join((text or "").split())
    return f"\u2068{text[: most - 1]}…\u2069" if len(text) > most else f"\u2068{text}\u2069" if text else ""


def zone_words(zone: ZoneInfo, at: datetime) -> str:
    """`Europe/Vienna (CEST)`."""
    name = _zone_name(at, zone)
    return f"{zone.key} ({name})" if name != zone.key else name


def _zone_name(at: datetime, zone: ZoneInfo) -> str:
    """`CEST`, or `UTC+5:45`, as everywhere."""
    return short_zone(at, zone, _ENGLISH)


def _axis(window: Period, zone: ZoneInfo) -> Axis:
    return Axis(_zone_name(window.since, zone), zone_words(zone, window.since), tuple(_ticks(window, zone)))


def _ticks(window: Period, zone: ZoneInfo) -> Iterator[Tick]:
    """Whole local hours, of a close-up also quarters; where clocks change, each says its offset's name, so that an hour
    can be there twice."""
    hours = window.length // timedelta(hours=1)
    every = 1 if hours <= 12 else 2
    changes = window.since.astimezone(zone).utcoffset() != window.until.astimezone(zone).utcoffset()
    at = window.since
    while at < window.until:
        local = at.astimezone(zone)
        if local.minute == 0 or hours <= _CLOSE_UP:
            labelled = local.hour % every == 0 and at > window.since
            words = f"{local:%H:%M}" if local.hour or local.minute else f"{local:%a} {local.day}"
            suffix = f" {local.tzname()}" if changes and labelled else ""
            yield Tick(_percent(at, window), f"{words}{suffix}" if labelled else "")
        at += _QUARTER


def _section(station: BoardStation, window: Period, zone: ZoneInfo, *, is_later: bool) -> Section:
    own_axis = None if station.zone.key == zone.key else _axis(window, station.zone)
    top = AXIS if own_axis else 0
    connectors = tuple(
        DrawnConnector(
            top + LINE * line,
            connector.label,
            f"{connector.type} {connector.power_kw:g} kW",
            () if is_later else tuple(_drawn(connector, station.zone, window)),
        )
        for line, connector in enumerate(station.connectors)
    )
    return Section(
        ref("ST", station.id),
        station.name,
        zone_words(station.zone, window.since),
        station.is_removed,
        own_axis,
        connectors,
        top + LINE * len(connectors),
        is_later,
    )


def _drawn(connector: BoardConnector, zone: ZoneInfo, window: Period) -> Iterator[DrawnSlot]:
    full = [slot for slot in connector.slots if not _let_go(slot)]
    low = set()
    for slot in filter(_let_go, connector.slots):
        if any(slot.starts_at < _held_until(other) and other.starts_at < slot.ends_at for other in full):
            low.add(slot.id)
        else:
            full.append(slot)
    for slot in connector.slots:
        begin, end = max(slot.starts_at, window.since), min(_held_until(slot), window.until)
        if end <= begin:
            continue
        since, until = _countdown(slot)
        yield DrawnSlot(
            slot.ref,
            slot.state.value,
            _percent(begin, window),
            f"{100 * ((end - begin) / window.length):.2f}%",
            slot.id in low,
            f"{MARKS[slot.state]} {short(slot.driver_name or slot.vehicle)}".strip(),
            f"{connector.label}, {slot.state}, {_times(slot, zone)}, {short(slot.driver_name or 'no name')}",
            since,
            until,
            _deadline(slot, zone),
        )


def _let_go(slot: BoardSlot) -> bool:
    """Whether its whole time may belong to another booking."""
    is_unused = slot.freed_at is not None and slot.freed_at <= slot.starts_at
    return slot.state in _LET_GO or (slot.state in FINAL_STATES and is_unused)


def _held_until(slot: BoardSlot) -> datetime:
    """Where its box ends: at its end, or when it let the bay go, if somebody had used it."""
    if _let_go(slot) or slot.state not in FINAL_STATES or slot.freed_at is None:
        return slot.ends_at
    return min(slot.freed_at, slot.ends_at)


def _row(slot: BoardSlot, station: BoardStation, connector: BoardConnector) -> Row:
    since, until = _countdown(slot)
    local = slot.starts_at.astimezone(station.zone)
    return Row(
        slot.ref,
        slot.state.value,
        short(station.name, 40),
        connector.label,
        short(slot.driver_name, 40) or "no name",
        short(slot.vehicle, 24),
        f"{local:%a} {local.day} {local:%b}",
        _times(slot, station.zone),
        _zone_name(slot.starts_at, station.zone),
        since,
        until,
        _deadline(slot, station.zone),
    )


def _deadline(slot: BoardSlot, zone: ZoneInfo) -> str:
    if slot.state is not State.GRACE:
        return ""
    return f"until {StationTimes(zone).time(slot.grace_ends_at)}"


def _times(slot: BoardSlot, zone: ZoneInfo) -> str:
    begin, end = slot.starts_at.astimezone(zone), slot.ends_at.astimezone(zone)
    if begin.utcoffset() != end.utcoffset():
        return f"{begin:%H:%M} {begin.tzname()} - {end:%H:%M} {end.tzname()}"
    return f"{begin:%H:%M}-{end:%H:%M}"


def _countdown(slot: BoardSlot) -> tuple[int | None, int | None]:
    if slot.state is not State.GRACE:
        return None, None
    return int(slot.starts_at.timestamp()), int(slot.grace_ends_at.timestamp())


def _place(slot: BoardSlot) -> tuple[int, float, int]:
    if slot.state in FINAL_STATES:
        return 3, -slot.starts_at.timestamp(), -slot.id
    return _ORDER[slot.state], slot.starts_at.timestamp(), slot.id


def _percent(at: datetime, window: Period) -> str:
    return f"{100 * ((at - window.since) / window.length):.2f}%"


def start_of_window(now: datetime, hours: int) -> datetime:
    """Where a window begins that follows the present: at a whole hour, or a half one, some time ago."""
    now = now.astimezone(UTC)
    if hours <= _CLOSE_UP:
        return now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0) - timedelta(minutes=30)
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=max(1, hours // 6))
