"""The forms that move a booking: book, pay, check in, cancel with the refund shown first, leave early, dispute."""

from datetime import UTC, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.errors import Conflict, InvalidInput, NotFound, SlotTaken, SlotwatchError
from slotwatch.domain.ids import parse_booking_ref, parse_ref, ref
from slotwatch.domain.lifecycle import TRANSITIONS, Cause, EndReason, State
from slotwatch.domain.money import Money, PaymentStatus
from slotwatch.domain.slot import Slot
from slotwatch.domain.terms import Terms
from slotwatch.storage.accounts import find_driver_by_id
from slotwatch.storage.booking_views import BookingFilter, list_views
from slotwatch.storage.places import Place, find_place
from slotwatch.usecases.book import Agreed, book, price
from slotwatch.usecases.cancel import cancel
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.finish import finish
from slotwatch.usecases.pay import pay
from slotwatch.usecases.vendor_setup import read_terms
from slotwatch.web.contract import Instant, in_utc, read_query
from slotwatch.web.pages.driver.bookings import booking_page, own_view
from slotwatch.web.pages.driver.finding import money_words
from slotwatch.web.pages.driver.terms_words import changes, terms_words
from slotwatch.web.pages.forms import Position, read_form
from slotwatch.web.pages.shell import show
from slotwatch.web.pages.station_times import StationTimes
from slotwatch.web.problems import FieldsRefused, status_of
from slotwatch.web.visitors import PageRequest, Visitor, go

__all__ = ["MOVE_PAGES"]

_LONGEST_AHEAD = 366 * 24 * 60  # minutes; what is more was never on a page of ours


class SlotQuery(msgspec.Struct):
    """The slot that was chosen."""

    connector: Annotated[str, msgspec.Meta(max_length=40)]
    start: Instant
    minutes: Annotated[int, msgspec.Meta(ge=1, le=100_000)]

    def slot(self) -> Slot:
        """Its instants. Raises FieldsRefused at the edge of the calendar."""
        starts_at = in_utc(self.start, "start")
        return Slot(starts_at, starts_at + timedelta(minutes=self.minutes))


class SlotForm(SlotQuery):
    """As SlotQuery, the vehicle, and the price and the terms that the page showed."""

    price: int | None = None
    terms: Annotated[str, msgspec.Meta(max_length=10_000)] = ""
    vehicle: Annotated[str, msgspec.Meta(max_length=120, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None


class CancelForm(msgspec.Struct):
    """Why, if the driver wants to say; and the refund that the page showed."""

    refund: int | None = None
    reason: Annotated[str, msgspec.Meta(max_length=500)] | None = None


@get("/stations/{station_id:str}/book", include_in_schema=False)
async def show_slot(request: PageRequest, station_id: FromPath[str]) -> Response[Any]:
    """GET /stations/ST-…/book: the chosen slot with its price and its terms; without one, where slots are chosen."""
    if not request.query_params:
        return go(f"/stations/{station_id}")
    query = read_query(request, SlotQuery)
    return await _slot_page(request, station_id, query)


@post("/stations/{station_id:str}/book", include_in_schema=False)
async def book_slot(request: PageRequest, station_id: FromPath[str]) -> Response[Any]:
    """POST /stations/ST-…/book. Sent twice, it leads to the same booking."""
    form = await read_form(request, SlotForm)
    visitor: Visitor = request.scope["user"]
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        driver = await find_driver_by_id(conn, visitor.driver_id)
    connector_id, slot = parse_ref("CN", form.connector), form.slot()
    try:
        agreed = await _agreed(desk, station_id, form)
        booking = await book(desk, driver, connector_id, slot, vehicle=form.vehicle, agreed=agreed)
    except SlotTaken as error:
        own = await _own_booking_of(desk, visitor, connector_id, slot)
        return await _slot_page(request, station_id, form, error) if own is None else go(f"/bookings/{own}")
    except FieldsRefused:
        raise
    except (InvalidInput, SlotwatchError) as error:
        if isinstance(error, NotFound):
            raise
        return await _slot_page(request, station_id, form, error)
    return go(f"/bookings/{booking.ref}/pay" if booking.state is State.PENDING else f"/bookings/{booking.ref}")


@get("/bookings/{booking_id:str}/pay", include_in_schema=False)
async def show_payment(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """GET /bookings/BK-…/pay."""
    view, place = await own_view(request, booking_id)
    if view.booking.state is not State.PENDING:
        return go(f"/bookings/{booking_id}")
    times, timeline = StationTimes(view.zone), view.booking.timeline
    return show(
        request,
        "driver/pay.html",
        ref=booking_id,
        place=place,
        when=times.slot(timeline.starts_at, timeline.ends_at),
        amount=money_words(view.booking.amount),
        held_until=None if timeline.hold_ends_at is None else times.time(timeline.hold_ends_at),
    )


@post("/bookings/{booking_id:str}/pay", include_in_schema=False)
async def pay_booking(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """POST /bookings/BK-…/pay. Sent twice, it is paid once."""
    visitor: Visitor = request.scope["user"]
    try:
        await pay(request.app.state.desk, visitor.driver_id, parse_booking_ref(booking_id))
    except SlotwatchError as error:
        return await _unless_done(request, booking_id, error, {State.CONFIRMED, State.GRACE, State.ACTIVE})
    return go(f"/bookings/{booking_id}")


@post("/bookings/{booking_id:str}/check-in", include_in_schema=False)
async def check_in_here(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """POST /bookings/BK-…/check-in."""
    visitor: Visitor = request.scope["user"]
    position = await read_form(request, Position)
    attempt = CheckInAttempt(
        CheckInMethod.APP, location=position.point, accuracy=position.metres, via="the booking's page"
    )
    try:
        await check_in(request.app.state.desk, visitor.driver_id, parse_booking_ref(booking_id), attempt)
    except NotFound:
        raise
    except SlotwatchError as error:
        return await booking_page(request, booking_id, error)
    return go(f"/bookings/{booking_id}")


@get("/bookings/{booking_id:str}/cancel", include_in_schema=False)
async def show_cancel(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """GET /bookings/BK-…/cancel: what comes back, before anything is lost."""
    return await _cancel_page(request, booking_id)


@post("/bookings/{booking_id:str}/cancel", include_in_schema=False)
async def cancel_booking(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """POST /bookings/BK-…/cancel: only with the refund that was shown."""
    visitor: Visitor = request.scope["user"]
    form = await read_form(request, CancelForm)
    number = parse_booking_ref(booking_id)
    try:
        await cancel(request.app.state.desk, visitor.driver_id, number, form.reason, refund=form.refund)
    except NotFound:
        raise
    except SlotwatchError as error:
        view, _ = await own_view(request, booking_id)
        if view.booking.state is State.CANCELLED:
            return go(f"/bookings/{booking_id}")
        return await _cancel_page(request, booking_id, error, reason=form.reason or "")
    return go(f"/bookings/{booking_id}")


@get("/bookings/{booking_id:str}/finish", include_in_schema=False)
async def show_finish(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """GET /bookings/BK-…/finish: what leaving early means."""
    view, place = await own_view(request, booking_id)
    if view.booking.state is not State.ACTIVE:
        return go(f"/bookings/{booking_id}")
    times = StationTimes(view.zone)
    return show(
        request, "driver/finish.html", ref=booking_id, place=place, until=times.time(view.booking.timeline.ends_at)
    )


@post("/bookings/{booking_id:str}/finish", include_in_schema=False)
async def finish_booking(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """POST /bookings/BK-…/finish."""
    visitor: Visitor = request.scope["user"]
    try:
        await finish(request.app.state.desk, visitor.driver_id, parse_booking_ref(booking_id))
    except SlotwatchError as error:
        return await _unless_done(request, booking_id, error, {State.COMPLETED})
    return go(f"/bookings/{booking_id}")


async def _unless_done(
    request: PageRequest, booking_ref: str, error: SlotwatchError, done: set[State]
) -> Response[Any]:
    """Where the same form was sent before, its effect is there: on to the page; else the page says why not."""
    if isinstance(error, NotFound):
        raise error
    view, _ = await own_view(request, booking_ref)
    return (
        go(f"/bookings/{booking_ref}")
        if view.booking.state in done
        else await booking_page(request, booking_ref, error)
    )


async def _slot_page(
    request: PageRequest, station_ref: str, asked: SlotQuery, error: SlotwatchError | None = None
) -> Response[Any]:
    desk: Desk = request.app.state.desk
    slot = asked.slot()
    place = await _bookable(desk, station_ref, asked.connector)
    terms = await read_terms(desk, place.vendor_id)
    times = StationTimes(place.zone)
    now = Agreed(price(place.price_per_hour, slot), terms)
    before = (
        await _agreed(desk, station_ref, asked) if isinstance(asked, SlotForm) and isinstance(error, Conflict) else None
    )
    return show(
        request,
        "driver/book.html",
        status=200 if error is None else status_of(type(error)),
        error=None if error is None else error.message,
        place=place,
        station_ref=station_ref,
        connector_ref=asked.connector,
        start=f"{slot.starts_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        minutes=asked.minutes,
        day=times.local_date(slot.starts_at),
        when=times.slot(slot.starts_at, slot.ends_at),
        zone=times.long_zone(slot.starts_at),
        amount=money_words(now.amount),
        price=now.amount.amount,
        agreed_terms=msgspec.json.encode(terms.as_dict()).decode(),
        changes=[] if before is None else changes(before, now, times, slot),
        is_paid_here=desk.settings.payments == "local",
        hold=times.length(desk.settings.payment_hold),
        terms=terms_words(terms, times, slot),
        vehicle=getattr(asked, "vehicle", None) or "",
    )


async def _agreed(desk: Desk, station_ref: str, form: SlotForm) -> Agreed | None:
    """What the page showed, as it came back; None where it says nothing that can be read."""
    place = await _bookable(desk, station_ref, form.connector)
    if form.price is None:
        return None
    try:
        terms = Terms.from_dict(msgspec.json.decode(form.terms, type=dict[str, Any]))
    except (msgspec.DecodeError, InvalidInput, KeyError, TypeError):
        return None
    if any(tier.until_minutes_before > _LONGEST_AHEAD for tier in terms.cancel_refund):
        return None
    return Agreed(Money(form.price, place.price_per_hour.currency), terms)


async def _bookable(desk: Desk, station_ref: str, connector_ref: str) -> Place:
    """The bay, if it is at that station and not removed. Raises NotFound."""
    async with desk.database.connection() as conn:
        place = await find_place(conn, parse_ref("CN", connector_ref))
    if place is None or place.is_removed or ref("ST", place.station_id) != station_ref:
        raise NotFound("This bay cannot be booked (any more).")
    return place


async def _own_booking_of(desk: Desk, visitor: Visitor, connector_id: int, slot: Slot) -> str | None:
    """The visitor's own live booking of exactly that slot: the form was sent twice."""
    wanted = BookingFilter(since=slot.starts_at, until=slot.starts_at + timedelta(seconds=1))
    async with desk.database.connection() as conn:
        views = await list_views(conn, visitor.driver_id, wanted, limit=20, now=desk.clock.fixed)
    for view in views:
        booking = view.booking
        if booking.connector_id == connector_id and booking.timeline.ends_at == slot.ends_at and booking.step:
            return booking.ref
    return None


async def _cancel_page(
    request: PageRequest, booking_ref: str, error: SlotwatchError | None = None, *, reason: str = ""
) -> Response[Any]:
    view, place = await own_view(request, booking_ref)
    booking, times = view.booking, StationTimes(view.zone)
    if (booking.state, Cause.CANCELLED) not in TRANSITIONS:
        return await booking_page(request, booking_ref, error)
    refund = booking.refund_if_cancelled(EndReason.BY_DRIVER, view.now)
    return show(
        request,
        "driver/cancel.html",
        status=200 if error is None else status_of(type(error)),
        error=None if error is None else error.message,
        ref=booking_ref,
        place=place,
        when=times.slot(booking.timeline.starts_at, booking.timeline.ends_at),
        is_paid=booking.payment_status is PaymentStatus.PAID,
        refund=refund.amount,
        refund_words=money_words(refund),
        amount=money_words(booking.amount),
        reason=reason,
        percent=booking.terms.refund_percent(booking.timeline.starts_at - view.now),
        terms=terms_words(booking.terms, times, Slot(booking.timeline.starts_at, booking.timeline.ends_at)),
    )


MOVE_PAGES: tuple[HTTPRouteHandler, ...] = (
    *(show_slot, book_slot, show_payment, pay_booking, check_in_here),
    *(show_cancel, cancel_booking, show_finish, finish_booking),
)
