"""The operator's calls: dead deliveries are listed, tried again or put away; what waits is seen."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx

from tests.cli_runs import run
from tests.conftest import Town
from tests.integration.web.conftest import Api, bearer
from tests.support.crew import Crew
from tests.support.provider import refusing

ReadProblem = Callable[[httpx.Response], tuple[int, str]]
DEAD = "/api/operator/deliveries"


async def _refused(crew: Crew, town: Town, bookings: int = 1) -> None:
    crew.mail.answer = refusing
    for number in range(bookings):
        await crew.booked(town.driver, town.connectors[number], town.slot())
    await crew.deliver()


async def test_a_dead_delivery_is_listed_tried_again_and_then_gone(crew: Crew, town: Town, api: Api) -> None:
    operator = api.as_caller(bearer("ops", "operator"))
    await _refused(crew, town)
    (dead,) = (await operator.get(f"{DEAD}?state=dead")).json()["items"]
    assert (dead["id"], dead["kind"], dead["channel"], dead["state"], dead["attempts"], dead["error"]) == (
        *("1-email", "booking_confirmed", "email", "failed", 1, "550 no such user"),
    )
    crew.mail.answer = None
    answer = await operator.post(f"{DEAD}/1-email/retry")
    assert (answer.status_code, answer.json()) == (200, {"id": "1-email", "state": "pending"})
    await crew.deliver()
    assert crew.mail.keys == [await crew.key_of(1, "email")]
    assert (await operator.get(DEAD)).json() == {"items": [], "nextCursor": None}


async def test_what_is_stale_or_not_dead_is_not_tried_again(
    crew: Crew, town: Town, api: Api, problem_of: ReadProblem
) -> None:
    operator = api.as_caller(bearer("ops", "operator"))
    await _refused(crew, town)
    assert problem_of(await operator.post(f"{DEAD}/1-sms/retry")) == (409, "conflict")
    for unknown in ("1-fax", "99-email", "email", "1-email'--"):
        assert problem_of(await operator.post(f"{DEAD}/{unknown}/retry")) == (404, "not_found")
    crew.clock.advance(timedelta(hours=3))
    assert problem_of(await operator.post(f"{DEAD}/1-email/retry")) == (409, "conflict")


async def test_a_discarded_delivery_keeps_its_error(crew: Crew, town: Town, api: Api, problem_of: ReadProblem) -> None:
    operator = api.as_caller(bearer("ops", "operator"))
    await _refused(crew, town)
    assert (await operator.post(f"{DEAD}/1-email/discard")).json()["state"] == "suppressed"
    assert await crew.value("SELECT error FROM delivery WHERE channel = 'email'") == (
        "discarded by an operator: 550 no such user"
    )
    assert problem_of(await operator.post(f"{DEAD}/1-email/discard")) == (409, "conflict")


async def test_the_list_is_paged(crew: Crew, town: Town, api: Api) -> None:
    operator = api.as_caller(bearer("ops", "operator"))
    await _refused(crew, town, bookings=3)
    first = (await operator.get(f"{DEAD}?limit=2")).json()
    rest = (await operator.get(f"{DEAD}?limit=2&cursor={first['nextCursor']}")).json()
    assert [one["id"] for one in first["items"] + rest["items"]] == ["3-email", "2-email", "1-email"]
    assert rest["nextCursor"] is None


async def test_the_overview_says_what_waits(crew: Crew, town: Town, api: Api) -> None:
    operator = api.as_caller(bearer("ops", "operator"))
    await _refused(crew, town)
    await crew.booked(town.stranger, town.connectors[1], town.slot())
    crew.clock.advance(timedelta(seconds=5))
    seen = (await operator.get("/api/operator/overview")).json()
    mail = next(one for one in seen["channels"] if one["channel"] == "email")
    assert mail == {
        **{"channel": "email", "pending": 1, "unknown": 0, "failed": 1, "setAside": 0},
        "oldestPendingSeconds": 5,
    }
    assert (seen["engineLagSeconds"], seen["dueBookings"], seen["outages"]) == (0, 0, 0)


async def test_the_command_line_does_the_same(crew: Crew, town: Town, database_url: str, tmp_path: Path) -> None:
    await _refused(crew, town)
    await crew.execute("UPDATE notice SET valid_until = 'infinity'")
    assert "1-email" in run("notices", "dead", data_dir=tmp_path, DATABASE_URL=database_url).out
    said = run("notices", "retry", "1-email", data_dir=tmp_path, DATABASE_URL=database_url)
    assert (said.status, said.out.strip()) == (0, "1-email is due again.")
    again = run("notices", "discard", "1-email", data_dir=tmp_path, DATABASE_URL=database_url)
    assert (again.status, again.err.strip()) == (1, "This delivery stays as it is: it is pending, not dead.")
    assert run("notices", "dead", data_dir=tmp_path, DATABASE_URL=database_url).out.strip() == "No delivery is dead."
