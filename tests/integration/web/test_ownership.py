"""Who may call what: every route against every kind of caller. A new route without a row here fails."""

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from slotwatch.usecases.desk import Desk
from slotwatch.web.pages.driver import DRIVER_PAGES, OPEN_PAGES
from slotwatch.web.pages.operator import OPERATOR_PAGES
from slotwatch.web.pages.vendor import BAY_PAGES, MANAGER_PAGES, OWNER_PAGES, VENDOR_PAGES
from slotwatch.web.visitors import Door
from tests.integration.web.conftest import Api, bearer, client_of, make_app
from tests.support.signed_in import make_staff, staff_cookie

ReadProblem = Callable[[httpx.Response], tuple[int, str]]


@dataclass(frozen=True)
class Route:
    """One call; `ok` is what its owner gets. Paths name a booking by `{id}`, a station by `{station}`."""

    method: str
    template: str
    path: str
    ok: int
    body: Any = None


ONE = "/api/users/bookings/{booking_id:str}"
BOOKING = "/api/users/bookings/{id}"
SLOT = {"connectorId": "CN-2", "startTime": "2026-03-02T15:00:00Z", "endTime": "2026-03-02T16:00:00Z"}

OF_ONE_BOOKING = (
    Route("GET", ONE, BOOKING, 200),
    Route("POST", f"{ONE}/payment", f"{BOOKING}/payment", 409),
    Route("PUT", f"{ONE}/checkin", f"{BOOKING}/checkin", 409, {"method": "app"}),
    Route("POST", f"{ONE}/cancel", f"{BOOKING}/cancel", 200),
    Route("POST", f"{ONE}/finish", f"{BOOKING}/finish", 409),
    Route("GET", f"{ONE}/evidence", f"{BOOKING}/evidence", 200),
    Route("POST", f"{ONE}/dispute", f"{BOOKING}/dispute", 409, {"statement": "I was there"}),
)
OF_THE_CALLER = (
    Route("GET", "/api/stations", "/api/stations", 200),
    Route(
        "GET",
        "/api/stations/{station_id:str}/availability",
        "/api/stations/{station}/availability?date=2026-03-02",
        200,
    ),
    Route("POST", "/api/users/bookings", "/api/users/bookings", 201, SLOT),
    Route("GET", "/api/users/bookings", "/api/users/bookings", 200),
    Route("GET", "/api/users/me/notifications", "/api/users/me/notifications", 200),
    Route("PUT", "/api/users/me/notifications", "/api/users/me/notifications", 200, {"language": "de"}),
    Route(
        "POST",
        "/api/users/me/notifications/push",
        "/api/users/me/notifications/push",
        404,  # web push is not configured
        {"subscription": {"endpoint": "https://push.example/1", "keys": {"p256dh": "", "auth": ""}}},
    ),
    Route(
        "DELETE",
        "/api/users/me/notifications/push",
        "/api/users/me/notifications/push",
        200,
        {"endpoint": "https://push.example/1"},
    ),
)
OPEN_TO_ALL = {
    ("GET", "/"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
    ("GET", "/static/{name:str}"),
    ("GET", "/push-worker.js"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("POST", "/api/webhooks/{provider:str}"),  # signed by the provider
}
FOR_THIS_MACHINE = {
    ("GET", "/inbox"),
    ("GET", "/inbox/list"),
    ("GET", "/inbox/{message_id:int}"),
    ("GET", "/inbox/{message_id:int}/html"),
}
PAGES = {
    Door.ANYONE: OPEN_PAGES,
    Door.DRIVER: DRIVER_PAGES,
    Door.VENDOR: VENDOR_PAGES,
    Door.MANAGER: MANAGER_PAGES,
    Door.OWNER: OWNER_PAGES,
    Door.OPERATOR: OPERATOR_PAGES,
}
GUARDED = OF_ONE_BOOKING + OF_THE_CALLER
OF_OTHER_ROLES = ("/api/vendor/", "/api/operator/")  # what is whose there is tested beside those calls


def routes_of(app: Litestar) -> set[tuple[str, str]]:
    return {
        (method, route.path)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method != "OPTIONS"
    }


def named(route: Route) -> str:
    return f"{route.method} {route.template}"


async def call(api: Api, route: Route, booking_id: str, headers: dict[str, str]) -> httpx.Response:
    path = route.path.format(id=booking_id, station=f"ST-{api.town.station}")
    return await api.as_caller(headers).call(route.method, path, route.body)


def pages_of(handlers: Sequence[HTTPRouteHandler]) -> set[tuple[str, str]]:
    """What these pages answer."""
    return {
        (method, path)
        for handler in handlers
        for path in handler.paths
        for method in handler.http_methods
        if method in ("GET", "POST")
    }


def test_every_route_has_a_row_here(desk: Desk) -> None:
    listed = {(route.method, route.template) for route in GUARDED} | OPEN_TO_ALL | FOR_THIS_MACHINE
    listed |= set().union(*(pages_of(handlers) for handlers in PAGES.values()))
    listed |= pages_of(BAY_PAGES)  # their link is the key
    found = routes_of(make_app(desk, has_inbox=True))
    assert {route for route in found if not route[1].startswith(OF_OTHER_ROLES)} == listed


async def test_what_is_for_another_role_lets_no_driver_in(
    api: Api, desk: Desk, problem_of: ReadProblem, subtests: pytest.Subtests
) -> None:
    for method, template in sorted(routes_of(make_app(desk))):
        if template.startswith(OF_OTHER_ROLES):
            with subtests.test(f"{method} {template}"):
                path = re.sub(r"\{\w+:\w+\}", "1", template)
                assert problem_of(await api.call(method, path, {})) == (403, "forbidden_role")
                assert problem_of(await api.as_caller({}).call(method, path, {})) == (401, "unauthenticated")


async def test_a_drivers_page_asks_nobody_in_and_is_absent_to_staff(
    api: Api, desk: Desk, subtests: pytest.Subtests
) -> None:
    now = api.clock.read()
    ada = await make_staff(desk.database, api.town.vendor, now=now)
    cookies = await staff_cookie(desk.database, ada, now=now)
    jar = "; ".join(f"{name}={value}" for name, value in cookies.items())
    for method, template in sorted(pages_of(PAGES[Door.DRIVER])):  # those of staff: test_staff_pages.py
        path = re.sub(r"\{\w+:\w+\}", "1", template)
        with subtests.test(f"{method} {template}"):
            answer = await api.client.request(method, path)
            assert answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")
            answer = await api.client.request(method, path, headers={"Cookie": jar})
            assert answer.status_code == (404 if method == "GET" else 403)  # this POST has no csrf


def test_without_the_local_inbox_its_routes_do_not_exist(desk: Desk) -> None:
    assert not routes_of(make_app(desk)) & FOR_THIS_MACHINE


async def test_nobody_gets_in_without_a_token(api: Api, problem_of: ReadProblem, subtests: pytest.Subtests) -> None:
    booking = await api.booked()
    for route in GUARDED:
        with subtests.test(named(route)):
            answer = await call(api, route, booking["bookingId"], {})
            assert problem_of(answer) == (401, "unauthenticated")
            assert answer.headers["www-authenticate"] == 'Bearer realm="slotwatch"'


async def test_no_other_role_gets_in(api: Api, problem_of: ReadProblem, subtests: pytest.Subtests) -> None:
    booking = await api.booked()
    for route, role in itertools.product(GUARDED, ("vendor", "operator")):
        with subtests.test(named(route), role=role):
            answer = await call(api, route, booking["bookingId"], bearer("driver-1", role))
            assert problem_of(answer) == (403, "forbidden_role")


async def test_the_owner_gets_in(api: Api, subtests: pytest.Subtests) -> None:
    for route in GUARDED:
        with subtests.test(named(route)):
            booking = await api.booked()
            assert (await call(api, route, booking["bookingId"], bearer())).status_code == route.ok
            await api.post(f"/api/users/bookings/{booking['bookingId']}/cancel")


async def test_what_is_not_yours_looks_exactly_like_what_does_not_exist(
    api: Api, problem_of: ReadProblem, subtests: pytest.Subtests
) -> None:
    booking = await api.booked()
    for route, caller in itertools.product(OF_ONE_BOOKING, ("driver-2", "nobody-yet")):
        with subtests.test(named(route), caller=caller):
            other = await call(api, route, booking["bookingId"], bearer(caller))
            absent = await call(api, route, "BK-000000000001", bearer(caller))
            nonsense = await call(api, route, "BK-!", bearer(caller))
            assert problem_of(other) == problem_of(absent) == problem_of(nonsense) == (404, "not_found")
            assert other.content == absent.content == nonsense.content
    seen = (await api.get(f"/api/users/bookings/{booking['bookingId']}")).json()
    assert seen["status"] == "confirmed" and len(seen["timeline"]) == 1, "nothing happened to it"


async def test_a_list_holds_nothing_of_others(api: Api) -> None:
    await api.booked()
    for caller in ("driver-2", "nobody-yet"):
        listed = await api.as_caller(bearer(caller)).get("/api/users/bookings")
        assert listed.json() == {"items": [], "nextCursor": None}


async def test_reading_makes_no_driver(api: Api, desk: Desk) -> None:
    for path in ("/api/users/bookings", "/api/users/me/notifications", "/api/stations"):
        await api.as_caller(bearer("reader")).get(path)
    async with desk.database.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM driver WHERE subject = 'reader'") == 0


@pytest.mark.parametrize("header", ["Host", "Client"])
async def test_the_local_inbox_is_there_for_this_machine_alone(
    api: Api, desk: Desk, header: str, problem_of: ReadProblem
) -> None:
    app = make_app(desk, has_inbox=True)
    client = ("127.0.0.1", 5000) if header == "Host" else ("192.0.2.7", 5000)
    host = "rebound.example" if header == "Host" else "127.0.0.1"
    async with client_of(app, client=client) as foreign:
        for _, path in FOR_THIS_MACHINE:
            answer = await foreign.get(path.replace("{message_id:int}", "1"), headers={"Host": host})
            assert problem_of(answer) == (404, "not_found")
    assert (await api.client.get("/inbox")).status_code == 200
