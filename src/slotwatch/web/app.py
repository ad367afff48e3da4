"""The web application: routes, guards, limits, what runs beside it; built from settings and a desk."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog
from litestar import Litestar, Router
from litestar.datastructures import State

from slotwatch.channels.push import PushSettings
from slotwatch.outbox.notice_tokens import NoticeTokens
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.rotating_codes import RotatingCodes
from slotwatch.web.addresses import leads_to_this_machine
from slotwatch.web.api.bookings import BOOKING_ROUTES
from slotwatch.web.api.disputes import DISPUTE_ROUTES
from slotwatch.web.api.notifications import NOTIFICATION_ROUTES
from slotwatch.web.api.operator import OPERATOR_ROUTES
from slotwatch.web.api.stations import STATION_ROUTES
from slotwatch.web.api.vendor import VENDOR_ROUTES
from slotwatch.web.api.webhooks import WEBHOOK_ROUTES, Receivers
from slotwatch.web.auth import Authenticator, Role, TokenSigner, only
from slotwatch.web.contract import as_declared
from slotwatch.web.drivers import DriverBook
from slotwatch.web.headers import add_security_headers
from slotwatch.web.health import show_health, show_ready
from slotwatch.web.live import LiveFeed
from slotwatch.web.metrics import Metrics, show_metrics
from slotwatch.web.pages.driver import DRIVER_PAGES, OPEN_PAGES
from slotwatch.web.pages.inbox import GUARDS, INBOX_ROUTES
from slotwatch.web.pages.operator import OPERATOR_PAGES
from slotwatch.web.pages.rendering import send_push_worker, send_static_file
from slotwatch.web.pages.start import Link, show_docs, show_openapi, show_start
from slotwatch.web.pages.vendor import BAY_PAGES, MANAGER_PAGES, OWNER_PAGES, VENDOR_PAGES
from slotwatch.web.problems import answer_problem
from slotwatch.web.sealed import Seals
from slotwatch.web.settings import WebSettings
from slotwatch.web.visitors import Door, let_in

__all__ = ["Background", "create_app"]

_log = structlog.get_logger(__name__)

_SECONDS_TO_STOP = 5.0

Background = Callable[[asyncio.Event], Awaitable[None]]
"""A loop that runs beside the application until the event is set, such as a heartbeat."""


def create_app(
    web: WebSettings,
    desk: Desk,
    *,
    signer: TokenSigner,
    has_inbox: bool = False,
    links: Sequence[Link] = (),
    background: Sequence[Background] = (),
    authenticator: Authenticator | None = None,
    receivers: Receivers | None = None,
    frontend_url: str = "http://127.0.0.1:8080",
    push: PushSettings | None = None,
) -> Litestar:
    """The application. `has_inbox` shows the local inbox; `links` are added to the start page; `receivers` take what
    providers report; browsers reach the pages at `frontend_url` and subscribe to messages by the key of `push`."""
    is_local = leads_to_this_machine(frontend_url)
    metrics = Metrics(desk)
    authenticator = authenticator or Authenticator(web, signer)
    live = LiveFeed(desk.database, desk.clock, authenticator)
    metrics.count_viewers(lambda: live.count)
    state = State(
        {
            "desk": desk,
            "authenticator": authenticator,
            "live": live,
            "drivers": DriverBook(desk),
            "receivers": receivers,
            "metrics": metrics,
            "links": [*_links(has_inbox=has_inbox and (web.inbox_open or is_local)), *links],
            "inbox_open": web.inbox_open,
            "needed_schema": None,
            "openapi": None,
            "page_key": signer.derived_key("page forms"),
            "seals": Seals(signer.derived_key("sealed facts")),
            "rotating_codes": RotatingCodes(signer.derived_key("rotating codes")),
            "notice_tokens": NoticeTokens(signer.derived_key("notice tokens")),
            "has_inbox": has_inbox and is_local,  # said beside a code
            "code_key": signer.derived_key("sign-in codes"),
            "frontend_url": frontend_url,
            "push": push or PushSettings(),
        }
    )
    return Litestar(
        [
            Router(
                "/",
                before_request=as_declared(only(Role.DRIVER)),
                route_handlers=[*STATION_ROUTES, *BOOKING_ROUTES, *DISPUTE_ROUTES, *NOTIFICATION_ROUTES],
            ),
            Router("/", before_request=as_declared(only(Role.VENDOR)), route_handlers=[*VENDOR_ROUTES]),
            Router("/", before_request=as_declared(only(Role.OPERATOR)), route_handlers=[*OPERATOR_ROUTES]),
            Router("/", guards=[*GUARDS], route_handlers=[*INBOX_ROUTES] if has_inbox else []),
            *_page_routers(),
            *WEBHOOK_ROUTES,
            *(show_start, show_docs, show_openapi, send_static_file, send_push_worker),
            *(show_health, show_ready, show_metrics),
        ],
        state=state,
        openapi_config=None,  # written by web/openapi.py from what the handlers declare
        logging_config=None,
        debug=False,
        exception_handlers={Exception: answer_problem},
        request_max_body_size=web.max_body_bytes,
        before_send=[add_security_headers, metrics.count_request],
        lifespan=[_beside(state, [live.run, *background])],
    )


def _page_routers() -> list[Router]:
    """The pages by whom they are for."""
    pages = (
        (Door.ANYONE, (*OPEN_PAGES, *BAY_PAGES)),
        (Door.DRIVER, DRIVER_PAGES),
        (Door.VENDOR, VENDOR_PAGES),
        (Door.MANAGER, MANAGER_PAGES),
        (Door.OWNER, OWNER_PAGES),
        (Door.OPERATOR, OPERATOR_PAGES),
    )
    return [Router("/", before_request=let_in(door), route_handlers=[*handlers]) for door, handlers in pages]


def _links(*, has_inbox: bool) -> list[Link]:
    links = [
        Link("API", "/docs", "Every call, what it takes and what it answers"),
        Link("Metrics", "/metrics", "Engine lag, outbox and requests, for Prometheus"),
        Link("Ready?", "/readyz", "Database, schema and engine, checked now"),
    ]
    inbox = Link("Local inbox", "/inbox", "E-mail and SMS for which no provider is configured")
    return [inbox, *links] if has_inbox else links


def _beside(state: State, background: Sequence[Background]) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        stop = asyncio.Event()
        tasks = [asyncio.create_task(_kept(run, stop)) for run in background]
        await state.metrics.start()
        try:
            yield
        finally:
            stop.set()
            if tasks:
                _, late = await asyncio.wait(tasks, timeout=_SECONDS_TO_STOP)
                for task in late:
                    task.cancel()
            await state.authenticator.close()

    return lifespan


async def _kept(run: Background, stop: asyncio.Event) -> None:
    try:
        await run(stop)
    except Exception as error:  # the application goes on; what stopped is in the log and in /readyz
        _log.error("a part beside the web application ended", action="background_failed", exc_info=error)
