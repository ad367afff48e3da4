"""Checking in with a scanned code, or with the signed link of a message. A GET shows; only a POST checks in."""

import secrets
from datetime import datetime, timedelta
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.errors import NotFound, SlotwatchError
from slotwatch.domain.ids import booking_ref, parse_ref, ref
from slotwatch.domain.lifecycle import State
from slotwatch.outbox.notice_tokens import NoticeTokens
from slotwatch.storage import bookings
from slotwatch.storage.booking_views import BookingView, fetch_view
from slotwatch.storage.places import Place, find_place
from slotwatch.storage.stations import busy_times
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.rotating_codes import RotatingCodes
from slotwatch.usecases.scan import Finding, Scan, look_up
from slotwatch.web.contract import read_query
from slotwatch.web.pages.driver.booking_words import STATE_WORDS, dial_of, phase_of
from slotwatch.web.pages.forms import Position, read_form
from slotwatch.web.pages.shell import show
from slotwatch.web.pages.station_times import StationTimes, milliseconds
from slotwatch.web.problems import status_of
from slotwatch.web.sealed import Seals
from slotwatch.web.visitors import PageRequest, Visitor, go, session_cookie

__all__ = ["SCANNING_PAGES"]

_PURPOSE = "scanned"
_SEEN_LASTS = timedelta(minutes=10)
"""How long a fresh code counts once its page is open: time to sign in and to tap, and little more."""
_BROWSER = "slotwatch_scan"
"""The cookie with the name of the browser that scanned: what it saw counts nowhere else."""
_LOOK_AHEAD = timedelta(hours=12)


class Seen(msgspec.Struct):
    """Sealed: this browser saw the fresh code of that connector's screen."""

    connector_id: int
    browser: str


class ScanQuery(msgspec.Struct):
    """What the code holds beside the bay: the screen's changing part, or that it was seen to be fresh."""

    k: str = ""
    seen: str = ""


class ScanForm(Position):
    """That a fresh code was seen, and perhaps where the phone is."""

    seen: str = ""


@get("/c/{code:str}", include_in_schema=False)
async def show_scan(request: PageRequest, code: FromPath[str]) -> Response[Any]:
    """GET /c/CN-…: what a scanned code opens."""
    query = read_query(request, ScanQuery)
    connector_id = parse_ref("CN", code)
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        now = await desk.clock.now(conn)
        place = await find_place(conn, connector_id)
    if place is None:
        raise NotFound("This code belongs to no bay of ours.")
    seen = query.seen if _has_seen(request, connector_id, query.seen, now) else ""
    codes: RotatingCodes = request.app.state.rotating_codes
    cookies = []
    if query.k and codes.is_fresh(connector_id, query.k, now):
        seals: Seals = request.app.state.seals
        browser = request.cookies.get(_BROWSER, "")[:40] or secrets.token_urlsafe(16)
        seen = seals.seal(_PURPOSE, Seen(connector_id, browser), ends_at=now + _SEEN_LASTS)
        cookies = [_browser_cookie(request, browser)]
    answer = await _what_was_scanned(request, place, seen)
    answer.cookies.extend(cookies)
    return answer


async def _what_was_scanned(request: PageRequest, place: Place, seen: str) -> Response[Any]:
    visitor: Visitor | None = request.scope.get("user")
    if visitor is None or visitor.session.driver_id is None:
        is_staff, code, back = visitor is not None, ref("CN", place.connector_id), _back(place, seen)
        return show(request, "driver/scan_unknown.html", place=place, code=code, back=back, is_staff=is_staff)
    scan = await look_up(request.app.state.desk, visitor.driver_id, place.connector_id)
    return await _scan_page(request, scan, seen=seen, has_seen=bool(seen))


@post("/c/{code:str}", include_in_schema=False)
async def check_in_by_code(request: PageRequest, code: FromPath[str]) -> Response[Any]:
    """POST /c/CN-…: one tap. Again, it leads to the same booking."""
    connector_id = parse_ref("CN", code)
    visitor: Visitor | None = request.scope.get("user")
    if visitor is None or visitor.session.driver_id is None:
        return go(f"/c/{code}")
    form = await read_form(request, ScanForm)
    desk: Desk = request.app.state.desk
    scan = await look_up(desk, visitor.driver_id, connector_id)
    has_seen = _has_seen(request, connector_id, form.seen, scan.now)
    if scan.view is None or scan.finding is Finding.UNPAID:
        return await _scan_page(request, scan, seen=form.seen, has_seen=has_seen)
    attempt = CheckInAttempt(
        CheckInMethod.QR,
        connector_id,
        form.point,
        accuracy=form.metres,
        code_is_fresh=has_seen,
        via="a scanned code",
    )
    try:
        await check_in(desk, visitor.driver_id, scan.view.booking.id, attempt)
    except SlotwatchError as error:
        fresh = await look_up(desk, visitor.driver_id, connector_id)
        return await _scan_page(request, fresh, seen=form.seen, has_seen=has_seen, error=error)
    return go(f"/bookings/{scan.view.booking.ref}")


@get("/b/{token:str}", include_in_schema=False)
async def show_link(request: PageRequest, token: FromPath[str]) -> Response[Any]:
    """GET /b/…: what the check-in button of a message opens. Programs that follow links change nothing here."""
    view, place = await _linked(request, token)
    return _link_page(request, token, view, place)


@post("/b/{token:str}", include_in_schema=False)
async def check_in_by_link(request: PageRequest, token: FromPath[str]) -> Response[Any]:
    """POST /b/…: who holds the message checks its driver in, and can do nothing else."""
    view, place = await _linked(request, token)
    position = await read_form(request, Position)
    attempt = CheckInAttempt(
        CheckInMethod.APP, location=position.point, accuracy=position.metres, via="the link in a message"
    )
    try:
        await check_in(request.app.state.desk, view.booking.driver_id, view.booking.id, attempt)
    except SlotwatchError as error:
        view, place = await _linked(request, token)
        return _link_page(request, token, view, place, error)
    return go(f"/b/{token}")


async def _scan_page(
    request: PageRequest, scan: Scan, *, seen: str, has_seen: bool, error: SlotwatchError | None = None
) -> Response[Any]:
    place, times, view = scan.place, StationTimes(scan.place.zone), scan.view
    other = None
    if view is not None and view.booking.connector_id != place.connector_id:
        other = view.connector_label
    needs_code = place.rotating_code and not has_seen
    return show(
        request,
        "driver/scan.html",
        status=200 if error is None else status_of(type(error)),
        error=None if error is None else error.message,
        finding=scan.finding.value,
        place=place,
        code=ref("CN", place.connector_id),
        station_ref=ref("ST", place.station_id),
        times=times,
        view=view,
        ref=None if view is None else view.booking.ref,
        timeline=None if view is None else view.booking.timeline,
        other=other,
        dial=None if view is None else dial_of(view),
        now_ms=milliseconds(scan.now),
        seen=seen,
        back=_back(place, seen),
        is_over=view is not None and view.booking.state is State.EXPIRED,
        needs_code=needs_code,
        needs_position=place.check_in_radius_m is not None,
        now_here=await _now_here(request, scan) if scan.finding is Finding.NO_BOOKING else (False, ""),
        now=scan.now,
    )


async def _now_here(request: PageRequest, scan: Scan) -> tuple[bool, str]:
    """Whether the bay can be booked from now on, and what is to be said about it."""
    place, times, until = scan.place, StationTimes(scan.place.zone), scan.now + _LOOK_AHEAD
    opens, closes = next(iter(place.hours.within(scan.now, until, place.zone)), (None, scan.now))
    if opens is None:
        return False, "The station is closed now."
    if opens > scan.now:
        return False, f"The station is closed now, and opens at {times.day_time(opens)}."
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        busy = await busy_times(conn, [place.station_id], scan.now, until)
    ends = min(closes, next((taken_from for taken_from, _ in busy.get(place.connector_id, [])), until))
    if ends <= scan.now:
        return False, "Somebody else holds this bay at the moment."
    return True, f"This bay is free {'for the next hours' if ends >= until else f'until {times.time(ends)}'}."


def _back(place: Place, seen: str) -> str:
    """This page again, after signing in."""
    return f"/c/{ref('CN', place.connector_id)}" + (f"?seen={seen}" if seen else "")


def _has_seen(request: PageRequest, connector_id: int, seen: str, now: datetime) -> bool:
    """Whether this browser saw the fresh code; what another one saw, and passed on, counts for nothing."""
    seals: Seals = request.app.state.seals
    fact = seals.read(_PURPOSE, seen, Seen, now=now)
    return fact is not None and fact == Seen(connector_id, request.cookies.get(_BROWSER, ""))


def _browser_cookie(request: PageRequest, browser: str) -> Cookie:
    cookie = session_cookie(request, browser, max_age=int(timedelta(hours=1).total_seconds()))
    cookie.key, cookie.path = _BROWSER, "/c"
    return cookie


async def _linked(request: PageRequest, token: str) -> tuple[BookingView, Place]:
    """The booking of a signed link. Raises NotFound for any other link."""
    tokens: NoticeTokens = request.app.state.notice_tokens
    booking_id = tokens.booking_to_check_in(token)
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        booking = await bookings.load(conn, booking_id)
        if booking is None:
            raise NotFound
        view = await fetch_view(conn, booking_id, booking.driver_id, now=desk.clock.fixed)
        place = await find_place(conn, booking.connector_id)
    assert view is not None and place is not None, "bookings and connectors are never deleted"
    return view, place


def _link_page(
    request: PageRequest, token: str, view: BookingView, place: Place, error: SlotwatchError | None = None
) -> Response[Any]:
    times, timeline = StationTimes(view.zone), view.booking.timeline
    return show(
        request,
        "driver/link.html",
        status=200 if error is None else status_of(type(error)),
        error=None if error is None else error.message,
        token=token,
        ref=booking_ref(view.booking.id),
        phase=phase_of(view).value,
        state=view.booking.state.value,
        state_word=STATE_WORDS[view.booking.state],
        dial=dial_of(view),
        now_ms=milliseconds(view.now),
        place=place,
        times=times,
        timeline=timeline,
        when=times.slot(timeline.starts_at, timeline.ends_at),
        needs_code=place.rotating_code,
        needs_position=place.check_in_radius_m is not None,
    )


SCANNING_PAGES: tuple[HTTPRouteHandler, ...] = (show_scan, check_in_by_code, show_link, check_in_by_link)
