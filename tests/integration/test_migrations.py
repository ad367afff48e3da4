"""The schema: two who upgrade at once, one too old, one too new, one that somebody meddled with."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator

import asyncpg
import pytest

from slotwatch.storage import migrate
from slotwatch.storage.embedded import EmbeddedPostgres
from slotwatch.storage.migrate import SchemaMismatch
from tests.conftest import Town
from tests.support.crew import Crew

pytestmark = pytest.mark.any_postgres

_UPGRADE = "import asyncio, sys; from slotwatch.storage import migrate; asyncio.run(migrate.upgrade(sys.argv[1]))"


@pytest.fixture
async def empty_url(server: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database without any schema."""
    admin = await asyncpg.connect(server.superuser_url)
    await admin.execute("CREATE DATABASE test_empty OWNER slotwatch")
    yield server.url.rsplit("/", 1)[0] + "/test_empty"
    await admin.execute("DROP DATABASE test_empty WITH (FORCE)")
    await admin.close()


async def test_an_empty_database_says_what_to_do_and_an_upgrade_makes_it_current(empty_url: str) -> None:
    with pytest.raises(SchemaMismatch, match="slotwatch db upgrade"):
        await migrate.require_current(empty_url)
    status = await migrate.upgrade(empty_url)
    assert status.is_current
    await migrate.require_current(empty_url)
    assert (await migrate.upgrade(empty_url)) == status, "again is harmless"
    assert await migrate.differences(empty_url) == []


async def test_two_processes_that_upgrade_at_once_do_not_trip_over_each_other(empty_url: str) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", _UPGRADE, empty_url], stderr=subprocess.PIPE) for _ in range(2)
    ]
    ends = [await asyncio.to_thread(process.communicate, None, 60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    await migrate.require_current(empty_url)


async def test_many_upgrades_in_one_process_are_one(empty_url: str) -> None:
    statuses = await asyncio.gather(*(migrate.upgrade(empty_url) for _ in range(4)))
    assert all(status.is_current for status in statuses)


async def test_a_newer_schema_stops_the_program_with_a_sentence(crew: Crew, database_url: str) -> None:
    await crew.execute("UPDATE alembic_version SET version_num = '9999'")
    for call in (migrate.require_current, migrate.upgrade):
        with pytest.raises(SchemaMismatch, match="newer than this program") as refusal:
            await call(database_url)
        assert "9999" in refusal.value.message


async def test_an_older_schema_stops_the_program_and_is_told_how_to_go_on(crew: Crew, database_url: str) -> None:
    await crew.execute("DELETE FROM alembic_version")
    with pytest.raises(SchemaMismatch, match="slotwatch db upgrade"):
        await migrate.require_current(database_url)


async def test_drivers_that_were_named_by_their_address_get_a_name_that_says_nothing(
    crew: Crew, database_url: str
) -> None:
    await crew.execute("DROP INDEX session_driver_idx, session_staff_idx")
    await crew.execute("ALTER TABLE sign_in_code DROP COLUMN spent_at")
    await crew.execute("UPDATE alembic_version SET version_num = '0011'")
    names = ["email:nina@example.org", "email:nina@example.org:1f2e", "phone:+436601234567", "auth0|7", "email:"]
    for name in names:
        await crew.execute("INSERT INTO driver (subject, created_at) VALUES ($1, $2)", name, crew.clock.read())
    await migrate.upgrade(database_url)
    now = [row["subject"] for row in await crew.rows("SELECT subject FROM driver ORDER BY id DESC LIMIT 5")][::-1]
    assert [re.sub("[0-9a-f]{32}", "…", name) for name in now] == ["page-…", "page-…", "page-…", "auth0|7", "email:"]


async def test_a_failed_upgrade_leaves_nothing_half_done(empty_url: str) -> None:
    admin = await asyncpg.connect(empty_url)
    await admin.execute("CREATE TABLE dispute (in_the_way int)")
    with pytest.raises(Exception, match="dispute"):
        await migrate.upgrade(empty_url)
    tables = await admin.fetchval(
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename = 'booking'"
    )
    assert tables == 0
    await admin.execute("DROP TABLE dispute")
    assert (await migrate.upgrade(empty_url)).is_current
    await admin.close()


async def test_the_constraints_that_alembic_does_not_see_are_there(crew: Crew, town: Town) -> None:
    names = {row["conname"] for row in await crew.rows("SELECT conname FROM pg_constraint WHERE contype = 'x'")}
    assert names == {"booking_slot_excl"}
    triggers = {row["tgname"] for row in await crew.rows("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")}
    assert {"evidence_append_only", "transition_append_only", "ledger_append_only"} <= triggers
