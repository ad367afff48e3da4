"""For operators: bookings that could not be moved are put back, vendors are added with their first owner."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain import errors
from slotwatch.domain.ids import booking_ref, parse_booking_ref, ref
from slotwatch.domain.lifecycle import State, Step
from slotwatch.domain.staff import StaffRole
from slotwatch.storage.set_aside import list_set_aside, put_back
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.staff import NewPerson, insert_person
from slotwatch.usecases.vendors import insert_vendor, list_vendors
from slotwatch.web.api.shapes import In, Out
from slotwatch.web.contact import checked_email, checked_name
from slotwatch.web.contract import (
    ApiRequest,
    Line,
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
from slotwatch.web.once import Answer, once
from slotwatch.web.problems import FieldError, FieldsRefused

__all__ = ["AFFAIR_ROUTES"]

_TAG = "Operators"


class StuckQuery(Paging, forbid_unknown_fields=True):
    """Which bookings; only those set aside are listed."""

    state: Literal["set_aside"] = "set_aside"


class SetAsideOut(Out):
    """A booking that stands still before `step`, because moving it failed three times."""

    booking_id: str
    vendor_id: str
    station_name: str
    status: State
    step: Step
    due_at: datetime


class SetAsideList(Out):
    """The oldest first."""

    items: list[SetAsideOut]
    next_cursor: str | None = None


class PutBackOut(Out):
    """It is on its timeline again."""

    booking_id: str


class VendorsQuery(Paging, forbid_unknown_fields=True):
    """A part of the list."""


class VendorOut(Out):
    """One vendor."""

    vendor_id: str
    name: str
    language: str
    email: str | None
    stations: int
    staff: int
    created_at: datetime


class VendorList(Out):
    """In the order in which they were made."""

    items: list[VendorOut]
    next_cursor: str | None = None


class OwnerIn(In):
    """Who may sign in first, and let others in."""

    name: Line
    email: Annotated[str, msgspec.Meta(max_length=320)]


class VendorRequest(In):
    """A new vendor; `language` is that of drivers who chose none."""

    name: Line
    owner: OwnerIn
    language: str = "en"


class NewVendorOut(Out):
    """The vendor's id."""

    vendor_id: str


@get(
    "/api/operator/bookings",
    opt=declared(Operation("List bookings that were set aside", SetAsideList, _TAG, query=StuckQuery)),
)
async def list_stuck(request: ApiRequest) -> Response[bytes]:
    """GET /api/operator/bookings."""
    query = read_query(request, StuckQuery)
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        found = await list_set_aside(conn, limit=query.limit + 1, after=read_cursor(query.cursor, RowId) or 0)
    page = found[: query.limit]
    return reply(
        SetAsideList(
            items=[
                SetAsideOut(
                    booking_id=booking_ref(one.id),
                    vendor_id=ref("VN", one.vendor_id),
                    station_name=one.station_name,
                    status=one.state,
                    step=one.step,
                    due_at=one.due_at,
                )
                for one in page
            ],
            next_cursor=cursor_of(page[-1].id) if len(found) > len(page) else None,
        )
    )


@post(
    "/api/operator/bookings/{booking_id:str}/put-back",
    status_code=200,
    opt=declared(
        Operation(
            "Put a booking back on its timeline",
            PutBackOut,
            _TAG,
            errors=(errors.NotFound, errors.Conflict),
            description="The engine tries at once. 409 for one that is not set aside.",
        )
    ),
)
async def put_booking_back(request: ApiRequest, booking_id: FromPath[str]) -> Response[bytes]:
    """POST /api/operator/bookings/{id}/put-back."""
    desk: Desk = request.app.state.desk
    number = parse_booking_ref(booking_id)

    async def work() -> Answer:
        async with desk.database.connection() as conn:
            await put_back(conn, number)
            desk.hint(await desk.clock.now(conn))
        return Answer.of(200, PutBackOut(booking_id=booking_ref(number)))

    return await once(request, work, _nothing_to_recall)


@get("/api/operator/vendors", opt=declared(Operation("List vendors", VendorList, _TAG, query=VendorsQuery)))
async def show_vendors(request: ApiRequest) -> Response[bytes]:
    """GET /api/operator/vendors."""
    query = read_query(request, VendorsQuery)
    desk: Desk = request.app.state.desk
    found = await list_vendors(desk, limit=query.limit + 1, after=read_cursor(query.cursor, RowId) or 0)
    page = found[: query.limit]
    return reply(
        VendorList(
            items=[
                VendorOut(
                    vendor_id=ref("VN", one.id),
                    name=one.name,
                    language=one.language,
                    email=one.email,
                    stations=one.stations,
                    staff=one.staff,
                    created_at=one.created_at,
                )
                for one in page
            ],
            next_cursor=cursor_of(page[-1].id) if len(found) > len(page) else None,
        )
    )


@post(
    "/api/operator/vendors",
    status_code=201,
    opt=declared(
        Operation(
            "Add a vendor with its first owner",
            NewVendorOut,
            _TAG,
            status=201,
            body=VendorRequest,
            errors=(errors.InvalidInput, errors.Conflict),
            description="409 when somebody signs in with the owner's address already: then no vendor is made.",
        )
    ),
)
async def add_vendor(request: ApiRequest) -> Response[bytes]:
    """POST /api/operator/vendors."""
    asked = await read_body(request, VendorRequest)
    desk: Desk = request.app.state.desk
    try:
        name, owner, email = checked_name(asked.name), checked_name(asked.owner.name), checked_email(asked.owner.email)
    except ValueError as error:
        raise FieldsRefused(FieldError("owner.email" if "@" in str(error) else "name", str(error))) from error

    async def work() -> Answer:
        async with desk.database.transaction() as conn:
            now = await desk.clock.now(conn)
            number = await insert_vendor(conn, name=name, language=asked.language, email=email, now=now)
            first = NewPerson(vendor_id=number, role=StaffRole.OWNER, name=owner, email=email, language=asked.language)
            await insert_person(conn, first, now=now)
        return Answer.of(201, NewVendorOut(vendor_id=ref("VN", number)))

    return await once(request, work, _nothing_to_recall)


async def _nothing_to_recall() -> Answer | None:
    """Doing it again is a conflict."""
    return None


AFFAIR_ROUTES: tuple[HTTPRouteHandler, ...] = (list_stuck, put_booking_back, show_vendors, add_vendor)
