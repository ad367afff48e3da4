"""One week in four places: API, page, file and command line say the same, and what a recount of the history says."""

import csv
import html
import io
import json
import re
from datetime import date
from typing import Any

import httpx
import pytest

from slotwatch.analytics.figures import Figures
from slotwatch.analytics.report import TABLES
from slotwatch.analytics.scope import GroupBy, Scope, TimeRange
from slotwatch.domain.ids import ref
from slotwatch.domain.lifecycle import State
from slotwatch.domain.notices import USUAL_CHANNELS
from slotwatch.processes.report import ReportWish, read_wish, written
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database
from slotwatch.usecases.desk import BookingSettings, Desk
from slotwatch.web.pages.vendor.number_words import interval, percent, sums
from tests.conftest import Town
from tests.integration.test_analytics_numbers import NOW, Row, in_scope, key_of, make_week, recomputed
from tests.integration.web.conftest import bearer, client_of, make_app, running
from tests.support.signed_in import make_staff, staff_cookie


@pytest.fixture
async def week(database: Database, town: Town) -> list[Row]:
    """Two vendors' weeks, with every kind of ending."""
    return await make_week(database, town)


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def look(database: Database, town: Town, *paths: str) -> list[httpx.Response]:
    """What a manager of the vendor gets, at the end of the week."""
    desk = Desk(database, MovableClock(NOW), BookingSettings(), USUAL_CHANNELS, lambda due_at: None)
    cookie = await staff_cookie(database, await make_staff(database, town.vendor, now=NOW), now=NOW)
    app = make_app(desk)
    async with running(app), client_of(app) as client:
        answers = []
        for path in paths:
            mine = (
                bearer(role="vendor")
                if path.startswith("/api")
                else {"cookie": "; ".join(map("=".join, cookie.items()))}
            )
            answers.append(await client.get(path, headers=mine))
    assert [answer.status_code for answer in answers] == [200] * len(paths)
    return answers


async def command(database: Database, **wish: Any) -> str:
    """What the command line prints, at the end of the week."""
    asked = ReportWish(**wish)
    async with database.connection() as conn:
        _, report = await read_wish(conn, MovableClock(NOW), asked)
    return written(asked, report)


def plain(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


@pytest.mark.parametrize("length", ["24h", "7d"])
async def test_api_page_file_command_and_recount_say_the_same(
    database: Database,
    town: Town,
    week: list[Row],
    length: str,
) -> None:
    vendor = ref("VN", town.vendor)
    api, page, file = await look(
        database,
        town,
        f"/api/vendor/dashboard/slot-monitoring?timeRange={length}",
        f"/vendor/insights?period={length}",
        f"/vendor/insights/summary.csv?period={length}",
    )
    printed = await command(database, vendor=vendor, period=length, form="csv")
    assert printed == file.text
    scope = Scope.until_now(town.vendor, TimeRange(length).length, NOW)
    recount = recomputed(in_scope(week, scope), scope)
    said, told = api.json()["statistics"], {row["measure"]: row["value"] for row in read_csv(printed)}
    document = json.loads(await command(database, vendor=vendor, period=length, form="json"))
    assert document["statistics"] == said
    _same_counts(recount, said, told)
    words = plain(page.text)
    assert f"{percent(recount.no_shows.value)} {interval(recount.no_shows)}" in words
    for amounts in (recount.revenue.earned, recount.revenue.lost_to_no_shows, recount.revenue.refunded):
        assert " ".join(sums(amounts)) in words


def _same_counts(recount: Figures, said: dict[str, Any], told: dict[str, str]) -> None:
    assert int(told["bookings"]) == said["totalBookings"] == recount.total
    for state, count in recount.by_state.items():
        assert int(told[f"bookings {state}"]) == said["byStatus"][state] == count
    assert float(told["no-show rate"]) == said["noShowRate"] == recount.no_shows.value
    bounds = [float(told[f"no-show rate, {which} bound"]) for which in ("lower", "upper")]
    assert bounds == said["noShowRateInterval"] == list(recount.no_shows.interval or ())
    assert float(told["completion rate"]) == said["completionRate"] == recount.completion.value
    grace = said["graceUtilisation"]
    assert float(told["checked in during grace"]) == grace["checkedInDuringGrace"] == recount.grace_use.value
    hours = said["stationEfficiency"]
    assert float(told["used hours"]) == hours["usedHours"] == recount.used.total_seconds() / 3600
    assert float(told["booked hours"]) == hours["bookedHours"] == recount.held.total_seconds() / 3600
    assert said["revenue"]["earned"] == dict(recount.revenue.earned)


async def test_only_slots_that_began_are_compared_with_the_period_before(
    database: Database, town: Town, week: list[Row]
) -> None:
    page, file, over = await look(
        database,
        town,
        "/vendor/insights?period=7d",
        "/vendor/insights/summary.csv?period=7d",
        "/vendor/insights/summary.csv?period=custom&from=2026-03-25&to=2026-03-29",
    )
    scope = Scope.until_now(town.vendor, TimeRange.WEEK.length, NOW)
    now, before = (recomputed(in_scope(week, one), one) for one in (scope, scope.previous))
    assert now.total > now.begun > 0, "some are to come"
    assert f"Slots begun {now.begun} before {before.begun}; {now.total} bookings" in plain(page.text)
    told = {row["measure"]: (row["value"], row["period before"]) for row in read_csv(file.text)}
    assert told["slots begun"] == (str(now.begun), str(before.begun))
    assert told["bookings"] == (str(now.total), ""), "what is live has no like in a period that is over"
    assert told["bookings confirmed"][1] == "" and told["bookings expired"][1] == str(before.by_state[State.EXPIRED])
    both_over = {row["measure"]: (row["value"], row["period before"]) for row in read_csv(over.text)}
    assert both_over["bookings"] == both_over["slots begun"] and both_over["bookings"][1] != ""


BY = {
    "stations": GroupBy.STATION,
    "connectors": GroupBy.CONNECTOR,
    "weekdays": GroupBy.WEEKDAY,
    "hours-of-day": GroupBy.HOUR,
}


async def test_every_breakdown_is_what_a_recount_of_the_history_says(
    database: Database, town: Town, week: list[Row]
) -> None:
    names = (*BY, "money-by-group", "deliveries", "deliveries-by-station", "most-no-shows")
    api, *files = await look(
        database,
        town,
        "/api/vendor/dashboard/no-shows?groupBy=connector&timeRange=7d",
        *(f"/vendor/insights/{name}.csv?period=7d" for name in names),
    )
    tables = {name: read_csv(file.text) for name, file in zip(names, files, strict=True)}
    scope = Scope.until_now(town.vendor, TimeRange.WEEK.length, NOW)
    rows = in_scope(week, scope)
    begun = [row for row in rows if row.starts_at <= NOW or row.state is State.ACTIVE]  # others have a station only
    for name, by in BY.items():
        parts: dict[int, list[Row]] = {}
        for row in rows if by is GroupBy.STATION else begun:
            parts.setdefault(key_of(by)(row), []).append(row)
        recounts = [recomputed(part, scope) for part in parts.values()]
        wanted = [(one.total, one.no_shows.part, one.used.total_seconds() / 3600) for one in recounts]
        told = [(int(row["bookings"]), int(row["no-shows"]), float(row["used hours"])) for row in tables[name]]
        assert sorted(one for one in told if any(one)) == sorted(one for one in wanted if any(one)), name
    assert [(one["label"], str(one["expired"])) for one in api.json()["items"]] == [
        (row["connector"], row["no-shows"]) for row in tables["connectors"]
    ]
    assert {one["key"][:3] for one in api.json()["items"]} == {"CN-"}
    most = [(row["station"], int(row["no-shows"])) for row in tables["most-no-shows"]]
    with_any = {(row["station"], int(row["no-shows"])) for row in tables["stations"] if row["no-shows"] != "0"}
    assert set(most) == with_any and [count for _, count in most] == sorted((n for _, n in most), reverse=True)
    _money_adds_up(recomputed(begun, scope), tables["money-by-group"])
    for whole in tables["deliveries"]:
        parts_sent = [int(row["sent"]) for row in tables["deliveries-by-station"] if row["channel"] == whole["channel"]]
        assert sum(parts_sent) == int(whole["sent"])


def _money_adds_up(recount: Figures, rows: list[dict[str, str]]) -> None:
    assert {row["by"] for row in rows} == {"station", "connector", "weekday", "hour"}
    columns = {"earned": "earned", "forfeited": "forfeited", "lost to no-shows": "lost_to_no_shows"}
    for by in ("station", "connector", "weekday", "hour"):
        for column, field in columns.items():
            sums: dict[str, int] = {}
            for row in rows:
                if row["by"] == by:
                    sums[row["currency"]] = sums.get(row["currency"], 0) + int(row[column])
            assert sums == {**dict.fromkeys(sums, 0), **getattr(recount.revenue, field)}, (by, column)


async def test_every_table_is_the_same_on_page_in_file_and_from_the_command(
    database: Database,
    town: Town,
    week: list[Row],
) -> None:
    period = "period=custom&from=2026-03-25&to=2026-03-30"
    page, *files = await look(
        database, town, f"/vendor/insights?{period}", *(f"/vendor/insights/{name}.csv?{period}" for name in TABLES)
    )
    for name, file in zip(TABLES, files, strict=True):
        wish = {"period": "custom", "first": "2026-03-25", "last": "2026-03-30", "table": name, "form": "csv"}
        assert file.text == await command(database, vendor=ref("VN", town.vendor), **_with_days(wish))
        assert file.headers["content-type"] == "text/csv; charset=utf-8"
        assert f'filename="slotwatch-{name}-2026-03-25-to-2026-03-30.csv"' in file.headers["content-disposition"]
        rows = read_csv(file.text)
        assert rows, name
        for row in rows[:50]:
            cells = "".join(f"<td[^>]*>{re.escape(_shown(value))}</td>" for value in row.values())
            assert re.search(cells, html.unescape(page.text)), (name, row)


def _with_days(wish: dict[str, Any]) -> dict[str, Any]:
    return {**wish, "first": date.fromisoformat(wish["first"]), "last": date.fromisoformat(wish["last"])}


def _shown(value: str) -> str:
    if value == "":
        return "-"
    return f"{float(value):.3f}" if "." in value and value.replace(".", "").replace("e-", "").isdigit() else value


async def test_days_are_those_of_the_stations_zone(database: Database, town: Town, week: list[Row]) -> None:
    ours = [row for row in week if row.vendor_id == town.vendor and row.zone.key == "Europe/Vienna"]
    day_of_23_hours = date(2026, 3, 29)
    station = ref("ST", ours[0].station_id)
    days = f"from={day_of_23_hours}&to={day_of_23_hours}"
    (file,) = await look(database, town, f"/vendor/insights/days.csv?period=custom&{days}&station={station}")
    found = {row["day"]: int(row["bookings"]) for row in read_csv(file.text) if row["bookings"] != "0"}
    of_day = [row for row in ours if row.starts_at.astimezone(row.zone).date() == day_of_23_hours]
    assert found == {str(day_of_23_hours): len(of_day)}
