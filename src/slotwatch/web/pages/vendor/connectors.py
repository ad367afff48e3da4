"""The connectors of a station: added and changed. They are taken away by the page that takes stations away."""

import re
from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain.errors import Conflict, NotFound
from slotwatch.domain.ids import parse_ref, ref
from slotwatch.usecases import vendor_setup
from slotwatch.usecases.vendor_setup import OwnConnector, OwnStation
from slotwatch.web.api.vendor_shapes import ConnectorRequest
from slotwatch.web.api.vendor_stations import connector_columns
from slotwatch.web.pages.filled import Filled, amount_text, as_number, minor_units, read_filled, read_shape
from slotwatch.web.pages.shell import show
from slotwatch.web.pages.vendor.stations import desk_of, own_station, station_fields, station_page
from slotwatch.web.problems import FieldError, FieldsRefused
from slotwatch.web.visitors import PageRequest, Visitor, go

__all__ = ["CONNECTOR_PAGES"]

_CONNECTORS = "/vendor/stations/{station_id:str}/connectors"
_CURRENCY = re.compile(r"[A-Z]{3}\Z")


@post(_CONNECTORS, include_in_schema=False)
async def add_connector(request: PageRequest, station_id: FromPath[str]) -> Response[Any]:
    """POST /vendor/stations/{id}/connectors."""
    visitor: Visitor = request.user
    station = await own_station(request, station_id)
    filled = await read_filled(request)
    try:
        await vendor_setup.add_connector(desk_of(request), visitor.vendor_id, station.id, _columns(filled))
    except (FieldsRefused, Conflict) as error:
        unchanged = Filled(station_fields(station))
        return station_page(request, station, unchanged, connector=_refused(filled, error), status=422)
    return go(f"/vendor/stations/{station_id}?done=connector-added#connectors")


@get(_CONNECTORS + "/{connector_id:str}", include_in_schema=False)
async def show_connector(request: PageRequest, station_id: FromPath[str], connector_id: FromPath[str]) -> Response[str]:
    """GET /vendor/stations/{id}/connectors/{id}."""
    station, connector = await _own(request, station_id, connector_id)
    price = connector.price_per_hour
    values = {
        "label": connector.label,
        "type": connector.type,
        "powerKw": f"{connector.power_kw:g}",
        "price": amount_text(price),
        "currency": price.currency,
    }
    return _page(request, station, connector, Filled(values))


@post(_CONNECTORS + "/{connector_id:str}", include_in_schema=False)
async def save_connector(request: PageRequest, station_id: FromPath[str], connector_id: FromPath[str]) -> Response[Any]:
    """POST /vendor/stations/{id}/connectors/{id}."""
    visitor: Visitor = request.user
    station, connector = await _own(request, station_id, connector_id)
    filled = await read_filled(request)
    try:
        await vendor_setup.change_connector(
            desk_of(request), visitor.vendor_id, station.id, connector.id, _columns(filled)
        )
    except (FieldsRefused, Conflict) as error:
        return _page(request, station, connector, _refused(filled, error), status=422)
    return go(f"/vendor/stations/{station_id}?done=connector-saved#connectors")


async def _own(request: PageRequest, station_id: str, connector_id: str) -> tuple[OwnStation, OwnConnector]:
    station = await own_station(request, station_id)
    number = parse_ref("CN", connector_id)
    found = next((one for one in station.connectors if one.id == number), None)
    if found is None:
        raise NotFound
    return station, found


def _page(
    request: PageRequest, station: OwnStation, connector: OwnConnector, filled: Filled, *, status: int = 200
) -> Response[str]:
    return show(
        request,
        "setup_connector.html",
        status=status,
        station=station,
        station_ref=ref("ST", station.id),
        connector_ref=ref("CN", connector.id),
        label=connector.label,
        connector=filled,
    )


def _columns(filled: Filled) -> dict[str, Any]:
    currency = filled["currency"].upper()
    if not _CURRENCY.match(currency):
        raise FieldsRefused(FieldError("currency", "Three letters are needed, such as EUR."))
    values = {
        "label": filled["label"],
        "type": filled["type"],
        "powerKw": as_number(filled["powerKw"]),
        "pricePerHour": {"amount": minor_units("price", filled["price"], currency), "currency": currency},
    }
    return connector_columns(read_shape(values, ConnectorRequest))


def _refused(filled: Filled, error: FieldsRefused | Conflict) -> Filled:
    if isinstance(error, FieldsRefused):
        return filled.refused(error)
    return filled.refused(FieldsRefused(FieldError("label", error.message)))


CONNECTOR_PAGES: tuple[HTTPRouteHandler, ...] = (add_connector, show_connector, save_connector)
