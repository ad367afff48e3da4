"""Alerts: raised once, told once, acknowledged, resolved by themselves, and never flapping."""

import asyncio
from datetime import datetime, timedelta

import pytest

from slotwatch.analytics.alerts import count_open, find_alert, open_alerts, past_alerts
from slotwatch.domain.alerts import AlertKind, alert_text
from slotwatch.domain.errors import NotFound
from slotwatch.domain.staff import StaffRole
from slotwatch.engine.watch import Watch, WatchReport
from slotwatch.outbox.settings import CapSettings
from slotwatch.usecases.acknowledge_alert import acknowledge_alert
from tests.conftest import Town
from tests.support.crew import Crew, until
from tests.support.signed_in import make_staff

pytestmark = pytest.mark.any_postgres

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
_PAST = """
INSERT INTO booking (id, vendor_id, station_id, connector_id, driver_id, state, check_in_opens_at, starts_at,
    grace_half_at, grace_ends_at, expires_at, ends_at, terms, amount, currency, payment_status, started_at,
    checked_in_at, expired_at, ended_at, version, epoch, created_at, updated_at)
SELECT (SELECT coalesce(max(id), 0) FROM booking) + n, s.vendor_id, s.id, $2, $3,
       CASE WHEN $4 THEN 'completed' ELSE 'expired' END, at, at, at, at + interval '30 minutes',
       at + interval '30 minutes', at + interval '1 hour', '{}', 0, 'EUR', 'not_required',
       at, CASE WHEN $4 THEN at END, CASE WHEN NOT $4 THEN at END, at + interval '1 hour', 5, 0, at, at
  FROM station AS s, generate_series(1, $5::int) AS n,
       LATERAL (SELECT $6::timestamptz - n * interval '2 hours') AS t(at)
 WHERE s.id = $1
"""


async def past(crew: Crew, town: Town, *, came: int = 0, missed: int = 0, until: datetime | None = None) -> None:
    """That many bookings at the town's station that ended one after the other, the no-shows last."""
    until = until or crew.clock.read()
    for is_there, count, end in ((False, missed, until), (True, came, until - missed * timedelta(hours=2))):
        await crew.execute(_PAST, town.station, town.connectors[0], town.driver.id, is_there, count, end)


async def look(crew: Crew) -> WatchReport:
    """One look of the watch."""
    return await Watch(crew.desk.database, crew.desk.channels, crew.clock).run_once(crew.clock.read())


async def kinds(crew: Crew, vendor_id: int | None) -> list[str]:
    """What is open."""
    async with crew.desk.database.connection() as conn:
        return [alert.kind.value for alert in await open_alerts(conn, vendor_id)]


async def test_a_station_with_surely_more_no_shows_than_usual_is_told_once_to_who_decides(
    crew: Crew, town: Town
) -> None:
    await past(crew, town, came=95, missed=5, until=crew.clock.read() - 15 * DAY)
    await past(crew, town, came=15, missed=10)
    for role in (StaffRole.OWNER, StaffRole.ATTENDANT):
        await make_staff(crew.desk.database, town.vendor, now=crew.clock.read(), role=role)
    report = await look(crew)
    assert (report.raised, report.told) == (2, 2), "many no-shows, and ten in a row"
    async with crew.desk.database.connection() as conn:
        found = {alert.kind: alert for alert in await open_alerts(conn, town.vendor)}
    alert = found[AlertKind.HIGH_NO_SHOW_RATE]
    assert alert.title == "Many no-shows at Harbour"
    assert alert.text.startswith("10 of the 25 bookings of the last 14 days were no-shows (40%).")
    assert alert.text.endswith("Usual at your stations: 5%.")
    again = await look(crew)
    assert (again.raised, again.resolved, again.told) == (0, 0, 0)
    await crew.deliver()
    subjects = sorted(message.subject or "" for message in crew.mail.taken)
    assert subjects == ["Many no-shows at Harbour", "Nobody checks in at Harbour"]
    assert {message.to for message in crew.mail.taken} == {f"ada-owner-{town.vendor}@example.org"}
    assert await kinds(crew, town.other_vendor) == [] and await kinds(crew, None) == []


@pytest.mark.parametrize(
    ("came", "missed"), [(3, 3), (20, 4), (19, 1)], ids=["too few", "not surely more", "below the floor"]
)
async def test_what_may_be_chance_raises_nothing(crew: Crew, town: Town, came: int, missed: int) -> None:
    await past(crew, town, came=90, missed=10, until=crew.clock.read() - 15 * DAY)
    await past(crew, town, came=came, missed=missed)
    await look(crew)
    assert "high_no_show_rate" not in await kinds(crew, town.vendor)


async def test_it_is_resolved_when_it_is_surely_over_and_does_not_flap_in_between(crew: Crew, town: Town) -> None:
    await past(crew, town, came=12, missed=12)
    await crew.execute('UPDATE vendor SET alert_rules = \'{"noShowFloorPercent": 25, "noShowDays": 60}\'')
    await past(crew, town, came=190, missed=10, until=crew.clock.read() - 61 * DAY)
    assert (await look(crew)).raised == 2
    seen = []
    for _ in range(6):
        crew.clock.advance(DAY)
        await past(crew, town, came=8)
        report = await look(crew)
        seen.append(report.resolved)
        assert report.raised == 0
    assert sum(seen) == 2 and seen[0] == 1, "the first driver who came ends the silence, the rate takes days"
    assert await kinds(crew, town.vendor) == []


async def test_a_kind_that_is_switched_off_raises_nothing_and_resolves_what_was_open(crew: Crew, town: Town) -> None:
    await past(crew, town, missed=8)
    await look(crew)
    assert await kinds(crew, town.vendor) == ["no_check_ins"]
    await crew.execute("UPDATE vendor SET alert_rules = $1", {"off": ["no_check_ins"]})
    assert (await look(crew)).resolved == 1


async def test_six_no_shows_in_a_row_mean_that_something_is_broken(crew: Crew, town: Town) -> None:
    await past(crew, town, came=4, missed=5)
    assert (await look(crew)).raised == 0
    crew.clock.advance(3 * timedelta(hours=1))
    await past(crew, town, missed=1)
    assert (await look(crew)).raised == 1
    assert await kinds(crew, town.vendor) == ["no_check_ins"]


async def test_messages_that_fail_are_told_to_the_vendor_and_to_operators(crew: Crew, town: Town) -> None:
    await make_staff(crew.desk.database, None, now=crew.clock.read(), role=StaffRole.OPERATOR)
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.deliver()
    await crew.execute(
        "INSERT INTO delivery (notice_id, channel, state, urgency, next_attempt_at, vendor_id, station_id,"
        " slot_starts_at)"
        " SELECT 100 + n, 'sms', CASE WHEN n <= 9 THEN 'failed' ELSE 'sent' END, 0, $1, $2, $3, $1"
        " FROM generate_series(1, 30) AS n",
        *(crew.clock.read(), town.vendor, town.station),
    )
    await crew.execute(
        "INSERT INTO attempt (notice_id, channel, lease, outcome, provider, at) SELECT 200 + n, 'sms', 1,"
        " CASE WHEN n <= 20 THEN 'failed' ELSE 'accepted' END, 'twilio', $1 FROM generate_series(1, 25) AS n",
        crew.clock.read(),
    )
    assert (await look(crew)).raised == 2
    async with crew.desk.database.connection() as conn:
        (ours,) = await open_alerts(conn, town.vendor)
        (house,) = await open_alerts(conn, None)
    assert (ours.title, house.title) == ("Messages fail: SMS", "Messages fail: SMS (twilio)")
    assert house.text.startswith("20 of 25 messages could not be delivered (80%).")
    crew.clock.advance(31 * MINUTE)
    assert (await look(crew)).resolved == 1, "the provider's half hour is over"
    crew.clock.advance(2 * DAY)
    assert (await look(crew)).resolved == 1


async def test_a_late_engine_is_seen_and_seen_to_recover(crew: Crew, town: Town) -> None:
    await crew.never_silent()
    await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=timedelta(minutes=30)))
    crew.clock.advance(30 * MINUTE + timedelta(seconds=50))
    assert (await look(crew)).raised == 0
    crew.clock.advance(timedelta(seconds=20))
    assert (await look(crew)).raised == 1
    await crew.engine()
    assert (await look(crew)).resolved == 1


async def test_a_part_that_falls_silent_is_seen_by_those_who_live_and_its_outage_by_the_vendor(
    crew: Crew, town: Town
) -> None:
    await crew.beat()
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=timedelta(minutes=20)))
    crew.clock.advance(21 * MINUTE)
    await crew.engine()
    assert [await kinds(crew, None), (await look(crew)).raised] == [[], 2]
    assert await kinds(crew, None) == ["component_silent", "component_silent"]
    await crew.beat()
    report = await look(crew)
    assert (report.raised, report.resolved) == (3, 2), "the outage of each part, and of the vendor whose driver waited"
    async with crew.desk.database.connection() as conn:
        (told,) = await open_alerts(conn, town.vendor)
    assert told.kind is AlertKind.OUTAGE and told.text.startswith("From 2026-03-02 12:00 UTC to 2026-03-02 12:21 UTC.")
    assert await kinds(crew, town.other_vendor) == [] and booking.vendor_id == town.vendor
    for _ in range(12):
        crew.clock.advance(10 * MINUTE)
        await crew.never_silent()
        await crew.engine()
        assert (await look(crew)).raised == 0
    assert await kinds(crew, town.vendor) == []


async def test_the_cap_on_a_days_messages_is_told_and_ends_with_the_day(crew: Crew, town: Town) -> None:
    await crew.execute("UPDATE vendor SET spend_cap = 500, email = 'office@volt.example' WHERE id = $1", town.vendor)
    await crew.execute("INSERT INTO spend VALUES ($1, $2, 'sms', 62, 496)", town.vendor, crew.clock.read().date())
    report = await look(crew)
    assert (report.raised, report.told) == (1, 1), "without staff the vendor's own address is written to"
    crew.clock.advance(DAY)
    assert (await look(crew)).resolved == 1


async def test_an_alert_is_acknowledged_by_its_own_vendor_only_and_once(crew: Crew, town: Town) -> None:
    await past(crew, town, missed=8)
    await look(crew)
    async with crew.desk.database.connection() as conn:
        (alert,) = await open_alerts(conn, town.vendor)
    for stranger in (town.other_vendor, None):
        with pytest.raises(NotFound):
            await acknowledge_alert(crew.desk, stranger, alert.id, actor="x")
    await acknowledge_alert(crew.desk, town.vendor, alert.id, actor="first")
    await acknowledge_alert(crew.desk, town.vendor, alert.id, actor="second")
    async with crew.desk.database.connection() as conn:
        (seen,) = await open_alerts(conn, town.vendor)
        assert (seen.status, seen.acknowledged_by) == ("acknowledged", "first")
        assert (await count_open(conn))[AlertKind.NO_CHECK_INS] == 1
        assert await find_alert(conn, town.other_vendor, alert.id) is None
    await past(crew, town, came=1, until=crew.clock.advance(DAY))
    await look(crew)
    async with crew.desk.database.connection() as conn:
        (past_one,) = await past_alerts(conn, town.vendor, limit=10)
        assert (past_one.id, past_one.status) == (alert.id, "resolved")
        assert await past_alerts(conn, town.vendor, limit=10, before=alert.id) == []


async def test_a_minute_that_is_skipped_skips_no_vendors_rates(crew: Crew, town: Town) -> None:
    await past(crew, town, came=100, until=crew.clock.read() - 15 * DAY)
    await past(crew, town, came=14, missed=14)
    watch = Watch(crew.desk.database, crew.desk.channels, crew.clock)
    for _ in range(15):  # always in the same minute of the quarter
        await watch.run_if_due()
        crew.clock.advance(15 * MINUTE)
    assert "high_no_show_rate" in await kinds(crew, town.vendor)


async def test_the_houses_cap_counts_for_vendors_without_their_own_and_not_for_what_the_house_pays(
    crew: Crew, town: Town
) -> None:
    today = crew.clock.read().date()
    await crew.execute("UPDATE vendor SET spend_cap = 900 WHERE id = $1", town.other_vendor)
    for payer in (town.vendor, town.other_vendor, 0):
        await crew.execute("INSERT INTO spend VALUES ($1, $2, 'sms', 62, 496)", payer, today)
    watch = Watch(crew.desk.database, crew.desk.channels, crew.clock, CapSettings(spend_cap=500))
    assert (await watch.run_once(crew.clock.read())).raised == 1
    rows = await crew.rows("SELECT vendor_id FROM alert WHERE kind = 'spend_cap'")
    assert [row["vendor_id"] for row in rows] == [town.vendor]


async def test_operators_are_told_when_no_more_codes_go_out_by_sms(crew: Crew) -> None:
    watch = Watch(crew.desk.database, crew.desk.channels, crew.clock, CapSettings(code_sms_cap=10))
    asked = (
        "INSERT INTO sign_in_code (channel, address, code_hash, caller, created_at, ends_at)"
        " SELECT $1, n::text, '', n::text, $2::timestamptz, $2 + interval '10 minutes'"
        " FROM generate_series(1, $3::int) AS n"
    )
    await crew.execute(asked, "email", crew.clock.read(), 50)
    await crew.execute(asked, "sms", crew.clock.read(), 3)
    crew.clock.advance(HOUR)
    await crew.execute(asked, "sms", crew.clock.read(), 6)
    assert (await watch.run_once(crew.clock.read())).raised == 0
    await crew.execute(asked, "sms", crew.clock.read(), 1)
    assert (await watch.run_once(crew.clock.read())).raised == 1
    async with crew.desk.database.connection() as conn:
        (alert,) = await open_alerts(conn, None)
    said = alert_text(alert.kind, alert.detail)
    assert said == "10 codes to sign in went out by SMS within 24 hours, which is the most. By e-mail they still do."
    crew.clock.advance(DAY - HOUR)
    assert (await watch.run_once(crew.clock.read())).resolved == 1, "three of them are long ago"
    none = Watch(crew.desk.database, crew.desk.channels, crew.clock, CapSettings(code_sms_cap=0))
    assert (await none.run_once(crew.clock.read())).raised == 0, "who wants none needs no alert"


async def test_one_process_looks_at_a_time_and_at_each_vendors_rates_once_in_a_quarter_of_an_hour(
    crew: Crew, town: Town
) -> None:
    await past(crew, town, came=100, until=crew.clock.read() - 15 * DAY)
    await past(crew, town, came=14, missed=14)
    one, other = (Watch(crew.desk.database, crew.desk.channels, crew.clock) for _ in range(2))
    raised = 0
    for _ in range(15):
        report, again = await one.run_if_due(), await other.run_if_due()
        assert report is not None and again is None
        raised += report.raised
        crew.clock.advance(MINUTE)
    assert raised == 2 and sorted(await kinds(crew, town.vendor)) == ["high_no_show_rate", "no_check_ins"]
    await past(crew, town, came=100)
    resolved = 0
    for _ in range(15):
        report = await other.run_if_due()
        resolved += report.resolved if report else 0
        crew.clock.advance(MINUTE)
    assert resolved == 2


async def test_the_loop_looks_by_itself_and_stops_when_told(crew: Crew, town: Town) -> None:
    await past(crew, town, missed=8)
    stop = asyncio.Event()
    watching = asyncio.create_task(Watch(crew.desk.database, crew.desk.channels, crew.clock).run(stop))

    async def is_raised() -> bool:
        return await kinds(crew, town.vendor) == ["no_check_ins"]

    await until(is_raised)
    stop.set()
    await watching
