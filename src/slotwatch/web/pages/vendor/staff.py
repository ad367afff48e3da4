"""The vendor's staff: let in by e-mail address, given a role, sent away and signed out at once. For owners."""

from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain.errors import Conflict, InvalidInput
from slotwatch.domain.ids import row_number
from slotwatch.domain.staff import StaffRole
from slotwatch.locale.catalogues import LANGUAGES, language
from slotwatch.usecases.staff import NewPerson, add_person, change_role, list_people, remove_person
from slotwatch.web.contact import checked_email, checked_name
from slotwatch.web.pages.filled import Filled, read_filled
from slotwatch.web.pages.shell import show
from slotwatch.web.pages.vendor.stations import desk_of
from slotwatch.web.problems import FieldError, FieldsRefused
from slotwatch.web.visitors import PageRequest, Visitor, go

__all__ = ["STAFF_PAGES", "read_person"]

_ROLES = (
    (StaffRole.OWNER.value, "Owner: everything, staff included"),
    (StaffRole.MANAGER.value, "Manager: stations, terms, disputes, alerts, numbers"),
    (StaffRole.ATTENDANT.value, "Attendant: the board: look, check in, cancel"),
)
_SAID = {
    "added": "They may sign in now. Tell them: nothing was sent.",
    "role": "Saved. It counts from their next click on.",
    "removed": "They are signed out everywhere, and cannot sign in again.",
}


@get("/vendor/staff", include_in_schema=False)
async def show_staff(request: PageRequest) -> Response[str]:
    """GET /vendor/staff."""
    return await _page(request, Filled({"role": StaffRole.ATTENDANT.value}))


@post("/vendor/staff", include_in_schema=False)
async def add_staff(request: PageRequest) -> Response[Any]:
    """POST /vendor/staff."""
    visitor: Visitor = request.user
    filled = await read_filled(request)
    try:
        role = _role(filled["role"])
        await add_person(desk_of(request), read_person(filled, visitor.vendor_id, role))
    except FieldsRefused as error:
        return await _page(request, filled.refused(error), status=422)
    except (Conflict, InvalidInput) as error:
        return await _page(request, filled.refused(FieldsRefused(FieldError("email", error.message))), status=422)
    return go("/vendor/staff?done=added")


@post("/vendor/staff/{person_id:int}/role", include_in_schema=False)
async def set_role(request: PageRequest, person_id: FromPath[int]) -> Response[Any]:
    """POST /vendor/staff/{id}/role."""
    visitor: Visitor = request.user
    role = _role((await read_filled(request))["role"])
    try:
        await change_role(desk_of(request), visitor.vendor_id, row_number(person_id), role)
    except Conflict as error:
        return await _page(request, Filled({}), refusal=error.message, status=409)
    return go("/vendor/staff?done=role" if person_id != visitor.session.staff_id else "/vendor")


@post("/vendor/staff/{person_id:int}/remove", include_in_schema=False)
async def remove_staff(request: PageRequest, person_id: FromPath[int]) -> Response[Any]:
    """POST /vendor/staff/{id}/remove."""
    visitor: Visitor = request.user
    try:
        await remove_person(desk_of(request), visitor.vendor_id, row_number(person_id))
    except Conflict as error:
        return await _page(request, Filled({}), refusal=error.message, status=409)
    return go("/vendor/staff?done=removed" if person_id != visitor.session.staff_id else "/")


def read_person(filled: Filled, vendor_id: int | None, role: StaffRole) -> NewPerson:
    """The person that a form describes. Raises FieldsRefused."""
    try:
        name = checked_name(filled["name"])
    except ValueError as error:
        raise FieldsRefused(FieldError("name", f"{error}.")) from error
    try:
        email = checked_email(filled["email"])
    except ValueError as error:
        raise FieldsRefused(FieldError("email", str(error))) from error
    return NewPerson(vendor_id=vendor_id, role=role, name=name, email=email, language=filled["language"] or "en")


def _role(text: str) -> StaffRole:
    if text not in dict(_ROLES):
        raise FieldsRefused(FieldError("role", "Choose one of the roles."))
    return StaffRole(text)


async def _page(request: PageRequest, filled: Filled, *, refusal: str = "", status: int = 200) -> Response[str]:
    visitor: Visitor = request.user
    return show(
        request,
        "setup_staff.html",
        status=status,
        people=await list_people(desk_of(request), visitor.vendor_id),
        own_id=visitor.session.staff_id,
        form=filled,
        roles=_ROLES,
        languages=[(code, language(code).name) for code in LANGUAGES],
        sign_in=f"{request.app.state.frontend_url.rstrip('/')}/sign-in",
        said=_SAID.get(request.query_params.get("done", "")),
        refusal=refusal,
    )


STAFF_PAGES: tuple[HTTPRouteHandler, ...] = (show_staff, add_staff, set_role, remove_staff)
