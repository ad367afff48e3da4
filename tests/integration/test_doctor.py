"""The doctor says in words what is wrong; every illness here is a real one."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slotwatch.config import Settings, load_settings
from slotwatch.doctor.examine import examine
from slotwatch.doctor.finding import Finding, Level
from slotwatch.doctor.machine import check_clock, check_disk, check_settings, check_time_zones
from slotwatch.doctor.messages import check_costs
from slotwatch.domain.slot import Slot
from slotwatch.engine.outages import Heart
from slotwatch.storage.clock import DatabaseClock
from slotwatch.storage.database import Database
from slotwatch.storage.embedded import EmbeddedPostgres
from slotwatch.usecases.book import book
from slotwatch.usecases.desk import BookingSettings, Desk
from tests.cli_runs import free_port, run
from tests.conftest import Town


@pytest.fixture
def settings(database_url: str) -> Settings:
    """As with DATABASE_URL set and nothing else."""
    return load_settings({"DATABASE_URL": database_url})


@pytest.fixture
async def running(database: Database) -> None:
    """An engine and an API that beat a moment ago, and an audit that just ran."""
    async with database.connection() as conn:
        for component in ("engine", "api"):
            await Heart(component, database, DatabaseClock()).beat(conn)
        await conn.execute(
            "INSERT INTO audit_run (at, findings) VALUES (clock_timestamp(), $1)", {"stray": 0, "untold": 0}
        )


def of(findings: Sequence[Finding], check: str) -> Finding:
    """The finding about that; the worst where there are several."""
    found = [finding for finding in findings if finding.check == check]
    return max(found, key=lambda finding: list(Level).index(finding.level))


@pytest.mark.usefixtures("running")
async def test_a_healthy_system_has_nothing_to_complain_about(settings: Settings, database_url: str) -> None:
    findings = await examine(settings, database_url)
    assert [finding for finding in findings if finding.level is not Level.OK and finding.check != "database"] == []


async def test_an_engine_that_never_ran_is_told(settings: Settings, database_url: str) -> None:
    found = of(await examine(settings, database_url), "engine")
    assert found == Finding(
        "engine", Level.FAIL, "No engine has run on this database yet.", "Start one: slotwatch work"
    )


@pytest.mark.usefixtures("running")
async def test_a_silent_engine_is_told_with_what_waits(
    settings: Settings, database: Database, database_url: str
) -> None:
    async with database.connection() as conn:
        await conn.execute("UPDATE pulse SET beat_at = beat_at - interval '1 hour' WHERE component = 'engine'")
    found = of(await examine(settings, database_url), "engine")
    assert found.level is Level.FAIL
    assert "silent for 60 min" in found.says


@pytest.mark.usefixtures("running")
async def test_http_that_was_switched_off_is_told_because_no_no_show_stands_without_it(
    settings: Settings, database: Database, database_url: str
) -> None:
    async with database.connection() as conn:
        await conn.execute("UPDATE pulse SET beat_at = beat_at - interval '5 hours' WHERE component = 'api'")
        await conn.execute("DELETE FROM heartbeat WHERE component = 'api'")
    found = of(await examine(settings, database_url), "pulses")
    assert (found.level, found.says) == (
        Level.FAIL,
        "HTTP has been silent for 5 h: every no-show since then is voided.",
    )
    assert "slotwatch serve" in found.advice and "DELETE FROM pulse WHERE component = 'api'" in found.advice


@pytest.mark.usefixtures("running")
async def test_a_booking_that_was_set_aside_is_named(
    settings: Settings, database: Database, town: Town, database_url: str
) -> None:
    desk = Desk(database, DatabaseClock(), BookingSettings(), frozenset(), lambda due_at: None)
    start = datetime.now(UTC) + timedelta(hours=1)
    booking = await book(desk, town.driver, town.connectors[0], Slot(start, start + timedelta(hours=1)))
    async with database.connection() as conn:
        await conn.execute("UPDATE booking SET set_aside = true, tries = 3")
    found = of(await examine(settings, database_url), "set aside")
    assert found.level is Level.FAIL
    assert booking.ref in found.says


@pytest.mark.usefixtures("running")
async def test_dead_deliveries_are_counted_with_their_commonest_reason(
    settings: Settings, database: Database, database_url: str
) -> None:
    async with database.connection() as conn:
        await conn.execute(
            "INSERT INTO delivery (notice_id, channel, state, urgency, next_attempt_at, error)"
            " SELECT n, 'email', 'failed', 0, clock_timestamp(), CASE WHEN n < 3 THEN 'mailbox full' ELSE 'no host' END"
            " FROM generate_series(1, 3) AS n"
        )
        await conn.execute(
            "INSERT INTO delivery (notice_id, channel, state, urgency, next_attempt_at)"
            " VALUES (9, 'sms', 'pending', 0, clock_timestamp() - interval '20 minutes')"
        )
    findings = await examine(settings, database_url)
    assert of(findings, "E-mail deliveries").level is Level.WARN
    assert "3 failed for good and 0 were set aside. Most often: mailbox full" in of(findings, "E-mail deliveries").says
    assert of(findings, "SMS deliveries").level is Level.FAIL
    assert "the oldest for 20 min" in of(findings, "SMS deliveries").says


@pytest.mark.usefixtures("running")
async def test_our_own_outages_of_the_last_day_are_told(
    settings: Settings, database: Database, database_url: str
) -> None:
    async with database.connection() as conn:
        await conn.execute(
            "INSERT INTO outage (component, began_at, ended_at, detail)"
            " SELECT c, clock_timestamp() - interval '2 hours', clock_timestamp() - interval '1 hour', 'test'"
            " FROM unnest(ARRAY['engine', 'api']) AS c"
        )
    found = of(await examine(settings, database_url), "outages")
    assert (found.level, found.says) == (Level.WARN, "slotwatch itself was down for 60 min of the last 24 hours.")


async def test_a_schema_that_is_missing_does_not_hide_the_rest(server: EmbeddedPostgres) -> None:
    url = server.create_database("doctor_empty")
    findings = await examine(load_settings({"DATABASE_URL": url}), url)
    assert of(findings, "schema").level is Level.FAIL
    assert of(findings, "clocks").level is Level.OK
    assert of(findings, "time zones").level is Level.OK


async def test_a_database_that_is_gone_does_not_hide_the_rest() -> None:
    url = f"postgresql://me:hunter2@127.0.0.1:{free_port()}/x"
    findings = await examine(load_settings({"DATABASE_URL": url}), url)
    assert of(findings, "database").level is Level.FAIL
    assert "hunter2" not in of(findings, "database").says
    assert of(findings, "E-mail").level is Level.OK


async def test_without_any_channel_every_no_show_will_be_voided(database_url: str) -> None:
    off = load_settings({"EMAIL_ENABLED": "no", "SMS_ENABLED": "no"})
    found = of(await examine(off, database_url), "channels")
    assert found.level is Level.FAIL
    assert "every no-show will be voided" in found.says


def test_sms_to_every_country_without_a_cap_are_a_warning() -> None:
    twilio = {
        "SLOTWATCH_TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "SLOTWATCH_TWILIO_AUTH_TOKEN": "secret",
        "SLOTWATCH_TWILIO_FROM": "+15005550006",
    }
    assert check_costs(load_settings({})) == [], "the local inbox costs nothing"
    assert of(check_costs(load_settings(twilio)), "costs").level is Level.WARN
    for bound in ({"SLOTWATCH_PHONE_COUNTRIES": "AT"}, {"SLOTWATCH_SPEND_CAP": "5000"}):
        assert of(check_costs(load_settings({**twilio, **bound})), "costs").level is Level.OK


async def test_a_mail_server_that_does_not_answer_is_told(database_url: str) -> None:
    mail = {
        "SLOTWATCH_SMTP_HOST": "127.0.0.1",
        "SLOTWATCH_SMTP_PORT": str(free_port()),
        "SLOTWATCH_SMTP_FROM": "town@example.org",
        "SLOTWATCH_SMTP_SECURITY": "none",
    }
    findings = await examine(load_settings(mail), database_url)
    assert of(findings, "E-mail").level is Level.FAIL
    assert "127.0.0.1" in of(findings, "E-mail").says
    assert of(findings, "links").level is Level.WARN


async def test_a_station_in_an_unknown_zone_is_told(
    settings: Settings, database: Database, town: Town, database_url: str
) -> None:
    async with database.connection() as conn:
        await conn.execute("UPDATE station SET zone = 'Mars/Olympus' WHERE id = $1", town.station)
    found = of(await examine(settings, database_url), "time zones")
    assert found.level is Level.FAIL
    assert "Mars/Olympus" in found.says


@pytest.mark.parametrize(
    ("ahead", "level"),
    [
        (timedelta(0), Level.OK),
        (timedelta(seconds=10), Level.WARN),
        (timedelta(minutes=-5), Level.FAIL),
    ],
)
async def test_clocks_that_differ_are_told(database: Database, ahead: timedelta, level: Level) -> None:
    async with database.transaction() as conn:  # a database whose clock is off, as seen from here
        await conn.execute("CREATE SCHEMA elsewhere")
        await conn.execute(
            "CREATE FUNCTION elsewhere.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
            f" RETURN pg_catalog.clock_timestamp() + interval '{ahead.total_seconds()} seconds'"
        )
        await conn.execute("SET LOCAL search_path = elsewhere, pg_catalog")
        (found,) = await check_clock(conn)
    assert found.level is level


def test_the_disk_of_the_embedded_database_is_looked_at_and_no_other(tmp_path: Path) -> None:
    (found,) = check_disk(load_settings({"SLOTWATCH_DATA_DIR": str(tmp_path / "not" / "yet")}))
    assert "MB are free" in found.says
    assert check_disk(load_settings({"DATABASE_URL": "postgresql://elsewhere/x"})) == []


def test_an_unknown_setting_is_a_warning() -> None:
    (found,) = check_settings({"SLOTWATCH_PAYMENT": "local"})
    assert found.level is Level.WARN
    assert "SLOTWATCH_PAYMENTS" in found.says


def test_time_zone_data_is_there() -> None:
    (found,) = check_time_zones(["Asia/Kathmandu", "America/Sao_Paulo"])
    assert found.level is Level.OK


def test_the_command_exits_with_1_when_something_is_wrong(tmp_path: Path, database_url: str) -> None:
    said = run("doctor", "--json", data_dir=tmp_path, DATABASE_URL=database_url)
    report = json.loads(said.out)
    assert said.status == 1
    assert report["ok"] is False
    assert {"check": "engine", "level": "fail"}.items() <= next(
        finding for finding in report["findings"] if finding["check"] == "engine"
    ).items()


def test_the_command_speaks_even_without_a_database(tmp_path: Path) -> None:
    said = run("doctor", data_dir=tmp_path)
    assert said.status == 1
    assert said.out.startswith("fail  database")
    assert "Traceback" not in said.err
