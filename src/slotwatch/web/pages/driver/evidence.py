"""Why did this end as it did: everything on record, in words; and the form to dispute a no-show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain.booking import DISPUTE_WINDOW
from slotwatch.domain.errors import AlreadyDisputed, NotFound, SlotwatchError
from slotwatch.domain.ids import parse_booking_ref
from slotwatch.domain.lifecycle import State
from slotwatch.domain.money import Money
from slotwatch.domain.notices import DeliveryState, KeptBack, NoticeKind
from slotwatch.storage.evidence import Records
from slotwatch.usecases.dispute import dispute
from slotwatch.usecases.evidence import Evidence, gather_evidence
from slotwatch.web.pages.driver.booking_words import (
    CHANNEL_WORDS,
    DELIVERY_WORDS,
    KIND_WORDS,
    METHOD_WORDS,
    STATE_WORDS,
    happened,
)
from slotwatch.web.pages.driver.bookings import booking_page, money_of, own_view
from slotwatch.web.pages.driver.finding import money_words
from slotwatch.web.pages.driver.terms_words import terms_words
from slotwatch.web.pages.forms import read_form
from slotwatch.web.pages.receipt_words import receipt_words, reported_at
from slotwatch.web.pages.shell import show
from slotwatch.web.pages.station_times import StationTimes
from slotwatch.web.visitors import PageRequest, Visitor, go

__all__ = ["EVIDENCE_PAGES"]

_PARTS = {"engine": "the part that moves bookings", "api": "pages and check-in"}
_KEPT_BACK = {
    KeptBack.SWITCHED_OFF: "not sent: you had switched these messages off",
    KeptBack.SAID_STOP: "not sent: you had answered STOP to these messages",
    KeptBack.NO_ADDRESS: "not sent: no address that could be used",
}
_NOT_ARRIVED = "sent; nothing says that it arrived"
_MONEY = {
    "captured": "You paid",
    "earned": "The vendor earned it",
    "refunded": "It went back to you",
    "kept": "Kept by the vendor, as the terms say",
    "forfeit_held": "Kept aside: for a day, and while you dispute it",
    "forfeited": "Went to the vendor as a no-show's",
}


class DisputeForm(msgspec.Struct):
    """What happened, in the driver's words."""

    statement: str = ""


@dataclass(frozen=True)
class _Line:
    """One line of what is on record: when, what, and whether it speaks for the driver (None: neither)."""

    at: str
    text: str
    detail: str = ""
    good: bool | None = None


@get("/bookings/{booking_id:str}/evidence", include_in_schema=False)
async def show_evidence(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """GET /bookings/BK-…/evidence."""
    visitor: Visitor = request.scope["user"]
    _, place = await own_view(request, booking_id)
    found = await gather_evidence(request.app.state.desk, visitor.driver_id, parse_booking_ref(booking_id))
    booking, times = found.view.booking, StationTimes(found.view.zone)
    ends = None if booking.expired_at is None else booking.expired_at + DISPUTE_WINDOW
    return show(
        request,
        "driver/evidence.html",
        ref=booking_id,
        place=place,
        booking=booking,
        state_word=STATE_WORDS[booking.state],
        verdict=found.verdict,
        money=money_of(found.view),
        times=times,
        zone=times.long_zone(booking.timeline.starts_at),
        moves=[_Line(times.exact(move.at), happened(move), move.remark) for move in found.transitions],
        notices=_notices(found, times),
        attempts=[_attempt(row, times) for row in found.records.evidence],
        outages=[_outage(row, times) for row in found.records.outages],
        ledger=[_movement(row, times) for row in found.records.ledger],
        dispute=found.records.dispute,
        can_dispute=booking.state is State.EXPIRED and ends is not None and found.view.now <= ends,
        terms=terms_words(booking.terms, times),
    )


@post("/bookings/{booking_id:str}/dispute", include_in_schema=False)
async def open_dispute(request: PageRequest, booking_id: FromPath[str]) -> Response[Any]:
    """POST /bookings/BK-…/dispute. Sent twice, there is one."""
    visitor: Visitor = request.scope["user"]
    form = await read_form(request, DisputeForm)
    try:
        await dispute(request.app.state.desk, visitor.driver_id, parse_booking_ref(booking_id), form.statement)
    except NotFound:
        raise
    except AlreadyDisputed:
        return go(f"/bookings/{booking_id}#dispute")
    except SlotwatchError as error:
        return await booking_page(request, booking_id, error, statement=form.statement)
    return go(f"/bookings/{booking_id}#dispute")


def _notices(found: Evidence, times: StationTimes) -> list[dict[str, Any]]:
    """Each notice with its ways to the driver, each way with every try."""
    notices: dict[int, dict[str, Any]] = {}
    for row in found.records.notices:
        kind = NoticeKind(row["kind"])
        title = KIND_WORDS.get(kind, kind.value.replace("_", " ").capitalize())
        notice = notices.setdefault(row["id"], {"title": title, "at": times.exact(row["created_at"]), "ways": []})
        if row["channel"] is not None:
            notice["ways"].append(_way(row, found.records, times))
    return list(notices.values())


def _way(row: Mapping[str, Any], records: Records, times: StationTimes) -> dict[str, Any]:
    """One notice on one channel: how it stands, every try, and what was reported of it."""
    state, reports = DeliveryState(row["state"]), records.receipts_of(row)
    usual = _NOT_ARRIVED if state is DeliveryState.SENT and reports else DELIVERY_WORDS[state]
    return {
        "channel": CHANNEL_WORDS.get(row["channel"], row["channel"]),
        "state": state.value,
        "words": _KEPT_BACK.get(row["kept_back"], usual),
        "at": times.exact(row["sent_at"]) if row["sent_at"] else "",
        "tries": [
            *(_try(one, times) for one in records.attempts_of(row)),
            *(_report(one, times) for one in reports),
        ],
    }


def _report(row: Mapping[str, Any], times: StationTimes) -> str:
    return f"{times.exact(reported_at(row))}: {receipt_words(row)}, {row['provider']} reports"


def _try(row: Mapping[str, Any], times: StationTimes) -> str:
    number = f", number {row['provider_message_id']}" if row["provider_message_id"] else ""
    error = f": {row['error']}" if row["error"] else ""
    return f"{times.exact(row['at'])}: {row['outcome'].replace('_', ' ')} by {row['provider']}{number}{error}"


def _attempt(row: Mapping[str, Any], times: StationTimes) -> _Line:
    how = METHOD_WORDS.get(row["method"], row["method"] or "")
    detail = row["detail"]
    if row["kind"] == "check_in_refused":
        return _Line(
            times.exact(row["received_at"]),
            f"Refused: {detail.get('message', 'no reason is on record')}",
            how,
            good=False,
        )
    place = f"{detail['metresAway']:.0f} m from the station" if "metresAway" in detail else ""
    text = "Check-in received" if row["valid"] else "Check-in received, without the proof that it needs"
    return _Line(times.exact(row["received_at"]), text, ", ".join(filter(None, (how, place))), good=row["valid"])


def _outage(row: Mapping[str, Any], times: StationTimes) -> _Line:
    part = _PARTS.get(row["component"], row["component"])
    return _Line(f"{times.exact(row['began_at'])} to {times.exact(row['ended_at'])}", f"Not working: {part}")


def _movement(row: Mapping[str, Any], times: StationTimes) -> _Line:
    words = _MONEY.get(row["entry"], row["entry"])
    return _Line(times.exact(row["at"]), words, money_words(Money(row["amount"], row["currency"])))


EVIDENCE_PAGES: tuple[HTTPRouteHandler, ...] = (show_evidence, open_dispute)
