"""The operator's page: how slotwatch itself is doing, renewed every few seconds, and what only a person can settle."""

from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.analytics.alerts import open_alerts
from slotwatch.analytics.house import see_house
from slotwatch.domain.errors import Conflict, InvalidInput
from slotwatch.domain.ids import booking_ref, parse_booking_ref, ref, row_number
from slotwatch.domain.staff import StaffRole
from slotwatch.locale.catalogues import LANGUAGES, language
from slotwatch.storage.dead_deliveries import discard, list_dead, parse_key, retry
from slotwatch.storage.migrate import schema_status
from slotwatch.storage.set_aside import list_set_aside, put_back
from slotwatch.usecases.acknowledge_alert import acknowledge_alert
from slotwatch.usecases.staff import insert_person
from slotwatch.usecases.vendors import insert_vendor, list_vendors
from slotwatch.web.contact import checked_name
from slotwatch.web.pages.filled import Filled, read_filled
from slotwatch.web.pages.operator.suppressions import actor_of, suppressed_part
from slotwatch.web.pages.shell import show
from slotwatch.web.pages.vendor.staff import read_person
from slotwatch.web.pages.vendor.stations import desk_of
from slotwatch.web.problems import FieldError, FieldsRefused
from slotwatch.web.visitors import PageRequest, go

__all__ = ["FRONT_PAGES"]

_MOST = 50
_SAID = {
    "retry": "It is due again.",
    "discard": "It is put away, with its error.",
    "put-back": "The booking is on its timeline again; the engine tries at once.",
    "vendor": "The vendor is there, and its owner may sign in now. Tell them: nothing was sent.",
    "lift": "This address may be written to again. What was not sent meanwhile stays unsent.",
    "seen": "Noted. The alert stays open until it is over.",
}


@get("/operator", include_in_schema=False)
async def show_operator(request: PageRequest) -> Response[str]:
    """GET /operator."""
    return await _page(request, Filled({}))


@get("/operator/signs", include_in_schema=False)
async def show_signs(request: PageRequest) -> Response[str]:
    """GET /operator/signs: the part of the page that renews itself."""
    return show(request, "operator_signs.html", **await _signs(request))


@post("/operator/deliveries/{key:str}/retry", include_in_schema=False)
async def retry_delivery(request: PageRequest, key: FromPath[str]) -> Response[Any]:
    """POST /operator/deliveries/{id}/retry."""
    desk = desk_of(request)
    try:
        async with desk.database.connection() as conn:
            await retry(conn, key, now=desk.clock.fixed)
    except Conflict as error:
        return await _page(request, Filled({}), refusal=error.message, status=409)
    return go("/operator?done=retry#dead")


@post("/operator/deliveries/{key:str}/discard", include_in_schema=False)
async def discard_delivery(request: PageRequest, key: FromPath[str]) -> Response[Any]:
    """POST /operator/deliveries/{id}/discard."""
    try:
        async with desk_of(request).database.connection() as conn:
            await discard(conn, key)
    except Conflict as error:
        return await _page(request, Filled({}), refusal=error.message, status=409)
    return go("/operator?done=discard#dead")


@post("/operator/bookings/{booking_id:str}/put-back", include_in_schema=False)
async def put_booking_back(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """POST /operator/bookings/{id}/put-back."""
    desk = desk_of(request)
    try:
        async with desk.database.connection() as conn:
            await put_back(conn, parse_booking_ref(booking_id))
            desk.hint(await desk.clock.now(conn))
    except Conflict as error:
        return await _page(request, Filled({}), refusal=error.message, status=409)
    return go("/operator?done=put-back")


@post("/operator/alerts/{alert_id:int}/acknowledge", include_in_schema=False)
async def acknowledge(request: PageRequest, alert_id: FromPath[int]) -> Response[Any]:
    """POST /operator/alerts/{id}/acknowledge."""
    await acknowledge_alert(desk_of(request), None, row_number(alert_id), actor=actor_of(request))
    return go("/operator?done=seen")


@post("/operator/vendors", include_in_schema=False)
async def add_vendor(request: PageRequest) -> Response[Any]:
    """POST /operator/vendors: a vendor with its first owner, both or neither."""
    desk = desk_of(request)
    filled = await read_filled(request)
    try:
        vendor_name = _name(filled["vendor"])
        owner = read_person(filled, 0, StaffRole.OWNER)
        async with desk.database.transaction() as conn:
            now = await desk.clock.now(conn)
            number = await insert_vendor(conn, name=vendor_name, language=owner.language, email=owner.email, now=now)
            await insert_person(conn, read_person(filled, number, StaffRole.OWNER), now=now)
    except FieldsRefused as error:
        return await _page(request, filled.refused(error), status=422)
    except (Conflict, InvalidInput) as error:
        return await _page(request, filled.refused(FieldsRefused(FieldError("email", error.message))), status=422)
    return go("/operator?done=vendor#vendors")


async def _page(request: PageRequest, filled: Filled, *, refusal: str = "", status: int = 200) -> Response[str]:
    desk = desk_of(request)
    before = request.query_params.get("before")
    place = None if before is None else parse_key(before)
    async with desk.database.connection() as conn:
        dead = await list_dead(conn, limit=_MOST + 1, before=place)
    more = dead[_MOST - 1].key if len(dead) > _MOST else None
    vendors = await list_vendors(desk, limit=1000)
    return show(
        request,
        "operator.html",
        status=status,
        dead=[(one, "" if one.booking_id is None else booking_ref(one.booking_id)) for one in dead[:_MOST]],
        more=more,
        is_first=place is None,
        vendors=[(ref("VN", one.id), one) for one in vendors],
        form=filled,
        languages=[(code, language(code).name) for code in LANGUAGES],
        said=_SAID.get(request.query_params.get("done", "")),
        refusal=refusal,
        **await suppressed_part(request),
        **await _signs(request),
    )


async def _signs(request: PageRequest) -> dict[str, Any]:
    desk = desk_of(request)
    async with desk.database.connection() as conn:
        house = await see_house(conn, now=desk.clock.fixed)
        alerts = await open_alerts(conn, None)
        aside = await list_set_aside(conn, limit=_MOST)
    state = request.app.state
    if state.needed_schema is None:
        state.needed_schema = (await schema_status(desk.database.url)).needed
    return {
        "house": house,
        "signs": house.signs,
        "alerts": alerts,
        "aside": [(booking_ref(one.id), one) for one in aside],
        "needed": state.needed_schema,
        "is_current": house.schema == state.needed_schema,
    }


def _name(text: str) -> str:
    try:
        return checked_name(text)
    except ValueError as error:
        raise FieldsRefused(FieldError("vendor", f"{error}.")) from error


FRONT_PAGES: tuple[HTTPRouteHandler, ...] = (
    *(show_operator, show_signs, retry_delivery, discard_delivery, put_booking_back, acknowledge, add_vendor),
)
