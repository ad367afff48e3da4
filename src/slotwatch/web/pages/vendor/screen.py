"""The screen of a bay where codes change: the link that opens it, and a big QR code that renews itself."""

import io
from datetime import UTC, datetime
from typing import Any

import segno
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from markupsafe import Markup

from slotwatch.domain.errors import NotFound
from slotwatch.domain.ids import parse_ref, ref
from slotwatch.storage.places import Place, find_place
from slotwatch.usecases.bay_screens import find_own_bay, take_back_link
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.rotating_codes import RotatingCodes
from slotwatch.web.pages.rendering import page
from slotwatch.web.pages.shell import show
from slotwatch.web.sealed import Seals
from slotwatch.web.visitors import PageRequest, Visitor, go

__all__ = ["SCREEN_LINK_PAGES", "SCREEN_PAGES", "qr_svg"]


_LINK = "/vendor/stations/{station_id:str}/screen/{connector_id:str}"
_SEAL = "bay screen"
_FOR_GOOD = datetime(9999, 1, 1, tzinfo=UTC)  # a screen hangs there until its link is taken back


@get(_LINK, include_in_schema=False)
async def show_link(request: PageRequest, station_id: FromPath[str], connector_id: FromPath[str]) -> Response[str]:
    """GET /vendor/stations/ST-…/screen/CN-…: the link that the screen at the bay opens."""
    visitor: Visitor = request.user
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        place = await find_own_bay(conn, visitor.vendor_id, parse_ref("ST", station_id), parse_ref("CN", connector_id))
    seals: Seals = request.app.state.seals
    sealed = seals.seal(_SEAL, (place.connector_id, place.screen_number), ends_at=_FOR_GOOD)
    return show(
        request,
        "vendor/screen_link.html",
        place=place,
        station_ref=station_id,
        connector_ref=connector_id,
        link=f"{_site(request)}/screen/{sealed}",
        said="The old link shows nothing any more. Open the new one at the bay."
        if "done" in request.query_params
        else "",
    )


@post(_LINK, include_in_schema=False)
async def renew_link(request: PageRequest, station_id: FromPath[str], connector_id: FromPath[str]) -> Response[Any]:
    """POST /vendor/stations/ST-…/screen/CN-…: the links made so far are taken back."""
    visitor: Visitor = request.user
    bay = (parse_ref("ST", station_id), parse_ref("CN", connector_id))
    await take_back_link(request.app.state.desk, visitor.vendor_id, *bay)
    return go(f"/vendor/stations/{station_id}/screen/{connector_id}?done=renewed")


@get("/screen/{sealed:str}", include_in_schema=False)
async def show_screen(request: PageRequest, sealed: FromPath[str]) -> Response[str]:
    """GET /screen/…: for the screen at the bay, which is signed in as nobody and can go nowhere else."""
    return page("vendor/screen.html", **await _screen(request, sealed))


@get("/screen/{sealed:str}/code", include_in_schema=False)
async def show_code(request: PageRequest, sealed: FromPath[str]) -> Response[str]:
    """GET …/code: the part that changes."""
    return page("vendor/screen_code.html", **await _screen(request, sealed))


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


async def _screen(request: PageRequest, sealed: str) -> dict[str, Any]:
    desk: Desk = request.app.state.desk
    seals: Seals = request.app.state.seals
    async with desk.database.connection() as conn:
        now = await desk.clock.now(conn)
        bay = seals.read(_SEAL, sealed, tuple[int, int], now=now)
        place = None if bay is None else await find_place(conn, bay[0])
    if bay is None or place is None or place.is_removed or place.screen_number != bay[1]:
        raise NotFound
    address = _address(request, place, now)
    return {"place": place, "sealed": sealed, "qr": qr_svg(address), "address": address, "renew_every": 5}


def _site(request: PageRequest) -> str:
    return str(request.app.state.frontend_url).rstrip("/")


def _address(request: PageRequest, place: Place, now: datetime) -> str:
    """What the code opens; with the changing part where the station asks for it."""
    codes: RotatingCodes = request.app.state.rotating_codes
    link = f"{_site(request)}/c/{ref('CN', place.connector_id)}"
    return f"{link}?k={codes.code(place.connector_id, now)}" if place.rotating_code else link


SCREEN_LINK_PAGES: tuple[HTTPRouteHandler, ...] = (show_link, renew_link)
"""For owners and managers: who has the link has it until it is taken back."""

SCREEN_PAGES: tuple[HTTPRouteHandler, ...] = (show_screen, show_code)
"""For whoever has the link."""
