"""Set-up by the vendor: stations, connectors and the terms of the next booking."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Response, get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain import errors
from slotwatch.domain.alerts import AlertRules
from slotwatch.domain.ids import parse_ref, ref
from slotwatch.domain.terms import Terms
from slotwatch.usecases import vendor_setup
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.vendor_setup import OwnConnector, OwnStation
from slotwatch.usecases.vendors import read_profile, set_alert_rules
from slotwatch.web.api.booking_json import money_json
from slotwatch.web.api.shapes import In
from slotwatch.web.api.vendor_bookings import staff_of
from slotwatch.web.api.vendor_shapes import (
    ConnectorChange,
    ConnectorRequest,
    OwnConnectorOut,
    OwnStationList,
    OwnStationOut,
    ShiftOut,
    StationChange,
    StationRequest,
    VendorTermsOut,
    VendorTermsRequest,
)
from slotwatch.web.contract import (
    ApiRequest,
    Operation,
    Paging,
    RowId,
    cursor_of,
    declared,
    read_body,
    read_cursor,
    read_query,
    reply,
)
from slotwatch.web.once import Answer, nothing_to_recall, once

__all__ = ["SETUP_ROUTES", "connector_columns", "station_columns"]

_STATIONS = "/api/vendor/stations"
_STATION = "/api/vendor/stations/{station_id:str}"
_TAG = "Vendors"


class StationsQuery(Paging, forbid_unknown_fields=True):
    """A part of the list."""


def _desk(request: ApiRequest) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


@get(_STATIONS, opt=declared(Operation("List your stations", OwnStationList, _TAG, query=StationsQuery)))
async def list_vendor_stations(request: ApiRequest) -> Response[bytes]:
    """GET /api/vendor/stations."""
    query = read_query(request, StationsQuery)
    after = read_cursor(query.cursor, RowId) or 0
    vendor_id = staff_of(request).vendor_id
    stations = await vendor_setup.list_own_stations(_desk(request), vendor_id, limit=query.limit + 1, after=after)
    page = stations[: query.limit]
    return reply(
        OwnStationList(
            items=[_station_json(station) for station in page],
            next_cursor=cursor_of(page[-1].id) if len(stations) > len(page) else None,
        )
    )


@get(_STATION, opt=declared(Operation("See one of your stations", OwnStationOut, _TAG, errors=(errors.NotFound,))))
async def show_vendor_station(request: ApiRequest, station_id: FromPath[str]) -> Response[bytes]:
    """GET /api/vendor/stations/{stationId}."""
    vendor_id = staff_of(request).vendor_id
    return reply(_station_json(await vendor_setup.see_station(_desk(request), vendor_id, parse_ref("ST", station_id))))


@post(
    _STATIONS,
    status_code=201,
    opt=declared(
        Operation("Add a station", OwnStationOut, _TAG, status=201, body=StationRequest, errors=(errors.InvalidInput,))
    ),
)
async def add_vendor_station(request: ApiRequest) -> Response[bytes]:
    """POST /api/vendor/stations."""
    asked = await read_body(request, StationRequest)
    desk, vendor_id, given = _desk(request), staff_of(request).vendor_id, station_columns(asked)

    async def work() -> Answer:
        return Answer.of(201, _station_json(await vendor_setup.add_station(desk, vendor_id, given)))

    async def recall() -> Answer | None:
        found = await vendor_setup.find_same_station(desk, vendor_id, given)
        return None if found is None else Answer.of(201, _station_json(found))

    return await once(request, work, recall)


@patch(
    _STATION,
    opt=declared(
        Operation(
            "Change a station",
            OwnStationOut,
            _TAG,
            body=StationChange,
            errors=(errors.NotFound, errors.InvalidInput),
            description="What is left out stays. Bookings that were made keep their instants.",
        )
    ),
)
async def change_vendor_station(request: ApiRequest, station_id: FromPath[str]) -> Response[bytes]:
    """PATCH /api/vendor/stations/{stationId}."""
    asked = await read_body(request, StationChange)
    number = parse_ref("ST", station_id)

    async def change() -> Any:
        vendor_id = staff_of(request).vendor_id
        changed = await vendor_setup.change_station(_desk(request), vendor_id, number, station_columns(asked))
        return _station_json(changed)

    return await _again_is_the_same(request, change)


@post(
    f"{_STATION}/connectors",
    status_code=201,
    opt=declared(
        Operation(
            "Add a connector",
            OwnConnectorOut,
            _TAG,
            status=201,
            body=ConnectorRequest,
            errors=(errors.NotFound, errors.Conflict),
        )
    ),
)
async def add_vendor_connector(request: ApiRequest, station_id: FromPath[str]) -> Response[bytes]:
    """POST /api/vendor/stations/{stationId}/connectors."""
    asked = await read_body(request, ConnectorRequest)
    desk, vendor_id, number = _desk(request), staff_of(request).vendor_id, parse_ref("ST", station_id)

    async def work() -> Answer:
        added = await vendor_setup.add_connector(desk, vendor_id, number, connector_columns(asked))
        return Answer.of(201, _connector_json(added))

    async def recall() -> Answer | None:
        station = await vendor_setup.see_station(desk, vendor_id, number)
        found = next((one for one in station.connectors if one.label == asked.label), None)
        return None if found is None else Answer.of(201, _connector_json(found))

    return await once(request, work, recall)


@patch(
    _STATION + "/connectors/{connector_id:str}",
    opt=declared(
        Operation(
            "Change a connector",
            OwnConnectorOut,
            _TAG,
            body=ConnectorChange,
            errors=(errors.NotFound, errors.Conflict),
            description="What is left out stays. Bookings that were made keep their price.",
        )
    ),
)
async def change_vendor_connector(
    request: ApiRequest, station_id: FromPath[str], connector_id: FromPath[str]
) -> Response[bytes]:
    """PATCH /api/vendor/stations/{stationId}/connectors/{connectorId}."""
    asked = await read_body(request, ConnectorChange)
    station, connector = parse_ref("ST", station_id), parse_ref("CN", connector_id)

    async def change() -> Any:
        vendor_id = staff_of(request).vendor_id
        given = connector_columns(asked)
        return _connector_json(
            await vendor_setup.change_connector(_desk(request), vendor_id, station, connector, given)
        )

    return await _again_is_the_same(request, change)


@get("/api/vendor/terms", opt=declared(Operation("See your terms", VendorTermsOut, _TAG, errors=(errors.NotFound,))))
async def show_terms(request: ApiRequest) -> Response[bytes]:
    """GET /api/vendor/terms."""
    vendor_id = staff_of(request).vendor_id
    terms = await vendor_setup.read_terms(_desk(request), vendor_id)
    return reply(_terms_json(terms, (await read_profile(_desk(request), vendor_id)).rules))


@put(
    "/api/vendor/terms",
    opt=declared(
        Operation(
            "Set your terms",
            VendorTermsOut,
            _TAG,
            body=VendorTermsRequest,
            errors=(errors.NotFound, errors.InvalidInput),
            description="They apply to bookings made afterwards. What is left out is as the house has it; without"
            " `alerts`, these stay as they are.",
        )
    ),
)
async def put_terms(request: ApiRequest) -> Response[bytes]:
    """PUT /api/vendor/terms."""
    asked = await read_body(request, VendorTermsRequest)

    async def change() -> Any:
        desk, vendor_id, given = _desk(request), staff_of(request).vendor_id, msgspec.to_builtins(asked)
        alerts = given.pop("alerts", None)
        rules = None if alerts is None else AlertRules.from_dict(alerts)  # refused before anything is stored
        terms = await vendor_setup.set_terms(desk, vendor_id, given)
        if rules is not None:
            await set_alert_rules(desk, vendor_id, rules)
        return _terms_json(terms, rules or (await read_profile(desk, vendor_id)).rules)

    return await _again_is_the_same(request, change)


async def _again_is_the_same(request: ApiRequest, change: Callable[[], Awaitable[Any]]) -> Response[bytes]:
    """A change that may be made twice, so that there is nothing to recall."""

    async def work() -> Answer:
        return Answer.of(200, await change())

    return await once(request, work, nothing_to_recall)


def _given(asked: In) -> dict[str, Any]:
    """What the request names, by the names of the columns."""
    return {
        name: value
        for name in asked.__struct_fields__
        if (value := getattr(asked, name)) is not msgspec.UNSET  # what was left out stays
    }


def station_columns(asked: StationRequest | StationChange) -> dict[str, Any]:
    """What the request names, as the use cases take it."""
    given = _given(asked)
    if "time_zone" in given:
        given["zone"] = given.pop("time_zone")
    if "opening_hours" in given:
        given["opening_hours"] = msgspec.to_builtins(given["opening_hours"])
    return given


def connector_columns(asked: ConnectorRequest | ConnectorChange) -> dict[str, Any]:
    """What the request names, as the use cases take it."""
    given = _given(asked)
    price = given.pop("price_per_hour", None)
    return given if price is None else {**given, "price_per_hour": price.amount, "currency": price.currency}


def _station_json(station: OwnStation) -> OwnStationOut:
    return OwnStationOut(
        station_id=ref("ST", station.id),
        name=station.name,
        address=station.address,
        latitude=station.latitude,
        longitude=station.longitude,
        time_zone=station.zone,
        opening_hours=msgspec.convert(station.hours.as_list(), list[ShiftOut]),
        check_in_radius_m=station.check_in_radius_m,
        rotating_code=station.rotating_code,
        connectors=[_connector_json(connector) for connector in station.connectors],
    )


def _connector_json(connector: OwnConnector) -> OwnConnectorOut:
    return OwnConnectorOut(
        connector_id=ref("CN", connector.id),
        label=connector.label,
        type=connector.type,
        power_kw=connector.power_kw,
        price_per_hour=money_json(connector.price_per_hour),
    )


def _terms_json(terms: Terms, rules: AlertRules) -> VendorTermsOut:
    return msgspec.convert({**terms.as_dict(), "alerts": rules.as_dict()}, VendorTermsOut)


SETUP_ROUTES: tuple[HTTPRouteHandler, ...] = (
    list_vendor_stations,
    show_vendor_station,
    add_vendor_station,
    change_vendor_station,
    add_vendor_connector,
    change_vendor_connector,
    show_terms,
    put_terms,
)
