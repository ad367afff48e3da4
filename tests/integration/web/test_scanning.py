"""Scanned codes and signed links: one tap checks in, everything else gets a page that helps."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from slotwatch.domain.booking import Booking
from slotwatch.domain.ids import ref
from slotwatch.domain.lifecycle import State
from slotwatch.outbox.notice_tokens import NoticeTokens
from slotwatch.storage.clock import MovableClock
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.rotating_codes import RotatingCodes
from tests.conftest import Town
from tests.integration.web.conftest import SIGNER, Api, bearer
from tests.support.crew import Crew
from tests.support.forms import PERSON, Guest, text_of
from tests.support.signed_in import driver_cookie, make_staff, staff_cookie

MINUTE = timedelta(minutes=1)
HOUR = 60 * MINUTE
TOKENS = NoticeTokens(SIGNER.derived_key("notice tokens"))
CODES = RotatingCodes(SIGNER.derived_key("rotating codes"))


@pytest.fixture
async def mira(client: httpx.AsyncClient, desk: Desk, town: Town, clock: MovableClock) -> Guest:
    """The driver of the town, signed in."""
    return Guest(client, await driver_cookie(desk.database, town.driver.id, now=clock.read()))


@pytest.fixture
async def booking(crew: Crew, town: Town) -> Booking:
    """Mira's, on bay 1A, 13:00 to 14:00."""
    await crew.never_silent()
    return await crew.booked(town.driver, town.connectors[0], town.slot())


def code(town: Town, connector: int = 0) -> str:
    return f"/c/{ref('CN', town.connectors[connector])}"


async def kinds(crew: Crew) -> list[tuple[str, bool]]:
    return [(row["kind"], row["valid"]) for row in await crew.rows("SELECT kind, valid FROM evidence ORDER BY id")]


async def test_a_scan_in_time_checks_in_with_one_tap(mira: Guest, crew: Crew, town: Town, booking: Booking) -> None:
    await crew.live_for(HOUR)
    assert "Check in by 13:30 UTC" in await mira.open(code(town))
    assert await crew.state(booking) is State.GRACE and await kinds(crew) == [], "looking changes nothing"
    form = mira.seen
    assert "You are checked in since 13:00 UTC, with the code at the bay" in await mira.send(code(town))
    mira.seen = form
    await mira.send(code(town))
    assert mira.path == f"/bookings/{booking.ref}", "tapped twice, it leads to the same page"
    assert "You are checked in" in await mira.open(code(town))
    assert await crew.history(booking) == ["confirmed", "grace", "active"]


async def test_who_is_not_signed_in_signs_in_and_comes_back(
    client: httpx.AsyncClient, crew: Crew, town: Town, booking: Booking
) -> None:
    await crew.execute("UPDATE driver SET email_verified_at = $2 WHERE id = $1", town.driver.id, crew.clock.read())
    guest = Guest(client)
    assert "Sign in, so that we find your booking" in await guest.open(code(town))
    await guest.open(f"/sign-in?next={code(town)}")
    await guest.send("/sign-in", address="mira@example.org")
    sent = await crew.value("SELECT facts ->> 'code' FROM notice WHERE kind = 'sign_in_code'")
    text = await guest.send("/sign-in/code", code=sent)
    assert guest.path == code(town) and "A little early" in text


async def test_every_other_scan_gets_a_page_that_helps(mira: Guest, crew: Crew, town: Town, booking: Booking) -> None:
    text = await mira.open(code(town))
    assert "A little early" in text and "Check-in opens at 12:45 UTC" in text
    assert "No booking here" in await mira.open(f"/c/{ref('CN', town.other_connector)}") and mira.status == 200
    await crew.live_for(HOUR)
    text = await mira.open(code(town, 2))
    assert "This is not your bay" in text and "You have booked bay 1A" in text
    await crew.live_for(HOUR)
    text = await mira.open(code(town))
    assert "Too late" in text and "kept until 13:30 UTC" in text and "dispute" in text
    await mira.open("/c/CN-999")
    assert mira.status == 404
    await crew.execute("UPDATE connector SET removed_at = $2 WHERE id = $1", town.connectors[3], crew.clock.read())
    assert "taken out of service" in await mira.open(code(town, 3))
    taken = await crew.booked(town.stranger, town.connectors[1], town.slot(starts_in=2 * HOUR))
    assert "This bay is free for the next hours" in await mira.open(code(town, 2))
    assert "Somebody else holds this bay" in await mira.open(code(town, 1))
    assert "Otto" not in str(mira.seen and mira.seen.text) and taken.ref not in str(mira.seen and mira.seen.text)


async def test_a_tap_on_an_old_page_is_refused_in_words_and_kept_as_evidence(
    mira: Guest, crew: Crew, town: Town, booking: Booking
) -> None:
    await crew.live_for(HOUR)
    await mira.open(code(town))
    await crew.live_for(HOUR)
    assert "The grace period has run out" in await mira.send(code(town))
    assert mira.status == 409
    assert await kinds(crew) == [("check_in", True), ("check_in_refused", False)]


async def test_a_code_is_no_proof_a_session_and_a_booking_are(
    client: httpx.AsyncClient, desk: Desk, crew: Crew, town: Town, booking: Booking
) -> None:
    await crew.live_for(HOUR)
    answer = await client.post(code(town), headers=PERSON)
    assert (answer.status_code, answer.headers["location"]) == (303, code(town))
    otto = Guest(client, await driver_cookie(desk.database, town.stranger.id, now=crew.clock.read()))
    assert "No booking here" in await otto.open(code(town))
    staff_id = await make_staff(desk.database, town.vendor, now=crew.clock.read())
    ada = Guest(client, await staff_cookie(desk.database, staff_id, now=crew.clock.read()))
    assert "You are signed in as staff" in await ada.open(code(town))
    assert await crew.state(booking) is State.GRACE


async def test_a_station_that_asks_for_a_position_takes_no_less(
    mira: Guest, crew: Crew, town: Town, booking: Booking
) -> None:
    await crew.execute("UPDATE station SET check_in_radius_m = 100 WHERE id = $1", town.station)
    await crew.live_for(HOUR)
    await mira.open(code(town))
    assert "allow your position, within 100 m" in await mira.send(code(town))
    far = {"latitude": "48.2", "longitude": "16.42", "accuracy": "5000"}
    assert "Your phone says that you are 3.7 km from the station" in await mira.send(code(town), **far)
    await crew.live_for(29 * MINUTE)
    await mira.open(f"/bookings/{booking.ref}")
    near = {"latitude": "48.2011", "longitude": "16.37", "accuracy": "40"}
    assert "You are checked in" in await mira.send(f"/bookings/{booking.ref}/check-in", **near)
    assert await kinds(crew) == [("check_in", False), ("check_in_refused", False)] * 2 + [("check_in", True)]
    detail = await crew.value("SELECT detail FROM evidence WHERE valid")
    assert detail == {"location": [48.2011, 16.37], "accuracy": 40, "via": "the booking's page", "metresAway": 122}


async def test_an_attempt_without_the_proof_does_not_keep_a_slot_when_grace_ends(
    mira: Guest, crew: Crew, town: Town, booking: Booking
) -> None:
    await crew.execute("UPDATE station SET check_in_radius_m = 100 WHERE id = $1", town.station)
    await crew.live_for(HOUR)
    await mira.open(code(town))
    await mira.send(code(town))
    await crew.live_for(HOUR)
    assert await crew.state(booking) is State.EXPIRED
    await crew.assert_sound()


async def test_the_code_of_a_screen_counts_while_it_is_shown_and_a_little_longer(
    mira: Guest, client: httpx.AsyncClient, desk: Desk, crew: Crew, town: Town, booking: Booking
) -> None:
    await crew.execute("UPDATE station SET rotating_code = true WHERE id = $1", town.station)
    staff_id = await make_staff(desk.database, town.vendor, now=crew.clock.read())
    ada = Guest(client, await staff_cookie(desk.database, staff_id, now=crew.clock.read()))
    await ada.open(f"/vendor/stations/{ref('ST', town.station)}/screen/{ref('CN', town.connectors[0])}")
    link = re.search(r'value="[^"]+(/screen/[^"]+)"', str(ada.seen and ada.seen.text))
    assert link and "changes every half minute" in await Guest(client).open(link[1]), "signed in as nobody"
    await ada.open(f"/vendor/stations/{ref('ST', town.station)}/screen/{ref('CN', town.other_connector)}")
    assert ada.status == 404, "another vendor's"
    await crew.live_for(HOUR)
    assert "as it is now" in await mira.open(code(town)), "a printed code is not enough"
    old = CODES.code(town.connectors[0], crew.clock.read())
    crew.clock.advance(MINUTE)
    assert "as it is now" in await mira.open(f"{code(town)}?k={old}")
    other = CODES.code(town.connectors[1], crew.clock.read())
    assert "as it is now" in await mira.open(f"{code(town)}?k={other}")
    assert "code on the screen" in await _tapped(mira, town, seen="forged.seal")
    before = CODES.code(town.connectors[0], crew.clock.read() - MINUTE / 2)
    await mira.open(f"{code(town)}?k={before}")
    crew.clock.advance(9 * MINUTE)  # time to sign in, to look for the button
    assert "You are checked in" in await mira.send(code(town))


async def test_what_one_browser_saw_on_a_screen_counts_in_no_other(
    mira: Guest, client: httpx.AsyncClient, crew: Crew, town: Town, booking: Booking
) -> None:
    await crew.execute("UPDATE station SET rotating_code = true WHERE id = $1", town.station)
    await crew.live_for(HOUR)
    accomplice = Guest(client)
    await accomplice.open(f"{code(town)}?k={CODES.code(town.connectors[0], crew.clock.read())}")
    passed_on = re.search(r"seen%3D([\w.%-]+)", str(accomplice.seen and accomplice.seen.text))
    assert passed_on
    assert "as it is now" in await mira.open(f"{code(town)}?seen={passed_on[1]}")
    assert "code on the screen" in await _tapped(mira, town, seen=passed_on[1])
    assert await crew.state(booking) is State.GRACE


async def test_who_signs_in_with_another_address_need_not_scan_again(
    client: httpx.AsyncClient, desk: Desk, crew: Crew, town: Town, booking: Booking
) -> None:
    await crew.execute("UPDATE station SET rotating_code = true WHERE id = $1", town.station)
    await crew.live_for(HOUR)
    guest = Guest(client, await driver_cookie(desk.database, town.stranger.id, now=crew.clock.read()))
    assert "No booking here" in await guest.open(f"{code(town)}?k={CODES.code(town.connectors[0], crew.clock.read())}")
    target = re.search(r'href="/sign-in\?next=([^"]+)"', str(guest.seen and guest.seen.text))
    assert target
    guest.cookies |= await driver_cookie(desk.database, town.driver.id, now=crew.clock.read())
    assert "Check in at" in await guest.open(unquote(target[1]))
    assert "You are checked in" in await guest.send(code(town))


async def test_while_our_outage_still_owes_grace_the_button_is_there_and_works(
    mira: Guest, client: httpx.AsyncClient, crew: Crew, town: Town, booking: Booking
) -> None:
    """The engine was silent from 13:00 to 13:20; at 13:31 it has not come round yet to say so."""
    await crew.live_for(HOUR)
    await crew.execute(
        "INSERT INTO outage (component, began_at, ended_at, detail) VALUES ('engine', $1, $2, 'test')",
        *(booking.timeline.starts_at, booking.timeline.starts_at + 20 * MINUTE),
    )
    crew.clock.advance(31 * MINUTE)
    link = f"/b/{TOKENS.check_in_token(booking.id)}"
    assert "Check in by 13:50" in await mira.open(f"/bookings/{booking.ref}")
    assert "Check in by 13:50" in await Guest(client).open(link)
    assert "Check in by 13:50" in await mira.open(code(town))
    assert "You are checked in" in await mira.send(code(town))


async def test_between_the_end_of_grace_and_the_verdict_nobody_is_told_that_it_is_lost(
    mira: Guest, client: httpx.AsyncClient, crew: Crew, town: Town, booking: Booking
) -> None:
    await crew.live_for(HOUR)
    crew.clock.advance(31 * MINUTE)  # the engine comes round in a moment
    for text in (await mira.open(code(town)), await Guest(client).open(f"/b/{TOKENS.check_in_token(booking.id)}")):
        assert "is being decided" in text and "dispute" not in text and "other drivers" not in text


async def _tapped(mira: Guest, town: Town, **fields: str) -> str:
    assert mira.seen is not None
    csrf = mira.seen.text.partition('name="csrf" value="')[2][:64]
    jar = "; ".join(f"{name}={value}" for name, value in mira.cookies.items())
    answer = await mira.client.post(code(town), data={"csrf": csrf, **fields}, headers={**PERSON, "Cookie": jar})
    return text_of(answer.text)


async def test_the_api_asks_for_the_same_proof(api: Api, crew: Crew, town: Town) -> None:
    await crew.never_silent()
    booking = await api.booked(starts_in=10 * MINUTE)
    await crew.execute("UPDATE station SET rotating_code = true, check_in_radius_m = 50 WHERE id = $1", town.station)
    path, link = f"/api/users/bookings/{booking['bookingId']}/checkin", f"https://x.example{code(town)}"
    fresh = f"{link}?k={CODES.code(town.connectors[0], crew.clock.read())}"
    here = {"latitude": 48.2, "longitude": 16.37}
    for asked, said in (
        ({"method": "app", "location": here}, ("proof_needed", "code")),
        ({"method": "charger", "location": here}, ("proof_needed", "code")),
        ({"method": "qr", "qrToken": link, "location": here}, ("proof_needed", "code")),
        ({"method": "qr", "qrToken": fresh}, ("proof_needed", "position")),
        ({"method": "qr", "qrToken": fresh, "location": {**here, "latitude": 48.21}}, ("too_far_away", None)),
    ):
        answer = await api.put(path, asked)
        assert answer.status_code == 409 and (answer.json()["code"], answer.json().get("needs")) == said, asked
    answer = await api.put(path, {"method": "vendor", "location": here})
    assert answer.status_code == 422 and "staff" in answer.text, "a driver's token speaks for no staff"
    answer = await api.put(path, {"method": "qr", "qrToken": fresh, "location": {**here, "accuracy": 20.5}})
    assert (answer.status_code, answer.json()["status"]) == (200, "active")
    assert (await api.put(path, {"method": "app"})).status_code == 200, "again changes nothing and needs no proof"
    assert (await api.as_caller(bearer("driver-2")).put(path, {"method": "app"})).status_code == 404


async def test_that_the_car_was_plugged_in_is_the_apps_word_on_record(api: Api, crew: Crew) -> None:
    booking = await api.booked(starts_in=10 * MINUTE)
    path = f"/api/users/bookings/{booking['bookingId']}/checkin"
    assert (await api.put(path, {"method": "charger"})).status_code == 200
    assert await crew.value("SELECT detail FROM evidence") == {"via": "the app says so"}


async def test_the_signed_link_of_a_message_checks_in_without_signing_in(
    client: httpx.AsyncClient, crew: Crew, town: Town, booking: Booking
) -> None:
    guest, path = Guest(client), f"/b/{TOKENS.check_in_token(booking.id)}"
    assert "Check-in opens at" in await guest.open(path)
    await crew.live_for(HOUR)
    for _ in range(3):  # programs that look into mails follow links
        assert "I am here: check in" in await guest.open(path)
    assert await crew.state(booking) is State.GRACE and await kinds(crew) == []
    assert "Mira" not in text_of(str(guest.seen and guest.seen.text))
    assert "You are checked in" in await guest.send(path)
    assert await crew.state(booking) is State.ACTIVE
    assert (await crew.value("SELECT detail FROM evidence"))["via"] == "the link in a message"
    await crew.live_for(2 * HOUR)
    assert "This booking is over, and so is this link" in await guest.open(path)


async def test_a_link_is_good_for_its_booking_and_its_purpose_alone(
    client: httpx.AsyncClient, crew: Crew, town: Town, booking: Booking
) -> None:
    other = await crew.booked(town.stranger, town.connectors[1], town.slot())
    guest, token = Guest(client), TOKENS.check_in_token(booking.id)
    forged: list[Any] = [
        *(TOKENS.token(booking.id), token[:-1], token + "x", f"{other.ref}.{token.partition('.')[2]}"),
        *(booking.ref, f"{booking.ref}.", "x", "BK-0.%00"),
    ]
    for one in forged:
        await guest.open(f"/b/{one}")
        assert guest.status == 404, one
        assert (await client.post(f"/b/{one}", headers=PERSON)).status_code == 404
    answer = await client.post(f"/b/{token}", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert await kinds(crew) == []


async def test_a_late_tap_on_the_link_is_refused_in_words(
    client: httpx.AsyncClient, crew: Crew, town: Town, booking: Booking
) -> None:
    guest, path = Guest(client), f"/b/{TOKENS.check_in_token(booking.id)}"
    await crew.live_for(HOUR)
    await guest.open(path)
    await crew.live_for(31 * MINUTE)
    text = await guest.send(path)
    assert guest.status == 409 and "The grace period has run out" in text and "dispute" in text


async def test_a_scan_at_a_station_with_opening_hours_offers_only_what_can_be_booked(
    mira: Guest, town: Town, clock: MovableClock
) -> None:
    page = f"/c/{ref('CN', town.night_shut_connector)}"  # noon is 17:45 in Kathmandu
    assert "This bay is free until 22:00 NPT. Book it" in text_of(await mira.open(page))
    clock.advance(5 * HOUR)
    shut = text_of(await mira.open(page))
    assert "The station is closed now, and opens at Tue 3 Mar, 08:00 NPT. See what is free here" in shut
    assert "Book it" not in shut
