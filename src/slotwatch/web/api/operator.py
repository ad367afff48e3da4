"""For operators: how the system is doing, and the deliveries that nobody will try again."""

from datetime import datetime
from typing import Any, Literal

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.analytics.house import see_house
from slotwatch.domain import errors
from slotwatch.domain.ids import booking_ref
from slotwatch.storage.dead_deliveries import DeadDelivery, discard, list_dead, retry
from slotwatch.usecases.desk import Desk
from slotwatch.web.api.alerts import OPERATOR_ALERT_ROUTES
from slotwatch.web.api.operator_affairs import AFFAIR_ROUTES
from slotwatch.web.api.shapes import Out
from slotwatch.web.api.suppressions import SUPPRESSION_ROUTES
from slotwatch.web.contract import (
    ApiRequest,
    Operation,
    Paging,
    RowId,
    cursor_of,
    declared,
    read_cursor,
    read_query,
    reply,
)
from slotwatch.web.once import Answer, nothing_to_recall, once

__all__ = ["OPERATOR_ROUTES"]

_TAG = "Operators"
_ONE = "/api/operator/deliveries/{delivery_id:str}"
_REFUSED = (errors.NotFound, errors.Conflict)


class DeliveriesQuery(Paging, forbid_unknown_fields=True):
    """Which deliveries; only dead ones are listed."""

    state: Literal["dead"] = "dead"


class DeadDeliveryOut(Out):
    """A delivery that failed for good (`failed`), that slotwatch failed on three times (`set_aside`) or whose answer
    was lost (`unknown`): that one may have arrived."""

    id: str
    booking_id: str | None
    kind: str
    channel: str
    state: str
    attempts: int
    provider: str | None
    provider_message_id: str | None
    error: str | None
    created_at: datetime
    valid_until: datetime


class DeadDeliveryList(Out):
    """The newest first."""

    items: list[DeadDeliveryOut]
    next_cursor: str | None = None


class DeliveryStateOut(Out):
    """Where a delivery stands now."""

    id: str
    state: Literal["pending", "suppressed"]


class BacklogOut(Out):
    """What one channel has not sent. Counts stop at 100,000."""

    channel: str
    pending: int
    unknown: int
    failed: int
    set_aside: int
    oldest_pending_seconds: float


class ProcessOut(Out):
    """One process with a heartbeat; alive unless it has been silent for 15 s."""

    instance: str
    component: str
    host: str
    started_at: datetime
    beat_at: datetime
    is_alive: bool


class OutageOut(Out):
    """A time in which no process of a part was alive; null: it still runs."""

    component: str
    began_at: datetime
    ended_at: datetime | None


class AuditOut(Out):
    """What the last audit found."""

    at: datetime
    findings: dict[str, Any]


class OverviewOut(Out):
    """How late the engine is, what waits to be sent, who is alive and what was found."""

    at: datetime
    engine_lag_seconds: float
    due_bookings: int
    set_aside_bookings: int
    outages: int
    channels: list[BacklogOut]
    schema: str | None
    moves_in_five_minutes: int
    processes: list[ProcessOut]
    recent_outages: list[OutageOut]
    last_audit: AuditOut | None


@get("/api/operator/overview", opt=declared(Operation("See how slotwatch is doing", OverviewOut, _TAG)))
async def show_overview(request: ApiRequest) -> Response[bytes]:
    """GET /api/operator/overview."""
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        house = await see_house(conn, now=desk.clock.fixed)
    signs = house.signs
    return reply(
        OverviewOut(
            at=signs.now,
            engine_lag_seconds=signs.lag.total_seconds(),
            due_bookings=signs.due,
            set_aside_bookings=signs.set_aside,
            outages=signs.outages,
            channels=[
                BacklogOut(
                    channel=one.channel,
                    pending=one.pending,
                    unknown=one.unknown,
                    failed=one.failed,
                    set_aside=one.set_aside,
                    oldest_pending_seconds=one.waits.total_seconds(),
                )
                for one in signs.backlogs
            ],
            schema=house.schema,
            moves_in_five_minutes=house.throughput.moves,
            processes=[ProcessOut(**vars(one)) for one in house.processes],
            recent_outages=[OutageOut(**vars(one)) for one in house.outages],
            last_audit=None if house.audit is None else AuditOut(**vars(house.audit)),
        )
    )


@get(
    "/api/operator/deliveries",
    opt=declared(Operation("List dead deliveries", DeadDeliveryList, _TAG, query=DeliveriesQuery)),
)
async def list_deliveries(request: ApiRequest) -> Response[bytes]:
    """GET /api/operator/deliveries."""
    query = read_query(request, DeliveriesQuery)
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        found = await list_dead(conn, limit=query.limit + 1, before=read_cursor(query.cursor, tuple[RowId, str]))
    page = found[: query.limit]
    more = len(found) > len(page)
    return reply(
        DeadDeliveryList(
            items=[_json(one) for one in page],
            next_cursor=cursor_of((page[-1].notice_id, page[-1].channel)) if more else None,
        )
    )


@post(
    f"{_ONE}/retry",
    status_code=200,
    opt=declared(
        Operation(
            "Try a dead delivery again",
            DeliveryStateOut,
            _TAG,
            errors=_REFUSED,
            description="409 when it is not dead, or when its time has passed.",
        )
    ),
)
async def retry_delivery(request: ApiRequest, delivery_id: FromPath[str]) -> Response[bytes]:
    """POST /api/operator/deliveries/{id}/retry."""
    desk: Desk = request.app.state.desk

    async def work() -> Answer:
        async with desk.database.connection() as conn:
            await retry(conn, delivery_id, now=desk.clock.fixed)
        return Answer.of(200, DeliveryStateOut(id=delivery_id, state="pending"))

    return await once(request, work, nothing_to_recall)


@post(
    f"{_ONE}/discard",
    status_code=200,
    opt=declared(
        Operation(
            "Put a dead delivery away",
            DeliveryStateOut,
            _TAG,
            errors=_REFUSED,
            description="It counts as suppressed from then on, with its error. 409 when it is not dead.",
        )
    ),
)
async def discard_delivery(request: ApiRequest, delivery_id: FromPath[str]) -> Response[bytes]:
    """POST /api/operator/deliveries/{id}/discard."""
    desk: Desk = request.app.state.desk

    async def work() -> Answer:
        async with desk.database.connection() as conn:
            await discard(conn, delivery_id)
        return Answer.of(200, DeliveryStateOut(id=delivery_id, state="suppressed"))

    return await once(request, work, nothing_to_recall)


def _json(dead: DeadDelivery) -> DeadDeliveryOut:
    return DeadDeliveryOut(
        id=dead.key,
        booking_id=None if dead.booking_id is None else booking_ref(dead.booking_id),
        kind=dead.kind,
        channel=dead.channel,
        state=dead.state,
        attempts=dead.attempts,
        provider=dead.provider,
        provider_message_id=dead.provider_message_id,
        error=dead.error,
        created_at=dead.created_at,
        valid_until=dead.valid_until,
    )


OPERATOR_ROUTES: tuple[HTTPRouteHandler, ...] = (
    *(show_overview, list_deliveries, retry_delivery, discard_delivery),
    *AFFAIR_ROUTES,
    *OPERATOR_ALERT_ROUTES,
    *SUPPRESSION_ROUTES,
)
