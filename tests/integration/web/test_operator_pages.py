"""The operator's page: what is wrong is seen, and what only a person can settle is settled there."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from slotwatch.domain.staff import StaffRole
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database
from tests.conftest import Town
from tests.integration.test_alerts import look
from tests.integration.web.conftest import Api, bearer
from tests.integration.web.test_staff_pages import Somebody, person, site
from tests.support.crew import Crew
from tests.support.provider import refusing

__all__ = ["site"]


@pytest.fixture
async def operator(
    site: httpx.AsyncClient, database: Database, town: Town, clock: MovableClock
) -> AsyncIterator[Somebody]:
    """An operator on the page."""
    somebody = await person(site, database, None, clock, StaffRole.OPERATOR)
    await somebody.get("/operator")
    yield somebody


async def test_the_page_shows_how_slotwatch_is_doing(operator: Somebody, crew: Crew, town: Town) -> None:
    await crew.beat()
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.deliver()
    await crew.execute(
        "INSERT INTO outage (component, began_at, ended_at, detail) VALUES ('engine', $1::timestamptz - interval"
        " '90 seconds', $1, '')",
        crew.clock.read(),
    )
    await look(crew)
    page = await operator.get("/operator")
    for words in (
        "engine lag",
        "as needed",
        "slotwatch was not available",
        "1 accepted",
        "90 s",
        "Volt",
        "None: whatever",
    ):
        assert words in page, words
    part = await operator.get("/operator/signs")
    assert "engine lag" in part and "<html" not in part


async def test_a_dead_delivery_is_tried_again_or_put_away(operator: Somebody, crew: Crew, town: Town) -> None:
    crew.mail.answer = refusing
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.deliver()
    assert "550 no such user" in await operator.get("/operator")
    assert (await operator.post("/operator/deliveries/1-email/retry")).status_code == 303
    again = await operator.post("/operator/deliveries/1-email/discard")
    assert again.status_code == 409 and "it is pending, not dead" in again.text
    await crew.deliver()
    assert (await operator.post("/operator/deliveries/1-email/discard")).status_code == 303
    assert (await operator.post("/operator/deliveries/99-email/retry")).status_code == 404


async def test_a_booking_that_was_set_aside_is_put_back_and_moves(
    operator: Somebody, crew: Crew, town: Town, api: Api
) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.never_silent()
    await crew.execute("UPDATE booking SET set_aside = true, tries = 3")
    await crew.live_until(town.slot().starts_at)
    assert await crew.state(booking) == "confirmed"
    program = api.as_caller(bearer("ops", "operator"))
    (listed,) = (await program.get("/api/operator/bookings?state=set_aside")).json()["items"]
    assert (listed["bookingId"], listed["status"], listed["step"]) == (booking.ref, "confirmed", "start")
    assert booking.ref in await operator.get("/operator/signs")
    assert (await operator.post(f"/operator/bookings/{booking.ref}/put-back")).status_code == 303
    await crew.work()
    assert await crew.state(booking) == "grace"
    again = await operator.post(f"/operator/bookings/{booking.ref}/put-back")
    assert again.status_code == 409 and "is not set aside" in again.text
    refused = await program.post(f"/api/operator/bookings/{booking.ref}/put-back")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert (await program.post("/api/operator/bookings/BK-000000000001/put-back")).status_code == 404
    await crew.assert_sound()


async def test_a_vendor_comes_with_its_first_owner_or_not_at_all(operator: Somebody, crew: Crew, api: Api) -> None:
    form = {"vendor": "Watt & Co", "name": "Wanda", "email": "wanda@watt.example", "language": "fr"}
    assert (await operator.post("/operator/vendors", **form)).status_code == 303
    assert "Watt &amp; Co" in await operator.get("/operator")
    taken = await operator.post("/operator/vendors", **{**form, "vendor": "Second"})
    assert taken.status_code == 422 and "signs in with this e-mail address already" in taken.text
    assert (await operator.post("/operator/vendors", **{**form, "email": "nobody"})).status_code == 422
    program = api.as_caller(bearer("ops", "operator"))
    body = {"name": "Third", "owner": {"name": "Theo", "email": "wanda@watt.example"}}
    assert (await program.post("/api/operator/vendors", body)).status_code == 409
    body["owner"] = {"name": "Theo", "email": "theo@third.example"}
    added = await program.post("/api/operator/vendors", body)
    assert added.status_code == 201
    names = [one["name"] for one in (await program.get("/api/operator/vendors")).json()["items"]]
    assert names == ["Volt", "Ampere", "Watt & Co", "Third"]
    assert added.json()["vendorId"] == "VN-" + str(await crew.value("SELECT max(vendor_id) FROM staff"))


async def test_alerts_of_the_house_are_acknowledged_on_the_page_and_by_programs(
    operator: Somebody, crew: Crew, town: Town, api: Api
) -> None:
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.execute("UPDATE booking SET set_aside = true")
    await look(crew)
    program = api.as_caller(bearer("ops", "operator"))
    (alert,) = (await program.get("/api/operator/alerts")).json()["items"]
    assert (alert["kind"], alert["status"], alert["title"]) == ("set_aside", "open", "Bookings could not be moved")
    assert (await operator.post(f"/operator/alerts/{alert['id'][3:]}/acknowledge")).status_code == 303
    seen = (await program.post(f"/api/operator/alerts/{alert['id']}/acknowledge")).json()
    assert (seen["status"], seen["acknowledgedBy"]) == ("acknowledged", "Ada")
    vendor = api.as_caller(bearer("v", "vendor"))
    assert (await vendor.post(f"/api/vendor/alerts/{alert['id']}/acknowledge")).status_code == 404
    assert (await vendor.get("/api/vendor/alerts")).json()["items"] == []
    await crew.execute("UPDATE booking SET set_aside = false")
    await look(crew)
    assert (await program.get("/api/operator/alerts?past=true")).json()["items"][0]["status"] == "resolved"
    overview = (await program.get("/api/operator/overview")).json()
    assert overview["schema"] and overview["processes"] == [] and overview["lastAudit"] is None


async def test_dead_deliveries_are_all_reached_page_by_page_and_lost_answers_are_counted(
    operator: Somebody, crew: Crew, town: Town
) -> None:
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.execute(
        "INSERT INTO notice (booking_id, kind, occasion, epoch, valid_until, created_at)"
        " SELECT booking_id, kind, 'copy ' || n, epoch, valid_until, created_at"
        " FROM notice CROSS JOIN generate_series(1, 60) AS n"
    )
    await crew.execute(
        "INSERT INTO delivery (notice_id, channel, state, urgency, vendor_id, next_attempt_at)"
        " SELECT id, 'voice', 'unknown', 1, $2, $1 FROM notice WHERE occasion LIKE 'copy %'",
        *(crew.clock.read(), town.vendor),
    )
    first = await operator.get("/operator")
    assert "Answer lost" in first and '<td class="number">60</td>' in first
    older = re.search(r'href="(/operator\?before=[0-9]+-voice)#dead"', first)
    assert older is not None
    second = await operator.get(older[1])
    seen = [set(re.findall(r"<code>([0-9]+-voice)</code>", page)) for page in (first, second)]
    assert [len(one) for one in seen] == [50, 10] and not seen[0] & seen[1]
    assert "Older ones" not in second and "The newest" in second
    await operator.get("/operator?before=nonsense", 404)
    assert (await operator.post(f"/operator/alerts/{10**30}/acknowledge")).status_code == 404
