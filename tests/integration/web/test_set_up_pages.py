"""A vendor sets up stations, terms and staff on the pages, and answers disputes; without scripts."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from slotwatch.domain.ids import ref
from slotwatch.domain.staff import StaffRole
from slotwatch.storage.database import Database
from slotwatch.usecases.dispute import dispute
from slotwatch.usecases.find_stations import Search, find_stations
from tests.conftest import Town
from tests.integration.test_alerts import look, past
from tests.integration.web.conftest import Api, bearer
from tests.integration.web.test_staff_pages import Somebody, no_show, owner, person, site
from tests.support.crew import Crew
from tests.support.signed_in import make_staff

__all__ = ["owner", "person", "site"]

STATION = {
    "name": "Prater <b>", "address": "Hauptallee 1", "latitude": "48,21", "longitude": "16.40",
    "timeZone": "Europe/Vienna", "checkInRadiusM": "150", "rotatingCode": "true",
}  # fmt: skip
CONNECTOR = {"label": "1A", "type": "CCS", "powerKw": "150", "price": "12,50", "currency": "eur"}


async def test_a_station_is_set_up_without_scripts(owner: Somebody, crew: Crew) -> None:
    await owner.get("/vendor/stations/new")
    hours = {"opens-0-0": "08:00", "closes-0-0": "12:00", "opens-0-1": "13:00", "closes-0-1": "18:00"}
    hours |= {"opens-5-0": "20:00", "closes-5-0": "02:00", "opens-6-0": "20:00", "closes-6-0": "02:00"}
    added = await owner.post("/vendor/stations", **STATION, **hours)
    assert added.status_code == 303, added.text
    path = added.headers["location"].partition("?")[0]
    page = await owner.get(added.headers["location"])
    assert "Prater &lt;b&gt;" in page and "The station is there." in page
    row = (await crew.rows("SELECT * FROM station ORDER BY id DESC LIMIT 1"))[0]
    assert (row["latitude"], row["check_in_radius_m"], row["rotating_code"]) == (48.21, 150, True)
    assert row["opening_hours"] == [
        {"days": [0], "opens": "08:00", "closes": "12:00"},
        {"days": [0], "opens": "13:00", "closes": "18:00"},
        {"days": [5, 6], "opens": "20:00", "closes": "02:00"},
    ]
    assert 'name="opens-0-1" value="13:00"' in page and 'name="opens-0-2" value=""' in page, "room for one more"
    assert (await owner.post(f"{path}/connectors", **CONNECTOR)).status_code == 303
    assert (await owner.post(f"{path}/connectors", **CONNECTOR)).status_code == 422, "a label once a station"
    page = await owner.get(path)
    assert "€12.50" in page and "150 kW" in page
    connector = (await crew.rows("SELECT id, price_per_hour, currency FROM connector ORDER BY id DESC LIMIT 1"))[0]
    assert (connector["price_per_hour"], connector["currency"]) == (1250, "EUR")
    edited = await owner.post(f"{path}/connectors/{ref('CN', connector['id'])}", **{**CONNECTOR, "price": "9"})
    assert edited.status_code == 303
    assert await crew.value("SELECT price_per_hour FROM connector ORDER BY id DESC LIMIT 1") == 900
    saved = await owner.post(path, **{**STATION, "name": "Prater", "rotatingCode": ""}, always="true")
    assert saved.status_code == 303
    row = (await crew.rows("SELECT * FROM station ORDER BY id DESC LIMIT 1"))[0]
    assert (row["name"], row["rotating_code"], row["opening_hours"]) == ("Prater", False, [])


STATION_FAULTS: tuple[tuple[dict[str, str], str], ...] = (
    ({"name": ""}, "This is needed."),
    ({"latitude": "91"}, "At most 90."),
    ({"longitude": "east"}, "A number is needed."),
    ({"latitude": "nan"}, "At least -90."),
    ({"timeZone": "Mars/Olympus"}, "is no IANA time zone"),
    ({"checkInRadiusM": "5"}, "At least 20."),
    ({"always": ""}, "Say when it is open"),
    ({"always": "", "opens-2-0": "08:00"}, "Wednesday: say from when and until when."),
    ({"always": "", "opens-2-0": "25:99", "closes-2-0": "26:00"}, "not in the form"),
)


async def test_what_was_typed_stays_and_the_fault_stands_at_its_field(
    owner: Somebody, crew: Crew, subtests: pytest.Subtests
) -> None:
    for change, said in STATION_FAULTS:
        with subtests.test(said):
            answer = await owner.post("/vendor/stations", **{**STATION, "always": "true", **change})
            assert answer.status_code == 422
            assert said in answer.text and "Hauptallee 1" in answer.text and "Nothing was saved yet" in answer.text
    assert await crew.value("SELECT count(*) FROM station") == 3


CONNECTOR_FAULTS: tuple[tuple[dict[str, str], str], ...] = (
    ({"price": "12.505"}, "An amount is needed that can be paid"),
    ({"price": "free"}, "An amount is needed, such as 12.50."),
    ({"price": "-1"}, "An amount is needed that can be paid"),
    ({"currency": "EURO"}, "Three letters are needed"),
    ({"powerKw": "0"}, "At least 0."),
    ({"label": "x" * 21}, "At most 20 characters."),
)


async def test_a_connector_that_makes_no_sense_is_refused(
    owner: Somebody, crew: Crew, town: Town, subtests: pytest.Subtests
) -> None:
    path = f"/vendor/stations/{ref('ST', town.station)}/connectors"
    for change, said in CONNECTOR_FAULTS:
        with subtests.test(said):
            answer = await owner.post(path, **{**CONNECTOR, "label": "9", **change})
            assert (answer.status_code, said in answer.text) == (422, True), answer.text
    assert await crew.value("SELECT count(*) FROM connector WHERE label = '9'") == 0


async def test_a_connector_is_removed_and_its_label_is_free_again(owner: Somebody, crew: Crew, town: Town) -> None:
    path = f"/vendor/stations/{ref('ST', town.station)}"
    code = ref("CN", town.connectors[0])
    assert "Nothing is booked there." in await owner.get(f"{path}/remove?connector={code}")
    assert (await owner.post(f"{path}/remove", connector=code)).status_code == 303
    assert code not in await owner.get(path)
    await owner.get(f"{path}/connectors/{code}", 404)
    assert (await owner.post(f"{path}/remove", connector=code)).status_code == 409
    assert (await owner.post(f"{path}/connectors", **CONNECTOR)).status_code == 303


@pytest.mark.parametrize("choice", ["keep", "cancel"])
async def test_a_station_is_removed_and_its_bookings_live_on_or_are_paid_back(
    owner: Somebody, crew: Crew, town: Town, choice: str
) -> None:
    soon = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=timedelta(minutes=10)))
    await crew.live_for(timedelta(minutes=11))
    await crew.checked_in(soon)
    later = [
        await crew.booked(town.driver, one, town.slot(starts_in=timedelta(hours=5))) for one in town.connectors[1:3]
    ]
    path = f"/vendor/stations/{ref('ST', town.station)}"
    page = await owner.get(f"{path}/remove")
    assert "2 bookings are still to come there." in page and "1 booking is running there now" in page
    if choice == "cancel":
        unsaid = await owner.post(f"{path}/remove", bookings="cancel", reason="")
        assert unsaid.status_code == 422 and await crew.value("SELECT count(removed_at) FROM station") == 0
    assert (await owner.post(f"{path}/remove", bookings=choice, reason="We rebuild it.")).status_code == 303
    assert [await crew.state(one) for one in later] == ["confirmed" if choice == "keep" else "cancelled"] * 2
    assert await crew.state(soon) == "active"
    assert "Harbour" not in await owner.get("/vendor/stations")
    await owner.get(path, 404)
    found = (await find_stations(crew.desk, Search()))[0]
    assert "Harbour" not in [one.station.name for one in found], "drivers do not find it"
    told = await crew.value("SELECT count(*) FROM notice WHERE kind = 'booking_cancelled'")
    assert told == (0 if choice == "keep" else 2)


async def test_terms_are_saved_shown_as_a_driver_reads_them_and_follow_the_house_where_they_are_the_same(
    owner: Somebody, crew: Crew, town: Town
) -> None:
    page = await owner.get("/vendor/terms")
    assert "Your slot is kept for 30 minutes after it begins." in page and "€9.37 (75%)" in page
    form = {
        "gracePeriodMinutes": "20",
        "earlyCheckInMinutes": "15",
        "reminderMinutes": "60",
        "hours-0": "2",
        "percent-0": "80",
    }
    shown = await owner.post("/vendor/terms/preview", **form)
    assert "Your slot is kept for 20 minutes after it begins" in shown.text and "€10.00 (80%)" in shown.text
    assert await crew.value("SELECT terms FROM vendor WHERE id = $1", town.vendor) == {}, "a preview stores nothing"
    await crew.execute("UPDATE vendor SET terms = $1", {"settleSeconds": 9})
    assert (await owner.post("/vendor/terms", **form)).status_code == 303
    stored = await crew.value("SELECT terms FROM vendor WHERE id = $1", town.vendor)
    tiers = [{"untilMinutesBefore": 120, "percent": 80}]
    assert stored == {"gracePeriodMinutes": 20, "cancelRefund": tiers, "settleSeconds": 9}
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    assert booking.terms.grace_period_minutes == 20
    for bad, said in (
        ({"gracePeriodMinutes": "0"}, "At least 1."),
        ({"hours-1": "4", "percent-1": "90"}, "must fall with the time left"),
        ({"hours-1": "1"}, "Line 2 needs hours and a percentage"),
    ):
        refused = await owner.post("/vendor/terms", **{**form, **bad})
        assert (refused.status_code, said in refused.text) == (422, True), refused.text
    assert await crew.value("SELECT terms FROM vendor WHERE id = $1", town.vendor) == stored


async def test_profile_and_alert_rules_are_saved_or_refused(owner: Somebody, crew: Crew, town: Town) -> None:
    profile = {"name": "Volt AG", "language": "de", "email": "office@volt.example", "spendCap": "25,50"}
    assert (await owner.post("/vendor/terms/profile", **profile)).status_code == 303
    row = (await crew.rows("SELECT name, language, email, spend_cap FROM vendor WHERE id = $1", town.vendor))[0]
    assert tuple(row) == ("Volt AG", "de", "office@volt.example", 2550)
    for bad in ({"email": "nobody"}, {"language": "xx"}, {"name": ""}, {"spendCap": "-1"}, {"spendCap": "much"}):
        assert (await owner.post("/vendor/terms/profile", **{**profile, **bad})).status_code == 422
    rules = {
        "noShowDays": "7", "noShowBookings": "30", "noShowFloorPercent": "15", "silentBookings": "4",
        "failurePercent": "10", "failureMessages": "50", "on-high_no_show_rate": "true", "on-outage": "true",
    }  # fmt: skip
    assert (await owner.post("/vendor/terms/alerts", **rules)).status_code == 303
    stored = await crew.value("SELECT alert_rules FROM vendor WHERE id = $1", town.vendor)
    assert stored["off"] == ["no_check_ins", "delivery_failures", "spend_cap"] and stored["noShowDays"] == 7
    assert (await owner.post("/vendor/terms/alerts", **{**rules, "silentBookings": "1"})).status_code == 422
    assert 'value="30"' in await owner.get("/vendor/terms")


async def test_staff_are_let_in_given_a_role_and_signed_out_at_once(
    owner: Somebody, site: object, crew: Crew, database: Database, town: Town
) -> None:
    await owner.get("/vendor/staff")
    new = {"name": "Grace", "email": "Grace@Volt.example", "role": "attendant", "language": "de"}
    assert (await owner.post("/vendor/staff", **new)).status_code == 303
    again = await owner.post("/vendor/staff", **{**new, "email": "grace@volt.example"})
    assert again.status_code == 422 and "signs in with this e-mail address already" in again.text
    assert (await owner.post("/vendor/staff", **{**new, "role": "operator"})).status_code == 422
    manager = await person(owner.client, database, town.vendor, crew.clock, StaffRole.MANAGER)
    await manager.get("/vendor/stations")
    number = await crew.value("SELECT id FROM staff WHERE role = 'manager'")
    assert (await owner.post(f"/vendor/staff/{number}/role", role="attendant")).status_code == 303
    await manager.get("/vendor/stations", 403)
    assert (await owner.post(f"/vendor/staff/{number}/remove")).status_code == 303
    answer = await owner.client.get("/vendor/stations", headers={"Accept": "text/html", **manager._cookie()})
    assert answer.status_code == 303, "signed out at once"
    assert (await owner.post(f"/vendor/staff/{number}/remove")).status_code == 404


async def test_the_last_owner_stays(owner: Somebody, crew: Crew, database: Database, town: Town) -> None:
    only = await crew.value("SELECT id FROM staff WHERE role = 'owner'")
    for path, form in ((f"{only}/remove", {}), (f"{only}/role", {"role": "manager"})):
        refused = await owner.post(f"/vendor/staff/{path}", **form)
        assert refused.status_code == 409 and "This is the last owner." in refused.text
    await make_staff(database, town.vendor, now=crew.clock.read(), name="Second")
    assert (await owner.post(f"/vendor/staff/{only}/remove")).status_code == 303


@pytest.mark.parametrize("decision", ["uphold", "refund"])
async def test_a_dispute_is_answered_beside_the_evidence_and_both_are_told(
    owner: Somebody, crew: Crew, town: Town, decision: str
) -> None:
    booking = await no_show(crew, town)
    await dispute(crew.desk, town.driver.id, booking.id, "The gate was shut.\n<script>")
    await crew.deliver()
    (letter,) = [one for one in crew.mail.taken if one.to == f"ada-owner-{town.vendor}@example.org"]
    assert (
        "The gate was shut." in letter.text and letter.url == f"https://slots.example.org/vendor/disputes/{booking.ref}"
    )
    page = await owner.get(f"/vendor/disputes/{booking.ref}")
    for words in ("The gate was shut.\n&lt;script&gt;", "slot started", "freed as a no-show", "13:30:05 UTC"):
        assert words in page
    await crew.execute("UPDATE station SET zone = 'Asia/Kathmandu' WHERE id = $1", town.station)
    there = (await crew.value("SELECT opened_at FROM dispute")).astimezone(ZoneInfo("Asia/Kathmandu"))
    listed = await owner.get("/vendor/disputes")
    assert f"opened {there.day} {there:%b %Y}, {there:%H:%M} " in listed and " UTC" not in listed
    path = f"/vendor/disputes/{booking.ref}"
    assert (await owner.post(path, decision="uphold", note="")).status_code == 422, "a reason is owed"
    assert (await owner.post(path, decision="perhaps", note="x")).status_code == 422
    lines = "The camera says so." + 1990 * "\r\n."  # 3,999 letters as browsers count them
    assert (await owner.post(path, decision=decision, note=lines)).status_code == 303
    assert await crew.state(booking) == ("expired" if decision == "uphold" else "voided")
    await crew.deliver()
    last = crew.mail.taken[-1]
    assert last.to == "mira@example.org"
    assert await crew.kinds([last]) == ["dispute_upheld" if decision == "uphold" else "slot_voided"]
    assert decision == "refund" or "The camera says so." in last.text
    other = "refund" if decision == "uphold" else "uphold"
    assert (await owner.post(path, decision=other, note="No, yes.")).status_code == 409
    assert "Nothing to decide." in await owner.get("/vendor/disputes")
    assert booking.ref in await owner.get("/vendor/disputes?status=decided")


async def test_a_dispute_that_was_won_without_a_word_shows_none(owner: Somebody, crew: Crew, town: Town) -> None:
    booking = await no_show(crew, town)
    await dispute(crew.desk, town.driver.id, booking.id, "The gate was shut.")
    path = f"/vendor/disputes/{booking.ref}"
    assert (await owner.post(path, decision="refund", note="")).status_code == 303
    page = await owner.get(path)
    assert "the money given back" in page and "dispute_won" not in page


async def test_an_alert_is_seen_to_on_the_page_and_programs_see_the_same(
    owner: Somebody, crew: Crew, town: Town, api: Api
) -> None:
    assert "Nothing is wrong." in await owner.get("/vendor/alerts")
    await crew.execute("UPDATE station SET zone = 'Asia/Kathmandu' WHERE id = $1", town.station)
    await past(crew, town, missed=8)
    await look(crew)
    page = await owner.get("/vendor/alerts")
    there = crew.clock.read().astimezone(ZoneInfo("Asia/Kathmandu"))
    assert "Nobody checks in at Harbour" in page
    assert f"since {there.day} {there:%b %Y}, {there:%H:%M} " in page and " UTC" not in page
    program = api.as_caller(bearer("p", "vendor"))
    (alert,) = (await program.get("/api/vendor/alerts")).json()["items"]
    assert (alert["kind"], alert["status"], alert["stationId"]) == ("no_check_ins", "open", ref("ST", town.station))
    assert (await owner.post(f"/vendor/alerts/{alert['id'][3:]}/acknowledge")).status_code == 303
    assert "seen by Ada" in await owner.get("/vendor/alerts")
    again = (await program.post(f"/api/vendor/alerts/{alert['id']}/acknowledge")).json()
    assert (again["status"], again["acknowledgedBy"]) == ("acknowledged", "Ada"), "again changes nothing"
    await past(crew, town, came=1, until=crew.clock.advance(timedelta(hours=3)))
    await look(crew)
    assert (await program.get("/api/vendor/alerts")).json()["items"] == []
    (over,) = (await program.get("/api/vendor/alerts?past=true&limit=1")).json()["items"]
    assert (over["id"], over["status"]) == (alert["id"], "resolved")


async def test_open_alerts_are_paged_what_nobody_acknowledged_first(crew: Crew, town: Town, api: Api) -> None:
    await crew.execute(
        "INSERT INTO alert (vendor_id, kind, subject, detail, raised_at, acknowledged_at, acknowledged_by)"
        " SELECT $1, 'no_check_ins', n::text, '{\"bookings\": 12}', $2, CASE WHEN n % 2 = 0 THEN $2::timestamptz END,"
        " CASE WHEN n % 2 = 0 THEN 'Ada' END FROM generate_series(1, 7) AS n",
        *(town.vendor, crew.clock.read()),
    )
    program, seen, cursor = api.as_caller(bearer("p", "vendor")), [], ""
    for items in (3, 3, 1):
        page = (await program.get(f"/api/vendor/alerts?limit=3{cursor}")).json()
        assert len(page["items"]) == items
        seen += [one["subject"] for one in page["items"]]
        cursor = f"&cursor={page['nextCursor']}"
    assert page["nextCursor"] is None
    assert seen == ["7", "5", "3", "1", "6", "4", "2"]
    assert (await program.get(f"/api/vendor/alerts?past=true{cursor}x")).status_code == 422
