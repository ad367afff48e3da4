"""Metrics and health: what an operator's tools read, at a cost that history does not raise."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from litestar import Litestar
from prometheus_client.parser import text_string_to_metric_families

from slotwatch.domain.notices import USUAL_CHANNELS
from slotwatch.engine.advance import Advancer, AdvanceSettings
from slotwatch.engine.outages import Heart
from slotwatch.storage.database import Database
from slotwatch.storage.statements import Statement
from slotwatch.storage.vital_signs import _ATTEMPTS, _SIGNS, _TRANSITIONS
from slotwatch.usecases.desk import Desk
from tests.conftest import Town
from tests.integration.web.conftest import Api, client_of, make_app, running
from tests.support.crew import Crew

BOOKINGS = "/api/users/bookings"


async def scrape(client: httpx.AsyncClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(scraped: dict[Any, float], name: str, **labels: str) -> float | None:
    return scraped.get((f"slotwatch_{name}", tuple(sorted(labels.items()))))


async def run_engine(desk: Desk) -> None:
    async with desk.database.connection() as conn:
        while (await Advancer(AdvanceSettings(), sorted(USUAL_CHANNELS), desk.clock).run_once(conn)).moved:
            pass


async def test_engine_lag_and_backlog_are_those_of_the_oldest_due_step(api: Api, desk: Desk) -> None:
    quiet = await scrape(api.client)
    assert (value(quiet, "engine_lag_seconds"), value(quiet, "due_bookings")) == (0, 0)
    await api.booked()
    await api.booked(connector=1)
    api.clock.advance(timedelta(hours=1, seconds=7))
    late = await scrape(api.client)
    assert (value(late, "engine_lag_seconds"), value(late, "due_bookings")) == (7, 2)
    await run_engine(desk)
    assert value(await scrape(api.client), "engine_lag_seconds") == 0


async def test_each_transition_and_attempt_is_counted_once(api: Api, desk: Desk, database: Database) -> None:
    await scrape(api.client)
    await api.booked()
    api.clock.advance(timedelta(hours=1))
    await run_engine(desk)
    async with database.connection() as conn:
        await conn.execute(
            "INSERT INTO attempt (notice_id, channel, lease, outcome, provider, at)"
            " SELECT notice_id, channel, 1, 'accepted', 'smtp', $1 FROM delivery WHERE channel = 'email'",
            api.clock.read(),
        )
        await conn.execute(
            "INSERT INTO receipt (provider, event_id, channel, notice_id, status, suppress, matched, at)"
            " SELECT 'smtp', 'e' || id, 'email', id, 'delivered', false, true, $1 FROM notice",
            api.clock.read(),
        )
    api.clock.advance(timedelta(seconds=16))
    for _ in range(3):
        scraped = await scrape(api.client)
        moves = {"to": "grace", "cause": "time"}
        assert value(scraped, "transitions_total", **{"from": "confirmed"}, **moves) == 1
        assert value(scraped, "transitions_total", **{"from": ""}, to="confirmed", cause="booked") == 1
        for kind in ("booking_confirmed", "slot_started"):
            tried = {"channel": "email", "kind": kind, "provider": "smtp", "outcome": "accepted"}
            assert value(scraped, "attempts_total", **tried) == 1
            told = {"channel": "email", "kind": kind, "provider": "smtp", "status": "delivered"}
            assert value(scraped, "receipts_total", **told) == 1
        api.clock.advance(timedelta(seconds=30))


async def test_what_was_never_sent_is_counted_by_why(crew: Crew, town: Town, api: Api) -> None:
    await scrape(api.client)
    await crew.execute("INSERT INTO suppression VALUES ('sms', '+15005550010', 'the recipient said STOP', now())")
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.deliver()
    await crew.booked(town.stranger, town.connectors[1], town.slot())
    crew.clock.advance(timedelta(hours=3))
    async with crew.desk.database.transaction() as conn:
        await crew.duties().cleaner.run_once(conn)
    crew.clock.advance(timedelta(seconds=16))
    scraped = await scrape(api.client)
    kind = "booking_confirmed"
    assert value(scraped, "unsent_total", channel="sms", kind=kind, state="suppressed") == 1
    assert value(scraped, "unsent_total", channel="email", kind=kind, state="missed") == 1
    assert value(scraped, "unsent_total", channel="email", kind=kind, state="suppressed") is None


async def test_what_a_late_engine_calls_missed_is_counted(crew: Crew, town: Town, api: Api) -> None:
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await scrape(api.client)
    await crew.never_silent()
    crew.clock.advance(timedelta(hours=3))
    await crew.engine()
    crew.clock.advance(timedelta(seconds=16))
    scraped = await scrape(api.client)
    for channel in ("email", "sms"):
        assert value(scraped, "unsent_total", channel=channel, kind="slot_started", state="missed") == 1


async def test_what_waits_to_be_sent_is_counted_by_channel(api: Api, database: Database) -> None:
    await api.booked()
    await api.booked(connector=1)
    async with database.connection() as conn:
        await conn.execute("UPDATE delivery SET state = 'failed' WHERE channel = 'sms' AND notice_id = 1")
        await conn.execute("UPDATE delivery SET state = 'unknown' WHERE channel = 'sms' AND notice_id <> 1")
        await conn.execute("UPDATE booking SET set_aside = true WHERE id = (SELECT min(id) FROM booking)")
    api.clock.advance(timedelta(seconds=40))
    scraped = await scrape(api.client)
    states = ("pending", "unknown", "failed", "set_aside")
    assert [value(scraped, "outbox_deliveries", channel="email", state=state) for state in states] == [2, 0, 0, 0]
    assert [value(scraped, "outbox_deliveries", channel="sms", state=state) for state in states] == [0, 1, 1, 0]
    assert value(scraped, "outbox_oldest_pending_seconds", channel="email") == 40
    assert value(scraped, "set_aside_bookings") == 1


async def test_requests_are_counted_by_route_and_not_by_address(api: Api) -> None:
    for number in range(3):
        await api.get(f"{BOOKINGS}/BK-00000000000{number}")
        await api.get(f"/api/nothing/{number}")
    await api.call("BREW", "/api/stations")
    scraped = await scrape(api.client)
    route = "/api/users/bookings/{booking_id}"
    assert value(scraped, "http_requests_total", method="GET", route=route, status="404") == 3
    assert value(scraped, "http_requests_total", method="GET", route="unmatched", status="404") == 3
    assert value(scraped, "http_requests_total", method="other", route="unmatched", status="405") == 1


@pytest.mark.parametrize("statement", [_SIGNS, _TRANSITIONS], ids=["signs", "transitions"])
async def test_a_scrape_reads_no_table_from_end_to_end(database: Database, desk: Desk, statement: Statement) -> None:
    """With history in the tables; without it, PostgreSQL rightly reads the little there is."""
    arguments: dict[str, Any] = {
        "now": desk.clock.fixed,
        "most": 100,
        "channels": ["email", "sms"],
        "urgencies": [0, 1, 2],
        "since": desk.clock.fixed,
        "until": desk.clock.fixed,
    }
    async with database.connection() as conn, conn.transaction():
        await conn.execute("SET LOCAL enable_seqscan = off")
        rows = await conn.fetch(
            f"EXPLAIN {statement.text}", *statement.arguments({name: arguments[name] for name in statement.names})
        )
    plan = "\n".join(row[0] for row in rows)
    read_whole = [line for line in plan.splitlines() if "Seq Scan" in line and " on outage" not in line]
    assert not read_whole, plan
    assert _ATTEMPTS.names == ("since", "until")


async def test_ready_means_database_schema_and_engine(api: Api, desk: Desk, database: Database) -> None:
    ready = await api.client.get("/readyz")
    assert (ready.status_code, ready.json()["engine"]) == (503, "failed")
    assert "No engine has run" in ready.json()["detail"][0]
    async with database.connection() as conn:
        await Heart("engine", database, desk.clock).beat(conn)
    ready = await api.client.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "ok", "database": "ok", "schema": "ok", "engine": "ok", "detail": []},
    )
    api.clock.advance(timedelta(seconds=16))
    assert "silent for 16 seconds" in (await api.client.get("/readyz")).json()["detail"][0]
    async with database.connection() as conn:
        await conn.execute("UPDATE alembic_version SET version_num = '9999'")
    assert (await api.client.get("/readyz")).json()["schema"] == "failed"
    async with database.connection() as conn:
        await conn.execute("DROP TABLE alembic_version")
    assert "missing" in (await api.client.get("/readyz")).json()["detail"][0]
    assert (await api.client.get("/healthz")).json() == {"status": "ok"}


async def test_what_runs_beside_the_application_stops_with_it_and_may_fail_alone(desk: Desk) -> None:
    ran: list[str] = []

    async def heart(stop: asyncio.Event) -> None:
        ran.append("began")
        await stop.wait()
        ran.append("ended")

    async def broken(stop: asyncio.Event) -> None:
        raise RuntimeError("as bad luck has it")

    app: Litestar = make_app(desk, background=[heart, broken])
    async with running(app), client_of(app) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert ran == ["began"]
    assert ran == ["began", "ended"]
