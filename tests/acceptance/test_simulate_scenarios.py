"""The told stories: each goes as it should, on a database beside the test's own, and one that does not is said."""

import json
from datetime import timedelta

import pytest

from slotwatch.simulation.scenarios import STORIES, play_all, run_scenarios, titles
from slotwatch.simulation.stage import Stage
from slotwatch.simulation.stories.drivers import SIX
from slotwatch.storage.database import Database
from slotwatch.storage.embedded import EmbeddedPostgres


@pytest.mark.parametrize("name", titles())
async def test_the_story_goes_as_it_should(name: str, database: Database) -> None:
    async for story in play_all(database, [name]):
        assert story.expectations
        assert [expectation for expectation in story.expectations if not expectation.holds] == []


async def test_a_story_is_told_with_times_and_in_order(database: Database) -> None:
    async for story in play_all(database, ["nobody-comes"]):
        assert [line.at for line in story.lines] == sorted(line.at for line in story.lines)
        expired_at = SIX + timedelta(minutes=30, seconds=5)
        assert (expired_at, "engine", "grace -> expired (no_show_after_grace_period)") in [
            (line.at, line.who, line.what) for line in story.lines
        ]


async def test_the_command_prints_json_and_exits_with_0(
    server: EmbeddedPostgres, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run_scenarios(url=server.url, json=True, only=["early-check-in"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])  # the log of the engine is above it
    assert told["ok"] is True
    assert [scenario["name"] for scenario in told["scenarios"]] == ["early-check-in"]


async def test_a_story_that_goes_wrong_exits_with_1_and_says_which_expectation_failed(
    server: EmbeddedPostgres, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wishful(stage: Stage) -> None:
        """Nobody loses a slot"""
        booking = await stage.books(stage.mira, SIX)
        await stage.until(SIX + timedelta(hours=1))
        stage.expect_equal("it is still hers", (await stage.booking(booking.id)).state.value, "active")

    monkeypatch.setattr("slotwatch.simulation.scenarios.STORIES", (*STORIES, wishful))
    assert await run_scenarios(url=server.url, json=False, only=["wishful"]) == 1
    assert "wishful: it is still hers: expired, not active" in capsys.readouterr().out


async def test_a_broken_engine_makes_a_story_fail(database: Database) -> None:
    async with database.connection() as conn:  # the bug: our own outages are forgotten
        await conn.execute(
            "CREATE OR REPLACE FUNCTION unusable_time(since timestamptz, until timestamptz) RETURNS interval"
            " LANGUAGE sql STABLE AS $$ SELECT interval '0' $$"
        )
    async for story in play_all(database, ["outage-in-grace"]):
        assert not story.is_good
