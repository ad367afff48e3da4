"""Stations, their connectors and the slots that are free."""

from datetime import date, datetime, timedelta
from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain.errors import InvalidInput, NotFound
from slotwatch.domain.ids import parse_ref, ref
from slotwatch.domain.slot import Slot
from slotwatch.storage.stations import Near
from slotwatch.usecases.book import price
from slotwatch.usecases.find_stations import Day, FreeTimes, Search, StationFound, find_stations, free_slots
from slotwatch.web.api.booking_json import money_json
from slotwatch.web.api.shapes import MoneyOut, Out
from slotwatch.web.contract import (
    ApiRequest,
    Instant,
    Operation,
    Paging,
    RowId,
    cursor_of,
    declared,
    in_utc,
    read_cursor,
    read_query,
    reply,
)
from slotwatch.web.problems import FieldError, FieldsRefused

__all__ = ["STATION_ROUTES"]

_TAG = "Drivers"
_USUAL_RADIUS_KM = 25.0


class StationsQuery(Paging, forbid_unknown_fields=True, rename="camel"):
    """Where, what kind of plug, and when. Without `from` and `to`: free times of the next 24 hours."""

    near: Annotated[str, msgspec.Meta(max_length=60, description="lat,lon in degrees")] | None = None
    radius_km: Annotated[float, msgspec.Meta(gt=0, le=20_100)] | None = None
    connector_type: Annotated[str, msgspec.Meta(max_length=40, pattern=r"^[^\x00]*$")] | None = None
    since: Instant | None = msgspec.field(name="from", default=None)
    until: Instant | None = msgspec.field(name="to", default=None)


class AvailabilityQuery(msgspec.Struct, forbid_unknown_fields=True):
    """A day at the station and a length in minutes."""

    date: date
    duration: Annotated[int, msgspec.Meta(ge=15, le=480)] = 60


class SpanOut(Out):
    """A time, half-open."""

    start_time: datetime
    end_time: datetime


class ShiftOut(Out):
    """Open on these weekdays (Monday is 0), by the station's wall clock."""

    days: list[int]
    opens: str
    closes: str


class ConnectorOut(Out):
    """A plug, and when it is free; any slot of 15 minutes to 8 hours inside these times can be booked."""

    connector_id: str
    label: str
    type: str
    power_kw: float
    price_per_hour: MoneyOut
    free_slots: list[SpanOut]


class StationOut(Out):
    """A place with connectors."""

    station_id: str
    name: str
    address: str
    latitude: float
    longitude: float
    time_zone: str
    opening_hours: list[ShiftOut]
    distance_km: float | None
    connectors: list[ConnectorOut]


class StationList(Out):
    """A part of the stations found."""

    items: list[StationOut]
    next_cursor: str | None


class ConnectorSlots(Out):
    """A plug and its free slots of the wanted length. `price` is for one such slot."""

    connector_id: str
    label: str
    type: str
    power_kw: float
    price: MoneyOut
    slots: list[SpanOut]


class Availability(Out):
    """One day at one station. `dayStartsAt` and `dayEndsAt` are 23 or 25 hours apart where clocks change."""

    station_id: str
    date: date
    time_zone: str
    duration: int
    day_starts_at: datetime
    day_ends_at: datetime
    items: list[ConnectorSlots]
    next_cursor: str | None


@get(
    "/api/stations",
    opt=declared(
        Operation(
            "Find stations with free slots",
            StationList,
            _TAG,
            query=StationsQuery,
            errors=(InvalidInput,),
            description="The nearest first when `near` is given; `radiusKm` is 25 unless given.",
        )
    ),
)
async def list_stations(request: ApiRequest) -> Response[bytes]:
    """GET /api/stations."""
    query = read_query(request, StationsQuery)
    search = Search(
        near=_near(query),
        connector_type=query.connector_type,
        since=query.since and in_utc(query.since, "from"),
        until=query.until and in_utc(query.until, "to"),
        limit=query.limit,
        after=read_cursor(query.cursor, tuple[float, RowId]),
    )
    found, place = await find_stations(request.app.state.desk, search)
    cursor = None if place is None else cursor_of(place)
    return reply(StationList(items=[_station_json(one) for one in found], next_cursor=cursor))


@get(
    "/api/stations/{station_id:str}/availability",
    opt=declared(
        Operation("See the free slots of a day", Availability, _TAG, query=AvailabilityQuery, errors=(NotFound,))
    ),
)
async def show_availability(request: ApiRequest, station_id: FromPath[str]) -> Response[bytes]:
    """GET /api/stations/{stationId}/availability."""
    query = read_query(request, AvailabilityQuery)
    if not 2000 <= query.date.year <= 2999:
        raise FieldsRefused(FieldError("date", "the year must be between 2000 and 2999"))
    length = timedelta(minutes=query.duration)
    day = await free_slots(request.app.state.desk, parse_ref("ST", station_id), query.date, length)
    return reply(_availability_json(day, query.date, length))


def _near(query: StationsQuery) -> Near | None:
    if query.near is None:
        if query.radius_km is not None:
            raise FieldsRefused(FieldError("radiusKm", "needs `near`"))
        return None
    try:
        latitude, longitude = (float(part) for part in query.near.split(","))
    except ValueError as error:
        raise FieldsRefused(FieldError("near", "two numbers are needed: lat,lon in degrees")) from error
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise FieldsRefused(FieldError("near", "outside the globe"))
    return Near(latitude, longitude, query.radius_km or _USUAL_RADIUS_KM)


def _station_json(found: StationFound) -> StationOut:
    station = found.station
    return StationOut(
        station_id=ref("ST", station.id),
        name=station.name,
        address=station.address,
        latitude=station.latitude,
        longitude=station.longitude,
        time_zone=station.zone.key,
        opening_hours=msgspec.convert(station.hours.as_list(), list[ShiftOut]),
        distance_km=None if station.distance_km is None else round(station.distance_km, 3),
        connectors=[_connector_json(one) for one in found.connectors],
    )


def _connector_json(free: FreeTimes) -> ConnectorOut:
    connector = free.connector
    return ConnectorOut(
        connector_id=ref("CN", connector.id),
        label=connector.label,
        type=connector.type,
        power_kw=connector.power_kw,
        price_per_hour=money_json(connector.price_per_hour),
        free_slots=[SpanOut(start_time=begins, end_time=ends) for begins, ends in free.spans],
    )


def _availability_json(day: Day, date_: date, length: timedelta) -> Availability:
    whole = Slot(day.starts_at, day.starts_at + length)
    return Availability(
        station_id=ref("ST", day.station.id),
        date=date_,
        time_zone=day.station.zone.key,
        duration=int(length.total_seconds() // 60),
        day_starts_at=day.starts_at,
        day_ends_at=day.ends_at,
        items=[
            ConnectorSlots(
                connector_id=ref("CN", connector.id),
                label=connector.label,
                type=connector.type,
                power_kw=connector.power_kw,
                price=money_json(price(connector.price_per_hour, whole)),
                slots=[SpanOut(start_time=slot.starts_at, end_time=slot.ends_at) for slot in slots],
            )
            for connector, slots in day.connectors
        ],
        next_cursor=None,
    )


STATION_ROUTES: tuple[HTTPRouteHandler, ...] = (list_stations, show_availability)
