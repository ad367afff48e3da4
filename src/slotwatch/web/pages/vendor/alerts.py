"""The vendor's alerts: what is wrong now, what somebody sees to, and what is over."""

from datetime import datetime
from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.analytics.alerts import Alert, open_alerts, past_alerts
from slotwatch.analytics.periods import calendar_zone
from slotwatch.domain.ids import row_number
from slotwatch.usecases.acknowledge_alert import acknowledge_alert
from slotwatch.web.pages.shell import show
from slotwatch.web.pages.station_times import StationTimes
from slotwatch.web.pages.vendor.stations import desk_of
from slotwatch.web.visitors import PageRequest, Visitor, go

__all__ = ["ALERT_PAGES"]

_MOST = 100


@get("/vendor/alerts", include_in_schema=False)
async def show_alerts(request: PageRequest) -> Response[str]:
    """GET /vendor/alerts."""
    visitor: Visitor = request.user
    async with desk_of(request).database.connection() as conn:
        found = await open_alerts(conn, visitor.vendor_id)
        past = await past_alerts(conn, visitor.vendor_id, limit=_MOST)
        zone = await calendar_zone(conn, visitor.vendor_id, None)

    def when(alert: Alert, instant: datetime) -> str:
        return StationTimes(alert.zone or zone).dated(instant)

    return show(request, "setup_alerts.html", alerts=found, past=past, when=when)


@post("/vendor/alerts/{alert_id:int}/acknowledge", include_in_schema=False)
async def acknowledge(request: PageRequest, alert_id: FromPath[int]) -> Response[Any]:
    """POST /vendor/alerts/{id}/acknowledge."""
    visitor: Visitor = request.user
    actor = visitor.name or visitor.staff.actor
    await acknowledge_alert(desk_of(request), visitor.vendor_id, row_number(alert_id), actor=actor)
    return go("/vendor/alerts")


ALERT_PAGES: tuple[HTTPRouteHandler, ...] = (show_alerts, acknowledge)
