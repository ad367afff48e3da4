"""Codes prove an address: six digits, ten minutes, five tries, few an hour, and no answer tells who is known."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from slotwatch.domain.errors import InvalidInput, TooManyCodes
from slotwatch.domain.notices import Channel
from slotwatch.storage.people import ensure_driver
from slotwatch.usecases.addresses import prove_code, request_code
from slotwatch.usecases.desk import ContactRules, Desk
from tests.support.crew import Crew

pytestmark = pytest.mark.any_postgres

KEY = b"k" * 32
MAIL = "Mira@Example.org"


async def asked(crew: Crew, address: str = MAIL, *, caller: str = "192.0.2.1", language: str | None = None) -> str:
    """Ask for a code by mail; the code that arrives."""
    await request_code(crew.desk, Channel.EMAIL, address, key=KEY, caller=caller, language=language)
    await crew.deliver()
    found = re.match(r"(\d{6}) ", crew.mail.taken[-1].subject or "")
    assert found
    return found[1]


async def proven(crew: Crew, code: str, address: str = MAIL) -> bool:
    """Typed in the browser that asked for all codes so far."""
    numbers = [row["id"] for row in await crew.rows("SELECT id FROM sign_in_code")]
    return await prove_code(crew.desk, Channel.EMAIL, address, code, key=KEY, numbers=numbers) is not None


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def test_a_code_proves_the_address_once_however_it_is_written(crew: Crew) -> None:
    code = await asked(crew, language="de")
    assert crew.mail.taken[-1].to == "mira@example.org" and crew.mail.taken[-1].lang == "de"
    assert not await proven(crew, code, "somebody.else@example.org")
    assert await proven(crew, f" {code[:3]} {code[3:]} ", "MIRA@example.org")
    assert not await proven(crew, code), "it is used up"


async def test_a_code_is_good_for_ten_minutes(crew: Crew) -> None:
    first, second = await asked(crew), await asked(crew, "eva@example.org")
    crew.clock.advance(timedelta(minutes=9, seconds=59))
    assert await proven(crew, first)
    crew.clock.advance(timedelta(seconds=1))
    assert not await proven(crew, second, "eva@example.org")


async def test_five_wrong_tries_use_a_code_up(crew: Crew) -> None:
    code = await asked(crew)
    for _ in range(4):
        assert not await proven(crew, wrong(code))
    assert await proven(crew, code), "the fifth try may be right"
    code = await asked(crew)
    for _ in range(5):
        assert not await proven(crew, wrong(code))
    assert not await proven(crew, code)


async def test_tries_at_the_same_time_are_counted_one_by_one(crew: Crew) -> None:
    code = await asked(crew)
    await asyncio.gather(*(proven(crew, wrong(code)) for _ in range(20)))
    assert await crew.value("SELECT tries FROM sign_in_code") == 5
    assert not await proven(crew, code)


async def test_two_who_type_the_same_code_at_once_are_not_both_let_in(crew: Crew) -> None:
    code = await asked(crew)
    assert sum(await asyncio.gather(*(proven(crew, code) for _ in range(10)))) == 1


async def test_an_older_code_that_comes_late_still_works_and_takes_the_others_along(crew: Crew) -> None:
    older, newer = await asked(crew), await asked(crew)
    assert await proven(crew, older)
    assert not await proven(crew, newer)


async def test_an_address_gets_five_codes_an_hour_even_when_all_are_asked_for_at_once(crew: Crew) -> None:
    async def ask() -> bool:
        try:
            await request_code(crew.desk, Channel.SMS, "+15005550010", key=KEY, caller="here")
        except TooManyCodes:
            return False
        return True

    assert sum(await asyncio.gather(*(ask() for _ in range(12)))) == 5
    await crew.deliver()
    assert len(crew.sms.taken) == 5
    crew.clock.advance(timedelta(hours=1))
    assert await ask()


async def test_who_uses_up_their_share_of_a_foreign_address_leaves_its_owner_one(crew: Crew) -> None:
    for _ in range(5):
        await asked(crew, caller="192.0.2.66")
    with pytest.raises(TooManyCodes):
        await asked(crew, caller="192.0.2.66")
    assert await asked(crew, caller="192.0.2.1")


async def test_an_address_gets_fifteen_codes_an_hour_however_many_ask(crew: Crew) -> None:
    for number in range(15):
        await request_code(crew.desk, Channel.EMAIL, MAIL, key=KEY, caller=f"192.0.2.{number}")
    with pytest.raises(TooManyCodes):
        await asked(crew, caller="192.0.2.99")


async def test_a_caller_gets_twenty_codes_an_hour_for_whatever_addresses(crew: Crew) -> None:
    for number in range(20):
        await asked(crew, f"driver-{number}@example.org", caller="192.0.2.7")
    with pytest.raises(TooManyCodes):
        await asked(crew, "driver-20@example.org", caller="192.0.2.7")
    assert await asked(crew, "driver-20@example.org", caller="192.0.2.8")


async def test_where_a_code_may_not_be_sent_the_answer_and_the_limits_are_the_same(crew: Crew) -> None:
    for _ in range(5):
        await request_code(crew.desk, Channel.EMAIL, MAIL, key=KEY, caller="c", send=False)
    with pytest.raises(TooManyCodes):
        await request_code(crew.desk, Channel.EMAIL, MAIL, key=KEY, caller="c", send=False)
    await crew.deliver()
    assert not crew.mail.asked


async def test_no_code_address_of_a_caller_or_other_key_opens_anything_in_the_database(crew: Crew) -> None:
    code = await asked(crew, caller="192.0.2.1")
    (row,) = await crew.rows("SELECT * FROM sign_in_code")
    assert code not in str(row) and "192.0.2.1" not in str(row)
    assert not await prove_code(crew.desk, Channel.EMAIL, MAIL, code, key=b"x" * 32, numbers=[row["id"]])


async def test_a_channel_that_is_off_or_cannot_prove_anything_is_refused(desk: Desk) -> None:
    with pytest.raises(InvalidInput):
        await request_code(desk, Channel.VOICE, "+15005550010", key=KEY, caller="c")


async def test_another_address_of_a_driver_is_not_proven(crew: Crew) -> None:
    now = crew.clock.read()
    async with crew.desk.database.connection() as conn:
        await ensure_driver(conn, "mira", now=now, email="mira@example.org", phone="+15005550010")
        await conn.execute("UPDATE driver SET email_verified_at = $1, phone_verified_at = $1", now)
        await ensure_driver(conn, "mira", now=now, email="MIRA@example.org", name="Mira")
        assert await conn.fetchval("SELECT email_verified_at FROM driver WHERE subject = 'mira'") == now
        await ensure_driver(conn, "mira", now=now, email="other@example.org")
    row = (await crew.rows("SELECT email_verified_at, phone_verified_at FROM driver WHERE subject = 'mira'"))[0]
    assert tuple(row) == (None, now)


async def test_the_house_sends_so_many_codes_by_sms_within_a_day_and_mail_goes_on(crew: Crew) -> None:
    desk = replace(crew.desk, contact=ContactRules(code_sms_cap=3))
    for number in range(3):
        await request_code(desk, Channel.SMS, f"+1500555001{number}", key=KEY, caller=f"192.0.2.{number}")
    with pytest.raises(TooManyCodes, match="e-mail"):
        await request_code(desk, Channel.SMS, "+15005550019", key=KEY, caller="192.0.2.9")
    await request_code(desk, Channel.EMAIL, MAIL, key=KEY, caller="192.0.2.9")
    crew.clock.advance(timedelta(hours=24))
    await request_code(desk, Channel.SMS, "+15005550019", key=KEY, caller="192.0.2.9")
