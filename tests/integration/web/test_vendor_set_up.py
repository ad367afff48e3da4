"""The vendor API: disputes decided, stations and terms set up, and every call closed to everybody else."""

from typing import Any

import pytest
from litestar.routes import HTTPRoute

from slotwatch.domain.ids import ref
from slotwatch.engine.clean import Cleaner
from slotwatch.storage.database import Database
from slotwatch.usecases.desk import Desk
from tests.conftest import Town
from tests.integration.web.conftest import Api, bearer, make_app
from tests.integration.web.test_vendor_api import (
    HOUR,
    MINUTE,
    ReadProblem,
    answer_of,
    board,
    paying,
    rival,
    run_engine,
    staff,
)

__all__ = ["board", "paying", "rival"]

STATION = {
    "name": "Hafen",
    "address": "Kai 3",
    "latitude": 48.2,
    "longitude": 16.4,
    "timeZone": "Europe/Vienna",
    "openingHours": [{"days": [0, 1], "opens": "08:00", "closes": "22:00"}],
    "checkInRadiusM": 150,
    "rotatingCode": True,
}
CONNECTOR = {"label": "A", "type": "CCS", "powerKw": 150.0, "pricePerHour": {"amount": 900, "currency": "EUR"}}


async def disputed(paying: Api, desk: Desk, *, is_final: bool) -> str:
    """A paid no-show, its money final or not, that the driver disputes."""
    booking: str = (await paying.booked())["bookingId"]
    await answer_of(paying.post(f"/api/users/bookings/{booking}/payment"))
    paying.clock.advance(HOUR)
    await run_engine(desk)
    paying.clock.advance(31 * MINUTE)
    await run_engine(desk)
    if is_final:
        paying.clock.advance(25 * HOUR)
        async with desk.database.connection() as conn:
            await Cleaner(desk.clock).run_once(conn)
    await answer_of(paying.post(f"/api/users/bookings/{booking}/dispute", {"statement": "I was there."}), 201)
    return booking


@pytest.mark.parametrize(("is_final", "source"), [(False, "forfeit"), (True, "vendor")])
async def test_a_refund_voids_the_no_show_and_pays_back_from_wherever_the_money_is(
    paying: Api, desk: Desk, database: Database, problem_of: ReadProblem, is_final: bool, source: str
) -> None:
    booking = await disputed(paying, desk, is_final=is_final)
    board = paying.as_caller(staff(paying.town.vendor))
    (listed,) = (await answer_of(board.get("/api/vendor/disputes?status=open")))["items"]
    assert (listed["id"], listed["statement"], listed["decision"]) == (booking, "I was there.", None)
    assert (listed["status"], listed["amount"]) == ("expired", {"amount": 1250, "currency": "EUR"})
    path = f"/api/vendor/disputes/{booking}/resolve"
    decided = await answer_of(board.post(path, {"decision": "refund", "note": "The camera agrees."}))
    assert (decided["decision"], decided["note"], decided["status"]) == ("refund", "The camera agrees.", "voided")
    assert await answer_of(board.post(path, {"decision": "refund"})) == decided, "again changes nothing"
    assert problem_of(await board.post(path, {"decision": "uphold", "note": "No."})) == (409, "conflict")
    seen = await answer_of(paying.get(f"/api/users/bookings/{booking}"))
    assert (seen["status"], seen["endReason"], seen["paymentStatus"]) == ("voided", "dispute_won", "refunded")
    async with database.connection() as conn:
        last = await conn.fetchrow("SELECT entry, debit, credit, amount FROM ledger ORDER BY id DESC LIMIT 1")
        told = await conn.fetchval("SELECT count(*) FROM notice WHERE kind = 'slot_voided'")
    assert tuple(last) == ("refunded", source, "driver", 1250) and told == 1
    assert (await answer_of(board.get("/api/vendor/disputes?status=open")))["items"] == []


async def test_an_upheld_no_show_stays_one_and_its_money_becomes_final(
    paying: Api, desk: Desk, database: Database
) -> None:
    booking = await disputed(paying, desk, is_final=False)
    paying.clock.advance(25 * HOUR)
    async with database.connection() as conn:
        await Cleaner(desk.clock).run_once(conn)
        assert await conn.fetchval("SELECT payment_status FROM booking") == "forfeit_held", "the dispute is open"
    board = paying.as_caller(staff(paying.town.vendor))
    decided = await answer_of(
        board.post(f"/api/vendor/disputes/{booking}/resolve", {"decision": "uphold", "note": "No."})
    )
    assert (decided["decision"], decided["status"]) == ("uphold", "expired")
    assert (await answer_of(board.get("/api/vendor/disputes?status=decided")))["items"] == [decided]
    async with database.connection() as conn:
        await Cleaner(desk.clock).run_once(conn)
        assert await conn.fetchval("SELECT payment_status FROM booking") == "forfeited"


async def test_disputes_come_page_by_page(paying: Api, desk: Desk) -> None:
    booked = [await disputed(paying, desk, is_final=False) for _ in range(3)]
    board = paying.as_caller(staff(paying.town.vendor))
    first = await answer_of(board.get("/api/vendor/disputes?limit=2"))
    second = await answer_of(board.get(f"/api/vendor/disputes?limit=2&cursor={first['nextCursor']}"))
    assert [one["id"] for one in first["items"] + second["items"]] == booked[::-1] and second["nextCursor"] is None


async def test_a_station_is_set_up_and_drivers_book_there(api: Api, board: Api, problem_of: ReadProblem) -> None:
    station = await answer_of(board.post("/api/vendor/stations", STATION, headers={"Idempotency-Key": "s"}), 201)
    again = await answer_of(board.post("/api/vendor/stations", STATION, headers={"Idempotency-Key": "s"}), 201)
    assert station == again == {**STATION, "stationId": station["stationId"], "connectors": []}
    path = f"/api/vendor/stations/{station['stationId']}"
    connector = await answer_of(board.post(f"{path}/connectors", CONNECTOR), 201)
    assert problem_of(await board.post(f"{path}/connectors", CONNECTOR)) == (409, "conflict")
    changed = await answer_of(board.call("PATCH", path, {"name": "Neuer Hafen", "openingHours": []}))
    assert (changed["name"], changed["openingHours"], changed["connectors"]) == ("Neuer Hafen", [], [connector])
    price = {"pricePerHour": {"amount": 1000, "currency": "CHF"}}
    dearer = await answer_of(board.call("PATCH", f"{path}/connectors/{connector['connectorId']}", price))
    assert dearer == {**connector, **price}
    slot = {**api.slot(), "connectorId": connector["connectorId"]}
    booking = await answer_of(api.post("/api/users/bookings", slot), 201)
    assert (booking["stationName"], booking["amount"]) == ("Neuer Hafen", {"amount": 1000, "currency": "CHF"})
    assert booking["timeZone"] == "Europe/Vienna"
    assert await answer_of(board.get(path)) == {**changed, "connectors": [dearer]}
    listed = await answer_of(board.get("/api/vendor/stations?limit=2"))
    rest = await answer_of(board.get(f"/api/vendor/stations?limit=2&cursor={listed['nextCursor']}"))
    names = [one["name"] for one in listed["items"] + rest["items"]]
    assert names == ["Harbour", "Thamel", "Neuer Hafen"] and rest["nextCursor"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"timeZone": "Europe/Atlantis"},
        {"timeZone": "../etc/passwd"},
        {"name": ""},
        {"name": "a\nb"},
        {"latitude": 91},
        {"openingHours": [{"days": [7], "opens": "08:00", "closes": "22:00"}]},
        {"openingHours": [{"days": [1], "opens": "8", "closes": "22:00"}]},
        {"vendorId": 2},
        {"checkInRadiusM": 5},
    ],
)
async def test_a_station_that_makes_no_sense_is_refused(
    board: Api, problem_of: ReadProblem, change: dict[str, Any]
) -> None:
    before = await answer_of(board.get("/api/vendor/stations"))
    assert problem_of(await board.post("/api/vendor/stations", {**STATION, **change})) == (422, "invalid_input")
    path = f"/api/vendor/stations/{before['items'][0]['stationId']}"
    assert problem_of(await board.call("PATCH", path, change)) == (422, "invalid_input")
    assert await answer_of(board.get("/api/vendor/stations")) == before


async def test_alert_thresholds_are_set_with_the_terms_and_stay_where_they_are_left_out(
    board: Api, problem_of: ReadProblem, database: Database, town: Town
) -> None:
    house = (await answer_of(board.get("/api/vendor/terms")))["alerts"]
    assert (house["noShowDays"], house["off"]) == (14, [])
    given = {"noShowFloorPercent": 25, "silentBookings": 4, "off": ["outage"]}
    ours = await answer_of(board.put("/api/vendor/terms", {"alerts": given}))
    assert ours["alerts"] == {**house, **given}
    assert await answer_of(board.put("/api/vendor/terms", {"gracePeriodMinutes": 20})) == {
        **ours,
        "gracePeriodMinutes": 20,
    }
    for bad in ({"silentBookings": 2}, {"off": ["moon"]}, {"off": ["engine_late"]}, {"surprise": 1}, None):
        refused = await board.put("/api/vendor/terms", {"gracePeriodMinutes": 5, "alerts": bad})
        assert problem_of(refused) == (422, "invalid_input")
    kept = await answer_of(board.get("/api/vendor/terms"))
    assert (kept["alerts"], kept["gracePeriodMinutes"]) == (ours["alerts"], 20)
    async with database.connection() as conn:
        stored = await conn.fetchval("SELECT alert_rules FROM vendor WHERE id = $1", town.vendor)
    assert stored["silentBookings"] == 4, "where the watch and the page read them"


async def test_terms_apply_to_bookings_made_afterwards(api: Api, board: Api, problem_of: ReadProblem) -> None:
    before = await api.booked()
    house = await answer_of(board.get("/api/vendor/terms"))
    assert house["gracePeriodMinutes"] == 30 and house["noShowRefund"] == "none"
    tiers = [{"untilMinutesBefore": 120, "percent": 100}]
    ours = await answer_of(board.put("/api/vendor/terms", {"gracePeriodMinutes": 10, "cancelRefund": tiers}))
    assert ours == {**house, "gracePeriodMinutes": 10, "cancelRefund": tiers}
    assert await answer_of(board.get("/api/vendor/terms")) == ours
    after = await api.booked(starts_in=3 * HOUR)
    assert (before["terms"]["gracePeriodMinutes"], after["terms"]["gracePeriodMinutes"]) == (30, 10)
    for bad in ({"gracePeriodMinutes": 0}, {"cancelRefund": [*tiers, {"untilMinutesBefore": 240, "percent": 50}]}):
        assert problem_of(await board.put("/api/vendor/terms", bad)) == (422, "invalid_input")
    assert await answer_of(board.get("/api/vendor/terms")) == ours
    assert await answer_of(board.put("/api/vendor/terms", {})) == house, "what is left out is the house's"


CALLS: tuple[tuple[str, str, str, Any], ...] = (
    ("GET", "/api/vendor/dashboard/slot-monitoring", "?stationId={station}", None),
    ("GET", "/api/vendor/bookings/{booking_id:str}", "", None),
    ("POST", "/api/vendor/bookings/{booking_id:str}/checkin", "", None),
    ("POST", "/api/vendor/bookings/{booking_id:str}/cancel", "", {"reason": "Flooded."}),
    ("POST", "/api/vendor/disputes/{dispute_id:str}/resolve", "", {"decision": "uphold", "note": "No."}),
    ("GET", "/api/vendor/stations/{station_id:str}", "", None),
    ("PATCH", "/api/vendor/stations/{station_id:str}", "", {"name": "Mine"}),
    ("POST", "/api/vendor/stations/{station_id:str}/connectors", "", CONNECTOR),
    ("PATCH", "/api/vendor/stations/{station_id:str}/connectors/{connector_id:str}", "", {"label": "Mine"}),
    ("POST", "/api/vendor/alerts/{alert_id:str}/acknowledge", "", None),
)
WITHOUT_AN_ID: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/api/vendor/dashboard/no-shows", None),
    ("GET", "/api/vendor/dashboard/slot-monitoring/stream", None),
    ("GET", "/api/vendor/disputes", None),
    ("GET", "/api/vendor/stations", None),
    ("POST", "/api/vendor/stations", STATION),
    ("GET", "/api/vendor/terms", None),
    ("PUT", "/api/vendor/terms", {"gracePeriodMinutes": 1}),
    ("GET", "/api/vendor/alerts", None),
)


def filled(template: str, api: Api, booking: str) -> str:
    values = {"booking_id:str": booking, "dispute_id:str": booking}
    values |= {"alert_id:str": "AL-1"}
    values |= {"station_id:str": ref("ST", api.town.station), "connector_id:str": ref("CN", api.town.connectors[0])}
    for name, value in values.items():
        template = template.replace("{" + name + "}", value)
    return template.replace("{station}", ref("ST", api.town.station))


def test_every_vendor_call_has_a_row_here(desk: Desk) -> None:
    routes = {
        (method, route.path)
        for route in make_app(desk).routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/api/vendor/")
        for method in route.methods
        if method != "OPTIONS"
    }
    assert routes == {call[:2] for call in (*CALLS, *WITHOUT_AN_ID)}


async def test_what_is_another_vendors_looks_absent_and_stays_as_it_was(
    paying: Api, desk: Desk, problem_of: ReadProblem, subtests: pytest.Subtests
) -> None:
    booking = await disputed(paying, desk, is_final=False)
    board, rival = (paying.as_caller(staff(vendor)) for vendor in (paying.town.vendor, paying.town.other_vendor))
    before = await _everything(board, booking)
    for method, template, query, body in CALLS:
        with subtests.test(f"{method} {template}"):
            path = filled(template + query, paying, booking)
            assert problem_of(await rival.call(method, path, body)) == (404, "not_found")
    for listed in ("/api/vendor/disputes", "/api/vendor/dashboard/slot-monitoring?timeRange=7d"):
        answer = await answer_of(rival.get(listed))
        assert booking not in str(answer)
    own = (await answer_of(rival.get("/api/vendor/stations")))["items"]
    assert [station["name"] for station in own] == ["Far side"]
    connector = f"/api/vendor/stations/{own[0]['stationId']}/connectors/{ref('CN', paying.town.connectors[0])}"
    assert problem_of(await rival.call("PATCH", connector, {"label": "Mine"})) == (404, "not_found")
    assert await _everything(board, booking) == before


async def _everything(board: Api, booking: str) -> list[Any]:
    paths = (f"/api/vendor/bookings/{booking}", "/api/vendor/disputes", "/api/vendor/stations", "/api/vendor/terms")
    return [await answer_of(board.get(path)) for path in paths]


@pytest.mark.parametrize("role", ["driver", "operator", None])
async def test_no_other_role_gets_in(
    api: Api, problem_of: ReadProblem, role: str | None, subtests: pytest.Subtests
) -> None:
    caller = api.as_caller({} if role is None else bearer("driver-1", role))
    wanted = (401, "unauthenticated") if role is None else (403, "forbidden_role")
    for method, template, *_, body in (*CALLS, *WITHOUT_AN_ID):
        with subtests.test(f"{method} {template}"):
            path = filled(template, api, "BK-000000000001")
            assert problem_of(await caller.call(method, path, body)) == wanted
