"""What a vendor's pages do at their edges: what was interrupted, was changed by two at once, or is odd."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from slotwatch.domain.errors import NotFound
from slotwatch.domain.ids import ref
from slotwatch.domain.lifecycle import State
from slotwatch.domain.slot import Slot
from slotwatch.domain.staff import StaffRole
from slotwatch.storage.clock import MovableClock
from slotwatch.usecases.check_in import check_in
from slotwatch.usecases.dispute import dispute
from slotwatch.usecases.rotating_codes import RotatingCodes
from slotwatch.usecases.vendor_bookings import Staff
from slotwatch.usecases.vendor_disputes import Decision, resolve_dispute
from slotwatch.usecases.vendors import read_profile, set_alert_rules, set_profile
from tests.conftest import Town
from tests.integration.web.conftest import SIGNER, Api, bearer
from tests.integration.web.test_staff_pages import Somebody, no_show, owner, person, site
from tests.support.crew import APP, Crew

__all__ = ["no_show", "owner", "person", "site"]

HOUR = timedelta(hours=1)
CODES = RotatingCodes(SIGNER.derived_key("rotating codes"))


async def test_a_removal_that_was_interrupted_between_two_cancels_goes_on(
    owner: Somebody, crew: Crew, town: Town
) -> None:
    first, second = [await crew.booked(town.driver, one, town.slot(starts_in=5 * HOUR)) for one in town.connectors[:2]]
    path = f"/vendor/stations/{ref('ST', town.station)}/remove"
    cancel: dict[str, Any] = {"bookings": "cancel", "reason": "We rebuild it."}
    async with crew.desk.database.transaction() as conn:
        await conn.execute("SELECT FROM booking WHERE id = $1 FOR UPDATE", second.id)
        stuck = await owner.post(path, **cancel)  # the process might as well have died here
    assert stuck.status_code == 409 and "Not all could be cancelled just now." in stuck.text
    assert 'value="We rebuild it."' in stuck.text, "what was typed stays"
    assert [await crew.state(one) for one in (first, second)] == [State.CANCELLED, State.CONFIRMED]
    page = await owner.get(path)
    assert "It is gone: nobody can book it any more" in page and "1 booking is still to come there." in page
    assert (await owner.post(path, **cancel)).status_code == 303
    assert await crew.state(second) == State.CANCELLED
    assert (await owner.post(path, **cancel)).status_code == 409, "nothing is left to do"
    assert await crew.value("SELECT count(*) FROM notice WHERE kind = 'booking_cancelled'") == 2


async def test_a_reason_that_is_refused_leaves_all_as_it_was(owner: Somebody, crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=5 * HOUR))
    path = f"/vendor/stations/{ref('ST', town.station)}/remove"
    for reason in ("", "   ", "x" * 501):
        assert (await owner.post(path, bookings="cancel", reason=reason)).status_code == 422
    assert await crew.value("SELECT count(removed_at) FROM station") == 0
    assert await crew.state(booking) == State.CONFIRMED


async def test_what_was_undone_by_late_proof_is_closed_and_cannot_be_upheld(
    owner: Somebody, crew: Crew, town: Town
) -> None:
    booking = await no_show(crew, town)
    await dispute(crew.desk, town.driver.id, booking.id, "I was there.")
    in_time = replace(crew.desk, clock=MovableClock(booking.timeline.grace_ends_at))
    assert (await check_in(in_time, town.driver.id, booking.id, APP)).state is State.REINSTATED
    path = f"/vendor/disputes/{booking.ref}"
    page = await owner.get(path)
    assert "Nothing is left but to close the dispute." in page and "Uphold the no-show" not in page
    refused = await owner.post(path, decision="uphold", note="No.")
    assert refused.status_code == 409 and "There is no no-show to uphold" in refused.text
    told = await crew.value("SELECT count(*) FROM notice")
    closed = await owner.post(path, decision="refund", note="")
    assert closed.headers["location"] == "/vendor/disputes?done=closed"
    assert "the money had gone back" in await owner.get(closed.headers["location"])
    assert await crew.value("SELECT count(*) FROM notice") == told, "and the page does not say that one is"


async def test_a_note_is_owed_by_programs_too_and_the_driver_reads_it(
    api: Api, crew: Crew, town: Town, problem_of: Callable[[httpx.Response], tuple[int, str]]
) -> None:
    booking = await no_show(crew, town)
    ours, made = api.as_caller(bearer("p", "vendor")), f"/api/users/bookings/{booking.ref}"
    opened = await api.post(f"{made}/dispute", {"statement": "I was there."})
    assert (opened.status_code, opened.json()["note"]) == (201, None)
    path = f"/api/vendor/disputes/{booking.ref}/resolve"
    for note in (None, "  "):
        assert problem_of(await ours.post(path, {"decision": "uphold", "note": note})) == (422, "invalid_input")
    assert await crew.value("SELECT count(decided_at) FROM dispute") == 0
    assert (await ours.post(path, {"decision": "uphold", "note": "The camera says so."})).status_code == 200
    assert (await api.get(f"{made}/evidence")).json()["dispute"]["note"] == "The camera says so."


async def test_a_strangers_vendor_decides_nothing_and_waits_for_no_lock(crew: Crew, town: Town) -> None:
    booking = await no_show(crew, town)
    await dispute(crew.desk, town.driver.id, booking.id, "I was there.")
    rival = Staff(town.vendor + 1, "r")
    async with crew.desk.database.transaction() as conn:
        await conn.execute("SELECT FROM booking WHERE id = $1 FOR UPDATE", booking.id)
        with pytest.raises(NotFound):
            await asyncio.wait_for(resolve_dispute(crew.desk, rival, booking.id, Decision.REFUND, None), 1)


async def test_times_of_a_story_say_which_of_two_equal_hours_is_meant(owner: Somebody, crew: Crew, town: Town) -> None:
    await crew.execute("UPDATE station SET zone = 'Europe/Vienna'")
    crew.clock.move_to(datetime(2026, 10, 24, 22, tzinfo=UTC))
    manager = await person(owner.client, crew.desk.database, town.vendor, crew.clock, StaffRole.MANAGER)
    booking = await crew.booked(
        town.driver,
        town.connectors[0],
        Slot(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
    )
    page = await manager.get(f"/vendor/bookings/{booking.ref}")
    assert "25 Oct, 02:30:00 CEST to 25 Oct, 02:30:00 CET" in page


async def test_terms_of_many_lines_are_shown_and_saved_with_all_of_them(
    owner: Somebody, crew: Crew, town: Town
) -> None:
    tiers = [{"untilMinutesBefore": 60 * (9 - n), "percent": 90 - 10 * n} for n in range(8)]
    await crew.execute("UPDATE vendor SET terms = $1", {"cancelRefund": tiers})
    page = await owner.get("/vendor/terms")
    assert 'name="percent-7" value="20"' in page and 'name="percent-8" value=""' in page, "and room for one more"
    form = dict(re.findall(r'name="((?:hours|percent)-\d+)" value="([^"]*)"', page))
    form |= {"gracePeriodMinutes": "30", "earlyCheckInMinutes": "15", "reminderMinutes": "60"}
    assert (await owner.post("/vendor/terms", **form)).status_code == 303
    assert (await crew.value("SELECT terms FROM vendor WHERE id = $1", town.vendor))["cancelRefund"] == tiers
    form |= {"hours-8": "0.5", "percent-8": "much"}
    assert 'name="percent-8" value="much"' in (await owner.post("/vendor/terms", **form)).text


async def test_profile_and_rules_saved_at_once_are_both_kept(crew: Crew, town: Town) -> None:
    seen = await read_profile(crew.desk, town.vendor)  # what the first page showed
    rules = replace(seen.rules, no_show_days=7)
    await set_alert_rules(crew.desk, town.vendor, rules)
    await set_profile(crew.desk, replace(seen, name="Volt AG"))
    now = await read_profile(crew.desk, town.vendor)
    assert (now.name, now.rules) == ("Volt AG", rules)
    with pytest.raises(NotFound):
        await set_alert_rules(crew.desk, 404, rules)


async def test_a_screen_shows_its_code_by_a_link_that_leads_nowhere_else_and_can_be_taken_back(
    owner: Somebody, site: httpx.AsyncClient, crew: Crew, town: Town
) -> None:
    await crew.execute("UPDATE station SET rotating_code = true")
    kiosk = Somebody(site, {})
    at_bay = f"/vendor/stations/{ref('ST', town.station)}/screen/{ref('CN', town.connectors[0])}"

    async def link() -> str:
        found = re.search(r'value="https://slots.example.org(/screen/[^"]+)"', await owner.get(at_bay))
        assert found is not None
        return found[1]

    first = await link()
    shown = await kiosk.get(first)
    code = CODES.code(town.connectors[0], crew.clock.read())
    assert f"https://slots.example.org/c/{ref('CN', town.connectors[0])}?k={code}" in shown
    assert "/vendor" not in shown and "/sign-in" not in shown and code in await kiosk.get(f"{first}/code")
    await kiosk.get("/vendor", 303)
    attendant = await person(site, crew.desk.database, town.vendor, crew.clock, StaffRole.ATTENDANT)
    await attendant.get(at_bay, 403)
    assert (await owner.post(at_bay)).status_code == 303
    for path in (first, f"{first}/code", f"{first[:-1]}x", "/screen/forged.seal"):
        await kiosk.get(path, 404)
    second = await link()
    assert code in await kiosk.get(second)
    await crew.execute("UPDATE connector SET removed_at = $1 WHERE id = $2", crew.clock.read(), town.connectors[0])
    await kiosk.get(second, 404)


async def test_numbers_that_no_row_has_are_not_found(owner: Somebody) -> None:
    for path in ("alerts/{}/acknowledge", "staff/{}/remove", "staff/{}/role"):
        for number in (10**18 + 1, 2**63, 10**30):
            answer = await owner.post(f"/vendor/{path.format(number)}", role="manager")
            assert answer.status_code == 404, path


async def test_an_open_dispute_is_decided_from_its_bookings_page(owner: Somebody, crew: Crew, town: Town) -> None:
    booking = await no_show(crew, town)
    await dispute(crew.desk, town.driver.id, booking.id, "I was there.")
    assert f'<a href="/vendor/disputes/{booking.ref}">Decide it</a>' in await owner.get(
        f"/vendor/bookings/{booking.ref}"
    )
