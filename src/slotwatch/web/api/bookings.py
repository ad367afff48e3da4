"""Bookings of the driver who calls: book, see, pay, check in, cancel, leave."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

import msgspec
from litestar import Response, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain import errors
from slotwatch.domain.booking import Booking, CheckInMethod
from slotwatch.domain.ids import parse_booking_ref, parse_ref
from slotwatch.domain.lifecycle import EndReason, State
from slotwatch.domain.money import PaymentStatus
from slotwatch.domain.slot import SHORTEST, Slot
from slotwatch.storage.booking_views import BookingFilter, BookingView, fetch_view, history, list_views, notices_of
from slotwatch.usecases.book import book
from slotwatch.usecases.cancel import cancel
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.finish import finish
from slotwatch.usecases.pay import pay
from slotwatch.web.api.booking_json import booking_json
from slotwatch.web.api.shapes import (
    BookingList,
    BookingOut,
    BookingRequest,
    CancelRequest,
    CheckInRequest,
    EmptyRequest,
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
from slotwatch.web.drivers import DriverBook, driver_who_books
from slotwatch.web.once import Answer, once
from slotwatch.web.problems import FieldError, FieldsRefused

__all__ = ["BOOKING_ROUTES"]

_BOOKINGS = "/api/users/bookings"
_ONE = "/api/users/bookings/{booking_id:str}"
_TAG = "Drivers"


class BookingsQuery(Paging, forbid_unknown_fields=True):
    """Which of the own bookings: in a state, with a slot that begins in `[from, to)`."""

    status: State | None = None
    since: Annotated[Instant | None, msgspec.Meta(description="begins then or later")] = msgspec.field(
        name="from", default=None
    )
    until: Annotated[Instant | None, msgspec.Meta(description="begins before")] = msgspec.field(name="to", default=None)


def _desk(request: ApiRequest) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


async def _driver_id(request: ApiRequest) -> int:
    drivers: DriverBook = request.app.state.drivers
    return await drivers.get(request.user.subject)


async def _seen(desk: Desk, driver_id: int, booking_id: int) -> BookingView:
    async with desk.database.connection() as conn:
        view = await fetch_view(conn, booking_id, driver_id, now=desk.clock.fixed)
    if view is None:
        raise errors.NotFound
    return view


async def _shown(desk: Desk, driver_id: int, booking_id: int, status: int = 200) -> Answer:
    return Answer.of(status, booking_json(await _seen(desk, driver_id, booking_id), desk.channels))


@post(
    _BOOKINGS,
    status_code=201,
    opt=declared(
        Operation(
            "Book a slot",
            BookingOut,
            _TAG,
            status=201,
            body=BookingRequest,
            errors=(
                errors.NotFound,
                errors.SlotNotBookable,
                errors.ContactNeeded,
                errors.SlotTaken,
                errors.TooManyBookings,
            ),
            description="`pending` while a payment is awaited, `confirmed` where payments are off.",
        )
    ),
)
async def book_slot(request: ApiRequest) -> Response[bytes]:
    """POST /api/users/bookings."""
    asked = await read_body(request, BookingRequest)
    desk = _desk(request)
    connector_id = parse_ref("CN", asked.connector_id)
    slot = Slot(in_utc(asked.start_time, "startTime"), in_utc(asked.end_time, "endTime"))

    async def work() -> Answer:
        driver = await driver_who_books(request, asked.contact)
        booking = await book(desk, driver, connector_id, slot, vehicle=asked.vehicle)
        return await _shown(desk, driver.id, booking.id, 201)

    async def recall() -> Answer | None:
        driver_id = await _driver_id(request)
        wanted = BookingFilter(since=slot.starts_at, until=slot.starts_at + SHORTEST)
        async with desk.database.connection() as conn:
            views = await list_views(conn, driver_id, wanted, limit=100, now=desk.clock.fixed)
        for view in views:
            if _holds(view.booking, connector_id, slot):
                return Answer.of(201, booking_json(view, desk.channels))
        return None

    return await once(request, work, recall)


@get(
    _BOOKINGS,
    opt=declared(
        Operation(
            "List your bookings",
            BookingList,
            _TAG,
            query=BookingsQuery,
            description="Newest first: the latest start comes first.",
        )
    ),
)
async def list_bookings(request: ApiRequest) -> Response[bytes]:
    """GET /api/users/bookings."""
    query = read_query(request, BookingsQuery)
    place = read_cursor(query.cursor, tuple[Instant, RowId])
    wanted = BookingFilter(
        states=None if query.status is None else [query.status],
        since=query.since and in_utc(query.since, "from"),
        until=query.until and in_utc(query.until, "to"),
    )
    drivers: DriverBook = request.app.state.drivers
    driver_id = await drivers.find(request.user.subject)
    if driver_id is None:
        return reply(BookingList(items=[], next_cursor=None))
    desk = _desk(request)
    async with desk.database.connection() as conn:
        views = await list_views(conn, driver_id, wanted, limit=query.limit + 1, before=place, now=desk.clock.fixed)
    page = views[: query.limit]
    more = len(views) > len(page)
    return reply(
        BookingList(
            items=[booking_json(view, desk.channels) for view in page],
            next_cursor=_cursor(page[-1]) if more else None,
        )
    )


def _cursor(view: BookingView) -> str:
    return cursor_of((view.booking.timeline.starts_at, view.booking.id))


@get(_ONE, opt=declared(Operation("See one booking", BookingOut, _TAG, errors=(errors.NotFound,))))
async def show_booking(request: ApiRequest, booking_id: FromPath[str]) -> Response[bytes]:
    """GET /api/users/bookings/{bookingId}."""
    desk, number = _desk(request), parse_booking_ref(booking_id)
    driver_id = await _driver_id(request)
    async with desk.database.connection() as conn:
        view = await fetch_view(conn, number, driver_id, now=desk.clock.fixed)
        if view is None:
            raise errors.NotFound
        moves, notices = await history(conn, number), await notices_of(conn, number)
    return reply(booking_json(view, desk.channels, moves, notices))


@post(
    f"{_ONE}/payment",
    status_code=200,
    opt=declared(
        Operation(
            "Pay for a booking",
            BookingOut,
            _TAG,
            body=EmptyRequest,
            body_required=False,
            errors=(errors.NotFound, errors.NotPayable, errors.Conflict),
        )
    ),
)
async def pay_booking(request: ApiRequest, booking_id: FromPath[str]) -> Response[bytes]:
    """POST /api/users/bookings/{bookingId}/payment."""
    await read_body(request, EmptyRequest, required=False)
    desk, number = _desk(request), parse_booking_ref(booking_id)

    async def work() -> Answer:
        driver_id = await _driver_id(request)
        await pay(desk, driver_id, number)
        return await _shown(desk, driver_id, number)

    return await once(request, work, _recalled(request, number, lambda it: it.payment_status is PaymentStatus.PAID))


@put(
    f"{_ONE}/checkin",
    opt=declared(
        Operation(
            "Check in",
            BookingOut,
            _TAG,
            body=CheckInRequest,
            errors=(
                errors.NotFound,
                errors.CheckInTooEarly,
                errors.GraceOver,
                errors.NotCheckInable,
                errors.WrongConnector,
                errors.ProofNeeded,
                errors.TooFarAway,
            ),
            description="Again by the same driver changes nothing. `grace_over` brings `disputeUrl`.",
        )
    ),
)
async def check_in_booking(request: ApiRequest, booking_id: FromPath[str]) -> Response[bytes]:
    """PUT /api/users/bookings/{bookingId}/checkin."""
    asked = await read_body(request, CheckInRequest)
    desk, number, attempt = _desk(request), parse_booking_ref(booking_id), await _attempt(request, asked)

    async def work() -> Answer:
        driver_id = await _driver_id(request)
        await check_in(desk, driver_id, number, attempt)
        return await _shown(desk, driver_id, number)

    return await once(request, work, _recalled(request, number, lambda it: False))  # again changes nothing


@post(
    f"{_ONE}/cancel",
    status_code=200,
    opt=declared(
        Operation(
            "Cancel a booking",
            BookingOut,
            _TAG,
            body=CancelRequest,
            body_required=False,
            errors=(errors.NotFound, errors.NotCancellable, errors.Conflict),
            description="The refund is as the terms of the booking say.",
        )
    ),
)
async def cancel_booking(request: ApiRequest, booking_id: FromPath[str]) -> Response[bytes]:
    """POST /api/users/bookings/{bookingId}/cancel."""
    asked = await read_body(request, CancelRequest, required=False)
    desk, number = _desk(request), parse_booking_ref(booking_id)

    async def work() -> Answer:
        driver_id = await _driver_id(request)
        await cancel(desk, driver_id, number, asked.reason or None)
        return await _shown(desk, driver_id, number)

    return await once(request, work, _recalled(request, number, lambda it: it.end_reason is EndReason.BY_DRIVER))


@post(
    f"{_ONE}/finish",
    status_code=200,
    opt=declared(
        Operation(
            "Leave early",
            BookingOut,
            _TAG,
            body=EmptyRequest,
            body_required=False,
            errors=(errors.NotFound, errors.NotFinishable, errors.Conflict),
            description="The rest of the slot is free for the next driver.",
        )
    ),
)
async def finish_booking(request: ApiRequest, booking_id: FromPath[str]) -> Response[bytes]:
    """POST /api/users/bookings/{bookingId}/finish."""
    await read_body(request, EmptyRequest, required=False)
    desk, number = _desk(request), parse_booking_ref(booking_id)

    async def work() -> Answer:
        driver_id = await _driver_id(request)
        await finish(desk, driver_id, number)
        return await _shown(desk, driver_id, number)

    return await once(request, work, _recalled(request, number, lambda it: it.end_reason is EndReason.LEFT_EARLY))


async def _attempt(request: ApiRequest, asked: CheckInRequest) -> CheckInAttempt:
    """The code on a connector is a link that ends in the connector's id, or the id alone; `k` is a screen's code."""
    where = asked.location
    location = None if where is None else (where.latitude, where.longitude)
    accuracy = None if where is None else where.accuracy
    if asked.method is CheckInMethod.VENDOR:
        raise FieldsRefused(FieldError("method", "only the station's staff check in like that"))
    via = "the app says so" if asked.method is CheckInMethod.CHARGER else None
    attempt = CheckInAttempt(asked.method, location=location, accuracy=accuracy, via=via)
    if asked.method is not CheckInMethod.QR:
        return attempt
    link = urlsplit(asked.qr_token or "")
    try:
        connector_id = parse_ref("CN", link.path.rstrip("/").rpartition("/")[2])
    except errors.NotFound as error:
        raise FieldsRefused(FieldError("qrToken", "not the code of a connector")) from error
    code = "".join(parse_qs(link.query).get("k", [])[:1])
    return replace(attempt, qr_connector_id=connector_id, code_is_fresh=await _is_fresh(request, connector_id, code))


async def _is_fresh(request: ApiRequest, connector_id: int, code: str) -> bool:
    if not code:
        return False
    desk, codes = _desk(request), request.app.state.rotating_codes
    async with desk.database.connection() as conn:
        return bool(codes.is_fresh(connector_id, code, await desk.clock.now(conn)))


def _holds(booking: Booking, connector_id: int, slot: Slot) -> bool:
    same_time = (booking.timeline.starts_at, booking.timeline.ends_at) == (slot.starts_at, slot.ends_at)
    return same_time and booking.connector_id == connector_id and booking.due_at is not None


def _recalled(
    request: ApiRequest, booking_id: int, has_happened: Callable[[Booking], bool]
) -> Callable[[], Awaitable[Answer | None]]:
    """What to answer when an earlier process died over this request: the booking, if the effect is there."""

    async def recall() -> Answer | None:
        desk = _desk(request)
        view = await _seen(desk, await _driver_id(request), booking_id)
        return Answer.of(200, booking_json(view, desk.channels)) if has_happened(view.booking) else None

    return recall


BOOKING_ROUTES: tuple[HTTPRouteHandler, ...] = (
    book_slot,
    list_bookings,
    show_booking,
    pay_booking,
    check_in_booking,
    cancel_booking,
    finish_booking,
)
