"""The part of the operator's page about addresses that get nothing any more."""

from typing import Any

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler

from slotwatch.storage.suppressions import Place, list_suppressions
from slotwatch.usecases.lift_suppression import lift_suppression
from slotwatch.web.contract import cursor_of, read_cursor
from slotwatch.web.pages.filled import read_filled
from slotwatch.web.pages.vendor.stations import desk_of
from slotwatch.web.visitors import PageRequest, Visitor, go

__all__ = ["SUPPRESSION_PAGES", "actor_of", "suppressed_part"]

_MOST = 50


@post("/operator/suppressions/lift", include_in_schema=False)
async def lift(request: PageRequest) -> Response[Any]:
    """POST /operator/suppressions/lift. One that somebody else has lifted is absent."""
    filled = await read_filled(request)
    async with desk_of(request).database.connection() as conn:
        await lift_suppression(conn, filled["address"], filled["channel"], actor=actor_of(request))
    return go("/operator?done=lift#suppressed")


async def suppressed_part(request: PageRequest) -> dict[str, Any]:
    """What the page shows of them: the newest, those after a place, or those of one address."""
    address = request.query_params.get("address", "")[:320]
    before = read_cursor(request.query_params.get("suppressed"), Place)
    async with desk_of(request).database.connection() as conn:
        found = await list_suppressions(conn, limit=_MOST + 1, address=address or None, before=before)
    return {
        "suppressed": found[:_MOST],
        "more_suppressed": cursor_of(found[_MOST - 1].place) if len(found) > _MOST else None,
        "are_newest_suppressed": before is None and not address,
        "sought": address,
    }


def actor_of(request: PageRequest) -> str:
    """Who of the operators acts on the page."""
    visitor: Visitor = request.user
    return visitor.name or f"operator:staff-{visitor.session.staff_id}"


SUPPRESSION_PAGES: tuple[HTTPRouteHandler, ...] = (lift,)
