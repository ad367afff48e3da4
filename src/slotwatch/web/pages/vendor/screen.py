"""What the screen of a bay shows at a station with rotating codes: a big QR code that renews itself."""

import io
from datetime import datetime
from typing import Any

import segno
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from markupsafe import Markup

from slotwatch.domain.errors import NotFound
from slotwatch.domain.ids import parse_ref, ref
from slotwatch.storage.places import Place, find_place
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.rotating_codes import CHANGES_EVERY, RotatingCodes
from slotwatch.web.pages.shell import show
from slotwatch.web.visitors import PageRequest, Visitor

__all__ = ["SCREEN_PAGES", "qr_svg"]


@get("/vendor/stations/{station_id:str}/screen/{connector_id:str}", include_in_schema=False)
async def show_screen(request: PageRequest, station_id: FromPath[str], connector_id: FromPath[str]) -> Response[Any]:
    """GET /vendor/stations/ST-…/screen/CN-…: for the screen at the bay."""
    return show(request, "vendor/screen.html", **await _screen(request, station_id, connector_id))


@get("/vendor/stations/{station_id:str}/screen/{connector_id:str}/code", include_in_schema=False)
async def show_code(request: PageRequest, station_id: FromPath[str], connector_id: FromPath[str]) -> Response[Any]:
    """GET …/code: the part that changes."""
    return show(request, "vendor/screen_code.html", **await _screen(request, station_id, connector_id))


def qr_svg(text: str) -> Markup:
    """The code as an SVG that scales with its surroundings: dark on light in every scheme, for cameras."""
    out = io.BytesIO()
    segno.make(text, error="m").save(
        out,
        kind="svg",
        border=4,
        xmldecl=False,
        omitsize=True,
        dark="#000",
        light="#fff",
        svgclass="qr",
        lineclass=None,
    )
    return Markup(out.getvalue().decode())  # noqa: S704  # made here, of nothing but shapes


async def _screen(request: PageRequest, station_id: str, connector_id: str) -> dict[str, Any]:
    visitor: Visitor = request.scope["user"]
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        now = await desk.clock.now(conn)
        place = await find_place(conn, parse_ref("CN", connector_id))
    if place is None or place.is_removed or place.vendor_id != visitor.vendor_id:
        raise NotFound
    if ref("ST", place.station_id) != station_id:
        raise NotFound
    address = _address(request, place, now)
    return {
        "place": place,
        "station_ref": station_id,
        "connector_ref": connector_id,
        "qr": qr_svg(address),
        "address": address,
        "changes_in": _seconds_left(now),
        "renew_every": 5,
    }


def _address(request: PageRequest, place: Place, now: datetime) -> str:
    """What the code opens; with the changing part where the station asks for it."""
    site = str(request.app.state.frontend_url).rstrip("/")
    codes: RotatingCodes = request.app.state.rotating_codes
    link = f"{site}/c/{ref('CN', place.connector_id)}"
    return f"{link}?k={codes.code(place.connector_id, now)}" if place.rotating_code else link


def _seconds_left(now: datetime) -> int:
    every = CHANGES_EVERY.total_seconds()
    return int(every - now.timestamp() % every)


SCREEN_PAGES: tuple[HTTPRouteHandler, ...] = (show_screen, show_code)
