"""The inbox of disputes: the driver's words beside what is on record, and the vendor's decision."""

from typing import Any
from zoneinfo import ZoneInfo

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain.errors import Conflict, InvalidInput
from slotwatch.domain.ids import booking_ref, parse_booking_ref
from slotwatch.domain.lifecycle import State
from slotwatch.domain.money import Money
from slotwatch.locale.catalogues import language
from slotwatch.outbox.money_words import amount_words
from slotwatch.usecases.evidence import gather_for_vendor
from slotwatch.usecases.vendor_disputes import (
    Decision,
    DisputeFilter,
    find_own_dispute,
    list_disputes,
    resolve_dispute,
)
from slotwatch.web.pages.filled import read_filled
from slotwatch.web.pages.shell import show
from slotwatch.web.pages.station_times import StationTimes
from slotwatch.web.pages.vendor.dispute_story import story_of, when_in
from slotwatch.web.pages.vendor.stations import desk_of
from slotwatch.web.visitors import PageRequest, Visitor, go

__all__ = ["DISPUTE_PAGES"]

_ONE = "/vendor/disputes/{booking_id:str}"
_MOST = 200
_SAID = {
    "uphold": "The no-show stands. The driver reads your note beside the booking, and in a message if one can be sent.",
    "refund": "The no-show is undone: the money goes back, and the driver is told if a message can be sent.",
    "closed": "Closed. The no-show had been undone before, and the money had gone back: no further message is sent.",
}


@get("/vendor/disputes", include_in_schema=False)
async def show_disputes(request: PageRequest) -> Response[str]:
    """GET /vendor/disputes: those to be decided; with `?status=decided` the others."""
    visitor: Visitor = request.user
    is_open = request.query_params.get("status") != "decided"
    found = await list_disputes(desk_of(request), visitor.staff, DisputeFilter(is_open, _MOST))
    rows = [
        (
            booking_ref(one.booking_id),
            one,
            _amount(one.amount, one.currency),
            StationTimes(one.zone).dated(one.opened_at),
        )
        for one in found
    ]
    said = _SAID.get(request.query_params.get("done", ""))
    return show(request, "setup_disputes.html", disputes=rows, is_open=is_open, most=_MOST, said=said)


@get(_ONE, include_in_schema=False)
async def show_dispute(request: PageRequest, booking_id: FromPath[str]) -> Response[str]:
    """GET /vendor/disputes/{id}."""
    return await _page(request, booking_id)


@post(_ONE, include_in_schema=False)
async def decide_dispute(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """POST /vendor/disputes/{id}."""
    visitor: Visitor = request.user
    filled = await read_filled(request)
    number = parse_booking_ref(booking_id)
    if filled["decision"] not in list(Decision):
        return await _page(request, booking_id, note=filled["note"], refusal="Choose one of the two.", status=422)
    decision = Decision(filled["decision"])
    try:
        dispute = await resolve_dispute(desk_of(request), visitor.staff, number, decision, filled["note"])
    except (Conflict, InvalidInput) as error:
        status = 422 if isinstance(error, InvalidInput) else 409
        return await _page(request, booking_id, note=filled["note"], refusal=error.message, status=status)
    was_undone = decision is Decision.REFUND and dispute.state is not State.VOIDED
    return go(f"/vendor/disputes?done={'closed' if was_undone else decision}")


async def _page(
    request: PageRequest, booking_id: str, *, note: str = "", refusal: str = "", status: int = 200
) -> Response[str]:
    visitor: Visitor = request.user
    number = parse_booking_ref(booking_id)
    dispute = await find_own_dispute(desk_of(request), visitor.staff, number)
    evidence = await gather_for_vendor(desk_of(request), visitor.staff, number)
    zone: ZoneInfo = evidence.view.zone
    return show(
        request,
        "setup_dispute.html",
        status=status,
        dispute=dispute,
        booking_id=booking_ref(number),
        amount=_amount(dispute.amount, dispute.currency),
        story=story_of(evidence),
        when=when_in(zone),
        terms=evidence.view.booking.terms,
        timeline=evidence.view.booking.timeline,
        booking=evidence.view.booking,
        note=note,
        refusal=refusal,
    )


def _amount(amount: int, currency: str) -> str:
    return amount_words(Money(amount, currency), language("en"))


DISPUTE_PAGES: tuple[HTTPRouteHandler, ...] = (show_disputes, show_dispute, decide_dispute)
