"""The vendor's stations: listed, added, changed, and taken away with a word on what is booked there."""

from collections.abc import Mapping
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain.errors import Conflict, InvalidInput, NotFound
from slotwatch.domain.ids import parse_ref, ref
from slotwatch.locale.catalogues import language
from slotwatch.outbox.money_words import amount_words
from slotwatch.usecases import vendor_setup
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.vendor_removal import Removal, bookings_to_come, name_of, remove
from slotwatch.usecases.vendor_setup import OwnStation
from slotwatch.web.api.vendor_shapes import StationRequest
from slotwatch.web.api.vendor_stations import station_columns
from slotwatch.web.pages.filled import Filled, as_number, read_filled, read_shape
from slotwatch.web.pages.shell import show
from slotwatch.web.pages.vendor.hours_form import day_rows, hours_fields, hours_words, read_hours
from slotwatch.web.problems import FieldError, FieldsRefused
from slotwatch.web.visitors import PageRequest, Visitor, go

__all__ = ["STATION_PAGES", "desk_of", "own_station", "station_fields", "station_page", "with_refusal"]

_STATION = "/vendor/stations/{station_id:str}"
_SAID = {
    "added": "The station is there. Add its connectors next: drivers book those.",
    "saved": "Saved. Bookings that were made keep their instants.",
    "connector-added": "The connector is there, and drivers can book it.",
    "connector-saved": "Saved. Bookings that were made keep their price.",
    "connector-removed": "The connector is gone: nobody can book it any more.",
    "removed": "The station is gone: nobody can book it any more.",
}


def desk_of(request: PageRequest) -> Desk:
    """What the use cases work with."""
    desk: Desk = request.app.state.desk
    return desk


async def own_station(request: PageRequest, station_id: str) -> OwnStation:
    """The visitor's station of that id. Raises NotFound."""
    visitor: Visitor = request.user
    return await vendor_setup.see_station(desk_of(request), visitor.vendor_id, parse_ref("ST", station_id))


@get("/vendor/stations", include_in_schema=False)
async def list_stations(request: PageRequest) -> Response[str]:
    """GET /vendor/stations."""
    visitor: Visitor = request.user
    stations = await vendor_setup.list_own_stations(desk_of(request), visitor.vendor_id, limit=1000)
    rows = [(ref("ST", one.id), one, hours_words(one.hours)) for one in stations]
    return show(request, "setup_stations.html", stations=rows, said=_SAID.get(request.query_params.get("done", "")))


@get("/vendor/stations/new", include_in_schema=False)
async def new_station(request: PageRequest) -> Response[str]:
    """GET /vendor/stations/new."""
    return _form_page(request, Filled({"always": "true"}))


@post("/vendor/stations", include_in_schema=False)
async def add_station(request: PageRequest) -> Response[Any]:
    """POST /vendor/stations."""
    visitor: Visitor = request.user
    filled = await read_filled(request)
    try:
        station = await vendor_setup.add_station(desk_of(request), visitor.vendor_id, _columns(filled))
    except (FieldsRefused, InvalidInput) as error:
        return _form_page(request, with_refusal(filled, error, "timeZone"), status=422)
    return go(f"/vendor/stations/{ref('ST', station.id)}?done=added")


@get(_STATION, include_in_schema=False)
async def show_station(request: PageRequest, station_id: FromPath[str]) -> Response[str]:
    """GET /vendor/stations/{id}."""
    station = await own_station(request, station_id)
    return station_page(request, station, Filled(station_fields(station)))


@post(_STATION, include_in_schema=False)
async def save_station(request: PageRequest, station_id: FromPath[str]) -> Response[Any]:
    """POST /vendor/stations/{id}."""
    visitor: Visitor = request.user
    station = await own_station(request, station_id)
    filled = await read_filled(request)
    try:
        await vendor_setup.change_station(desk_of(request), visitor.vendor_id, station.id, _columns(filled))
    except (FieldsRefused, InvalidInput) as error:
        return station_page(request, station, with_refusal(filled, error, "timeZone"), status=422)
    return go(f"/vendor/stations/{station_id}?done=saved")


@get(f"{_STATION}/remove", include_in_schema=False)
async def ask_removal(request: PageRequest, station_id: FromPath[str]) -> Response[str]:
    """GET /vendor/stations/{id}/remove: what is booked there, before anything happens."""
    return await _removal_page(request, _to_remove(station_id, request.query_params.get("connector")))


@post(f"{_STATION}/remove", include_in_schema=False)
async def remove_station(request: PageRequest, station_id: FromPath[str]) -> Response[Any]:
    """POST /vendor/stations/{id}/remove. Again, where it was interrupted: goes on."""
    visitor: Visitor = request.user
    filled = await read_filled(request)
    where = _to_remove(station_id, filled["connector"] or None)
    because = filled["reason"] if filled["bookings"] == "cancel" else None
    try:
        left = await remove(desk_of(request), visitor.staff, where, cancel_because=because)
    except InvalidInput as error:
        return await _removal_page(request, where, error.message, reason=filled["reason"], status=422)
    except NotFound:  # gone already, which the page says, or another's
        return await _removal_page(request, where)
    if because is not None and left.bookings:
        late = "Not all could be cancelled just now. Try again."
        return await _removal_page(request, where, late, reason=filled["reason"], status=409)
    if where.connector_id is None:
        return go("/vendor/stations?done=removed")
    return go(f"/vendor/stations/{station_id}?done=connector-removed")


def station_page(
    request: PageRequest, station: OwnStation, filled: Filled, *, connector: Filled | None = None, status: int = 200
) -> Response[str]:
    """The page of one station: its form, its connectors and a form for one more."""
    spoken = language("en")
    connectors = [(ref("CN", one.id), one, amount_words(one.price_per_hour, spoken)) for one in station.connectors]
    currency = station.connectors[-1].price_per_hour.currency if station.connectors else "EUR"
    return show(
        request,
        "setup_station.html",
        status=status,
        station=station,
        station_ref=ref("ST", station.id),
        form=filled,
        rows=day_rows(filled.values),
        zones=_zones(),
        connectors=connectors,
        connector=connector or Filled({"currency": currency}),
        said=_SAID.get(request.query_params.get("done", "")),
    )


def with_refusal(filled: Filled, error: InvalidInput, otherwise: str) -> Filled:
    """The form with the refusal at its field; what names none stands at the field `otherwise`."""
    if isinstance(error, FieldsRefused):
        return filled.refused(error)
    return filled.refused(FieldsRefused(FieldError(otherwise, error.message)))


def _form_page(request: PageRequest, filled: Filled, *, status: int = 200) -> Response[str]:
    return show(
        request, "setup_station_new.html", status=status, form=filled, rows=day_rows(filled.values), zones=_zones()
    )


def _to_remove(station_id: str, connector: str | None) -> Removal:
    return Removal(parse_ref("ST", station_id), None if connector is None else parse_ref("CN", connector))


async def _removal_page(
    request: PageRequest, where: Removal, error: str | None = None, *, reason: str = "", status: int = 200
) -> Response[str]:
    visitor: Visitor = request.user
    label, is_gone = await name_of(desk_of(request), visitor.vendor_id, where)
    to_come = await bookings_to_come(desk_of(request), visitor.vendor_id, where)
    if is_gone and not to_come.bookings:
        raise Conflict("It is gone already, and nothing is booked there that has not begun.")
    return show(
        request,
        "setup_remove.html",
        status=status,
        label=label,
        is_gone=is_gone,
        station_ref=ref("ST", where.station_id),
        connector=None if where.connector_id is None else ref("CN", where.connector_id),
        to_come=to_come,
        refunds=" and ".join(amount_words(money, language("en")) for money in to_come.refunds),
        error=error,
        reason=reason,
    )


def _columns(filled: Filled) -> dict[str, Any]:
    values: Mapping[str, Any] = {
        "name": filled["name"],
        "address": filled["address"],
        "latitude": as_number(filled["latitude"]),
        "longitude": as_number(filled["longitude"]),
        "timeZone": filled["timeZone"],
        "openingHours": read_hours(filled.values),
        "checkInRadiusM": filled["checkInRadiusM"] or None,
        "rotatingCode": bool(filled["rotatingCode"]),
    }
    return station_columns(read_shape(values, StationRequest))


def station_fields(station: OwnStation) -> dict[str, str]:
    """The station as the values of its form."""
    return {
        "name": station.name,
        "address": station.address,
        "latitude": str(station.latitude),
        "longitude": str(station.longitude),
        "timeZone": station.zone,
        "checkInRadiusM": "" if station.check_in_radius_m is None else str(station.check_in_radius_m),
        "rotatingCode": "true" if station.rotating_code else "",
        **hours_fields(station.hours),
    }


@cache
def _zones() -> tuple[str, ...]:
    """The zones by places; the others are aliases and offsets."""
    return tuple(
        sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "SystemV/")))
    )


STATION_PAGES: tuple[HTTPRouteHandler, ...] = (
    *(list_stations, new_station, add_station, show_station, save_station, ask_removal, remove_station),
)
