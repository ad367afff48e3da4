"""Bad requests over HTTP: each is refused with its code, and nothing is stored."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from slotwatch.domain.errors import SlotwatchError, Unavailable
from slotwatch.storage.database import Database, DatabaseSettings, connect
from slotwatch.storage.embedded import EmbeddedPostgres
from slotwatch.storage.migrate import SchemaMismatch
from slotwatch.usecases.desk import Desk
from slotwatch.web.problems import as_slotwatch_error, problem, status_of
from tests.integration.web.conftest import Api, bearer, client_of, make_app, running
from tests.support.outage import lost

ReadProblem = Callable[[httpx.Response], tuple[int, str]]
Change = Callable[[dict[str, Any]], object]

BOOKINGS = "/api/users/bookings"


async def count_bookings(database: Database) -> int:
    async with database.connection() as conn:
        found: int = await conn.fetchval("SELECT count(*) FROM booking")
        return found


UNFIT: dict[str, tuple[Change, int, str, str]] = {
    "a naive start": (lambda b: b.update(startTime="2026-03-02T13:00:00"), 422, "invalid_input", "startTime"),
    "an instant as a number": (lambda b: b.update(startTime=1772456400), 422, "invalid_input", "startTime"),
    "a start that is no time": (lambda b: b.update(startTime="soon"), 422, "invalid_input", "startTime"),
    "the first day of the calendar": (
        lambda b: b.update(startTime="0001-01-01T00:00:00+14:00"),
        *(422, "invalid_input", "startTime"),
    ),
    "the last day of the calendar": (
        lambda b: b.update(startTime="9999-12-31T23:00:00Z", endTime="9999-12-31T23:59:59-14:00"),
        *(422, "invalid_input", "startTime"),
    ),
    "no end": (lambda b: b.pop("endTime"), 422, "invalid_input", "endTime"),
    "an unknown field": (lambda b: b.update(amount=1), 422, "invalid_input", "amount"),
    "a state of its own choice": (lambda b: b.update(status="active"), 422, "invalid_input", "status"),
    "an unknown field inside": (lambda b: b.update(contact={"sms": "x"}), 422, "invalid_input", "contact.sms"),
    "a number for a word": (lambda b: b.update(vehicle=7), 422, "invalid_input", "vehicle"),
    "a zero byte": (lambda b: b.update(vehicle="W\x00"), 422, "invalid_input", "vehicle"),
    "a name without end": (lambda b: b.update(vehicle="W" * 121), 422, "invalid_input", "vehicle"),
    "an end before the start": (
        lambda b: b.update(startTime=b["endTime"], endTime=b["startTime"]),
        *(422, "slot_not_bookable", ""),
    ),
    "a past slot": (
        lambda b: b.update(startTime="2026-03-02T11:00:00Z", endTime="2026-03-02T11:30:00Z"),
        *(422, "slot_not_bookable", ""),
    ),
    "14 minutes": (lambda b: b.update(endTime="2026-03-02T13:14:00Z"), 422, "slot_not_bookable", ""),
    "more than 8 hours": (lambda b: b.update(endTime="2026-03-02T21:00:01Z"), 422, "slot_not_bookable", ""),
}


async def test_a_booking_that_makes_no_sense_is_refused_and_not_stored(
    api: Api, database: Database, problem_of: ReadProblem, subtests: pytest.Subtests
) -> None:
    for name, (change, status, code, path) in UNFIT.items():
        with subtests.test(name):
            body = api.slot()
            change(body)
            answer = await api.post(BOOKINGS, body)
            assert problem_of(answer) == (status, code)
            assert [error["path"] for error in answer.json()["errors"]] == [path]
    assert await count_bookings(database) == 0


async def test_a_connector_that_does_not_exist_is_absent(
    api: Api, database: Database, problem_of: ReadProblem, subtests: pytest.Subtests
) -> None:
    for connector in ("CN-999999", "ST-1", "CN-", "CN-1e3", "CN-\u0663", "1", "CN-" + "9" * 30):
        with subtests.test(connector):
            answer = await api.post(BOOKINGS, {**api.slot(), "connectorId": connector})
            assert problem_of(answer) == (404, "not_found")
    assert await count_bookings(database) == 0


async def test_closed_hours_cannot_be_booked(api: Api, problem_of: ReadProblem) -> None:
    night = {**api.slot(starts_in=timedelta(hours=8)), "connectorId": f"CN-{api.town.night_shut_connector}"}
    assert problem_of(await api.post(BOOKINGS, night)) == (422, "slot_not_bookable")


async def test_a_taken_slot_is_a_conflict_and_the_next_slot_is_not(api: Api, problem_of: ReadProblem) -> None:
    await api.booked()
    overlap = await api.post(BOOKINGS, api.slot(starts_in=timedelta(minutes=90)))
    assert problem_of(overlap) == (409, "slot_taken")
    await api.booked(starts_in=timedelta(hours=2))


async def test_a_driver_holds_so_many_slots_and_no_more(api: Api, problem_of: ReadProblem) -> None:
    for hour in range(5):
        await api.booked(starts_in=timedelta(hours=hour + 1))
    sixth = await api.post(BOOKINGS, api.slot(starts_in=timedelta(hours=7)))
    assert problem_of(sixth) == (409, "too_many_bookings")


BODIES = [
    (b'{"method":', "application/json", 400, "malformed_request"),
    (b"\xff\xfe", "application/json", 400, "malformed_request"),
    (b'{"method": "\\ud800"}', "application/json", 400, "malformed_request"),
    (b"", "application/json", 400, "malformed_request"),
    (b"method=app", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
    (b'{"method": "app"}', "text/plain", 415, "unsupported_media_type"),
    (b'{"method": "app"}', "", 415, "unsupported_media_type"),
    (b"[]", "application/json", 422, "invalid_input"),
    (b'{"method": "walk"}', "application/json", 422, "invalid_input"),
    (b'{"method": "qr"}', "application/json", 422, "invalid_input"),
    (b'{"method": "qr", "qrToken": "x"}', "application/json", 422, "invalid_input"),
    (b'{"method": "app", "location": {"latitude": 91, "longitude": 0}}', "application/json", 422, "invalid_input"),
    (b"[" * 30_000, "application/json", 422, "invalid_input"),
    (b'{"method": "app", "x": "' + b"x" * 70_000 + b'"}', "application/json", 413, "payload_too_large"),
]


async def test_a_body_that_cannot_be_used_is_refused(
    api: Api, problem_of: ReadProblem, subtests: pytest.Subtests
) -> None:
    for content, kind, status, code in BODIES:
        with subtests.test(content[:60].decode(errors="replace"), kind=kind):
            headers = {**api.headers, "Content-Type": kind}
            answer = await api.client.put(f"{BOOKINGS}/BK-0/checkin", content=content, headers=headers)
            assert problem_of(answer) == (status, code)


async def test_a_body_without_a_stated_length_is_cut_off_too(api: Api, problem_of: ReadProblem) -> None:
    async def endless() -> Any:
        for _ in range(1000):
            yield b" " * 1024

    headers = {**api.headers, "Content-Type": "application/json"}
    answer = await api.client.put(f"{BOOKINGS}/BK-0/checkin", content=endless(), headers=headers)
    assert problem_of(answer) == (413, "payload_too_large")


PARAMETERS = [
    ("/api/users/bookings?limit=0", "limit"),
    ("/api/users/bookings?limit=201", "limit"),
    ("/api/users/bookings?limit=ten", "limit"),
    ("/api/users/bookings?cursor=%F0%9F%98%80", "cursor"),
    ("/api/users/bookings?cursor=WzEsMl0", "cursor"),
    ("/api/users/bookings?status=lost", "status"),
    ("/api/users/bookings?from=2026-03-02T12:00:00", "from"),
    ("/api/users/bookings?from=1772456400", "from"),
    ("/api/users/bookings?to=0001-01-01T00:00:00Z", "to"),
    ("/api/users/bookings?page=2", "page"),
    ("/api/users/bookings?limit=1&limit=2", "limit"),
    ("/api/stations?near=48.2", "near"),
    ("/api/stations?near=nan,0", "near"),
    ("/api/stations?near=91,0", "near"),
    ("/api/stations?radiusKm=5", "radiusKm"),
    ("/api/stations?near=1,1&radiusKm=-1", "radiusKm"),
    ("/api/stations?near=1,1&radiusKm=nan", "radiusKm"),
    ("/api/stations?from=2026-03-03T00:00:00Z&to=2026-03-02T00:00:00Z", ""),
    ("/api/stations?to=2026-12-02T00:00:00Z", ""),
    ("/api/stations?cursor=WyJ4IiwxXQ", "cursor"),
    ("/api/stations/ST-1/availability", "date"),
    ("/api/stations/ST-1/availability?date=2026-02-30", "date"),
    ("/api/stations/ST-1/availability?date=9999-12-31", "date"),
    ("/api/stations/ST-1/availability?date=2026-03-02&duration=14", "duration"),
    ("/api/stations/ST-1/availability?date=2026-03-02&duration=481", "duration"),
]


async def test_a_parameter_that_makes_no_sense_is_named(
    api: Api, problem_of: ReadProblem, subtests: pytest.Subtests
) -> None:
    for path, parameter in PARAMETERS:
        with subtests.test(path):
            answer = await api.get(path)
            assert problem_of(answer) == (422, "invalid_input")
            assert answer.json()["errors"][0]["path"] == parameter


async def test_what_no_call_declares_is_refused_by_every_call(
    api: Api, problem_of: ReadProblem, subtests: pytest.Subtests
) -> None:
    asked = 0
    for path, methods in (await api.get("/openapi.json")).json()["paths"].items():
        if not path.startswith("/api/") or path.startswith("/api/webhooks"):
            continue
        role = next((one for one in ("vendor", "operator") if path.startswith(f"/api/{one}/")), "driver")
        caller = api.as_caller(bearer("p", role))
        address = re.sub(r"\{.*?\}", "BK-0", path)
        for method, operation in methods.items():
            with subtests.test(f"{method} {path}"):
                if method == "get" or "requestBody" not in operation:
                    if method == "get":
                        answer = await caller.get(f"{address}?surprise=1")
                    else:
                        answer = await caller.call(method.upper(), address, {"surprise": 1})
                    assert problem_of(answer) == (422, "invalid_input")
                    assert answer.json()["errors"][0]["path"] == "surprise"
                    asked += 1
    assert asked > 20


async def test_an_address_that_does_not_exist_is_absent(api: Api, problem_of: ReadProblem) -> None:
    assert problem_of(await api.get("/api/nothing")) == (404, "not_found")
    assert problem_of(await api.get("/api/stations/ST-99999/availability?date=2026-03-02")) == (404, "not_found")


async def test_a_wrong_method_says_which_are_right(api: Api, problem_of: ReadProblem) -> None:
    answer = await api.call("DELETE", BOOKINGS)
    assert problem_of(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, OPTIONS, POST"
    answer = await api.call("PATCH", f"{BOOKINGS}/BK-0")
    assert answer.headers["allow"] == "GET, OPTIONS"


async def test_a_fault_of_ours_is_an_id_and_not_a_stack_trace(
    api: Api, database: Database, desk: Desk, problem_of: ReadProblem, capsys: pytest.CaptureFixture[str]
) -> None:
    async with database.connection() as conn:
        await conn.execute("UPDATE station SET zone = 'No/Where'")
    answer = await api.get("/api/stations")
    assert problem_of(answer) == (500, "internal")
    assert set(answer.json()) == {"type", "title", "status", "detail", "code", "incident"}
    assert answer.json()["incident"] in "".join(capsys.readouterr())


async def test_a_schema_that_is_not_ours_is_not_a_fault_of_the_request(
    api: Api, database: Database, problem_of: ReadProblem
) -> None:
    async with database.connection() as conn:
        await conn.execute("ALTER TABLE station RENAME COLUMN zone TO place")
    answer = await api.get("/api/stations")
    assert problem_of(answer) == (503, "schema_mismatch")
    assert "zone" not in answer.text


async def test_without_the_database_everything_says_come_back(desk: Desk, problem_of: ReadProblem, api: Api) -> None:
    gone = await asyncpg.create_pool("postgresql://nobody@127.0.0.1:1/none", min_size=0, timeout=1)
    app = make_app(Desk(Database(gone, "postgresql://nobody@127.0.0.1:1/none"), desk.clock, desk.settings, *rest(desk)))
    async with running(app), client_of(app) as client:
        lost = Api(client, api.town, api.clock)
        for method, path, body in (
            ("GET", "/api/stations", None),
            ("POST", BOOKINGS, lost.slot()),
            ("GET", BOOKINGS, None),
            ("PUT", f"{BOOKINGS}/BK-1/checkin", {"method": "app"}),
        ):
            answer = await lost.call(method, path, body, headers={"Idempotency-Key": "k"} if body else None)
            assert problem_of(answer) == (503, "unavailable"), path
            assert answer.headers["retry-after"]
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["database"]) == (503, "failed")
        assert (await client.get("/healthz")).status_code == 200
        assert "slotwatch_database_up 0.0" in (await client.get("/metrics")).text
    await gone.close()


async def test_a_database_that_lets_nobody_in_says_come_back_and_a_statement_with_the_same_code_is_a_fault(
    api: Api, database: Database, problem_of: ReadProblem, server: EmbeddedPostgres, database_url: str
) -> None:
    async with lost(server, database_url):
        assert problem_of(await api.get("/api/stations")) == (503, "unavailable")
        with pytest.raises(Unavailable):
            await connect(DatabaseSettings(), name="late", url=database_url)
    assert (await api.get("/api/stations")).status_code == 200
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        async with database.connection() as conn:
            await conn.execute("CREATE SEQUENCE untouched; SELECT currval('untouched')")


def rest(desk: Desk) -> tuple[Any, Any]:
    return desk.channels, desk.hint


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (asyncpg.QueryCanceledError("canceling statement"), "unavailable"),
        (asyncpg.LockNotAvailableError("lock"), "unavailable"),
        (asyncpg.UndefinedTableError('relation "x"'), "schema_mismatch"),
        (asyncpg.DataError("out of range"), "internal"),
        (asyncpg.ObjectNotInPrerequisiteStateError("currval"), "internal"),
        (ValueError("secret"), "internal"),
        (SlotwatchError("secret"), "internal"),
        (SchemaMismatch("as it is"), "schema_mismatch"),
    ],
    ids=repr,
)
def test_what_nobody_expected_says_nothing_about_the_inside(raised: Exception, code: str) -> None:
    told = problem(as_slotwatch_error(raised))
    assert told["code"] == code
    assert "secret" not in str(told) and "relation" not in str(told)


def test_every_error_that_http_can_answer_with_has_a_status_of_its_own() -> None:
    waiting: list[type[SlotwatchError]] = [SlotwatchError]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        assert 400 <= status_of(cls) < 600
