"""Alerts for programs: a vendor's own, and those of operators; listed and acknowledged."""

from datetime import datetime
from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.analytics.alerts import Alert, find_alert, open_alerts, past_alerts
from slotwatch.domain import errors
from slotwatch.domain.alerts import AlertKind
from slotwatch.domain.ids import parse_ref, ref
from slotwatch.usecases.acknowledge_alert import acknowledge_alert
from slotwatch.usecases.desk import Desk
from slotwatch.web.api.shapes import Out
from slotwatch.web.api.vendor_bookings import staff_of
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
from slotwatch.web.once import Answer, once

__all__ = ["OPERATOR_ALERT_ROUTES", "VENDOR_ALERT_ROUTES", "AlertList", "AlertOut"]


class AlertsQuery(Paging, forbid_unknown_fields=True):
    """`past=true`: those that are over; else the open ones."""

    past: bool = False


class AlertOut(Out):
    """One alert. `status` is open, acknowledged or resolved; the text has the numbers of when it was raised."""

    id: str
    kind: AlertKind
    subject: str
    station_id: str | None
    title: str
    text: str
    detail: dict[str, Any]
    status: str
    raised_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None


class AlertList(Out):
    """Open ones: what nobody acknowledged first. Past ones: the latest first."""

    items: list[AlertOut]
    next_cursor: str | None = None


@get("/api/vendor/alerts", opt=declared(Operation("List your alerts", AlertList, "Vendors", query=AlertsQuery)))
async def list_vendor_alerts(request: ApiRequest) -> Response[bytes]:
    """GET /api/vendor/alerts."""
    return await _listed(request, staff_of(request).vendor_id)


@get(
    "/api/operator/alerts",
    opt=declared(Operation("List the house's alerts", AlertList, "Operators", query=AlertsQuery)),
)
async def list_operator_alerts(request: ApiRequest) -> Response[bytes]:
    """GET /api/operator/alerts."""
    return await _listed(request, None)


@post(
    "/api/vendor/alerts/{alert_id:str}/acknowledge",
    status_code=200,
    opt=declared(
        Operation(
            "Acknowledge an alert",
            AlertOut,
            "Vendors",
            errors=(errors.NotFound,),
            description="It stays open until it is over. Again changes nothing.",
        )
    ),
)
async def acknowledge_vendor_alert(request: ApiRequest, alert_id: FromPath[str]) -> Response[bytes]:
    """POST /api/vendor/alerts/{id}/acknowledge."""
    staff = staff_of(request)
    return await _acknowledged(request, staff.vendor_id, alert_id, staff.actor)


@post(
    "/api/operator/alerts/{alert_id:str}/acknowledge",
    status_code=200,
    opt=declared(Operation("Acknowledge an alert of the house", AlertOut, "Operators", errors=(errors.NotFound,))),
)
async def acknowledge_operator_alert(request: ApiRequest, alert_id: FromPath[str]) -> Response[bytes]:
    """POST /api/operator/alerts/{id}/acknowledge."""
    return await _acknowledged(request, None, alert_id, f"operator:{request.user.subject}")


async def _listed(request: ApiRequest, vendor_id: int | None) -> Response[bytes]:
    query = read_query(request, AlertsQuery)
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        if query.past:
            before = read_cursor(query.cursor, RowId)
            found = await past_alerts(conn, vendor_id, limit=query.limit + 1, before=before)
        else:
            after = read_cursor(query.cursor, tuple[bool, RowId])
            found = await open_alerts(conn, vendor_id, limit=query.limit + 1, after=after)
    page = [_json(one) for one in found[: query.limit]]
    if len(found) == len(page):
        return reply(AlertList(items=page))
    last = found[query.limit - 1]
    place = last.id if query.past else (last.acknowledged_at is not None, last.id)
    return reply(AlertList(items=page, next_cursor=cursor_of(place)))


async def _acknowledged(request: ApiRequest, vendor_id: int | None, alert_id: str, actor: str) -> Response[bytes]:
    desk: Desk = request.app.state.desk
    number = parse_ref("AL", alert_id)

    async def work() -> Answer:
        await acknowledge_alert(desk, vendor_id, number, actor=actor)
        async with desk.database.connection() as conn:
            found = await find_alert(conn, vendor_id, number)
        assert found is not None, "alerts are never deleted"
        return Answer.of(200, _json(found))

    async def nothing_to_recall() -> Answer | None:
        return None

    return await once(request, work, nothing_to_recall)


def _json(alert: Alert) -> AlertOut:
    return AlertOut(
        id=ref("AL", alert.id),
        kind=alert.kind,
        subject=alert.subject,
        station_id=None if alert.station_id is None else ref("ST", alert.station_id),
        title=alert.title,
        text=alert.text,
        detail=alert.detail,
        status=alert.status,
        raised_at=alert.raised_at,
        acknowledged_at=alert.acknowledged_at,
        acknowledged_by=alert.acknowledged_by,
        resolved_at=alert.resolved_at,
    )


VENDOR_ALERT_ROUTES: tuple[HTTPRouteHandler, ...] = (list_vendor_alerts, acknowledge_vendor_alert)
OPERATOR_ALERT_ROUTES: tuple[HTTPRouteHandler, ...] = (list_operator_alerts, acknowledge_operator_alert)
