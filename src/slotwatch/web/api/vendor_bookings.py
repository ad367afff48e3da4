"""Bookings and disputes at the vendor's stations: seen, checked in, cancelled and decided by staff."""

from typing import Any, Literal

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain import errors
from slotwatch.domain.ids import booking_ref, parse_booking_ref, ref
from slotwatch.domain.lifecycle import EndReason
from slotwatch.domain.money import Money
from slotwatch.storage.booking_views import history, notices_of
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.vendor_bookings import (
    Staff,
    VendorView,
    cancel_for_vendor,
    check_in_by_staff,
    see_booking,
)
from slotwatch.usecases.vendor_disputes import (
    Dispute,
    DisputeFilter,
    find_own_dispute,
    list_disputes,
    resolve_dispute,
)
from slotwatch.web.api.booking_json import booking_json, money_json, notices_json
from slotwatch.web.api.shapes import EmptyRequest
from slotwatch.web.api.vendor_shapes import (
    DriverOut,
    ResolveRequest,
    StaffCancelRequest,
    VendorBookingOut,
    VendorDisputeList,
    VendorDisputeOut,
)
from slotwatch.web.contract import (
    ApiRequest,
    Instant,
    Operation,
    Paging,
    RowId,
    cursor_of,
    declared,
    in_utc,
    read_body,
    read_cursor,
    read_query,
    reply,
)
from slotwatch.web.once import Answer, nothing_to_recall, once

__all__ = ["VENDOR_BOOKING_ROUTES", "staff_of"]

_ONE = "/api/vendor/bookings/{booking_id:str}"
_TAG = "Vendors"


class DisputesQuery(Paging, forbid_unknown_fields=True):
    """Open ones, decided ones, or all."""

    status: Literal["open", "decided"] | None = None


def staff_of(request: ApiRequest) -> Staff:
    """Who acts for which vendor."""
    assert request.user.vendor_id is not None, "a vendor's token names the vendor"
    return Staff(request.user.vendor_id, request.user.subject)


def _desk(request: ApiRequest) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


@get(_ONE, opt=declared(Operation("See a booking at your station", VendorBookingOut, _TAG, errors=(errors.NotFound,))))
async def show_vendor_booking(request: ApiRequest, booking_id: FromPath[str]) -> Response[bytes]:
    """GET /api/vendor/bookings/{bookingId}."""
    number = parse_booking_ref(booking_id)
    shown = await _shown(request, number)
    async with _desk(request).database.connection() as conn:
        shown.notices = notices_json(await notices_of(conn, number))
    return reply(shown)


@post(
    f"{_ONE}/checkin",
    status_code=200,
    opt=declared(
        Operation(
            "Check a driver in",
            VendorBookingOut,
            _TAG,
            body=EmptyRequest,
            body_required=False,
            errors=(errors.NotFound, errors.CheckInTooEarly, errors.GraceOver, errors.NotCheckInable),
            description="In the same window as the driver. Again changes nothing.",
        )
    ),
)
async def check_in_for_driver(request: ApiRequest, booking_id: FromPath[str]) -> Response[bytes]:
    """POST /api/vendor/bookings/{bookingId}/checkin."""
    await read_body(request, EmptyRequest, required=False)
    number = parse_booking_ref(booking_id)

    async def work() -> Answer:
        await check_in_by_staff(_desk(request), staff_of(request), number)
        return Answer.of(200, await _shown(request, number))

    return await once(request, work, nothing_to_recall)


@post(
    f"{_ONE}/cancel",
    status_code=200,
    opt=declared(
        Operation(
            "Cancel a booking at your station",
            VendorBookingOut,
            _TAG,
            body=StaffCancelRequest,
            errors=(errors.NotFound, errors.NotCancellable, errors.Conflict),
            description="All of the driver's money goes back, and the driver is told.",
        )
    ),
)
async def cancel_for_driver(request: ApiRequest, booking_id: FromPath[str]) -> Response[bytes]:
    """POST /api/vendor/bookings/{bookingId}/cancel."""
    asked = await read_body(request, StaffCancelRequest)
    number = parse_booking_ref(booking_id)

    async def work() -> Answer:
        await cancel_for_vendor(_desk(request), staff_of(request), number, asked.reason)
        return Answer.of(200, await _shown(request, number))

    async def recall() -> Answer | None:
        shown = await _shown(request, number)
        return Answer.of(200, shown) if shown.end_reason is EndReason.BY_VENDOR else None

    return await once(request, work, recall)


@get(
    "/api/vendor/disputes",
    opt=declared(Operation("List disputes of your no-shows", VendorDisputeList, _TAG, query=DisputesQuery)),
)
async def show_disputes(request: ApiRequest) -> Response[bytes]:
    """GET /api/vendor/disputes."""
    query = read_query(request, DisputesQuery)
    place = read_cursor(query.cursor, tuple[Instant, RowId])
    is_open = None if query.status is None else query.status == "open"
    before = None if place is None else (in_utc(place[0], "cursor"), place[1])
    wanted = DisputeFilter(is_open, query.limit + 1, before)
    disputes = await list_disputes(_desk(request), staff_of(request), wanted)
    page = disputes[: query.limit]
    more = len(disputes) > len(page)
    return reply(
        VendorDisputeList(
            items=[_dispute_json(one) for one in page],
            next_cursor=cursor_of((page[-1].opened_at, page[-1].booking_id)) if more else None,
        )
    )


@post(
    "/api/vendor/disputes/{dispute_id:str}/resolve",
    status_code=200,
    opt=declared(
        Operation(
            "Decide a dispute",
            VendorDisputeOut,
            _TAG,
            body=ResolveRequest,
            errors=(errors.NotFound, errors.Conflict),
            description="A refund voids the no-show; to uphold it needs a note, which the driver reads. The same"
            " decision again changes nothing.",
        )
    ),
)
async def decide_dispute(request: ApiRequest, dispute_id: FromPath[str]) -> Response[bytes]:
    """POST /api/vendor/disputes/{id}/resolve."""
    asked = await read_body(request, ResolveRequest)
    number = parse_booking_ref(dispute_id)

    async def work() -> Answer:
        decided = await resolve_dispute(_desk(request), staff_of(request), number, asked.decision, asked.note)
        return Answer.of(200, _dispute_json(decided))

    async def recall() -> Answer | None:
        found = await find_own_dispute(_desk(request), staff_of(request), number)
        return Answer.of(200, _dispute_json(found)) if found.decision is asked.decision else None

    return await once(request, work, recall)


async def _shown(request: ApiRequest, booking_id: int) -> VendorBookingOut:
    desk = _desk(request)
    seen: VendorView = await see_booking(desk, staff_of(request), booking_id)
    async with desk.database.connection() as conn:
        moves = await history(conn, booking_id)
    shown: dict[str, Any] = msgspec.structs.asdict(booking_json(seen.view, desk.channels, moves))
    return VendorBookingOut(**shown, driver=DriverOut(name=seen.driver_name))


def _dispute_json(dispute: Dispute) -> VendorDisputeOut:
    return VendorDisputeOut(
        id=booking_ref(dispute.booking_id),
        booking_id=booking_ref(dispute.booking_id),
        status=dispute.state,
        station_id=ref("ST", dispute.station_id),
        station_name=dispute.station_name,
        connector_label=dispute.connector_label,
        start_time=dispute.starts_at,
        end_time=dispute.ends_at,
        amount=money_json(Money(dispute.amount, dispute.currency)),
        driver=DriverOut(name=dispute.driver_name),
        statement=dispute.statement,
        opened_at=dispute.opened_at,
        decision=dispute.decision,
        note=dispute.note,
        decided_at=dispute.decided_at,
    )


VENDOR_BOOKING_ROUTES: tuple[HTTPRouteHandler, ...] = (
    show_vendor_booking,
    check_in_for_driver,
    cancel_for_driver,
    show_disputes,
    decide_dispute,
)
