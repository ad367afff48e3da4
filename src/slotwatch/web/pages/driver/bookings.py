"""My bookings, and the page of one: what to do now, how long it lasts, what was told, what happened."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain.booking import DISPUTE_WINDOW
from slotwatch.domain.errors import NotFound, SlotwatchError
from slotwatch.domain.ids import parse_booking_ref, ref
from slotwatch.domain.lifecycle import FINAL_STATES, LIVE_STATES, TRANSITIONS, Cause, State
from slotwatch.domain.money import Money
from slotwatch.outbox.notice_tokens import NoticeTokens
from slotwatch.storage.booking_views import BookingFilter, BookingView, fetch_view, history, list_views
from slotwatch.storage.evidence import find_dispute
from slotwatch.storage.places import Place, find_place
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.evidence import verdict
from slotwatch.web.contract import Instant, RowId, cursor_of, read_cursor, read_query
from slotwatch.web.pages.driver.booking_words import (
    METHOD_WORDS,
    STATE_WORDS,
    Phase,
    dial_of,
    happened,
    money_sentence,
    phase_of,
    told,
)
from slotwatch.web.pages.driver.finding import map_link, money_words
from slotwatch.web.pages.driver.terms_words import terms_words
from slotwatch.web.pages.shell import show
from slotwatch.web.pages.station_times import StationTimes, milliseconds
from slotwatch.web.problems import status_of
from slotwatch.web.visitors import PageRequest, Visitor

__all__ = ["BOOKING_PAGES", "booking_page", "money_of", "own_view"]

_ON_A_PAGE = 20
_MOST_LIVE = 100


class BookingsQuery(msgspec.Struct):
    """Where to go on in the list of the past."""

    cursor: Annotated[str, msgspec.Meta(max_length=200)] | None = None


@dataclass(frozen=True)
class _Line:
    """A booking in the list."""

    ref: str
    state: State
    word: str
    station: str
    label: str
    when: str
    amount: str
    hint: str


@get("/bookings", include_in_schema=False)
async def show_bookings(request: PageRequest) -> Response[Any]:
    """GET /bookings: the live ones first, then the past, a page at a time."""
    visitor: Visitor = request.scope["user"]
    desk: Desk = request.app.state.desk
    place = read_cursor(read_query(request, BookingsQuery).cursor, tuple[Instant, RowId])
    live_ones, past_ones = BookingFilter(states=LIVE_STATES), BookingFilter(states=FINAL_STATES)
    async with desk.database.connection() as conn:
        live = (
            []
            if place
            else await list_views(conn, visitor.driver_id, live_ones, limit=_MOST_LIVE, now=desk.clock.fixed)
        )
        past = await list_views(
            conn, visitor.driver_id, past_ones, limit=_ON_A_PAGE + 1, before=place, now=desk.clock.fixed
        )
    shown = past[:_ON_A_PAGE]
    last = shown[-1].booking if len(past) > len(shown) else None
    return show(
        request,
        "driver/bookings.html",
        live=[_line(view) for view in reversed(live)],
        past=[_line(view) for view in shown],
        more=None if last is None else cursor_of((last.timeline.starts_at, last.id)),
        is_first=place is None,
    )


@get("/bookings/{booking_id:str}", include_in_schema=False)
async def show_booking(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """GET /bookings/BK-…: where the links in messages lead."""
    return await booking_page(request, booking_id)


@get("/bookings/{booking_id:str}/now", include_in_schema=False)
async def show_booking_now(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """GET /bookings/BK-…/now: the part that changes, for the script that renews it."""
    return show(request, "driver/booking_now.html", statement="", **await _story(request, booking_id))


async def booking_page(
    request: PageRequest, booking_ref: str, error: SlotwatchError | None = None, *, statement: str = ""
) -> Response[Any]:
    """The whole page; with the refusal of what was just asked for, and the `statement` of a refused dispute."""
    return show(
        request,
        "driver/booking.html",
        status=200 if error is None else status_of(type(error)),
        error=None if error is None else error.message,
        statement=statement,
        **await _story(request, booking_ref),
    )


async def own_view(request: PageRequest, booking_ref: str) -> tuple[BookingView, Place]:
    """The visitor's own booking and its bay. Raises NotFound."""
    visitor: Visitor = request.scope["user"]
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        view = await fetch_view(conn, parse_booking_ref(booking_ref), visitor.driver_id, now=desk.clock.fixed)
        if view is None:
            raise NotFound
        place = await find_place(conn, view.booking.connector_id)
        assert place is not None, "connectors are never deleted"
        return view, place


def money_of(view: BookingView) -> str:
    """Where this booking's money is, in a sentence."""
    booking = view.booking
    refunded = Money(view.refunded, booking.amount.currency)
    return money_sentence(booking.payment_status, money_words(booking.amount), money_words(refunded))


async def _story(request: PageRequest, booking_ref: str) -> dict[str, Any]:
    view, place = await own_view(request, booking_ref)
    visitor: Visitor = request.scope["user"]
    desk: Desk = request.app.state.desk
    booking, times = view.booking, StationTimes(view.zone)
    async with desk.database.connection() as conn:
        moves = await history(conn, booking.id)
        dispute = await find_dispute(conn, booking.id, visitor.driver_id)
    phase = phase_of(view)
    tokens: NoticeTokens = request.app.state.notice_tokens
    dispute_ends = None if booking.expired_at is None else booking.expired_at + DISPUTE_WINDOW
    return {
        "view": view,
        "booking": booking,
        "ref": booking.ref,
        "timeline": booking.timeline,
        "place": place,
        "station_ref": ref("ST", place.station_id),
        "times": times,
        "zone": times.long_zone(booking.timeline.starts_at),
        "phase": phase.value,
        "state_word": STATE_WORDS[booking.state],
        "dial": dial_of(view),
        "now_ms": milliseconds(view.now),
        "version": _version(view, phase, dispute),
        "verdict": verdict(booking),
        "is_over": phase is Phase.OVER,
        "money": money_of(view),
        "amount": money_words(booking.amount),
        "checked_in_how": METHOD_WORDS.get(booking.check_in_method, "") if booking.check_in_method else "",
        "told": told(view.deliveries),
        "moves": [(times.exact(move.at), happened(move), move.to_state) for move in moves],
        "terms": terms_words(booking.terms, times),
        "can_cancel": (booking.state, Cause.CANCELLED) in TRANSITIONS,
        "dispute": dispute,
        "dispute_until": None if dispute_ends is None or view.now > dispute_ends else times.day(dispute_ends),
        "calendar_link": f"/notices/{tokens.token(booking.id)}/booking.ics",
        "map_link": map_link(place.latitude, place.longitude),
        "minutes": int((booking.timeline.ends_at - booking.timeline.starts_at) / timedelta(minutes=1)),
    }


def _version(view: BookingView, phase: Phase, dispute: dict[str, Any] | None) -> str:
    """Changes when the page says something else than before, the countdown aside."""
    ways = "".join(delivery.state.value[0] for delivery in view.deliveries)
    decided = "" if dispute is None else str(dispute["decision"])
    return f"{view.booking.version}-{view.booking.epoch}-{phase}-{view.booking.payment_status}-{ways}-{decided}"


def _line(view: BookingView) -> _Line:
    booking, times = view.booking, StationTimes(view.zone)
    timeline = booking.timeline
    hint = {
        Phase.TO_PAY: "Pay now, or the slot goes to others",
        Phase.AHEAD: f"Check-in opens at {times.time(timeline.check_in_opens_at)}",
        Phase.OPEN: f"Check in by {times.time(timeline.grace_ends_at)}",
        Phase.CLOSING: "Grace is over",
        Phase.CHARGING: f"Yours until {times.time(timeline.ends_at)}",
        Phase.OVER: money_of(view),
    }[phase_of(view)]
    return _Line(
        ref=booking.ref,
        state=booking.state,
        word=STATE_WORDS[booking.state],
        station=view.station_name,
        label=view.connector_label,
        when=times.short_slot(timeline.starts_at, timeline.ends_at),
        amount=money_words(booking.amount),
        hint=hint,
    )


BOOKING_PAGES: tuple[HTTPRouteHandler, ...] = (show_bookings, show_booking, show_booking_now)
