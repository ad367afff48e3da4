"""A vendor's numbers against a plain recomputation from the history rows, on a made-up week around a clock change."""

import random
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from slotwatch.analytics.deliveries import DeliveryFigures, read_deliveries
from slotwatch.analytics.figures import Figures, Revenue, read_figures
from slotwatch.analytics.scope import GroupBy, Period, Scope
from slotwatch.analytics.statistics import fold, read_breakdown, read_insights, read_statistics
from slotwatch.domain.lifecycle import FINAL_STATES, LIVE_STATES, State
from slotwatch.domain.notices import USUAL_CHANNELS
from slotwatch.storage.database import Database
from tests.conftest import Town
from tests.support.past import Bay, live_through, write_past

NOW = datetime(2026, 3, 31, 12, 7, tzinfo=UTC)  # two days after clocks went forward in Vienna
HOUR = timedelta(hours=1)
ZONES = {"Europe/Vienna": "EUR", "Asia/Kathmandu": "NPR", "America/New_York": "EUR"}
LENGTHS = (HOUR, 24 * HOUR, 7 * 24 * HOUR)
NONE = timedelta(0)


@dataclass(frozen=True)
class Row:
    """One booking, read from what never changes and from its history rows alone."""

    vendor_id: int
    station_id: int
    connector_id: int
    zone: ZoneInfo
    starts_at: datetime
    ends_at: datetime
    price: int
    currency: str
    moves: list[tuple[str, datetime]]
    ledger: dict[str, int]
    deliveries: list[tuple[str, str]]

    @property
    def state(self) -> State:
        return State(self.moves[-1][0])

    def at(self, *states: State) -> datetime | None:
        return next((at for state, at in self.moves if state in states), None)

    @property
    def came_at(self) -> datetime | None:
        return self.at(State.ACTIVE, State.REINSTATED)


@pytest.fixture
async def week(database: Database, town: Town) -> list[Row]:
    """Two vendors' weeks."""
    return await make_week(database, town)


async def make_week(database: Database, town: Town) -> list[Row]:
    """Two vendors' weeks in the database, and the same read back from the history."""
    async with database.connection() as conn:
        bays = [bay for vendor in (town.vendor, town.other_vendor) for bay in await _bays(conn, vendor)]
    lives = list(live_through(bays, NOW - 15 * 24 * HOUR, NOW, NOW + 24 * HOUR, random.Random(7)))
    assert {life.state for life in lives} == set(State), "every state is there"
    await write_past(database.url, lives, town.driver.id)
    async with database.connection() as conn:
        return await _read_history(conn)


async def _bays(conn: asyncpg.Connection, vendor_id: int) -> list[Bay]:
    hours = [{"days": [0, 1, 2, 3, 4, 6], "opens": "01:30", "closes": "23:00"}]
    bays = []
    for zone, currency in ZONES.items():
        station = await conn.fetchval(
            "INSERT INTO station (vendor_id, name, address, latitude, longitude, zone, opening_hours, created_at)"
            " VALUES ($1, $2, 'a', 0, 0, $2, $3, $4) RETURNING id",
            *(vendor_id, zone, [] if zone == "Asia/Kathmandu" else hours, NOW - 100 * HOUR),
        )
        for label, age in (("1", 1000 * HOUR), ("2", 30 * HOUR)):
            connector = await conn.fetchval(
                "INSERT INTO connector (station_id, label, type, power_kw, price_per_hour, currency, created_at)"
                " VALUES ($1, $2, 'CCS', 50, 1, 'EUR', $3) RETURNING id",
                *(station, label, NOW - age),
            )
            bays.append(Bay(connector, station, vendor_id, currency))
    return bays


async def _read_history(conn: asyncpg.Connection) -> list[Row]:
    bookings = await conn.fetch(
        "SELECT b.id, b.vendor_id, b.station_id, b.connector_id, s.zone, b.starts_at, b.ends_at, b.amount, b.currency"
        " FROM booking AS b JOIN station AS s ON s.id = b.station_id"
    )
    transitions = await conn.fetch("SELECT booking_id, to_state, at FROM transition ORDER BY booking_id, version")
    ledger = await conn.fetch("SELECT booking_id, entry, amount FROM ledger")
    told = await conn.fetch(
        "SELECT n.booking_id, d.channel, d.state FROM notice AS n JOIN delivery AS d ON d.notice_id = n.id"
    )
    moves: dict[int, list[Any]] = {}
    money: dict[int, dict[str, int]] = {}
    deliveries: dict[int, list[Any]] = {}
    for row in transitions:
        moves.setdefault(row["booking_id"], []).append((row["to_state"], row["at"]))
    for row in ledger:
        money.setdefault(row["booking_id"], {})[row["entry"]] = row["amount"]
    for row in told:
        deliveries.setdefault(row["booking_id"], []).append((row["channel"], row["state"]))
    return [
        Row(
            *(row["vendor_id"], row["station_id"], row["connector_id"], ZoneInfo(row["zone"])),
            *(row["starts_at"], row["ends_at"], row["amount"], row["currency"]),
            *(moves[row["id"]], money.get(row["id"], {}), deliveries.get(row["id"], [])),
        )
        for row in bookings
    ]


def key_of(by: GroupBy) -> Callable[[Row], int]:
    def key(row: Row) -> int:
        local = row.starts_at.astimezone(row.zone)
        return {
            GroupBy.ALL: 0,
            GroupBy.STATION: row.station_id,
            GroupBy.CONNECTOR: row.connector_id,
            GroupBy.HOUR: local.hour,
            GroupBy.WEEKDAY: local.weekday(),
            GroupBy.HOUR_OF_WEEK: 24 * local.weekday() + local.hour,
            GroupBy.DAY: (local.date() - date(1970, 1, 1)).days,
        }[by]

    return key


def in_scope(rows: Iterable[Row], scope: Scope) -> list[Row]:
    return [row for row in rows if row.vendor_id == scope.vendor_id and scope.station_id in (None, row.station_id)]


def is_counted(row: Row, scope: Scope) -> bool:
    began = scope.period.since < row.starts_at <= scope.period.until
    return began or (scope.with_live and row.state in LIVE_STATES)


def recomputed(rows: list[Row], scope: Scope) -> Figures:
    """The slow and plain way."""
    counted = [row for row in rows if is_counted(row, scope)]
    into_grace = [
        (row.came_at - row.starts_at).total_seconds() for row in counted if row.came_at and row.came_at >= row.starts_at
    ]
    return Figures(
        by_state={state: sum(row.state is state for row in counted) for state in State},
        begun=sum(scope.period.since < row.starts_at <= scope.period.until for row in rows),
        never_paid=sum(row.state is State.CANCELLED and not row.at(State.CONFIRMED) for row in counted),
        checked_in=sum(row.came_at is not None for row in counted),
        checked_in_during_grace=len(into_grace),
        median_into_grace=timedelta(seconds=median(into_grace)) if into_grace else None,
        held=sum((held(row, scope.period) for row in rows), NONE),
        used=sum((used(row, scope.period) for row in rows), NONE),
        revenue=Revenue(
            earned=money(counted, lambda row: row.ledger.get("earned", 0) + row.ledger.get("kept", 0)),
            forfeited=money(
                counted, lambda row: row.ledger.get("forfeit_held", 0) if row.state is State.EXPIRED else 0
            ),
            lost_to_no_shows=money(counted, lambda row: row.price if row.state is State.EXPIRED else 0),
            refunded=money(counted, lambda row: row.ledger.get("refunded", 0)),
        ),
    )


def held(row: Row, period: Period) -> timedelta:
    freed = row.at(State.EXPIRED) or row.at(*FINAL_STATES) or row.ends_at
    return max(NONE, min(freed, row.ends_at, period.until) - max(row.starts_at, period.since))


def used(row: Row, period: Period) -> timedelta:
    came = row.at(State.ACTIVE)
    if came is None:
        return NONE
    left = row.at(State.COMPLETED) or row.ends_at
    return max(NONE, min(left, period.until) - max(row.starts_at, came, period.since))


def money(rows: list[Row], amount: Callable[[Row], int]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for row in rows:
        sums[row.currency] = sums.get(row.currency, 0) + amount(row)
    return {currency: total for currency, total in sorted(sums.items()) if total}


def scopes(town: Town, rows: list[Row]) -> list[Scope]:
    station = next(row.station_id for row in rows if row.vendor_id == town.vendor)
    whole = [Scope.until_now(town.vendor, length, NOW) for length in LENGTHS]
    return [*whole, *(scope.previous for scope in whole), Scope.until_now(town.vendor, LENGTHS[2], NOW, station)]


@pytest.mark.parametrize("by", list(GroupBy))
async def test_figures_are_what_the_history_says(database: Database, town: Town, week: list[Row], by: GroupBy) -> None:
    for scope in scopes(town, week):
        rows = in_scope(week, scope)
        async with database.connection() as conn:
            found = await read_figures(conn, scope, by)
        if by not in (GroupBy.ALL, GroupBy.STATION):  # slots to come have no hour, and no connector, in the numbers
            rows = [row for row in rows if row.starts_at <= scope.period.until or row.state is State.ACTIVE]
        keys = sorted({key_of(by)(row) for row in rows})
        wanted = {key: recomputed([row for row in rows if key_of(by)(row) == key], scope) for key in keys}
        assert list(found) == [key for key in keys if wanted[key].total or wanted[key].held]
        for key, figures in found.items():
            assert asdict(figures) == asdict(wanted[key])


@pytest.mark.parametrize("by", [GroupBy.HOUR, GroupBy.WEEKDAY])
async def test_hours_of_the_week_put_together_are_hours_and_weekdays(
    database: Database, town: Town, week: list[Row], by: GroupBy
) -> None:
    for scope in scopes(town, week):
        async with database.connection() as conn:
            folded = fold(await read_breakdown(conn, scope, GroupBy.HOUR_OF_WEEK), by)
            counted = await read_breakdown(conn, scope, by)
        assert [(one.key, one.label) for one in folded] == [(one.key, one.label) for one in counted]
        for one, other in zip(folded, counted, strict=True):
            assert asdict(one.figures) == asdict(replace(other.figures, median_into_grace=None))


@pytest.mark.parametrize("by", [by for by in GroupBy if by is not GroupBy.CONNECTOR])
async def test_deliveries_are_what_the_rows_say(database: Database, town: Town, week: list[Row], by: GroupBy) -> None:
    fields = {"delivered": ["delivered"], "unknown": ["sent", "unknown"], "refused": ["failed", "set_aside"]}
    fields |= {"missed": ["missed"], "suppressed": ["suppressed"]}
    for scope in scopes(town, week):
        began = [row for row in in_scope(week, scope) if scope.period.since < row.starts_at <= scope.period.until]
        wanted: dict[int, Any] = {}
        for key in {key_of(by)(row) for row in began}:
            told = [one for row in began if key_of(by)(row) == key for one in row.deliveries]
            wanted[key] = {
                channel: DeliveryFigures(
                    **{name: sum(told.count((channel, state)) for state in states) for name, states in fields.items()},
                )
                for channel in USUAL_CHANNELS
            }
        async with database.connection() as conn:
            found = await read_deliveries(conn, scope, by)
        empty = dict.fromkeys(USUAL_CHANNELS, DeliveryFigures())
        assert found == {key: wanted[key] for key in sorted(wanted) if wanted[key] != empty}


async def test_hours_on_offer_follow_the_opening_hours(database: Database, town: Town, week: list[Row]) -> None:
    scope = Scope.until_now(town.other_vendor, LENGTHS[2], NOW)
    async with database.connection() as conn:
        groups = await read_breakdown(conn, scope, GroupBy.CONNECTOR)
    offered = {group.label: group.offered for group in groups}
    assert offered["Asia/Kathmandu 1"] == timedelta(days=7), "always open"
    assert offered["Asia/Kathmandu 2"] == timedelta(hours=30), "since it exists"
    assert offered["Far side 1"] == timedelta(days=7)
    # Tue noon to Tue noon UTC is 14:07 to 14:07 in Vienna, after clocks changed on Sunday; closed on Saturdays.
    opened = timedelta(hours=21, minutes=30)
    first, last = timedelta(hours=23) - timedelta(hours=13, minutes=7), timedelta(hours=14, minutes=7 - 90)
    sunday = opened - HOUR  # 01:30 to 23:00 without the hour from 02:00
    assert offered["Europe/Vienna 1"] == first + 3 * opened + sunday + opened + last


async def test_insights_hold_the_curve_the_period_before_and_what_was_let_again(
    database: Database, town: Town, week: list[Row]
) -> None:
    scope = Scope.until_now(town.vendor, LENGTHS[2], NOW)
    async with database.connection() as conn:
        insights = await read_insights(conn, scope)
        assert insights.current == await read_statistics(conn, scope)
        assert insights.previous == await read_statistics(conn, scope.previous)
    rows = in_scope(week, scope)
    minutes = [
        (row.came_at - row.starts_at) // timedelta(minutes=1)
        for row in rows
        if is_counted(row, scope) and row.came_at and row.came_at >= row.starts_at
    ]
    assert insights.grace_curve == {minute: minutes.count(minute) for minute in set(minutes)}
    assert sum(insights.grace_curve.values()) == insights.current.figures.checked_in_during_grace
    assert insights.relet_after_no_show == sum(_was_let_again(row, rows) for row in rows if _expired(row, scope))
    assert insights.relet_after_no_show > 0
    for by in (GroupBy.STATION, GroupBy.CONNECTOR):
        keys = [key_of(by)(row) for row in rows if _expired(row, scope) and _was_let_again(row, rows)]
        assert insights.let_again[by] == {key: keys.count(key) for key in keys}


def _expired(row: Row, scope: Scope) -> bool:
    return row.state is State.EXPIRED and scope.period.since < row.starts_at <= scope.period.until


def _was_let_again(row: Row, rows: list[Row]) -> bool:
    freed = row.at(State.EXPIRED)
    assert freed is not None
    return any(
        other.connector_id == row.connector_id
        and freed <= other.starts_at < row.ends_at
        and other.state not in (State.PENDING, State.CANCELLED)
        for other in rows
    )
