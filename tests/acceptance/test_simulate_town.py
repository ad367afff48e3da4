"""A small town: nothing breaks, the same seed gives the same table, and a planted bug is found."""

import json
import subprocess
import sys
from typing import Any

import pytest

from slotwatch.simulation.bulk import insert_all, pending_booking, person, settle_town
from slotwatch.simulation.places import build_places
from slotwatch.simulation.plan import make_plan
from slotwatch.simulation.town import TownWish, build_town
from slotwatch.simulation.week import play_town
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database
from slotwatch.storage.embedded import EmbeddedPostgres
from slotwatch.usecases.book import book
from slotwatch.usecases.desk import BookingSettings, Desk

SMALL = TownWish(bookings=300, days=2, no_show_rate=0.15, workers=2, seed=7)


def simulate_town(url: str, *, seed: int, workers: int) -> dict[str, Any]:
    """What the command prints; it must exit with 0."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "slotwatch", "simulate", "town", "--bookings", "300", "--days", "2"),
            *("--workers", str(workers), "--seed", str(seed), "--database-url", url, "--json"),
        ],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_the_same_seed_gives_the_same_table_however_many_workers(server: EmbeddedPostgres) -> None:
    first = simulate_town(server.url, seed=7, workers=2)
    assert first == simulate_town(server.url, seed=7, workers=1)
    assert first["ok"] is True
    assert all(invariant["ok"] for invariant in first["invariants"])
    states = {row["state"]: row["bookings"] for row in first["bookings"]}
    assert {"completed", "expired", "cancelled"} <= set(states)
    assert [outage["component"] for outage in first["outages"]] == ["engine", "api"]


def test_another_seed_gives_another_table(server: EmbeddedPostgres) -> None:
    first, second = (make_plan_of(seed) for seed in (7, 8))
    assert first != second
    assert first == make_plan_of(7)


def make_plan_of(seed: int) -> list[Any]:
    """What everybody is going to do."""
    places = build_places(SMALL.bookings, SMALL.days, seed)
    plan = make_plan(places, bookings=SMALL.bookings, days=SMALL.days, no_show_rate=0.15, seed=seed)
    return [(planned.slot, planned.made_at, planned.doings) for planned in plan.bookings]


async def test_a_bug_that_loses_a_notice_now_and_then_is_found(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    async with database.connection() as conn:
        await conn.execute(
            "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
            " CREATE TRIGGER lose BEFORE INSERT ON notice FOR EACH ROW WHEN (NEW.id % 50 = 0)"
            " EXECUTE FUNCTION lose()"
        )
    assert await play_town(database, SMALL, json=True) == 1
    told = json.loads(capsys.readouterr().out.splitlines()[-1])  # the log of the engine is above it
    assert "moves_are_told" in [invariant["name"] for invariant in told["invariants"] if not invariant["ok"]]


async def test_a_booking_put_in_in_bulk_is_the_row_that_the_use_case_writes(database: Database) -> None:
    town = build_town(database, SMALL)
    planned = town.plan.bookings[0]
    settings = BookingSettings(payments="local")
    desk = Desk(database, MovableClock(planned.made_at), settings, town.desk.channels, lambda due_at: None)
    async with database.transaction() as conn:
        await settle_town(conn, town.places)
    rows = []
    for put_in in ("bulk", "front door"):
        if put_in == "bulk":
            async with database.transaction() as conn:
                await insert_all(conn, [pending_booking(planned, settings)])
        else:
            await book(desk, person(planned.driver), planned.connector.id, planned.slot)
        async with database.connection() as conn:
            booking = dict(await conn.fetchrow("SELECT * FROM booking"))
            moves = [dict(row) for row in await conn.fetch("SELECT * FROM transition")]
            notices = await conn.fetchval("SELECT count(*) FROM notice")
            await conn.execute("TRUNCATE booking, transition CASCADE")
        rows.append(({**booking, "id": 0}, [{**move, "booking_id": 0} for move in moves], notices))
    assert rows[0] == rows[1]
