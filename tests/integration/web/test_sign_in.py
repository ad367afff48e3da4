"""Signing in by a code: whoever proves an address gets its account, and nobody learns whose address is known."""

import asyncio
import json
import re
from datetime import timedelta

import httpx
import pytest

from slotwatch.domain.notices import Channel
from slotwatch.domain.staff import StaffRole
from slotwatch.storage.clock import MovableClock
from slotwatch.usecases.browsers import keep_browser
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.sign_in import ProvenAddress, sign_in_driver
from tests.conftest import Town
from tests.integration.channels.rigs_http import push_settings, subscription
from tests.support.crew import Crew
from tests.support.forms import PERSON, Guest
from tests.support.signed_in import driver_cookie, make_staff


@pytest.fixture
def guest(client: httpx.AsyncClient, town: Town) -> Guest:
    """Somebody who is not signed in."""
    return Guest(client)


async def sent_code(crew: Crew) -> str:
    """The newest code, as its template gets it."""
    code = await crew.value("SELECT facts ->> 'code' FROM notice WHERE kind = 'sign_in_code' ORDER BY id DESC LIMIT 1")
    assert re.fullmatch(r"\d{6}", code)
    return str(code)


async def ask(guest: Guest, address: str, path: str = "/sign-in") -> str:
    await guest.open(path)
    return await guest.send("/sign-in", address=address)


async def sign_in(guest: Guest, crew: Crew, address: str, path: str = "/sign-in") -> str:
    await ask(guest, address, path)
    return await guest.send("/sign-in/code", code=await sent_code(crew))


async def test_a_new_driver_signs_in_and_out_and_in_again_to_the_same_account(guest: Guest, crew: Crew) -> None:
    assert "Nothing is booked" in await sign_in(guest, crew, "Nina@Example.org")
    row = (await crew.rows("SELECT subject, email, email_verified_at FROM driver ORDER BY id DESC LIMIT 1"))[0]
    assert re.fullmatch(r"page-[0-9a-f]{32}", row["subject"]) and row["email_verified_at"] is not None
    await guest.send("/sign-out")
    assert guest.path == "/" and "slotwatch_session" not in guest.cookies
    await guest.open("/bookings")
    assert guest.path == "/sign-in?next=/bookings"
    await sign_in(guest, crew, "nina@example.org")
    assert await crew.value("SELECT count(*) FROM driver WHERE subject LIKE 'page-%'") == 1


async def test_a_phone_number_signs_in_too_however_it_is_typed(guest: Guest, crew: Crew) -> None:
    await sign_in(guest, crew, "+43 660 123-4567")
    row = (await crew.rows("SELECT subject, phone FROM driver ORDER BY id DESC LIMIT 1"))[0]
    assert guest.path == "/bookings"
    assert row["phone"] == "+436601234567" and "43660" not in row["subject"]


async def test_who_waits_for_an_sms_that_stop_keeps_away_is_told_another_way(guest: Guest) -> None:
    assert "sign in by e-mail" in await ask(guest, "+436601234567")
    assert "sign in by e-mail" not in await ask(guest, "nina@example.org")


async def test_two_browsers_that_prove_a_new_address_at_once_get_one_account(guest: Guest, crew: Crew) -> None:
    for _ in range(2):
        await ask(Guest(guest.client), "nina@example.org")
    await crew.execute("UPDATE sign_in_code SET used_at = created_at")
    numbers = [row["id"] for row in await crew.rows("SELECT id FROM sign_in_code")]
    proven = [ProvenAddress(Channel.EMAIL, "nina@example.org", number) for number in numbers]
    await asyncio.gather(*(sign_in_driver(crew.desk, one) for one in proven))
    assert await crew.value("SELECT count(*) FROM driver WHERE email = 'nina@example.org'") == 1


async def test_who_only_claimed_an_address_keeps_nobody_else_out_and_gets_nobody_else_in(
    guest: Guest, crew: Crew, town: Town
) -> None:
    assert town.driver.email == "mira@example.org"  # put in by a client; nobody proved it
    await sign_in(guest, crew, "mira@example.org")
    assert await crew.value("SELECT driver_id FROM session") != town.driver.id


async def test_who_proved_the_address_before_gets_the_same_account(guest: Guest, crew: Crew, town: Town) -> None:
    await crew.execute("UPDATE driver SET email_verified_at = $2 WHERE id = $1", town.driver.id, crew.clock.read())
    assert "Mira" in await sign_in(guest, crew, "MIRA@example.org")
    assert await crew.value("SELECT driver_id FROM session") == town.driver.id


@pytest.mark.parametrize(("role", "home"), [(StaffRole.OWNER, "/vendor"), (StaffRole.OPERATOR, "/operator")])
async def test_staff_get_a_session_of_twelve_hours(
    guest: Guest, crew: Crew, town: Town, role: StaffRole, home: str
) -> None:
    vendor_id = None if role is StaffRole.OPERATOR else town.vendor
    staff_id = await make_staff(crew.desk.database, vendor_id, now=crew.clock.read(), role=role)
    email = await crew.value("SELECT email FROM staff WHERE id = $1", staff_id)
    await sign_in(guest, crew, email)
    assert guest.path == home
    row = (await crew.rows("SELECT staff_id, ends_at - created_at AS lasts FROM session"))[0]
    assert (row["staff_id"], row["lasts"]) == (staff_id, timedelta(hours=12))


async def test_somebody_who_is_staff_and_driver_is_asked_which(guest: Guest, crew: Crew, town: Town) -> None:
    await make_staff(crew.desk.database, town.vendor, now=crew.clock.read())
    await crew.execute(
        "UPDATE driver SET email = (SELECT email FROM staff), email_verified_at = $2 WHERE id = $1",
        *(town.driver.id, crew.clock.read()),
    )
    text = await sign_in(guest, crew, await crew.value("SELECT email FROM staff"))
    assert guest.path == "/sign-in/choose" and "Go on as" in text
    await guest.send("/sign-in/choose", who="driver")
    assert await crew.value("SELECT driver_id FROM session") == town.driver.id


async def test_staff_who_want_to_book_become_drivers_beside(guest: Guest, crew: Crew, town: Town) -> None:
    await make_staff(crew.desk.database, town.vendor, now=crew.clock.read())
    email = await crew.value("SELECT email FROM staff")
    for who, path in (("driver", "/settings"), ("staff", "/vendor")):
        await guest.open("/settings")
        assert guest.path == "/sign-in?next=/settings"
        await sign_in(guest, crew, email, "/sign-in?next=/settings")
        assert guest.path == "/sign-in/choose"
        await guest.send("/sign-in/choose", who=who)
        assert guest.path == path
        guest.cookies.clear()
    assert (
        await crew.value("SELECT count(*) FROM driver WHERE email = $1 AND email_verified_at IS NOT NULL", email) == 1
    )


async def test_the_choice_is_open_only_to_who_proved_the_address(guest: Guest, crew: Crew, town: Town) -> None:
    await make_staff(crew.desk.database, town.vendor, now=crew.clock.read())
    await ask(guest, await crew.value("SELECT email FROM staff"))
    answer = await guest.client.post(
        "/sign-in/choose", data={"who": "staff"}, headers={**PERSON, "Cookie": _jar(guest)}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert await crew.value("SELECT count(*) FROM session") == 0


async def test_a_proven_address_opens_one_session_and_a_look_at_the_choice_none(
    guest: Guest, crew: Crew, town: Town
) -> None:
    staff_id = await make_staff(crew.desk.database, town.vendor, now=crew.clock.read())
    await crew.execute(
        "UPDATE driver SET email = (SELECT email FROM staff), email_verified_at = $2 WHERE id = $1",
        *(town.driver.id, crew.clock.read()),
    )
    await sign_in(guest, crew, await crew.value("SELECT email FROM staff"))
    stolen = Guest(guest.client, dict(guest.cookies))
    await stolen.open("/sign-in/choose")
    await guest.send("/sign-in/choose", who="driver")
    await stolen.send("/sign-in/choose", who="staff")
    assert stolen.path == "/sign-in" and await crew.value("SELECT count(*) FROM session") == 1
    await crew.execute("UPDATE staff SET removed_at = $2 WHERE id = $1", staff_id, crew.clock.read())
    await stolen.open("/sign-in/choose")
    assert stolen.path == "/sign-in" and await crew.value("SELECT count(*) FROM session") == 1


async def test_wrong_codes_typed_elsewhere_do_not_keep_the_owner_out(guest: Guest, crew: Crew) -> None:
    await ask(guest, "nina@example.org")
    code = await sent_code(crew)
    foe = Guest(guest.client)
    await ask(foe, "nina@example.org")
    for _ in range(6):
        assert "does not open anything" in await foe.send("/sign-in/code", code="000000")
    assert "does not open anything" in await foe.send("/sign-in/code", code=code), "it was sent for another browser"
    await guest.send("/sign-in/code", code=code)
    assert guest.path == "/bookings"


async def test_an_older_code_that_comes_late_opens_the_browser_that_asked_for_both(guest: Guest, crew: Crew) -> None:
    await ask(guest, "nina@example.org")
    code = await sent_code(crew)
    await guest.send("/sign-in", address="nina@example.org")
    await guest.send("/sign-in/code", code=code)
    assert guest.path == "/bookings"


async def test_the_answer_is_the_same_for_a_known_and_an_unknown_address(guest: Guest, crew: Crew, town: Town) -> None:
    await crew.execute("UPDATE driver SET email_verified_at = $2 WHERE id = $1", town.driver.id, crew.clock.read())
    texts = [
        (await ask(Guest(guest.client), address)).replace(address, "")
        for address in ("mira@example.org", "x@example.org")
    ]
    assert texts[0] == texts[1]


async def test_a_wrong_code_an_old_code_and_too_many_tries_open_nothing(
    guest: Guest, crew: Crew, clock: MovableClock
) -> None:
    await ask(guest, "nina@example.org")
    code = await sent_code(crew)
    wrong = f"{(int(code) + 1) % 10**6:06}"
    for _ in range(5):
        assert "does not open anything" in await guest.send("/sign-in/code", code=wrong)
    assert guest.status == 422
    assert "does not open anything" in await guest.send("/sign-in/code", code=code)
    await ask(guest, "nina@example.org")
    clock.advance(timedelta(minutes=11))
    assert "does not open anything" in await guest.send("/sign-in/code", code=await sent_code(crew))
    clock.advance(timedelta(minutes=5))
    await guest.open("/sign-in/code")
    assert guest.path == "/sign-in", "what was typed is forgotten after a quarter of an hour"
    assert await crew.value("SELECT count(*) FROM session") == 0


async def test_a_code_works_once(guest: Guest, crew: Crew) -> None:
    await ask(guest, "nina@example.org")
    kept, code = dict(guest.cookies), await sent_code(crew)
    await guest.send("/sign-in/code", code=code)
    again = Guest(guest.client, kept)
    await again.open("/sign-in/code")
    assert "does not open anything" in await again.send("/sign-in/code", code=code)


async def test_what_is_no_address_is_refused_in_words(guest: Guest, crew: Crew) -> None:
    for address in ("", "mira", "mira@", "0660 1234567", "+1", "a" * 400 + "@example.org", "\u202e\x07@example.org"):
        await guest.open("/sign-in")
        text = await guest.send("/sign-in", address=address)
        assert guest.status == 422 and "Such as mira@example.org" in text, address
    assert await crew.value("SELECT count(*) FROM sign_in_code") == 0


async def test_codes_are_not_sent_without_end(guest: Guest, crew: Crew) -> None:
    for _ in range(5):
        await ask(guest, "nina@example.org")
    await ask(guest, "nina@example.org")
    assert guest.status == 429


async def test_signing_in_leads_to_pages_of_ours_only(guest: Guest, crew: Crew) -> None:
    for number, target in enumerate(
        ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)")
    ):
        last = Guest(guest.client)
        await sign_in(last, crew, f"mina{number}@example.org", f"/sign-in?next={target}")
        assert last.path == "/bookings", target


async def test_signing_in_leads_back_to_the_page_that_asked(guest: Guest, crew: Crew) -> None:
    await guest.open("/settings")
    assert guest.path == "/sign-in?next=/settings"
    await sign_in(guest, crew, "nina@example.org", guest.path)
    assert guest.path == "/settings"


async def test_a_form_from_another_site_is_refused(guest: Guest, crew: Crew, town: Town) -> None:
    foreign: list[dict[str, str]] = [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}]
    for headers in foreign:
        answer = await guest.client.post("/sign-in", data={"address": "x@example.org"}, headers=headers)
        assert answer.status_code == 403
    cookies = await driver_cookie(crew.desk.database, town.driver.id, now=crew.clock.read())
    jar = "; ".join(f"{name}={value}" for name, value in cookies.items())
    for data in ({}, {"csrf": "0" * 64}):
        answer = await guest.client.post("/sign-out", data=data, headers={**PERSON, "Cookie": jar})
        assert answer.status_code == 403
    assert await crew.value("SELECT count(*) FROM session") == 1
    assert await crew.value("SELECT count(*) FROM sign_in_code") == 0


async def test_a_session_ends_by_itself_and_everywhere_when_asked(
    guest: Guest, desk: Desk, crew: Crew, town: Town, clock: MovableClock
) -> None:
    here, there = [
        Guest(guest.client, await driver_cookie(desk.database, town.driver.id, now=clock.read())) for _ in range(2)
    ]
    browser = json.loads(subscription("https://push.example/lost-phone"))
    await keep_browser(desk, town.driver.id, browser, push=push_settings())
    await here.open("/settings")
    await here.send("/settings/sign-out-everywhere")
    assert await crew.value("SELECT count(*) FROM push_subscription") == 0, "a lost phone is told nothing more"
    await there.open("/settings")
    assert (here.path, there.path) == ("/sign-in", "/sign-in?next=/settings")
    last = Guest(guest.client, await driver_cookie(desk.database, town.driver.id, now=clock.read()))
    clock.advance(timedelta(days=30, seconds=1))
    await last.open("/bookings")
    assert last.path == "/sign-in?next=/bookings"


async def test_a_session_goes_on_while_it_is_used_but_not_for_ever(
    guest: Guest, desk: Desk, crew: Crew, town: Town, clock: MovableClock
) -> None:
    staff_id = await make_staff(desk.database, town.vendor, now=clock.read())
    await sign_in(guest, crew, await crew.value("SELECT email FROM staff WHERE id = $1", staff_id))
    screen = f"/vendor?station=ST-{town.station}"
    for _ in range(8):  # a board on a wall
        clock.advance(timedelta(hours=11))
        await guest.open(screen)
        assert guest.status == 200
    await crew.execute("UPDATE session SET created_at = created_at - interval '90 days'")
    clock.advance(timedelta(hours=11))
    await guest.open(screen)
    assert guest.status == 200, "what was granted stays"
    clock.advance(timedelta(hours=2))
    await guest.open(screen)
    assert guest.path.startswith("/sign-in"), "but is not made longer any more"


def _jar(guest: Guest) -> str:
    return "; ".join(f"{name}={value}" for name, value in guest.cookies.items())


async def test_the_page_promises_no_code_and_says_the_same_of_an_address_that_is_suppressed(
    guest: Guest, crew: Crew, town: Town
) -> None:
    await crew.execute("INSERT INTO suppression VALUES ('email', 'mira@example.org', '550 no such user', now())")
    pages = []
    for address in ("mira@example.org", "nobody@example.org"):
        page = await ask(guest, address)
        assert "If it can be reached" in page and "once came back" in page
        pages.append(page.replace(address, ""))
    csrf = re.compile(r'name="csrf" value="[^"]*"')
    assert csrf.sub("", pages[0]) == csrf.sub("", pages[1])


async def test_the_settings_promise_no_code_to_a_new_address_either(guest: Guest, crew: Crew) -> None:
    await sign_in(guest, crew, "nina@example.org")
    await guest.open("/settings")
    page = await guest.send("/settings/address", address="other@example.org")
    assert "If it can be reached" in page and "once came back" in page and "on its way" not in page
