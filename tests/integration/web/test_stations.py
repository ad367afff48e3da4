"""Looking for a free slot: near, of a kind, in a time, on days that are too short or too long."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwatch.domain.ids import ref
from slotwatch.domain.slot import SHORTEST
from slotwatch.storage.database import Database
from slotwatch.usecases.find_stations import day_at, free_times
from tests.conftest import NOON
from tests.integration.web.conftest import Api, bearer

BOOKINGS = "/api/users/bookings"


async def add_station(database: Database, api: Api, name: str, **more: Any) -> int:
    """A station of the town's vendor with one connector."""
    columns = {"latitude": 48.2, "longitude": 16.37, "zone": "UTC", "opening_hours": [], **more}
    kind = columns.pop("type", "CCS")
    async with database.connection() as conn:
        station: int = await conn.fetchval(
            "INSERT INTO station (vendor_id, name, address, latitude, longitude, zone, opening_hours, created_at)"
            " VALUES ($1, $2, 'Quay', $3, $4, $5, $6, $7) RETURNING id",
            *(api.town.vendor, name, columns["latitude"], columns["longitude"], columns["zone"]),
            *(columns["opening_hours"], NOON),
        )
        await conn.execute(
            "INSERT INTO connector (station_id, label, type, power_kw, price_per_hour, currency, created_at)"
            " VALUES ($1, 'A', $2, 22, 400, 'EUR', $3)",
            *(station, kind, NOON),
        )
    return station


async def test_a_search_shows_stations_with_connectors_and_when_they_are_free(api: Api) -> None:
    await api.booked(starts_in=timedelta(hours=1), length=timedelta(hours=2))
    found = (await api.get("/api/stations")).json()
    harbour = found["items"][0]
    assert (harbour["stationId"], harbour["name"], harbour["timeZone"]) == (
        ref("ST", api.town.station),
        "Harbour",
        "UTC",
    )
    assert [connector["label"] for connector in harbour["connectors"]] == ["1A", "1B", "2A", "2B"]
    assert harbour["connectors"][0] == {
        "connectorId": ref("CN", api.town.connectors[0]),
        "label": "1A",
        "type": "CCS",
        "powerKw": 50.0,
        "pricePerHour": {"amount": 1250, "currency": "EUR"},
        "freeSlots": [
            {"startTime": "2026-03-02T12:00:00Z", "endTime": "2026-03-02T13:00:00Z"},
            {"startTime": "2026-03-02T15:00:00Z", "endTime": "2026-03-03T12:00:00Z"},
        ],
    }
    thamel = found["items"][1]
    assert thamel["openingHours"] == [{"days": [0, 1, 2, 3, 4, 5, 6], "opens": "08:00", "closes": "22:00"}]
    assert thamel["connectors"][0]["freeSlots"] == [  # 08:00 to 22:00 in Kathmandu is 02:15 to 16:15 UTC
        {"startTime": "2026-03-02T12:00:00Z", "endTime": "2026-03-02T16:15:00Z"},
        {"startTime": "2026-03-03T02:15:00Z", "endTime": "2026-03-03T12:00:00Z"},
    ]


async def test_the_nearest_station_comes_first_and_distant_ones_are_left_out(api: Api, database: Database) -> None:
    bratislava = await add_station(database, api, "Bratislava", latitude=48.1486, longitude=17.1077)
    linz = await add_station(database, api, "Linz", latitude=48.3069, longitude=14.2858)
    near = {"near": "48.1486,17.1077"}
    within = (await api.get("/api/stations", params={**near, "radiusKm": 60})).json()["items"]
    assert within[0]["stationId"] == ref("ST", bratislava)
    assert (within[0]["distanceKm"], within[1]["distanceKm"]) == (0.0, pytest.approx(54.8, abs=0.5))
    assert ref("ST", linz) not in [station["stationId"] for station in within]
    everywhere = (await api.get("/api/stations", params={**near, "radiusKm": 20000})).json()["items"]
    assert everywhere[-1]["stationId"] == ref("ST", linz)
    assert everywhere[-1]["distanceKm"] == pytest.approx(209, abs=2)


async def test_distance_works_across_the_date_line_and_at_the_poles(api: Api, database: Database) -> None:
    fiji = await add_station(database, api, "Taveuni", latitude=-16.8, longitude=179.99)
    found = (await api.get("/api/stations", params={"near": "-16.8,-179.99", "radiusKm": 10})).json()["items"]
    assert [station["stationId"] for station in found] == [ref("ST", fiji)]
    assert (await api.get("/api/stations", params={"near": "90,0", "radiusKm": 20000})).status_code == 200
    assert (await api.get("/api/stations", params={"near": "-48.2,-163.63", "radiusKm": 20100})).status_code == 200


async def test_only_connectors_of_the_wanted_type_are_shown(api: Api, database: Database) -> None:
    station = await add_station(database, api, "Old town", type="Type2")
    found = (await api.get("/api/stations", params={"connectorType": "type2"})).json()["items"]
    assert [one["stationId"] for one in found] == [ref("ST", station)]
    assert [connector["type"] for connector in found[0]["connectors"]] == ["Type2"]


async def test_the_free_times_are_those_of_the_window(api: Api) -> None:
    window = {"from": "2026-03-02T20:00:00+00:00", "to": "2026-03-02T21:30:00Z"}
    found = (await api.get("/api/stations", params=window)).json()["items"]
    assert found[0]["connectors"][0]["freeSlots"] == [
        {"startTime": "2026-03-02T20:00:00Z", "endTime": "2026-03-02T21:30:00Z"}
    ]
    past = {"from": "2026-03-01T20:00:00Z", "to": "2026-03-01T21:30:00Z"}
    assert (await api.get("/api/stations", params=past)).json()["items"][0]["connectors"][0]["freeSlots"] == []


async def test_every_station_is_on_exactly_one_page(api: Api, database: Database) -> None:
    for number in range(9):
        await add_station(database, api, f"S{number}", latitude=48.2 + number % 3)
    for search in ({}, {"near": "48.2,16.37", "radiusKm": 5000}):
        whole = [one["stationId"] for one in (await api.get("/api/stations", params=search)).json()["items"]]
        paged: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = (await api.get("/api/stations", params={**search, "limit": 5, "cursor": cursor})).json()
            paged += [one["stationId"] for one in page["items"]]
            cursor = page["nextCursor"]
        assert paged == whole and len(whole) == 12


async def test_a_day_shows_the_slots_that_can_be_booked_and_each_can(api: Api) -> None:
    await api.booked(starts_in=timedelta(hours=1))
    path = f"/api/stations/{ref('ST', api.town.station)}/availability"
    day = (await api.get(path, params={"date": "2026-03-02"})).json()
    first = day["items"][0]
    assert (first["label"], first["price"]) == ("1A", {"amount": 1250, "currency": "EUR"})
    starts = [slot["startTime"] for slot in first["slots"]]
    assert starts[:3] == ["2026-03-02T12:00:00Z", "2026-03-02T14:00:00Z", "2026-03-02T14:15:00Z"]
    assert starts[-1] == "2026-03-02T23:45:00Z", "it may end on the next day"
    slot = {"connectorId": first["connectorId"], **first["slots"][1]}
    assert (await api.as_caller(bearer("driver-2")).post(BOOKINGS, slot)).status_code == 201
    half = (await api.get(path, params={"date": "2026-03-02", "duration": 30})).json()["items"][0]
    assert half["price"] == {"amount": 625, "currency": "EUR"}


async def test_a_day_in_a_zone_with_odd_minutes_follows_its_opening_hours(api: Api) -> None:
    path = f"/api/stations/{ref('ST', api.town.night_shut)}/availability"
    day = (await api.get(path, params={"date": "2026-03-03"})).json()
    assert (day["dayStartsAt"], day["dayEndsAt"]) == ("2026-03-02T18:15:00Z", "2026-03-03T18:15:00Z")
    starts = [slot["startTime"] for slot in day["items"][0]["slots"]]
    assert (starts[0], starts[-1]) == ("2026-03-03T02:15:00Z", "2026-03-03T15:15:00Z")
    assert len(starts) == 53


async def test_past_and_finished_days_have_nothing_left(api: Api) -> None:
    path = f"/api/stations/{ref('ST', api.town.station)}/availability"
    assert (await api.get(path, params={"date": "2026-03-01"})).json()["items"][0]["slots"] == []


@pytest.mark.parametrize(
    ("zone", "day", "hours", "slots", "first"),
    [
        ("Europe/Vienna", "2026-03-29", 23, 13 * 4 + 1, "2026-03-29T06:00:00Z"),
        ("Europe/Vienna", "2026-10-25", 25, 13 * 4 + 1, "2026-10-25T07:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-05", 24.5, 13 * 4 + 1, "2026-04-04T21:30:00Z"),
        ("America/St_Johns", "2026-11-01", 25, 13 * 4 + 1, "2026-11-01T11:30:00Z"),
    ],
)
async def test_on_days_when_clocks_change_slots_are_real_hours(
    api: Api, database: Database, zone: str, day: str, hours: float, slots: int, first: str
) -> None:
    opening = [{"days": [0, 1, 2, 3, 4, 5, 6], "opens": "08:00", "closes": "22:00"}]
    shut = await add_station(database, api, "By day", zone=zone, opening_hours=opening)
    always = await add_station(database, api, "Always", zone=zone)
    by_day = (await api.get(f"/api/stations/{ref('ST', shut)}/availability", params={"date": day})).json()
    assert len(by_day["items"][0]["slots"]) == slots
    assert by_day["items"][0]["slots"][0]["startTime"] == first
    whole = (await api.get(f"/api/stations/{ref('ST', always)}/availability", params={"date": day})).json()
    starts = [datetime.fromisoformat(slot["startTime"]) for slot in whole["items"][0]["slots"]]
    assert len(starts) == hours * 4
    assert {later - earlier for earlier, later in pairwise(starts)} == {timedelta(minutes=15)}
    assert {at.astimezone(ZoneInfo(zone)).date().isoformat() for at in starts} == {day}


spans = st.lists(
    st.tuples(st.integers(0, 500), st.integers(1, 60)).map(
        lambda pair: (NOON + timedelta(minutes=pair[0]), NOON + timedelta(minutes=sum(pair)))
    ),
    max_size=12,
).map(sorted)


@given(spans, spans)
def test_free_times_are_open_never_busy_and_long_enough(
    open_times: list[tuple[datetime, datetime]], busy: list[tuple[datetime, datetime]]
) -> None:
    for begins, ends in free_times(open_times, busy):
        assert ends - begins >= SHORTEST
        assert any(opens <= begins and ends <= closes for opens, closes in open_times)
        assert not any(starts < ends and begins < stops for starts, stops in busy)


@given(
    st.dates(date(2020, 1, 1), date(2030, 12, 31)), st.sampled_from(["Africa/Cairo", "Asia/Beirut", "Europe/Vienna"])
)
def test_days_follow_each_other_without_gap_or_overlap(day: date, zone: str) -> None:
    ends = day_at(day, ZoneInfo(zone))[1]
    begins = day_at(day + timedelta(days=1), ZoneInfo(zone))[0]
    assert ends == begins and ends.tzinfo is UTC
    assert begins.astimezone(ZoneInfo(zone)).date() == day + timedelta(days=1)


async def test_own_bookings_come_page_by_page_the_latest_first(api: Api) -> None:
    made = [(await api.booked(starts_in=timedelta(hours=hour)))["bookingId"] for hour in (3, 1, 5, 2, 4)]
    newest_first = [made[2], made[4], made[0], made[3], made[1]]
    paged: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await api.get(BOOKINGS, params={"limit": 2, "cursor": cursor})).json()
        paged += [one["bookingId"] for one in page["items"]]
        cursor = page["nextCursor"]
    assert paged == newest_first
    await api.post(f"{BOOKINGS}/{made[0]}/cancel")
    cancelled = (await api.get(BOOKINGS, params={"status": "cancelled", "from": "", "to": ""})).json()["items"]
    assert [one["bookingId"] for one in cancelled] == [made[0]]
    between = {"from": "2026-03-02T13:30:00Z", "to": "2026-03-02T16:00:00Z"}
    listed = (await api.get(BOOKINGS, params=between)).json()["items"]
    assert [one["bookingId"] for one in listed] == [made[0], made[3]]
    assert "timeline" not in listed[0] and listed[0]["slotStatus"]["notificationsSent"]
