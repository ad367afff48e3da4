"""What Prometheus reads: the database asked at each scrape, at a cost that does not grow, and requests as they come."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.types import Message, Scope
from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from slotwatch.analytics.alerts import count_open
from slotwatch.domain.alerts import AlertKind
from slotwatch.domain.errors import SlotwatchError
from slotwatch.storage.vital_signs import Flow, VitalSigns, read_flow, read_vital_signs
from slotwatch.usecases.desk import Desk
from slotwatch.web.contract import Operation, declared
from slotwatch.web.problems import as_slotwatch_error

__all__ = ["Metrics", "show_metrics"]

_log = structlog.get_logger(__name__)

_SETTLE = timedelta(seconds=15)
"""Rows carry the time of their decision and are seen at their commit: never this much later."""
_LONGEST_LOOK_BACK = timedelta(hours=6)
_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}


class Metrics:
    """One application's registry. Counters begin at zero with the process, as Prometheus expects."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, never read
        self._counted_until: datetime | None = None
        self._lock = asyncio.Lock()
        self.registry = registry = CollectorRegistry()
        self._up = Gauge("slotwatch_database_up", "1 when the database answered this scrape.", registry=registry)
        self._lag = Gauge(
            "slotwatch_engine_lag_seconds", "Now minus the oldest due step; 0 when nothing is due.", registry=registry
        )
        self._due = Gauge("slotwatch_due_bookings", "Bookings whose step is due.", registry=registry)
        self._set_aside = Gauge(
            "slotwatch_set_aside_bookings", "Bookings that could not be moved three times.", registry=registry
        )
        self._outages = Gauge("slotwatch_outages", "Outages of slotwatch itself on record.", registry=registry)
        self._deliveries = Gauge(
            "slotwatch_outbox_deliveries", "Deliveries not sent, by state.", ["channel", "state"], registry=registry
        )
        self._waits = Gauge(
            "slotwatch_outbox_oldest_pending_seconds",
            "How long the pending delivery that waits longest has been due.",
            ["channel"],
            registry=registry,
        )
        self._alerts = Gauge(
            "slotwatch_open_alerts", "Alerts that are open, of all vendors and operators.", ["kind"], registry=registry
        )
        self._transitions = Counter(
            "slotwatch_transitions_total", "Moves of bookings.", ["from", "to", "cause"], registry=registry
        )
        self._attempts = Counter(
            "slotwatch_attempts_total",
            "Tries at deliveries.",
            ["channel", "kind", "provider", "outcome"],
            registry=registry,
        )
        self._receipts = Counter(
            "slotwatch_receipts_total",
            "What providers reported of deliveries.",
            ["channel", "kind", "provider", "status"],
            registry=registry,
        )
        self._unsent = Counter(
            "slotwatch_unsent_total",
            "Deliveries that ended without a try.",
            ["channel", "kind", "state"],
            registry=registry,
        )
        self._viewers = Gauge("slotwatch_live_viewers", "Open live streams of this process.", registry=registry)
        self._requests = Counter(
            "slotwatch_http_requests_total", "Requests answered.", ["method", "route", "status"], registry=registry
        )

    def count_viewers(self, count: Callable[[], int]) -> None:
        """Say at each scrape how many watch live."""
        self._viewers.set_function(count)

    async def start(self) -> None:
        """Begin to count from now on; where the database is away, from the first scrape on."""
        await self._refresh()

    async def scrape(self) -> bytes:
        """The text that Prometheus reads. Without the database: what is known without it, and that it is down."""
        await self._refresh()
        return generate_latest(self.registry)

    async def count_request(self, message: Message, scope: Scope) -> None:
        """A `before_send` hook: counts each answer under the route's template, never under its path."""
        if message["type"] == "http.response.start":
            route, method = scope.get("path_template", "unmatched"), str(scope.get("method"))
            method = method if method in _METHODS else "other"
            self._requests.labels(method, route, str(message["status"])).inc()

    async def _refresh(self) -> None:
        async with self._lock:
            try:
                async with self._desk.database.connection() as conn:
                    signs = await read_vital_signs(conn, now=self._desk.clock.fixed)
                    until = self._until(signs.now)
                    flow = await read_flow(conn, self._counted_until or until, until)
                    alerts = await count_open(conn)
            except Exception as error:  # a scrape never fails: that the database is down is what it should say
                self._up.set(0)
                if not isinstance(error, SlotwatchError):
                    as_slotwatch_error(error)
                return
            self._up.set(1)
            self._show(signs, alerts)
            self._add(flow)
            self._counted_until = until

    def _until(self, now: datetime) -> datetime:
        settled = now - _SETTLE
        if self._counted_until is None:
            return settled
        return max(self._counted_until, min(settled, self._counted_until + _LONGEST_LOOK_BACK))

    def _show(self, signs: VitalSigns, alerts: Mapping[AlertKind, int]) -> None:
        for kind, count in alerts.items():
            self._alerts.labels(kind).set(count)
        self._lag.set(signs.lag.total_seconds())
        self._due.set(signs.due)
        self._set_aside.set(signs.set_aside)
        self._outages.set(signs.outages)
        for backlog in signs.backlogs:
            self._waits.labels(backlog.channel).set(backlog.waits.total_seconds())
            for state, count in (
                ("pending", backlog.pending),
                ("unknown", backlog.unknown),
                ("failed", backlog.failed),
                ("set_aside", backlog.set_aside),
            ):
                self._deliveries.labels(backlog.channel, state).set(count)

    def _add(self, flow: Flow) -> None:
        for move, count in flow.transitions.items():
            self._transitions.labels(*move).inc(count)
        for attempt, count in flow.attempts.items():
            self._attempts.labels(*attempt).inc(count)
        for receipt, count in flow.receipts.items():
            self._receipts.labels(*receipt).inc(count)
        for drop, count in flow.unsent.items():
            self._unsent.labels(*drop).inc(count)


@get(
    "/metrics",
    opt=declared(Operation("Metrics for Prometheus", str, "Operators", is_public=True, media_type="text/plain")),
)
async def show_metrics(request: Request[None, None, State]) -> Response[bytes]:
    """GET /metrics."""
    metrics: Metrics = request.app.state.metrics
    return Response(await metrics.scrape(), media_type=CONTENT_TYPE_LATEST)
