"""Finding a station and a free slot: a list and a sketch of a map, then one station's day."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain.ids import parse_ref, ref
from slotwatch.domain.money import Money
from slotwatch.domain.slot import Slot
from slotwatch.locale.catalogues import language
from slotwatch.outbox.money_words import amount_words
from slotwatch.storage.stations import Connector, Near, connector_types
from slotwatch.usecases.book import price
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.find_stations import Search, StationFound, day_at, find_stations, first_slot, free_slots
from slotwatch.usecases.vendor_setup import read_terms
from slotwatch.web.contract import RowId, cursor_of, read_cursor, read_query
from slotwatch.web.pages.driver.map_sketch import Spot, draw
from slotwatch.web.pages.driver.terms_words import terms_words
from slotwatch.web.pages.shell import show
from slotwatch.web.pages.station_times import StationTimes
from slotwatch.web.visitors import PageRequest

__all__ = ["FINDING_PAGES", "map_link", "money_words"]

_LENGTHS = (30, 45, 60, 90, 120, 180, 240, 360, 480)
"""The lengths that the pages offer, in minutes."""
_ON_A_PAGE = 12
_ZONES = timedelta(hours=14)  # how far any zone's clocks are from UTC, at most
_PARTS = ((0, "Night"), (6, "Morning"), (12, "Afternoon"), (18, "Evening"))


class StationsQuery(msgspec.Struct):
    """What is looked for: words of name or address, where, which plug, which day, how long."""

    q: Annotated[str, msgspec.Meta(max_length=120, pattern=r"^[^\x00]*$")] = ""
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
    plug: Annotated[str, msgspec.Meta(max_length=40, pattern=r"^[^\x00]*$")] | None = None
    day: date | None = None
    minutes: Annotated[int, msgspec.Meta(ge=15, le=480)] = 60
    cursor: Annotated[str, msgspec.Meta(max_length=200)] | None = None

    @property
    def near(self) -> Near | None:
        """Where to begin; None: nobody said."""
        return None if self.lat is None or self.lon is None else Near(self.lat, self.lon)

    @property
    def asked(self) -> dict[str, str]:
        """As a link repeats it."""
        given = {"q": self.q, "lat": self.lat, "lon": self.lon, "plug": self.plug, "day": self.day}
        return {name: str(value) for name, value in given.items() if value} | {"minutes": str(self.minutes)}


class StationQuery(msgspec.Struct):
    """Which day at one station, and how long."""

    day: date | None = None
    minutes: Annotated[int, msgspec.Meta(ge=15, le=480)] = 60


@dataclass(frozen=True)
class _Listed:
    """A station in the list. `first` is when the first wanted slot can begin."""

    number: int
    ref: str
    name: str
    address: str
    away: str
    free: int
    total: int
    first: str
    plugs: str
    price: str


@get("/stations", include_in_schema=False)
async def show_stations(request: PageRequest) -> Response[Any]:
    """GET /stations."""
    query = read_query(request, StationsQuery)
    query.day = query.day if query.day and _is_sane(query.day) else None
    desk: Desk = request.app.state.desk
    length = timedelta(minutes=query.minutes)
    since, until = _search_window(query.day, length)
    search = Search(
        near=query.near,
        connector_type=query.plug,
        words=query.q,
        since=since,
        until=until,
        limit=_ON_A_PAGE,
        after=read_cursor(query.cursor, tuple[float, RowId]),
    )
    found, place = await find_stations(desk, search)
    async with desk.database.connection() as conn:
        now = await desk.clock.now(conn)
        plugs = await connector_types(conn)
    listed = [_listed(number, one, query.day, length, now) for number, one in enumerate(found, start=1)]
    drawn = _near_enough(found)
    spots = [
        Spot(one.number, at.station.latitude, at.station.longitude, one.name, f"{one.free} of {one.total} free",
             _station_link(one.ref, query), bool(one.free))
        for one, at in zip(listed[:drawn], found[:drawn], strict=True)
    ]  # fmt: skip
    return show(
        request,
        "driver/stations.html",
        query=query,
        plugs=plugs,
        lengths=_lengths(query.minutes),
        listed=listed,
        link=lambda one: _station_link(one.ref, query),
        sketch=draw(spots, None if query.near is None else (query.near.latitude, query.near.longitude)),
        left_out=len(found) - drawn,
        is_filtered=bool(query.q or query.plug or query.day or query.cursor),
        first_day=now.date() - timedelta(days=1),  # west of UTC it is still yesterday
        more=None if place is None else {**query.asked, "cursor": cursor_of(place)},
    )


@get("/stations/{station_id:str}", include_in_schema=False)
async def show_station(request: PageRequest, station_id: FromPath[str]) -> Response[Any]:
    """GET /stations/ST-…: one day's free slots."""
    query = read_query(request, StationQuery)
    desk: Desk = request.app.state.desk
    number, length = parse_ref("ST", station_id), timedelta(minutes=query.minutes)
    async with desk.database.connection() as conn:
        now = await desk.clock.now(conn)
    wanted = query.day if query.day and _is_sane(query.day) else now.date()
    day = await free_slots(desk, number, wanted, length)
    times = StationTimes(day.station.zone)
    today = times.local_date(now)
    if query.day is None and today != wanted:  # it is another day there than in UTC
        day = await free_slots(desk, number, today, length)
    shown = times.local_date(day.starts_at)
    terms = await read_terms(desk, day.station.vendor_id)
    return show(
        request,
        "driver/station.html",
        station=day.station,
        ref=station_id,
        times=times,
        zone=times.long_zone(day.starts_at),
        clocks_change=day.ends_at - day.starts_at != timedelta(days=1),
        date=shown,
        day_words=times.day(day.starts_at),
        today=today,
        before=shown - timedelta(days=1) if shown > today else None,
        after=shown + timedelta(days=1),
        minutes=query.minutes,
        lengths=_lengths(query.minutes),
        connectors=[_bay(connector, slots, times, length) for connector, slots in day.connectors],
        map_link=map_link(day.station.latitude, day.station.longitude),
        terms=terms_words(terms, times),
    )


def money_words(money: Money) -> str:
    """`€12.50`."""
    return amount_words(money, language("en"))


def map_link(latitude: float, longitude: float) -> str:
    """The place on OpenStreetMap."""
    return (
        f"https://www.openstreetmap.org/?mlat={latitude:.5f}&mlon={longitude:.5f}#map=17/{latitude:.5f}/{longitude:.5f}"
    )


def _listed(number: int, found: StationFound, day: date | None, length: timedelta, now: datetime) -> _Listed:
    station, times = found.station, StationTimes(found.station.zone)
    begins, ends = (now, now + timedelta(hours=24)) if day is None else day_at(day, station.zone)
    firsts = [first_slot(one, length, earliest=max(begins, now), before=ends) for one in found.connectors]
    starts = [slot.starts_at for slot in firsts if slot is not None]
    kinds: dict[str, int] = {}
    for one in found.connectors:
        words = f"{one.connector.type} {one.connector.power_kw:g} kW"
        kinds[words] = kinds.get(words, 0) + 1
    prices = [one.connector.price_per_hour for one in found.connectors]
    return _Listed(
        number=number,
        ref=ref("ST", station.id),
        name=station.name,
        address=station.address,
        away="" if station.distance_km is None else _away(station.distance_km),
        free=len(starts),
        total=len(found.connectors),
        first=times.day_time(min(starts)) if starts else "",
        plugs=", ".join(f"{count} x {words}" if count > 1 else words for words, count in kinds.items()),
        price=money_words(min(prices, key=lambda money: money.amount)) if prices else "",
    )


def _bay(connector: Connector, slots: tuple[Slot, ...], times: StationTimes, length: timedelta) -> dict[str, Any]:
    """One connector's slots by part of the day. A start that the clocks show twice names its zone."""
    seen = [times.clock(slot.starts_at) for slot in slots]
    parts: dict[str, list[tuple[str, str]]] = {}
    for slot, clock in zip(slots, seen, strict=True):
        hour = slot.starts_at.astimezone(times.zone).hour
        part = [words for begins, words in _PARTS if begins <= hour][-1]
        shown = times.time(slot.starts_at) if seen.count(clock) > 1 else clock
        parts.setdefault(part, []).append((f"{slot.starts_at:%Y-%m-%dT%H:%M:%SZ}", shown))
    whole = Slot(datetime(2000, 1, 1, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC) + length)
    return {
        "ref": ref("CN", connector.id),
        "label": connector.label,
        "plug": f"{connector.type} {connector.power_kw:g} kW",
        "price": money_words(price(connector.price_per_hour, whole)),
        "parts": parts,
    }


def _search_window(day: date | None, length: timedelta) -> tuple[datetime | None, datetime | None]:
    """What to look at so that it holds that day of every zone; None: from now on."""
    if day is None:
        return None, None
    midnight = datetime.combine(day, time.min, tzinfo=UTC)
    return midnight - _ZONES, midnight + timedelta(days=1) + _ZONES + length


def _is_sane(day: date) -> bool:
    """Far from the edges of the calendar: zones and lengths can be added."""
    return 2000 <= day.year <= 2999


def _lengths(chosen: int) -> list[tuple[int, str]]:
    return [(minutes, _length_words(minutes)) for minutes in sorted({*_LENGTHS, chosen})]


def _length_words(minutes: int) -> str:
    """In words.

    >>> _length_words(45), _length_words(60), _length_words(90)
    ('45 min', '1 h', '1 h 30 min')
    """
    hours, rest = divmod(minutes, 60)
    return " ".join(([f"{hours} h"] if hours else []) + ([f"{rest} min"] if rest else []))


def _near_enough(found: list[StationFound]) -> int:
    """How many of the nearest are drawn: up to the first that would press all the others into one spot."""
    away = [one.station.distance_km for one in found]
    for number, (nearer, farther) in enumerate(pairwise(away), start=1):
        if nearer is not None and farther is not None and farther > max(50.0, 5 * nearer):
            return number
    return len(found)


def _away(kilometres: float) -> str:
    if kilometres < 1:
        return f"{round(kilometres * 1000, -1):.0f} m away"
    return f"{kilometres:.1f} km away" if kilometres < 100 else f"{kilometres:,.0f} km away"


def _station_link(station_ref: str, query: StationsQuery) -> str:
    day = f"&day={query.day}" if query.day else ""
    return f"/stations/{station_ref}?minutes={query.minutes}{day}"


FINDING_PAGES: tuple[HTTPRouteHandler, ...] = (show_stations, show_station)
