"""For operators: addresses that get nothing any more by a channel are listed, and lifted."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Response, delete, get
from litestar.handlers import HTTPRouteHandler

from slotwatch.domain import errors
from slotwatch.domain.notices import Channel
from slotwatch.storage.suppressions import Place, Suppression, list_suppressions
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.lift_suppression import lift_suppression
from slotwatch.web.api.shapes import In, Out
from slotwatch.web.contract import (
    ApiRequest,
    Operation,
    Paging,
    cursor_of,
    declared,
    read_body,
    read_cursor,
    read_query,
    reply,
)
from slotwatch.web.once import Answer, nothing_to_recall, once

__all__ = ["SUPPRESSION_ROUTES"]

_TAG = "Operators"
_PATH = "/api/operator/suppressions"
_Address = Annotated[str, msgspec.Meta(min_length=1, max_length=320)]


class SuppressionsQuery(Paging, forbid_unknown_fields=True):
    """Which ones: of one channel, of one address (the whole of it), or all."""

    channel: Channel | None = None
    address: _Address | None = None


class SuppressionOut(Out):
    """Nothing goes to this address by that channel, since then and for that reason."""

    channel: str
    address: str
    reason: str
    at: datetime


class SuppressionList(Out):
    """The newest first."""

    items: list[SuppressionOut]
    next_cursor: str | None = None


class LiftRequest(In):
    """The address; without a channel it is lifted on all of them."""

    address: _Address
    channel: Channel | None = None


class LiftedOut(Out):
    """What was lifted."""

    items: list[SuppressionOut]


@get(_PATH, opt=declared(Operation("List suppressed addresses", SuppressionList, _TAG, query=SuppressionsQuery)))
async def show_suppressions(request: ApiRequest) -> Response[bytes]:
    """GET /api/operator/suppressions."""
    query = read_query(request, SuppressionsQuery)
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        found = await list_suppressions(
            conn,
            limit=query.limit + 1,
            channel=query.channel,
            address=query.address,
            before=read_cursor(query.cursor, Place),
        )
    page = found[: query.limit]
    more = len(found) > len(page)
    items = [_json(one) for one in page]
    return reply(SuppressionList(items=items, next_cursor=cursor_of(page[-1].place) if more else None))


@delete(
    _PATH,
    status_code=200,
    opt=declared(
        Operation(
            "Let an address be written to again",
            LiftedOut,
            _TAG,
            body=LiftRequest,
            errors=(errors.NotFound,),
            description="404 for one that is not suppressed. What was not sent meanwhile stays unsent.",
        )
    ),
)
async def lift(request: ApiRequest) -> Response[bytes]:
    """DELETE /api/operator/suppressions."""
    asked = await read_body(request, LiftRequest)
    desk: Desk = request.app.state.desk

    async def work() -> Answer:
        async with desk.database.connection() as conn:
            lifted = await lift_suppression(
                conn, asked.address, asked.channel, actor=f"operator:{request.user.subject}"
            )
        return Answer.of(200, LiftedOut(items=[_json(one) for one in lifted]))

    return await once(request, work, nothing_to_recall)


def _json(one: Suppression) -> SuppressionOut:
    return SuppressionOut(channel=one.channel, address=one.address, reason=one.reason, at=one.at)


SUPPRESSION_ROUTES: tuple[HTTPRouteHandler, ...] = (show_suppressions, lift)
