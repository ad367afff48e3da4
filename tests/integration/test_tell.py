"""Notices about no booking: written once an occasion, sent to who stands in them, with nothing of a booking."""

from datetime import timedelta
from typing import Any

import pytest

from slotwatch.domain.notices import Channel, NoticeKind, Recipient
from slotwatch.engine.clean import Cleaner
from slotwatch.storage.dead_deliveries import list_dead
from slotwatch.storage.tell import tell, tell_driver
from tests.conftest import Town
from tests.support.crew import FRONTEND, Crew
from tests.support.provider import refusing

pytestmark = pytest.mark.any_postgres

ROSA = Recipient(name="Rosa", email="rosa@example.org", phone="+15005550011", language="de", zone="Europe/Vienna")
ALERT = {"title": "Many no-shows", "text": "9 of 24.", "link": "vendor/alerts"}


async def told(crew: Crew, kind: NoticeKind, channels: list[Channel], **options: Any) -> bool:
    given = {"occasion": "1", "recipient": ROSA, "valid_for": timedelta(minutes=10), "facts": ALERT, **options}
    async with crew.desk.database.connection() as conn:
        return await tell(conn, kind, channels=channels, now=crew.clock.fixed, **given)


async def test_a_code_goes_out_on_the_channel_asked_for_and_on_no_other(crew: Crew) -> None:
    facts = {"code": "381604", "minutes": 10}
    assert await told(crew, NoticeKind.SIGN_IN_CODE, [Channel.SMS], facts=facts)
    await crew.deliver()
    assert [message.to for message in crew.sms.taken] == [ROSA.phone]
    assert crew.sms.taken[0].text.startswith("381604 ist Ihr Code")
    assert not crew.mail.asked
    await crew.assert_sound()


async def test_an_occasion_is_told_once_and_another_again(crew: Crew) -> None:
    assert await told(crew, NoticeKind.ALERT_RAISED, [Channel.EMAIL])
    assert not await told(crew, NoticeKind.ALERT_RAISED, [Channel.EMAIL])
    assert await told(crew, NoticeKind.ALERT_RAISED, [Channel.EMAIL], occasion="2")
    assert not await told(crew, NoticeKind.ALERT_RAISED, [], occasion="3"), "on no channel nobody is told"
    await crew.deliver()
    assert [message.to for message in crew.mail.taken] == ["rosa@example.org"] * 2
    assert crew.mail.taken[0].url == f"{FRONTEND}/vendor/alerts"


async def test_language_wording_and_name_are_the_vendors_where_the_recipient_has_none(crew: Crew, town: Town) -> None:
    await crew.execute("UPDATE vendor SET language = 'fr', name = 'Volt <b>' WHERE id = $1", town.vendor)
    await told(
        crew, NoticeKind.ALERT_RAISED, [Channel.EMAIL], recipient=Recipient(email="a@b.c", vendor_id=town.vendor)
    )
    await crew.deliver()
    assert crew.mail.taken[0].lang == "fr"
    assert "Volt &lt;b&gt;" in (crew.mail.taken[0].html or "")


async def test_what_is_too_late_is_missed_and_what_is_suppressed_is_not_sent(crew: Crew) -> None:
    await told(crew, NoticeKind.ALERT_RAISED, [Channel.EMAIL])
    await crew.execute("INSERT INTO suppression VALUES ('sms', $1, 'STOP', now())", ROSA.phone)
    await told(crew, NoticeKind.SIGN_IN_CODE, [Channel.SMS], facts={"code": "1", "minutes": 1})
    await crew.senders[Channel.SMS].run_once()
    crew.clock.advance(timedelta(minutes=11))
    await crew.deliver()
    states = {row["channel"]: row["state"] for row in await crew.rows("SELECT channel, state FROM delivery")}
    assert states == {"email": "missed", "sms": "suppressed"}


async def test_a_dead_delivery_of_a_code_is_listed_without_the_code_and_goes_after_a_day(crew: Crew) -> None:
    crew.sms.answer = refusing
    await told(crew, NoticeKind.SIGN_IN_CODE, [Channel.SMS], facts={"code": "381604", "minutes": 10})
    await crew.deliver()
    async with crew.desk.database.connection() as conn:
        (dead,) = await list_dead(conn, limit=9)
        assert dead.booking_id is None and "381604" not in repr(dead)
        crew.clock.advance(timedelta(days=1, hours=1))
        await Cleaner(crew.clock).run_once(conn)
    for table in ("notice", "delivery", "attempt"):
        assert await crew.value(f"SELECT count(*) FROM {table}") == 0


async def test_a_driver_is_told_of_an_upheld_dispute_with_the_vendors_note(crew: Crew, town: Town) -> None:
    await crew.never_silent()
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_for(timedelta(hours=3))
    async with crew.desk.database.connection() as conn:
        for first in (True, False):
            written = await tell_driver(
                conn,
                NoticeKind.DISPUTE_UPHELD,
                booking.id,
                facts={"note": "The camera shows an empty bay."},
                channels=crew.desk.channels,
                now=crew.clock.fixed,
            )
            assert written is first
    await crew.deliver()
    assert "The camera shows an empty bay." in crew.mail.taken[-1].text
    await crew.assert_sound()
