"""Posters with a station's codes, to be printed: as a page of SVG sheets and as PDF."""

from collections.abc import Sequence
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain.ids import ref
from slotwatch.usecases.vendor_setup import OwnStation
from slotwatch.usecases.vendors import read_profile
from slotwatch.web.pages.shell import show
from slotwatch.web.pages.vendor.stations import desk_of, own_station
from slotwatch.web.posters.pdf import can_write, sheets_pdf
from slotwatch.web.posters.poster import Poster, Words
from slotwatch.web.posters.sheet import PosterSize, Sheet, sheets_of
from slotwatch.web.posters.svg import sheet_svg
from slotwatch.web.posters.words import WORDS
from slotwatch.web.visitors import PageRequest, Visitor, go

__all__ = ["POSTER_PAGES"]

_POSTERS = "/vendor/stations/{station_id:str}/posters"
_SIZES = (
    (PosterSize.A6, "A6, four on a sheet"),
    (PosterSize.A5, "A5, two on a sheet"),
    (PosterSize.A4, "A4, one on a sheet"),
)


@get(_POSTERS, include_in_schema=False)
async def show_posters(request: PageRequest, station_id: FromPath[str]) -> Response[str]:
    """GET /vendor/stations/{id}/posters?size=a6&only=CN-1."""
    station = await own_station(request, station_id)
    size = _size(request)
    only = request.query_params.get("only", "")
    posters = _posters(request, station, await _language(request), only)
    sheets = sheets_of(posters, size)
    english = sheets_of(_posters(request, station, "en", only), size)
    return show(
        request,
        "setup_posters.html",
        station=station,
        station_ref=ref("ST", station.id),
        connectors=[(ref("CN", one.id), one.label) for one in station.connectors],
        only=only,
        size=size.value,
        sizes=[(one.value, words) for one, words in _SIZES],
        pages=[sheet_svg(sheet, f"Sheet {number} of {len(sheets)}") for number, sheet in enumerate(sheets, 1)],
        urls=[(poster.label, poster.code_url) for poster in posters],
        pdf="own" if _writable(sheets) else "english" if _writable(english) else "none",
        is_local="127.0.0.1" in request.app.state.frontend_url or "localhost" in request.app.state.frontend_url,
        frontend_url=request.app.state.frontend_url,
    )


@get(_POSTERS + ".pdf", include_in_schema=False)
async def download_posters(request: PageRequest, station_id: FromPath[str]) -> Response[Any]:
    """GET /vendor/stations/{id}/posters.pdf: in English alone where Helvetica lacks letters of the language."""
    station = await own_station(request, station_id)
    size = _size(request)
    only = request.query_params.get("only", "")
    for code in (await _language(request), "en"):
        sheets = sheets_of(_posters(request, station, code, only), size)
        if sheets and _writable(sheets):
            return Response(
                await _pdf(request, station, sheets),
                media_type="application/pdf",
                headers={"Content-Disposition": f'attachment; filename="posters-{ref("ST", station.id)}-{size}.pdf"'},
            )
    return go(f"/vendor/stations/{station_id}/posters?size={size}")  # where it says why


async def _pdf(request: PageRequest, station: OwnStation, sheets: Sequence[Sheet]) -> bytes:
    desk = desk_of(request)
    async with desk.database.connection() as conn:
        now = await desk.clock.now(conn)
    return sheets_pdf(sheets, title=f"Codes of {station.name}", made_at=now)


async def _language(request: PageRequest) -> str:
    visitor: Visitor = request.user
    code = (await read_profile(desk_of(request), visitor.vendor_id)).language
    return code if code in WORDS else "en"


def _size(request: PageRequest) -> PosterSize:
    wish = request.query_params.get("size", "")
    return PosterSize(wish) if wish in list(PosterSize) else PosterSize.A6


def _posters(request: PageRequest, station: OwnStation, code: str, only: str) -> list[Poster]:
    ours = str(request.app.state.frontend_url).rstrip("/")
    refs = [(ref("CN", one.id), one.label) for one in station.connectors]
    return [
        Poster(
            station=station.name,
            address=station.address,
            label=label,
            connector_ref=connector_ref,
            code_url=f"{ours}/c/{connector_ref}",
            language=code,
        )
        for connector_ref, label in refs
        if not only or only == connector_ref
    ]


def _writable(sheets: Sequence[Sheet]) -> bool:
    return all(
        can_write(shape.text)
        for sheet in sheets
        for placed in sheet.posters
        for shape in placed.shapes
        if isinstance(shape, Words)
    )


POSTER_PAGES: tuple[HTTPRouteHandler, ...] = (show_posters, download_posters)
