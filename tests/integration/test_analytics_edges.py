"""A vendor's numbers where there are none, where clocks change, where nothing was sent, and how they are read."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from slotwatch.analytics.no_shows import no_shows_by_station
from slotwatch.analytics.offered import read_offers
from slotwatch.analytics.scope import GroupBy, Period, Scope
from slotwatch.analytics.statistics import read_breakdown, read_insights, read_statistics
from slotwatch.domain.errors import NotFound
from slotwatch.domain.lifecycle import Cause, State
from slotwatch.domain.notices import USUAL_CHANNELS, Channel, DeliveryState
from slotwatch.engine.advance import Advancer, AdvanceSettings
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database
from slotwatch.storage.statements import Statement, load_sql
from slotwatch.usecases.book import book
from slotwatch.usecases.desk import Desk
from tests.conftest import NOON, Town
from tests.support.past import Bay, Life, write_past

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


async def test_a_vendor_without_bookings_has_counts_of_nothing_and_no_rates(database: Database, town: Town) -> None:
    scope = Scope.until_now(town.other_vendor, DAY, NOON)
    async with database.connection() as conn:
        insights = await read_insights(conn, scope)
        by_hour = await read_breakdown(conn, scope, GroupBy.HOUR)
    statistics, figures = insights.current, insights.current.figures
    assert figures.total == 0 and set(figures.by_state) == set(State)
    rates = (figures.no_shows, figures.completion, figures.grace_use)
    assert [(rate.value, rate.interval) for rate in rates] == [(None, None)] * 3
    assert figures.median_into_grace is None
    assert {told.rate.value for told in statistics.deliveries.values()} == {None}
    assert statistics.utilisation is None, "its connector is as old as the clock"
    assert not figures.revenue.earned and not insights.grace_curve and insights.relet_after_no_show == 0
    assert len(by_hour) == 24 and {group.figures.total for group in by_hour} == {0}


async def test_a_vendor_that_does_not_exist_has_no_numbers_either(database: Database, town: Town) -> None:
    async with database.connection() as conn:
        assert await read_breakdown(conn, Scope.until_now(9999, DAY, NOON), GroupBy.STATION) == []


async def test_a_station_of_somebody_else_is_absent(database: Database, town: Town) -> None:
    scope = Scope.until_now(town.other_vendor, DAY, NOON, town.station)
    async with database.connection() as conn:
        for read in (read_statistics(conn, scope), read_insights(conn, scope)):
            with pytest.raises(NotFound):
                await read
        with pytest.raises(NotFound):
            await read_breakdown(conn, scope, GroupBy.HOUR)


@pytest.mark.parametrize(
    ("first", "hours"),
    [
        (datetime(2026, 3, 29, 0, 30, tzinfo=UTC), {1: 1, 3: 1, 4: 1}),  # 02:00 to 03:00 does not exist
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), {2: 2, 3: 1}),  # and here it comes twice
    ],
)
async def test_hours_are_those_on_the_stations_wall(
    database: Database, town: Town, first: datetime, hours: dict[int, int]
) -> None:
    async with database.connection() as conn:
        await conn.execute("UPDATE station SET zone = 'Europe/Vienna' WHERE id = $1", town.station)
    bay = Bay(town.connectors[0], town.station, town.vendor, "EUR")
    lives = [_no_show(number + 1, bay, first + number * HOUR) for number in range(3)]
    await write_past(database.url, lives, town.driver.id)
    scope = Scope(vendor_id=town.vendor, period=Period(first - DAY, first + DAY))
    async with database.connection() as conn:
        groups = await read_breakdown(conn, scope, GroupBy.HOUR)
    assert {group.key: group.figures.no_shows.part for group in groups if group.figures.total} == hours
    told = {group.key: group.deliveries[Channel.SMS].unknown for group in groups if group.deliveries}
    assert {hour: count for hour, count in told.items() if count} == hours


def _no_show(number: int, bay: Bay, starts_at: datetime) -> Life:
    life = Life(number, bay, starts_at, starts_at + HOUR, 100)
    life.move(State.CONFIRMED, Cause.BOOKED, starts_at - HOUR)
    life.move(State.GRACE, Cause.TIME, starts_at)
    life.move(State.EXPIRED, Cause.TIME, starts_at + HOUR / 2)
    life.deliveries.append((Channel.SMS, DeliveryState.SENT))
    return life


async def test_bookings_that_were_kept_at_a_removed_place_count_where_they_were(database: Database, town: Town) -> None:
    bays = [Bay(connector, town.station, town.vendor, "EUR") for connector in town.connectors[:2]]
    await write_past(
        database.url, [_no_show(n + 1, bay, NOON - 3 * HOUR) for n, bay in enumerate(bays)], town.driver.id
    )
    scope = Scope.until_now(town.vendor, DAY, NOON)
    async with database.connection() as conn:
        gone_at = NOON - 2 * DAY
        await conn.execute("UPDATE connector SET removed_at = $2 WHERE station_id = $1", town.station, gone_at)
        await conn.execute("UPDATE station SET removed_at = $2 WHERE id = $1", town.station, gone_at)
        total = (await read_statistics(conn, scope)).figures
        by_station = {one.key: one for one in await read_breakdown(conn, scope, GroupBy.STATION)}
        by_connector = {one.key: one for one in await read_breakdown(conn, scope, GroupBy.CONNECTOR)}
        told = await no_shows_by_station(conn, town.vendor, scope.period.since, NOON)
        over = await read_breakdown(conn, Scope.until_now(town.vendor, HOUR, NOON), GroupBy.STATION)
    assert total.no_shows.part == by_station[town.station].figures.no_shows.part == 2
    deliveries = by_station[town.station].deliveries
    assert deliveries is not None and deliveries[Channel.SMS].sent == 2
    assert [by_connector[bay.connector_id].figures.no_shows.part for bay in bays] == [1, 1]
    assert by_connector.keys() & set(town.connectors) == {bay.connector_id for bay in bays}, (
        "without figures: not there"
    )
    assert by_station[town.station].offered == by_connector[bays[0].connector_id].offered == timedelta(0)
    assert [(row["station"], row["no_shows"]) for row in told] == [(by_station[town.station].label, 2)]
    assert town.station not in {one.key for one in over}, "nothing began there within the last hour"


async def test_a_delivery_that_was_born_too_late_names_its_slot_too(
    desk: Desk, town: Town, clock: MovableClock, database: Database
) -> None:
    booking = await book(desk, town.driver, town.connectors[0], town.slot())
    clock.advance(timedelta(hours=1, minutes=40))  # the engine slept through start and grace
    async with database.connection() as conn:
        while (await Advancer(AdvanceSettings(), sorted(USUAL_CHANNELS), clock).run_once(conn)).moved:
            pass
        missed = await conn.fetch("SELECT vendor_id, station_id, slot_starts_at FROM delivery WHERE state = 'missed'")
        statistics = await read_statistics(conn, Scope.until_now(town.vendor, DAY, clock.read()))
    assert missed and {tuple(row) for row in missed} == {(town.vendor, town.station, booking.timeline.starts_at)}
    told = statistics.deliveries
    assert sum(of_channel.failed for of_channel in told.values()) == len(missed)


async def _plan(conn: asyncpg.Connection, statement: Statement, **values: Any) -> str:
    explained = Statement(f"EXPLAIN {statement.sql}")
    return "\n".join(row[0] for row in await explained.fetch(conn, **values))


async def test_a_vendors_numbers_walk_along_their_own_indexes(database: Database, town: Town) -> None:
    scope = {"vendor_id": town.vendor, "station_id": None, "since": NOON - 7 * DAY, "until": NOON}
    async with database.connection() as conn, conn.transaction():
        await conn.execute("SET LOCAL enable_seqscan = off")
        await conn.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        figures = await _plan(
            conn,
            load_sql("slotwatch.analytics", "figures.sql"),
            **scope,
            with_live=True,
            longest=8 * HOUR,
            earliest=4 * HOUR,
        )
        deliveries = await _plan(
            conn, load_sql("slotwatch.analytics", "deliveries.sql"), **scope, channels=["sms"], states=["sent"]
        )
        slots = await _plan(
            conn,
            load_sql("slotwatch.analytics", "slots.sql"),
            **scope,
            state=None,
            limit=50,
            after_part=None,
            after_at=None,
            after_id=None,
        )
    assert re.search(r"Index Only Scan using booking_ended_idx.*\n.*Index Cond: .*vendor_id.*starts_at", figures)
    assert "booking_live_idx" in figures
    assert re.search(
        r"Index Only Scan using delivery_slot_idx.*\n.*Index Cond: .*vendor_id.*slot_starts_at", deliveries
    )
    assert "booking_live_idx" in slots and "booking_ended_idx" in slots
    assert "Seq Scan" not in figures + deliveries + slots


async def test_the_board_and_what_changes_on_it_are_found_by_their_indexes(database: Database, town: Town) -> None:
    async with database.connection() as conn, conn.transaction():
        await conn.execute("SET LOCAL enable_seqscan = off")
        await conn.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        window = {"since": NOON - HOUR, "until": NOON + 11 * HOUR, "longest": 8 * HOUR, "limit": 100}
        which = {"vendor_id": town.vendor, "station_ids": None, "state": None}
        search = {"words": None, "plate": None, "booking_id": None}
        board = await _plan(conn, load_sql("slotwatch.analytics", "board.sql"), **window, **which, **search)
        changes = await _plan(
            conn,
            load_sql("slotwatch.analytics", "board_changes.sql"),
            **{"since": 1, "snapshot": None, "vendors": [town.vendor], "now": None},
        )
    for index in ("booking_live_idx", "booking_ended_idx"):
        assert re.search(rf"Scan (using|on) {index}.*\n.*Index Cond: .*vendor_id.*starts_at", board)
    assert re.search(r"board_change_xid_idx.*\n.*Index Cond: \(xid >=", changes)
    assert "Seq Scan" not in board + changes


async def test_a_connector_is_on_offer_until_it_is_removed_and_a_station_that_is_gone_is_not_listed(
    database: Database, town: Town
) -> None:
    scope = Scope.until_now(town.vendor, DAY, NOON + DAY)
    async with database.connection() as conn:
        before = {one.station_id: one.offered for one in await read_offers(conn, scope)}
        await conn.execute("UPDATE connector SET removed_at = $2 WHERE id = $1", town.connectors[0], NOON + 6 * HOUR)
        await conn.execute("UPDATE station SET removed_at = $2 WHERE id = $1", town.night_shut, NOON)
        after = {one.station_id: one.offered for one in await read_offers(conn, scope)}
    assert before[town.station] == 4 * DAY and town.night_shut in before
    assert after == {town.station: 3 * DAY + 6 * HOUR}
