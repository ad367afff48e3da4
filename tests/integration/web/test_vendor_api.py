"""The vendor API: the board in numbers, staff at the station, disputes, set-up, and nothing of anybody else's."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from dirty_equals import IsStr

from slotwatch.analytics.scope import Scope
from slotwatch.analytics.statistics import read_statistics
from slotwatch.domain.ids import ref
from slotwatch.domain.notices import USUAL_CHANNELS
from slotwatch.engine.advance import Advancer, AdvanceSettings
from slotwatch.storage.database import Database
from slotwatch.usecases.desk import BookingSettings, Desk
from slotwatch.web.api.vendor_dashboard import statistics_json
from tests.integration.web.conftest import SIGNER, Api, client_of, make_app

ReadProblem = Callable[[httpx.Response], tuple[int, str]]

MONITORING = "/api/vendor/dashboard/slot-monitoring"
NO_SHOWS = "/api/vendor/dashboard/no-shows"
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def staff(vendor_id: int, subject: str = "sam") -> dict[str, str]:
    return {"Authorization": f"Bearer {SIGNER.issue(subject, 'vendor', vendor_id=vendor_id)}"}


@pytest.fixture
def board(api: Api) -> Api:
    """The API as staff of the first vendor."""
    return api.as_caller(staff(api.town.vendor))


@pytest.fixture
def rival(api: Api) -> Api:
    """The API as staff of the other vendor."""
    return api.as_caller(staff(api.town.other_vendor, "eve"))


async def run_engine(desk: Desk) -> None:
    advancer = Advancer(AdvanceSettings(), sorted(USUAL_CHANNELS), desk.clock)
    async with desk.database.connection() as conn:
        while (await advancer.run_once(conn)).moved:
            await conn.execute(
                "UPDATE delivery SET state = 'sent', attempts = 1, sent_at = next_attempt_at WHERE state = 'pending'"
            )


async def answer_of(call: Any, status: int = 200) -> dict[str, Any]:
    answer = await call
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def one_of_each(api: Api, desk: Desk) -> dict[str, str]:
    """A no-show, one who came in grace, one whose grace runs, one to come and one of the rival's."""
    ids = {
        "expired": (await api.booked(connector=0))["bookingId"],
        "active": (await api.booked(connector=1, length=2 * HOUR))["bookingId"],
        "grace": (await api.booked(connector=2, starts_in=90 * MINUTE))["bookingId"],
        "confirmed": (await api.booked(connector=3, starts_in=5 * HOUR))["bookingId"],
    }
    foreign = {**api.slot(starts_in=HOUR), "connectorId": ref("CN", api.town.other_connector)}
    await answer_of(api.post("/api/users/bookings", foreign), 201)
    await run_engine(desk)
    for minute in range(0, 97, 3):
        await run_engine(desk)
        if minute == 66:
            await answer_of(api.put(f"/api/users/bookings/{ids['active']}/checkin", {"method": "app"}))
        api.clock.advance(3 * MINUTE if minute < 96 else timedelta(0))
    return ids


async def test_slot_monitoring_answers_as_the_contract_says(api: Api, board: Api, desk: Desk) -> None:
    ids = await one_of_each(api, desk)
    answer = await answer_of(board.get(MONITORING))
    empty = dict.fromkeys(("pending", "completed", "cancelled", "voided", "reinstated"), 0)
    assert answer["statistics"] == {
        "totalBookings": 4,
        "byStatus": {**empty, "confirmed": 1, "grace": 1, "active": 1, "expired": 1},
        "activeGracePeriods": 1,
        "noShowRate": 0.5,
        "noShowRateInterval": [pytest.approx(0.0945, abs=1e-4), pytest.approx(0.9055, abs=1e-4)],
        "completionRate": 0.0,
        "graceUtilisation": {"checkedInDuringGrace": 1.0, "medianMinutesIntoGrace": 6.0},
        "deliveryRates": {
            "email": {"sent": 9, "delivered": 0, "failed": 0, "rate": 1.0},
            "sms": {"sent": 9, "delivered": 0, "failed": 0, "rate": 1.0},
        },
        "stationEfficiency": {
            "bookedHours": (33 + 36 + 6) / 60,  # the engine came round 3 minutes after grace was over
            "usedHours": 0.5,
            "availableHours": pytest.approx(5 * 96 / 60),
            "utilisation": pytest.approx(30 / (5 * 96)),
        },
        "revenue": {"earned": {}, "forfeited": {}, "lostToNoShows": {"EUR": 1250}, "refunded": {}},
    }
    assert (answer["generatedAt"], answer["timeRange"]) == ("2026-03-02T13:36:00Z", "24h")
    assert answer["slots"]["nextCursor"] is None
    assert [slot["bookingId"] for slot in answer["slots"]["items"]] == [
        ids[name] for name in ("active", "grace", "confirmed", "expired")
    ]
    slot = answer["slots"]["items"][1]
    sent = {"status": "sent", "sentAt": IsStr(), "attempts": 1}
    assert slot.pop("notifications") == {
        "bookingConfirmed": {"email": sent, "sms": sent},
        "reminder": {"email": sent},
        "slotStart": {"email": sent, "sms": sent},
        "slotExpired": {"email": {"status": "pending"}, "sms": {"status": "pending"}},
    }
    assert slot == {
        "bookingId": ids["grace"],
        "status": "grace",
        "stationId": ref("ST", api.town.station),
        "connectorLabel": "2A",
        "startTime": "2026-03-02T13:30:00Z",
        "endTime": "2026-03-02T14:30:00Z",
        "graceTimeRemaining": 1440,
        "driver": {"name": "Mira"},
        "checkedInAt": None,
    }


async def test_the_api_shows_what_the_read_service_reads(api: Api, board: Api, desk: Desk) -> None:
    await one_of_each(api, desk)
    for time_range, length in (("1h", HOUR), ("24h", 24 * HOUR), ("7d", 7 * 24 * HOUR)):
        answer = await answer_of(board.get(MONITORING, params={"timeRange": time_range}))
        async with desk.database.connection() as conn:
            numbers = await read_statistics(conn, Scope.until_now(api.town.vendor, length, api.clock.read()))
        assert answer["statistics"] == msgspec.json.decode(msgspec.json.encode(statistics_json(numbers)))


async def test_the_slots_come_page_by_page(api: Api, board: Api, desk: Desk) -> None:
    ids = await one_of_each(api, desk)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        part = (await answer_of(board.get(MONITORING, params={"limit": 1, **({"cursor": cursor} if cursor else {})})))[
            "slots"
        ]
        seen += [slot["bookingId"] for slot in part["items"]]
        cursor = part["nextCursor"]
        if cursor is None:
            break
    assert seen == [ids[name] for name in ("active", "grace", "confirmed", "expired")]


async def test_status_chooses_slots_and_station_narrows_the_numbers_too(api: Api, board: Api, desk: Desk) -> None:
    ids = await one_of_each(api, desk)
    expired = await answer_of(board.get(MONITORING, params={"status": "expired"}))
    assert [slot["bookingId"] for slot in expired["slots"]["items"]] == [ids["expired"]]
    assert expired["statistics"]["totalBookings"] == 4
    other = await answer_of(board.get(MONITORING, params={"stationId": ref("ST", api.town.night_shut)}))
    assert other["slots"]["items"] == [] and other["statistics"]["totalBookings"] == 0
    assert other["statistics"]["noShowRate"] is None and other["statistics"]["noShowRateInterval"] is None
    hour = await answer_of(board.get(MONITORING, params={"timeRange": "1h"}))
    assert hour["statistics"]["totalBookings"] == 4, "the no-show began 36 minutes ago"


async def test_a_vendor_without_anything_sees_an_empty_board(api: Api) -> None:
    answer = await answer_of(api.as_caller(staff(4711)).get(MONITORING))
    assert answer["slots"] == {"items": [], "nextCursor": None}
    numbers = answer["statistics"]
    assert numbers["totalBookings"] == 0 and numbers["completionRate"] is None
    assert numbers["stationEfficiency"] == {
        "bookedHours": 0.0,
        "usedHours": 0.0,
        "availableHours": 0.0,
        "utilisation": None,
    }


async def test_no_shows_are_told_apart_by_station_hour_and_weekday(api: Api, board: Api, desk: Desk) -> None:
    await one_of_each(api, desk)
    stations = await answer_of(board.get(NO_SHOWS, params={"groupBy": "station"}))
    assert [(group["label"], group["expired"], group["checkedIn"]) for group in stations["items"]] == [
        ("Harbour", 1, 1),
        ("Thamel", 0, 0),
    ]
    assert stations["items"][0]["key"] == ref("ST", api.town.station)
    assert stations["items"][1]["noShowRate"] is None
    hours = await answer_of(board.get(NO_SHOWS, params={"groupBy": "hour", "timeRange": "7d"}))
    assert len(hours["items"]) == 24
    assert [group["key"] for group in hours["items"] if group["expired"]] == ["13"]
    weekdays = await answer_of(board.get(NO_SHOWS, params={"groupBy": "weekday"}))
    assert [(group["label"], group["noShowRate"]) for group in weekdays["items"]][:2] == [
        ("Monday", 0.5),
        ("Tuesday", None),
    ]


@pytest.mark.parametrize(
    "query",
    ["timeRange=2h", "status=gone", "groupBy=moon", "cursor=x", "limit=0", "stationId=ST-1&stationId=ST-2", "a=b"],
)
async def test_a_question_that_makes_no_sense_is_refused(board: Api, problem_of: ReadProblem, query: str) -> None:
    assert problem_of(await board.get(f"{MONITORING}?{query}")) == (422, "invalid_input")


async def test_staff_see_a_booking_with_its_story_and_check_the_driver_in(
    api: Api, board: Api, desk: Desk, problem_of: ReadProblem
) -> None:
    path = f"/api/vendor/bookings/{(await api.booked())['bookingId']}"
    assert problem_of(await board.post(f"{path}/checkin")) == (409, "check_in_too_early")
    api.clock.advance(65 * MINUTE)
    await run_engine(desk)
    checked_in = await answer_of(board.post(f"{path}/checkin"))
    assert (checked_in["status"], checked_in["slotStatus"]["checkInMethod"]) == ("active", "vendor")
    assert checked_in["driver"] == {"name": "Mira"}
    assert [(move["toStatus"], move["actor"]) for move in checked_in["timeline"]] == [
        ("confirmed", "driver"),
        ("grace", "engine"),
        ("active", "vendor"),
    ]
    assert await answer_of(board.post(f"{path}/checkin")) == checked_in, "again changes nothing"
    seen = await answer_of(board.get(path))
    told = [(one["kind"], one["channel"]) for one in seen.pop("notices")]
    assert seen == checked_in and told[-1] == ("checkedIn", "email")


@pytest.fixture
async def paying(desk: Desk, api: Api) -> Any:
    """The API where bookings are paid, as the driver."""
    paid = Desk(desk.database, desk.clock, BookingSettings(payments="local"), desk.channels, desk.hint)
    async with client_of(make_app(paid)) as client:
        yield Api(client, api.town, api.clock)


async def test_a_cancel_by_staff_needs_a_reason_and_pays_everything_back(
    paying: Api, desk: Desk, database: Database, problem_of: ReadProblem
) -> None:
    booking = (await paying.booked())["bookingId"]
    await answer_of(paying.post(f"/api/users/bookings/{booking}/payment"))
    paying.clock.advance(65 * MINUTE)
    await run_engine(desk)
    board = paying.as_caller(staff(paying.town.vendor))
    path = f"/api/vendor/bookings/{booking}/cancel"
    assert problem_of(await board.post(path, {})) == (422, "invalid_input")
    assert problem_of(await board.post(path, {"reason": "  "})) == (422, "invalid_input")
    key = {"Idempotency-Key": "c-1"}
    cancelled = await answer_of(board.post(path, {"reason": "The bay is flooded."}, headers=key))
    assert await answer_of(board.post(path, {"reason": "The bay is flooded."}, headers=key)) == cancelled
    assert (cancelled["status"], cancelled["endReason"]) == ("cancelled", "cancelled_by_vendor")
    assert cancelled["paymentStatus"] == "refunded"
    assert cancelled["timeline"][-1]["reason"] == "The bay is flooded."
    assert problem_of(await board.post(path, {"reason": "Again."})) == (409, "not_cancellable")
    async with database.connection() as conn:
        paid = await conn.fetch("SELECT entry, debit, credit, amount FROM ledger ORDER BY id")
    assert [tuple(row) for row in paid] == [
        ("captured", "driver", "held", 1250),
        ("refunded", "held", "driver", 1250),
    ]
