"""The vendor's board in numbers: slot monitoring and no-show rates."""

from typing import Annotated, Literal

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from slotwatch.analytics.deliveries import DeliveryFigures
from slotwatch.analytics.rates import Rate
from slotwatch.analytics.scope import GroupBy, Scope, TimeRange
from slotwatch.analytics.slots import MonitoredSlot, Place, read_slots
from slotwatch.analytics.statistics import Group, Statistics, read_breakdown, read_statistics
from slotwatch.domain import errors
from slotwatch.domain.ids import parse_ref, ref
from slotwatch.domain.lifecycle import State
from slotwatch.domain.notices import Channel
from slotwatch.usecases.desk import Desk
from slotwatch.web.api.booking_json import booking_json
from slotwatch.web.api.vendor_shapes import (
    DeliveryRate,
    DriverOut,
    GraceUtilisation,
    NoShowGroup,
    NoShowList,
    RevenueOut,
    SlotList,
    SlotMonitoring,
    SlotOut,
    StationEfficiency,
    StatisticsOut,
)
from slotwatch.web.contract import (
    ApiRequest,
    Instant,
    Operation,
    Paging,
    RowId,
    cursor_of,
    declared,
    in_utc,
    read_cursor,
    read_query,
    reply,
)
from slotwatch.web.live import Pass, stream_of

__all__ = ["DASHBOARD_ROUTES", "statistics_json"]

_TAG = "Vendors"
_SECONDS_AN_HOUR = 3600
_ALWAYS_SHOWN = (Channel.EMAIL, Channel.SMS)
_REFS = {"station": "ST", "connector": "CN"}


class MonitoringQuery(Paging, forbid_unknown_fields=True, rename="camel"):
    """`status` chooses among the slots and leaves the statistics as they are; `stationId` narrows both."""

    status: State | None = None
    station_id: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    time_range: TimeRange = TimeRange.DAY


class NoShowQuery(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """By what to tell rates apart; hours and weekdays are those of the station's zone."""

    group_by: Literal["station", "connector", "hour", "weekday"] = "station"
    time_range: TimeRange = TimeRange.DAY


class StreamQuery(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """`since` is the version of an earlier event, for clients that cannot send `Last-Event-ID`."""

    since: Annotated[str, msgspec.Meta(max_length=40)] | None = None


@get(
    "/api/vendor/dashboard/slot-monitoring",
    opt=declared(
        Operation(
            "See your slots and what they amount to",
            SlotMonitoring,
            _TAG,
            query=MonitoringQuery,
            errors=(errors.NotFound,),
            description="Counts bookings whose slot started in the time range, and those now live.",
        )
    ),
)
async def monitor_slots(request: ApiRequest) -> Response[bytes]:
    """GET /api/vendor/dashboard/slot-monitoring."""
    query = read_query(request, MonitoringQuery)
    cursor = read_cursor(query.cursor, tuple[Annotated[int, msgspec.Meta(ge=0, le=1)], Instant, RowId])
    after = None if cursor is None else Place(cursor[0], in_utc(cursor[1], "cursor"), cursor[2])
    station_id = None if query.station_id is None else parse_ref("ST", query.station_id)
    desk: Desk = request.app.state.desk
    async with desk.database.snapshot() as conn:
        now = await desk.clock.now(conn)
        scope = Scope.until_now(_vendor_id(request), query.time_range.length, now, station_id)
        statistics = await read_statistics(conn, scope)
        slots = await read_slots(conn, scope, state=query.status, limit=query.limit + 1, after=after)
    page = slots[: query.limit]
    place = page[-1].place if len(slots) > len(page) else None
    return reply(
        SlotMonitoring(
            generated_at=now,
            time_range=query.time_range,
            statistics=statistics_json(statistics),
            slots=SlotList(
                items=[_slot_json(slot, desk) for slot in page],
                next_cursor=None if place is None else cursor_of((place.part, place.starts_at, place.booking_id)),
            ),
        )
    )


@get(
    "/api/vendor/dashboard/no-shows",
    opt=declared(Operation("See where and when drivers do not come", NoShowList, _TAG, query=NoShowQuery)),
)
async def show_no_shows(request: ApiRequest) -> Response[bytes]:
    """GET /api/vendor/dashboard/no-shows."""
    query = read_query(request, NoShowQuery)
    desk: Desk = request.app.state.desk
    async with desk.database.snapshot() as conn:
        now = await desk.clock.now(conn)
        scope = Scope.until_now(_vendor_id(request), query.time_range.length, now)
        groups = await read_breakdown(conn, scope, GroupBy(query.group_by))
    return reply(
        NoShowList(
            generated_at=now,
            time_range=query.time_range,
            group_by=query.group_by,
            items=[_no_show_json(group, query.group_by) for group in groups],
            next_cursor=None,
        )
    )


@get(
    "/api/vendor/dashboard/slot-monitoring/stream",
    opt=declared(
        Operation(
            "Be told when your slots change",
            str,
            _TAG,
            query=StreamQuery,
            media_type="text/event-stream",
            description="Server-Sent Events: `changed` names bookings and stations, `reload` means everything."
            " Goes on after `Last-Event-ID`, or after `since`.",
        )
    ),
)
async def stream_changes(request: ApiRequest) -> Stream:
    """GET /api/vendor/dashboard/slot-monitoring/stream."""
    query = read_query(request, StreamQuery)
    admission = Pass(_vendor_id(request), authorization=request.headers.get("authorization"))
    return await stream_of(request.app.state.live, admission, request.headers.get("last-event-id") or query.since)


def statistics_json(statistics: Statistics) -> StatisticsOut:
    """The numbers as the API shows them."""
    figures, revenue = statistics.figures, statistics.figures.revenue
    median = figures.median_into_grace
    return StatisticsOut(
        total_bookings=figures.total,
        by_status=dict(figures.by_state),
        active_grace_periods=figures.by_state[State.GRACE],
        no_show_rate=figures.no_shows.value,
        no_show_rate_interval=figures.no_shows.interval,
        completion_rate=figures.completion.value,
        grace_utilisation=GraceUtilisation(
            checked_in_during_grace=figures.grace_use.value,
            median_minutes_into_grace=None if median is None else median.total_seconds() / 60,
        ),
        delivery_rates={
            channel: DeliveryRate(sent=told.sent, delivered=told.delivered, failed=told.failed, rate=told.rate.value)
            for channel, told in statistics.deliveries.items()
            if channel in _ALWAYS_SHOWN or told != DeliveryFigures()
        },
        station_efficiency=StationEfficiency(
            booked_hours=figures.held.total_seconds() / _SECONDS_AN_HOUR,
            used_hours=figures.used.total_seconds() / _SECONDS_AN_HOUR,
            available_hours=statistics.offered.total_seconds() / _SECONDS_AN_HOUR,
            utilisation=statistics.utilisation,
        ),
        revenue=RevenueOut(
            earned=dict(revenue.earned),
            forfeited=dict(revenue.forfeited),
            lost_to_no_shows=dict(revenue.lost_to_no_shows),
            refunded=dict(revenue.refunded),
        ),
    )


def _vendor_id(request: ApiRequest) -> int:
    assert request.user.vendor_id is not None, "a vendor's token names the vendor"
    return request.user.vendor_id


def _slot_json(slot: MonitoredSlot, desk: Desk) -> SlotOut:
    shown = booking_json(slot.view, desk.channels)
    return SlotOut(
        booking_id=shown.booking_id,
        status=shown.status,
        station_id=shown.station_id,
        connector_label=shown.connector_label,
        start_time=shown.start_time,
        end_time=shown.end_time,
        grace_time_remaining=shown.slot_status.grace_time_remaining,
        driver=DriverOut(name=slot.driver_name),
        checked_in_at=shown.slot_status.checked_in_at,
        notifications=shown.slot_status.notifications_sent,
    )


def _no_show_json(group: Group, group_by: str) -> NoShowGroup:
    rate: Rate = group.figures.no_shows
    return NoShowGroup(
        key=ref(_REFS[group_by], group.key) if group_by in _REFS else str(group.key),
        label=group.label,
        expired=rate.part,
        checked_in=rate.whole - rate.part,
        no_show_rate=rate.value,
        no_show_rate_interval=rate.interval,
    )


DASHBOARD_ROUTES: tuple[HTTPRouteHandler, ...] = (monitor_slots, show_no_shows, stream_changes)
