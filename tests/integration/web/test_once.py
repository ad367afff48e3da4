"""Idempotency-Key: one effect and one answer, whatever happens in between."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from slotwatch.storage import idempotency
from slotwatch.storage.database import Database
from tests.integration.web.conftest import Api, bearer

ReadProblem = Callable[[httpx.Response], tuple[int, str]]

BOOKINGS = "/api/users/bookings"
KEY = {"Idempotency-Key": "only-once"}


async def rows(database: Database, sql: str, *arguments: Any) -> list[asyncpg.Record]:
    async with database.connection() as conn:
        found: list[asyncpg.Record] = await conn.fetch(sql, *arguments)
        return found


async def test_twenty_at_once_book_once_and_all_get_the_same_answer(api: Api, database: Database) -> None:
    body = api.slot()
    answers = await asyncio.gather(*(api.post(BOOKINGS, body, headers=KEY) for _ in range(20)))
    assert Counter(answer.status_code for answer in answers) == {201: 20}
    assert len({answer.content for answer in answers}) == 1
    assert len(await rows(database, "SELECT id FROM booking")) == 1


async def test_twenty_drivers_at_once_take_one_slot_once(api: Api, database: Database) -> None:
    body = api.slot()
    answers = await asyncio.gather(
        *(api.as_caller(bearer(f"d{n}", email="d@example.org")).post(BOOKINGS, body) for n in range(20))
    )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}, answers[0].text
    assert {answer.json().get("code") for answer in answers} == {None, "slot_taken"}
    assert len(await rows(database, "SELECT id FROM booking")) == 1


async def test_the_same_again_is_the_same_answer_later_too(api: Api) -> None:
    body = api.slot()
    first = await api.post(BOOKINGS, body, headers=KEY)
    await api.post(f"{BOOKINGS}/{first.json()['bookingId']}/cancel")
    api.clock.advance(timedelta(days=6))
    again = await api.post(BOOKINGS, dict(reversed(body.items())), headers=KEY)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["content-type"] == first.headers["content-type"]


async def test_a_refusal_is_an_answer_too(api: Api, problem_of: ReadProblem) -> None:
    booking = await api.booked()
    taken = await api.as_caller(bearer("driver-2")).post(BOOKINGS, api.slot(), headers=KEY)
    assert problem_of(taken) == (409, "slot_taken")
    await api.post(f"{BOOKINGS}/{booking['bookingId']}/cancel")
    again = await api.as_caller(bearer("driver-2")).post(BOOKINGS, api.slot(), headers=KEY)
    assert (problem_of(again), again.content) == ((409, "slot_taken"), taken.content)


async def test_a_key_used_for_something_else_is_refused(api: Api, problem_of: ReadProblem) -> None:
    booking = (await api.post(BOOKINGS, api.slot(), headers=KEY)).json()
    other_body = await api.post(BOOKINGS, api.slot(connector=1), headers=KEY)
    other_call = await api.post(f"{BOOKINGS}/{booking['bookingId']}/cancel", headers=KEY)
    assert problem_of(other_body) == problem_of(other_call) == (422, "idempotency_key_reused")
    assert (await api.get(f"{BOOKINGS}/{booking['bookingId']}")).json()["status"] == "confirmed"


async def test_a_key_belongs_to_its_caller(api: Api) -> None:
    first = await api.post(BOOKINGS, api.slot(), headers=KEY)
    second = await api.as_caller(bearer("driver-2")).post(BOOKINGS, api.slot(connector=1), headers=KEY)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["bookingId"] != second.json()["bookingId"]


@pytest.mark.parametrize("key", ["", "k" * 256, "a\tb"])
async def test_a_key_that_cannot_be_kept_is_refused(api: Api, problem_of: ReadProblem, key: str) -> None:
    answer = await api.post(BOOKINGS, api.slot(), headers={"Idempotency-Key": key})
    assert problem_of(answer) == (422, "invalid_input")


async def claimed_and_died(api: Api, database: Database) -> None:
    """Leave the claim as a process leaves it that died before it could answer."""
    async with database.connection() as conn:
        await conn.execute("UPDATE idempotency SET status = NULL, body = NULL")


async def test_while_the_first_is_at_work_a_repeat_waits_and_then_says_come_back(
    api: Api, database: Database, problem_of: ReadProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slotwatch.web.once._PATIENCE_SECONDS", 0.1)
    await api.post(BOOKINGS, api.slot(), headers=KEY)
    await claimed_and_died(api, database)
    answer = await api.post(BOOKINGS, api.slot(), headers=KEY)
    assert problem_of(answer) == (409, "idempotency_in_progress")
    assert answer.headers["retry-after"] == "1"


async def test_after_a_crash_the_effect_that_is_there_is_the_answer(api: Api, database: Database) -> None:
    """For every call: it happened, the process died before it could say so, and the client asks again."""
    first = await api.post(BOOKINGS, api.slot(starts_in=timedelta(minutes=10)), headers=KEY)
    body, path = api.slot(starts_in=timedelta(minutes=10)), f"{BOOKINGS}/{first.json()['bookingId']}"
    steps: list[tuple[str, str, Any]] = [
        ("POST", BOOKINGS, body),
        ("PUT", f"{path}/checkin", {"method": "app"}),
        ("POST", f"{path}/finish", None),
    ]
    for number, (method, address, sent) in enumerate(steps):
        key = KEY if number == 0 else {"Idempotency-Key": f"step-{number}"}
        done = await api.call(method, address, sent, headers=key)
        await claimed_and_died(api, database)
        api.clock.advance(timedelta(seconds=31))
        again = await api.call(method, address, sent, headers=key)
        assert again.status_code == done.status_code < 300, again.text
        assert again.json()["bookingId"] == done.json()["bookingId"]
        assert again.json()["status"] == done.json()["status"]
    assert len(await rows(database, "SELECT id FROM booking")) == 1
    assert len(await rows(database, "SELECT 1 FROM transition")) == 3


async def test_after_a_crash_before_the_effect_the_repeat_brings_it_about(api: Api, database: Database) -> None:
    booking = await api.booked()
    path = f"{BOOKINGS}/{booking['bookingId']}/cancel"
    await api.post(path, headers=KEY)
    await claimed_and_died(api, database)
    async with database.connection() as conn:  # a crash before anything was written
        await conn.execute("UPDATE idempotency SET key = 'other'")
        asked = await conn.fetchrow("SELECT * FROM idempotency")
        assert asked is not None
        await idempotency.claim(
            conn, idempotency.Request(asked["caller"], "fresh", asked["request_hash"]), now=api.clock.fixed
        )
    api.clock.advance(timedelta(seconds=31))
    answer = await api.post(path, headers={"Idempotency-Key": "fresh"})
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


async def test_after_a_crash_before_the_very_first_write_a_new_driver_gets_the_booking(
    api: Api, database: Database
) -> None:
    first = await api.post(BOOKINGS, api.slot(), headers=KEY)
    await api.post(f"{BOOKINGS}/{first.json()['bookingId']}/cancel")
    async with database.connection() as conn:
        asked = await conn.fetchval("SELECT request_hash FROM idempotency")
        await idempotency.claim(conn, idempotency.Request("driver:new", "first", asked), now=api.clock.fixed)
    api.clock.advance(timedelta(seconds=31))
    body = {**api.slot(starts_in=timedelta(minutes=60, seconds=-31))}
    new = api.as_caller(bearer("new", email="new@example.org"))
    answer = await new.post(BOOKINGS, body, headers={"Idempotency-Key": "first"})
    assert answer.status_code == 201, answer.text


async def test_after_trouble_of_ours_the_next_repeat_takes_over_at_once(
    api: Api, database: Database, problem_of: ReadProblem
) -> None:
    async with database.connection() as conn:
        await conn.execute("ALTER TABLE connector RENAME TO hidden")
    assert problem_of(await api.post(BOOKINGS, api.slot(), headers=KEY)) == (503, "schema_mismatch")
    async with database.connection() as conn:
        await conn.execute("ALTER TABLE hidden RENAME TO connector")
    answer = await api.post(BOOKINGS, api.slot(), headers=KEY)
    assert answer.status_code == 201


async def test_a_late_answer_does_not_replace_that_of_whoever_took_over(api: Api, database: Database) -> None:
    asked = idempotency.Request("driver:x", "k", "hash")
    async with database.connection() as conn:
        first = await idempotency.claim(conn, asked, now=api.clock.read())
        assert isinstance(first, idempotency.Claim) and not first.is_second
        second = await idempotency.claim(conn, asked, now=api.clock.advance(timedelta(seconds=31)))
        assert isinstance(second, idempotency.Claim) and second.is_second
        assert not await idempotency.finish(conn, asked, first, status=200, body="late")
        assert await idempotency.finish(conn, asked, second, status=201, body="kept")
        held = await idempotency.claim(conn, asked, now=api.clock.read())
    assert held == idempotency.Held(is_same=True, status=201, body="kept")
