"""A booking over HTTP: made, seen, paid, checked in, cancelled, left, explained and disputed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from dirty_equals import IsStr
from litestar import Litestar

from slotwatch.domain.ids import ref
from slotwatch.domain.notices import USUAL_CHANNELS
from slotwatch.engine.advance import Advancer, AdvanceSettings
from slotwatch.storage.database import Database
from slotwatch.usecases.desk import Desk
from tests.integration.web.conftest import Api, bearer, client_of, make_app

ReadProblem = Callable[[httpx.Response], tuple[int, str]]

BOOKINGS = "/api/users/bookings"
MINUTE = timedelta(minutes=1)


async def run_engine(desk: Desk) -> None:
    advancer = Advancer(AdvanceSettings(), sorted(USUAL_CHANNELS), desk.clock)
    async with desk.database.connection() as conn:
        while (await advancer.run_once(conn)).moved:
            pass


async def deliver_everything(database: Database) -> None:
    async with database.connection() as conn:
        await conn.execute("UPDATE delivery SET state = 'sent', attempts = 1, sent_at = next_attempt_at")


async def test_a_booking_looks_as_the_contract_says(api: Api) -> None:
    booking = await api.booked()
    assert booking == {
        "bookingId": IsStr(regex=r"BK-[0-9A-Z]{12}"),
        "status": "confirmed",
        "stationId": ref("ST", api.town.station),
        "stationName": "Harbour",
        "connectorId": ref("CN", api.town.connectors[0]),
        "connectorLabel": "1A",
        "startTime": "2026-03-02T13:00:00Z",
        "endTime": "2026-03-02T14:00:00Z",
        "timeZone": "UTC",
        "amount": {"amount": 1250, "currency": "EUR"},
        "paymentStatus": "not_required",
        "paymentDueAt": None,
        "vehicle": None,
        "checkInOpensAt": "2026-03-02T12:45:00Z",
        "endedAt": None,
        "endReason": None,
        "slotStatus": {
            "started": False,
            "startedAt": None,
            "gracePeriodActive": False,
            "gracePeriodEndsAt": "2026-03-02T13:30:00Z",
            "expiredAt": None,
            "expiredReason": None,
            "checkedInAt": None,
            "checkInMethod": None,
            "isInGracePeriod": False,
            "isOverdueForCheckIn": False,
            "graceTimeRemaining": 0,
            "shouldBeExpired": False,
            "notificationsSent": {
                "slotStart": {"email": {"status": "pending"}, "sms": {"status": "pending"}},
                "slotExpired": {"email": {"status": "pending"}, "sms": {"status": "pending"}},
                "bookingConfirmed": {"email": {"status": "pending"}, "sms": {"status": "pending"}},
            },
        },
        "terms": {
            "gracePeriodMinutes": 30,
            "earlyCheckInMinutes": 15,
            "reminderMinutes": 60,
            "settleSeconds": 5,
            "noShowRefund": "none",
            "cancelRefund": [
                {"untilMinutesBefore": 1440, "percent": 100},
                {"untilMinutesBefore": 240, "percent": 75},
                {"untilMinutesBefore": 60, "percent": 50},
            ],
        },
        "nextStep": {"step": "start", "dueAt": "2026-03-02T13:00:00Z"},
        "createdAt": "2026-03-02T12:00:00Z",
        "updatedAt": "2026-03-02T12:00:00Z",
    }


async def test_a_single_booking_tells_the_whole_way_of_each_notice(api: Api, database: Database) -> None:
    """To the driver and to the vendor's people, and only where one booking is asked for."""
    booking = await api.booked()
    async with database.connection() as conn:
        await conn.execute(
            "UPDATE delivery SET state = 'failed', attempts = 2, provider = 'twilio', error = 'no such number'"
            " WHERE channel = 'sms'"
        )
        await conn.execute(
            "UPDATE delivery SET state = 'sent', attempts = 1, provider = 'smtp', provider_message_id = 'q7',"
            " sent_at = next_attempt_at WHERE channel = 'email'"
        )
    mail = {
        **{"kind": "bookingConfirmed", "occasion": "", "channel": "email", "status": "sent", "attempts": 1},
        **{"provider": "smtp", "providerId": "q7", "sentAt": "2026-03-02T12:00:00Z", "error": None},
    }
    text = {
        **{"kind": "bookingConfirmed", "occasion": "", "channel": "sms", "status": "failed", "attempts": 2},
        **{"provider": "twilio", "providerId": None, "sentAt": None, "error": "no such number"},
    }
    own = (await api.get(f"{BOOKINGS}/{booking['bookingId']}")).json()
    staff = (await api.get(f"/api/vendor/bookings/{booking['bookingId']}", headers=bearer(role="vendor"))).json()
    assert own["notices"] == staff["notices"] == [mail, text]
    (listed,) = (await api.get(BOOKINGS)).json()["items"]
    assert "notices" not in booking and "notices" not in listed


async def test_the_countdown_shows_while_grace_runs(api: Api, desk: Desk, database: Database) -> None:
    booking = await api.booked()
    api.clock.advance(timedelta(hours=1))
    await run_engine(desk)
    await deliver_everything(database)
    api.clock.advance(MINUTE)
    seen = (await api.get(f"{BOOKINGS}/{booking['bookingId']}")).json()
    status = seen["slotStatus"]
    assert seen["status"] == "grace"
    assert (status["started"], status["startedAt"]) == (True, "2026-03-02T13:00:00Z")
    assert status["gracePeriodActive"] and status["isInGracePeriod"] and status["isOverdueForCheckIn"]
    assert (status["graceTimeRemaining"], status["shouldBeExpired"]) == (1740, False)
    sent = {"status": "sent", "sentAt": "2026-03-02T13:00:00Z", "attempts": 1}
    assert status["notificationsSent"]["slotStart"] == {"email": sent, "sms": sent}
    assert status["notificationsSent"]["slotExpired"] == {"email": {"status": "pending"}, "sms": {"status": "pending"}}
    assert [move["toStatus"] for move in seen["timeline"]] == ["confirmed", "grace"]
    assert [move["actor"] for move in seen["timeline"]] == ["driver", "engine"]


async def test_a_check_in_makes_the_slot_active_and_again_changes_nothing(api: Api) -> None:
    booking = await api.booked()
    path = f"{BOOKINGS}/{booking['bookingId']}/checkin"
    api.clock.advance(timedelta(minutes=50))
    first = await api.put(path, {"method": "app", "location": {"latitude": 48.2, "longitude": 16.37}})
    assert (first.status_code, first.json()["status"]) == (200, "active")
    assert first.json()["slotStatus"]["checkInMethod"] == "app"
    api.clock.advance(MINUTE)
    again = await api.put(path, {"method": "app"})
    assert again.status_code == 200
    assert again.json()["slotStatus"]["checkedInAt"] == first.json()["slotStatus"]["checkedInAt"]
    assert again.json()["updatedAt"] == first.json()["updatedAt"]


async def test_a_check_in_before_the_window_says_when_it_opens(api: Api, problem_of: ReadProblem) -> None:
    booking = await api.booked()
    answer = await api.put(f"{BOOKINGS}/{booking['bookingId']}/checkin", {"method": "app"})
    assert problem_of(answer) == (409, "check_in_too_early")
    assert answer.json()["opensAt"] == "2026-03-02T12:45:00Z"


async def test_a_check_in_after_the_deadline_leads_to_the_dispute(
    api: Api, desk: Desk, database: Database, problem_of: ReadProblem
) -> None:
    booking = await api.booked()
    path = f"{BOOKINGS}/{booking['bookingId']}"
    api.clock.advance(timedelta(hours=1))
    await run_engine(desk)
    await deliver_everything(database)
    api.clock.advance(timedelta(minutes=30, seconds=5))
    await run_engine(desk)
    late = await api.put(f"{path}/checkin", {"method": "app"})
    assert problem_of(late) == (409, "grace_over")
    assert late.json()["graceEndedAt"] == "2026-03-02T13:30:00Z"
    seen = (await api.get(path)).json()
    assert (seen["status"], seen["slotStatus"]["expiredReason"]) == ("expired", "no_show_after_grace_period")
    disputed = await api.post(late.json()["disputeUrl"], {"statement": "The app did not open."})
    assert disputed.status_code == 201
    assert disputed.json() == {
        "bookingId": booking["bookingId"],
        "statement": "The app did not open.",
        "note": None,
        "openedAt": "2026-03-02T13:30:05Z",
        "decision": None,
        "decidedAt": None,
    }
    twice = await api.post(f"{path}/dispute", {"statement": "Again."})
    assert problem_of(twice) == (409, "already_disputed")
    evidence = (await api.get(f"{path}/evidence")).json()
    assert "no-show" in evidence["explanation"]
    assert [(one["accepted"], one["code"]) for one in evidence["checkInAttempts"]] == [(False, "grace_over")]
    assert {notice["notice"] for notice in evidence["notices"]} == {
        "bookingConfirmed",
        "slotStart",
        "graceAlert",
        "slotExpired",
    }
    assert evidence["dispute"]["statement"] == "The app did not open."


async def test_a_dispute_that_comes_too_late_is_refused(
    api: Api, desk: Desk, database: Database, problem_of: ReadProblem
) -> None:
    booking = await api.booked()
    api.clock.advance(timedelta(hours=1))
    await run_engine(desk)
    await deliver_everything(database)
    api.clock.advance(timedelta(minutes=31))
    await run_engine(desk)
    api.clock.advance(timedelta(days=15))
    late = await api.post(f"{BOOKINGS}/{booking['bookingId']}/dispute", {"statement": "I was there."})
    assert problem_of(late) == (409, "dispute_window_over")


async def test_evidence_folds_each_refused_check_in_into_one_line(api: Api) -> None:
    booking = await api.booked()
    path = f"{BOOKINGS}/{booking['bookingId']}"
    await api.put(f"{path}/checkin", {"method": "app"})
    api.clock.advance(timedelta(minutes=50))
    place = {"latitude": 48.2, "longitude": 16.37}
    await api.put(f"{path}/checkin", {"method": "qr", "qrToken": booking["connectorId"], "location": place})
    evidence = (await api.get(f"{path}/evidence")).json()
    assert [(one["method"], one["accepted"], one["code"]) for one in evidence["checkInAttempts"]] == [
        ("app", False, "check_in_too_early"),
        ("qr", True, None),
    ]
    assert evidence["checkInAttempts"][1]["location"] == [48.2, 16.37]
    assert evidence["status"] == "active"


@pytest.mark.parametrize("token", ["{}", "https://slotwatch.example/c/{}", "https://slotwatch.example/c/{}/"])
async def test_a_scanned_code_may_be_the_id_or_a_link_that_ends_in_it(api: Api, token: str) -> None:
    booking = await api.booked()
    api.clock.advance(timedelta(minutes=50))
    body = {"method": "qr", "qrToken": token.format(booking["connectorId"])}
    assert (await api.put(f"{BOOKINGS}/{booking['bookingId']}/checkin", body)).status_code == 200


async def test_the_code_of_another_connector_is_refused(api: Api, problem_of: ReadProblem) -> None:
    booking = await api.booked()
    api.clock.advance(timedelta(minutes=50))
    body = {"method": "qr", "qrToken": ref("CN", api.town.connectors[1])}
    answer = await api.put(f"{BOOKINGS}/{booking['bookingId']}/checkin", body)
    assert problem_of(answer) == (409, "wrong_connector")


async def test_a_cancel_frees_the_slot_and_cannot_be_repeated(api: Api, problem_of: ReadProblem) -> None:
    booking = await api.booked()
    path = f"{BOOKINGS}/{booking['bookingId']}"
    cancelled = await api.post(f"{path}/cancel", {"reason": "other plans"})
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert cancelled.json()["endReason"] == "cancelled_by_driver"
    assert cancelled.json()["slotStatus"]["notificationsSent"]["slotStart"] == {}, "it will never be sent"
    assert problem_of(await api.post(f"{path}/cancel")) == (409, "not_cancellable")
    assert (await api.get(path)).json()["timeline"][-1]["reason"] == "other plans"
    await api.booked()


async def test_leaving_early_completes_the_booking_and_frees_the_rest(api: Api, problem_of: ReadProblem) -> None:
    booking = await api.booked()
    path = f"{BOOKINGS}/{booking['bookingId']}"
    assert problem_of(await api.post(f"{path}/finish")) == (409, "not_finishable")
    api.clock.advance(timedelta(minutes=70))
    await api.put(f"{path}/checkin", {"method": "app"})
    finished = await api.post(f"{path}/finish")
    assert (finished.status_code, finished.json()["status"]) == (200, "completed")
    await api.booked(starts_in=MINUTE, length=timedelta(minutes=30))


async def paying_app(desk: Desk) -> Litestar:
    settings = msgspec.structs.replace(desk.settings, payments="local")
    return make_app(Desk(desk.database, desk.clock, settings, desk.channels, desk.hint))


async def test_a_pending_booking_is_confirmed_by_its_payment_and_refunded_by_the_terms(
    api: Api, desk: Desk, problem_of: ReadProblem
) -> None:
    async with client_of(await paying_app(desk)) as client:
        paying = Api(client, api.town, api.clock)
        booking = await paying.booked(starts_in=timedelta(hours=5))
        path = f"{BOOKINGS}/{booking['bookingId']}"
        assert (booking["status"], booking["paymentStatus"]) == ("pending", "awaited")
        assert booking["paymentDueAt"] == "2026-03-02T12:10:00Z"
        paid = (await paying.post(f"{path}/payment")).json()
        assert (paid["status"], paid["paymentStatus"], paid["paymentDueAt"]) == ("confirmed", "paid", None)
        assert problem_of(await paying.post(f"{path}/payment")) == (409, "not_payable")
        cancelled = (await paying.post(f"{path}/cancel")).json()
        assert cancelled["paymentStatus"] == "partly_refunded"
        money = (await paying.get(f"{path}/evidence")).json()["money"]
        assert [(one["entry"], one["amount"]["amount"]) for one in money] == [
            ("captured", 1250),
            ("refunded", 937),
            ("kept", 313),
        ]


async def test_a_hold_that_ran_out_cannot_be_paid(api: Api, desk: Desk, problem_of: ReadProblem) -> None:
    async with client_of(await paying_app(desk)) as client:
        paying = Api(client, api.town, api.clock)
        booking = await paying.booked(starts_in=timedelta(hours=5))
        api.clock.advance(timedelta(minutes=11))
        answer = await paying.post(f"{BOOKINGS}/{booking['bookingId']}/payment")
        assert problem_of(answer) == (409, "not_payable")


async def test_contact_in_the_request_replaces_and_contact_in_the_token_fills_gaps(
    api: Api, database: Database
) -> None:
    async def contact() -> tuple[Any, ...]:
        async with database.connection() as conn:
            return tuple(await conn.fetchrow("SELECT name, email, phone FROM driver WHERE subject = 'new'"))

    claims = {"name": "Ada", "email": "ada@example.org", "phone": "+15005550010"}
    caller = api.as_caller(bearer("new", **claims))
    await caller.booked()
    assert await contact() == ("Ada", "ada@example.org", "+15005550010")
    body = {**caller.slot(connector=1), "contact": {"email": "Ada.New@Example.org"}}
    assert (await caller.post(BOOKINGS, body)).status_code == 201
    assert await contact() == ("Ada", "Ada.New@example.org", "+15005550010")
    await caller.booked(connector=2)
    assert (await contact())[1] == "Ada.New@example.org"


async def test_what_a_token_vouches_for_is_verified_until_another_address_takes_its_place(
    api: Api, database: Database
) -> None:
    async def verified() -> tuple[bool, ...]:
        async with database.connection() as conn:
            row = await conn.fetchrow(
                "SELECT email_verified_at IS NOT NULL, phone_verified_at IS NOT NULL FROM driver WHERE subject = 'new'"
            )
        return tuple(row)

    given = api.as_caller(bearer("new"))
    body = {**given.slot(), "contact": {"email": "ada@example.org", "phone": "+15005550010"}}
    assert (await given.post(BOOKINGS, body)).status_code == 201
    assert await verified() == (False, False), "taken at its word is not proven"
    vouched = api.as_caller(bearer("new", email="Ada@example.org"))
    await vouched.booked(connector=1)
    assert await verified() == (True, False)
    await given.booked(connector=2)
    assert await verified() == (True, False)
    body = {**given.slot(connector=3), "contact": {"email": "eve@example.org"}}
    assert (await given.post(BOOKINGS, body)).status_code == 201
    assert await verified() == (False, False)


@pytest.mark.parametrize(
    ("contact", "path"),
    [
        ({"email": "nobody"}, "contact.email"),
        ({"phone": "0660 123"}, "contact.phone"),
        ({"phone": "+1"}, "contact.phone"),
        ({"name": "   "}, "contact.name"),
    ],
)
async def test_a_contact_that_reaches_nobody_is_refused(
    api: Api, problem_of: ReadProblem, contact: dict[str, str], path: str
) -> None:
    answer = await api.post(BOOKINGS, {**api.slot(), "contact": contact})
    assert problem_of(answer) == (422, "invalid_input")
    assert answer.json()["errors"][0]["path"] == path
    assert (await api.get(BOOKINGS)).json()["items"] == []


async def test_preferences_are_kept_whole(api: Api) -> None:
    path = "/api/users/me/notifications"
    nothing = {"channels": {"email": True, "sms": True}, "language": None, "quietHours": None}
    places = (await api.get(path)).json()["addresses"]
    assert places["email"] == {"address": "mira@example.org", "verified": False, "suppressed": {}}
    assert (await api.get(path)).json() == {**nothing, "addresses": places, "push": None}
    wanted = {
        "channels": {"email": True, "sms": False},
        "language": "de-AT",
        "quietHours": {"start": "22:00", "end": "07:00", "timeZone": "Europe/Vienna"},
    }
    seen = {**wanted, "addresses": places, "push": None}
    assert (await api.put(path, wanted)).json() == seen
    assert (await api.get(path)).json() == seen
    assert (await api.put(path, seen)).json() == seen, "an answer can be sent back as it is"
    stranger = api.as_caller(bearer("driver-2"))
    assert (await stranger.get(path)).json()["language"] is None


@pytest.mark.parametrize(
    "quiet",
    [
        {"start": "25:00", "end": "07:00", "timeZone": "UTC"},
        {"start": "22:00", "end": "22:00", "timeZone": "UTC"},
        {"start": "22:00", "end": "07:00", "timeZone": "Mars/Olympus"},
        {"start": "22:00", "end": "07:00", "timeZone": "../../etc/passwd"},
    ],
)
async def test_quiet_hours_must_make_sense(api: Api, problem_of: ReadProblem, quiet: dict[str, str]) -> None:
    answer = await api.put("/api/users/me/notifications", {"quietHours": quiet})
    assert problem_of(answer) == (422, "invalid_input")
