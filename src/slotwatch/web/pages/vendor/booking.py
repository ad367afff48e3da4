"""One booking at the vendor's station, beside the board or as a page of its own: its story, and what staff can do."""

from dataclasses import dataclass
from typing import Any

import structlog
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain.booking import Booking
from slotwatch.domain.errors import Conflict, InvalidInput, NotCancellable, NotFound, SlotwatchError
from slotwatch.domain.ids import parse_booking_ref
from slotwatch.domain.lifecycle import EndReason, State
from slotwatch.domain.masked import masked
from slotwatch.domain.money import PaymentStatus
from slotwatch.storage.booking_views import BookingView, TransitionView, fetch_view, history
from slotwatch.storage.evidence import Records, records_of
from slotwatch.storage.statements import Statement
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.vendor_bookings import cancel_for_vendor, check_in_by_staff, own_booking
from slotwatch.web.pages.filled import read_filled
from slotwatch.web.pages.shell import show
from slotwatch.web.pages.vendor.board_view import zone_words
from slotwatch.web.pages.vendor.story import amount, check_ins, instant, ledger_lines, moves_of, told_of
from slotwatch.web.visitors import PageRequest, Visitor, go

__all__ = ["BOOKING_PAGES", "CONTACT_PAGES"]

_log = structlog.get_logger(__name__)

_ONE = "/vendor/bookings/{booking_id:str}"
_DRIVER = Statement("SELECT name, email, phone FROM driver WHERE id = :id")
_MOST_LETTERS = 500


@dataclass(frozen=True)
class _Story:
    """What is on record, read at one instant."""

    view: BookingView
    driver: Any
    moves: list[TransitionView]
    records: Records


@get(_ONE, include_in_schema=False)
async def show_booking(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """GET /vendor/bookings/…."""
    return await _page(request, parse_booking_ref(booking_id))


@post(f"{_ONE}/checkin", include_in_schema=False)
async def check_in(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """POST /vendor/bookings/…/checkin: the driver stands here."""
    visitor: Visitor = request.scope["user"]
    number = parse_booking_ref(booking_id)
    try:
        await check_in_by_staff(request.app.state.desk, visitor.staff, number)
    except NotFound:
        raise
    except SlotwatchError as error:
        return await _page(request, number, refused=error.message, status=409)
    return go(f"/vendor/bookings/{booking_id}")


@get(f"{_ONE}/cancel", include_in_schema=False)
async def ask_to_cancel(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """GET /vendor/bookings/…/cancel: what goes back, and why; nothing is changed yet."""
    return await _page(request, parse_booking_ref(booking_id), cancelling=True)


@post(f"{_ONE}/cancel", include_in_schema=False)
async def cancel(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """POST /vendor/bookings/…/cancel."""
    visitor: Visitor = request.scope["user"]
    number = parse_booking_ref(booking_id)
    reason = (await read_filled(request))["reason"]
    try:
        await cancel_for_vendor(request.app.state.desk, visitor.staff, number, reason)
    except InvalidInput as error:
        return await _page(request, number, refused=error.message, cancelling=True, reason=reason, status=422)
    except NotCancellable as error:
        if not await _is_cancelled_by_staff(request.app.state.desk, visitor, number):
            return await _page(request, number, refused=error.message, status=409)
    except Conflict as error:
        return await _page(request, number, refused=error.message, status=409)
    return go(f"/vendor/bookings/{booking_id}")


@get(f"{_ONE}/contact", include_in_schema=False)
async def show_contact(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """GET /vendor/bookings/…/contact: for managers who ask; who asked is in the log."""
    number = parse_booking_ref(booking_id)
    visitor: Visitor = request.scope["user"]
    answer = await _page(request, number, open_contact=True)
    _log.info("a driver's contact was shown", action="contact_shown", booking=booking_id, actor=visitor.staff.actor)
    return answer


async def _page(
    request: PageRequest,
    booking_id: int,
    *,
    refused: str | None = None,
    cancelling: bool = False,
    reason: str = "",
    open_contact: bool = False,
    status: int = 200,
) -> Response[Any]:
    visitor: Visitor = request.scope["user"]
    story = await _read(request.app.state.desk, visitor, booking_id)
    view, zone = story.view, story.view.zone
    booking = view.booking
    opens_at = booking.timeline.check_in_opens_at
    can_check_in = booking.state in (State.CONFIRMED, State.GRACE)
    return show(
        request,
        "vendor_booking.html",
        status=status,
        view=view,
        booking=booking,
        zone=zone_words(zone, booking.timeline.starts_at),
        at=lambda when: instant(when, zone),
        amount=amount(booking.amount),
        refund=_refund(booking, view),
        driver=story.driver,
        contact=_contact(visitor, story.driver, is_open=open_contact),
        moves=moves_of(story.moves, zone),
        told=told_of(story.records, zone),
        check_ins=check_ins(story.records, zone),
        ledger=ledger_lines(story.records, zone),
        records=story.records,
        refused=refused,
        cancelling=cancelling and _may_cancel(booking),
        reason=reason,
        may_cancel=_may_cancel(booking),
        may_check_in=can_check_in and opens_at <= view.now,
        opens_at=opens_at if can_check_in and opens_at > view.now else None,  # all that changes by time alone
        most_letters=_MOST_LETTERS,
    )


async def _read(desk: Desk, visitor: Visitor, booking_id: int) -> _Story:
    async with desk.database.snapshot() as conn:
        booking = await own_booking(conn, visitor.staff, booking_id)
        view = await fetch_view(conn, booking_id, booking.driver_id, now=desk.clock.fixed)
        assert view is not None, "bookings are never deleted and never change hands"
        timeline = booking.timeline
        return _Story(
            view,
            await _DRIVER.fetchrow(conn, id=booking.driver_id),
            await history(conn, booking_id),
            await records_of(conn, booking_id, timeline.check_in_opens_at, timeline.ends_at),
        )


async def _is_cancelled_by_staff(desk: Desk, visitor: Visitor, booking_id: int) -> bool:
    """Whether it is as they wanted it: they tapped twice, or two of them did."""
    async with desk.database.connection() as conn:
        return (await own_booking(conn, visitor.staff, booking_id)).end_reason is EndReason.BY_VENDOR


def _may_cancel(booking: Booking) -> bool:
    return booking.state in (State.PENDING, State.CONFIRMED, State.GRACE)


def _refund(booking: Booking, view: BookingView) -> str | None:
    """What a cancel by the staff gives back; None where nothing was paid."""
    if not _may_cancel(booking) or booking.payment_status is not PaymentStatus.PAID:
        return None
    return amount(booking.refund_if_cancelled(EndReason.BY_VENDOR, view.now))


def _contact(visitor: Visitor, driver: Any, *, is_open: bool) -> dict[str, str] | None:
    """For managers: masked until they ask. Attendants need no more than a name and a plate."""
    if visitor.role is None or not visitor.role.may_manage:
        return None
    email, phone = driver["email"] or "", driver["phone"] or ""
    if is_open:
        return {"email": email, "phone": phone, "is_open": "yes"}
    return {"email": masked(email), "phone": masked(phone), "is_open": ""}


BOOKING_PAGES: tuple[HTTPRouteHandler, ...] = (show_booking, check_in, ask_to_cancel, cancel)
CONTACT_PAGES: tuple[HTTPRouteHandler, ...] = (show_contact,)
