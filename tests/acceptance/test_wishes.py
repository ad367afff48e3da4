"""A driver's own wish to hear nothing makes no no-show free; our own failure to tell does."""

from dataclasses import replace
from typing import Any

import pytest

from slotwatch.channels.receipts import Reply
from slotwatch.domain.booking import Booking
from slotwatch.domain.errors import ContactNeeded
from slotwatch.domain.lifecycle import EndReason, State
from slotwatch.domain.money import PaymentStatus
from slotwatch.domain.notices import Channel
from slotwatch.outbox.receipts import ReceiptBook
from slotwatch.outbox.settings import SenderSettings
from slotwatch.usecases.contact import choose_how_told
from slotwatch.usecases.desk import ContactRules
from slotwatch.usecases.evidence import gather_evidence
from slotwatch.usecases.pay import pay
from tests.conftest import NOON, Town
from tests.support.crew import Crew
from tests.support.provider import refusing

NO_SHOW = (State.EXPIRED, EndReason.NO_SHOW, PaymentStatus.FORFEIT_HELD)
NOT_TOLD = (State.VOIDED, EndReason.NOT_TOLD, PaymentStatus.REFUNDED)
PHONE = "+15005550010"


async def _paid(crew: Crew, town: Town, driver: Any = None) -> Booking:
    driver = driver or town.driver
    booking = await crew.booked(driver, town.connectors[0], town.slot())
    await pay(crew.desk, driver.id, booking.id)
    await crew.deliver()
    return booking


async def _wishes(crew: Crew, driver: Any, **channels: bool) -> None:
    """Written past the refusal, as an older program or a raced request might have."""
    await crew.execute("UPDATE driver SET preferences = $1 WHERE id = $2", {"channels": channels}, driver.id)


async def _says_stop(crew: Crew) -> None:
    book = ReceiptBook(crew.desk.database, crew.clock, crew.desk.channels)
    await book.enter([Reply(provider="twilio", channel="sms", address=PHONE, wants="stop", event_id="SM-1")])


async def _end(crew: Crew, booking: Booking) -> tuple[State, EndReason | None, PaymentStatus]:
    await crew.live_until(booking.timeline.expires_at)
    await crew.assert_sound()
    done = await crew.load(booking)
    return done.state, done.end_reason, done.payment_status


async def test_mira_switches_all_messages_off_and_stays_away_and_the_forfeit_stands(
    paying_crew: Crew, town: Town
) -> None:
    crew = paying_crew
    booking = await _paid(crew, town)
    await _wishes(crew, town.driver, email=False, sms=False)
    assert await _end(crew, booking) == NO_SHOW
    assert await crew.deliveries(booking, "slot_started") == {"email": "suppressed", "sms": "suppressed"}
    evidence = await gather_evidence(crew.desk, town.driver.id, booking.id)
    assert "You had switched these messages off" in evidence.verdict


async def test_otto_who_has_no_phone_switches_mail_off_and_the_forfeit_stands(paying_crew: Crew, town: Town) -> None:
    booking = await _paid(paying_crew, town, town.stranger)
    await _wishes(paying_crew, town.stranger, email=False)
    assert await _end(paying_crew, booking) == NO_SHOW


async def test_stop_is_a_wish_and_mail_that_was_switched_off_another(paying_crew: Crew, town: Town) -> None:
    booking = await _paid(paying_crew, town)
    await _says_stop(paying_crew)
    await _wishes(paying_crew, town.driver, email=False)
    assert await _end(paying_crew, booking) == NO_SHOW
    evidence = await gather_evidence(paying_crew.desk, town.driver.id, booking.id)
    assert "You had switched these messages off" in evidence.verdict


async def test_a_wish_on_one_channel_does_not_excuse_our_failure_on_the_other(paying_crew: Crew, town: Town) -> None:
    booking = await _paid(paying_crew, town)
    await _wishes(paying_crew, town.driver, email=False)
    paying_crew.sms.answer = refusing
    assert await _end(paying_crew, booking) == NOT_TOLD


async def test_a_wish_on_one_channel_does_not_matter_where_the_other_told_it(paying_crew: Crew, town: Town) -> None:
    booking = await _paid(paying_crew, town)
    await _wishes(paying_crew, town.driver, email=False)
    assert await _end(paying_crew, booking) == NO_SHOW
    evidence = await gather_evidence(paying_crew.desk, town.driver.id, booking.id)
    assert "switched" not in evidence.verdict


@pytest.mark.parametrize("reason", ["550 no such user", "reported by ses"])
async def test_an_address_that_bounced_is_our_trouble(paying_crew: Crew, town: Town, reason: str) -> None:
    booking = await _paid(paying_crew, town, town.stranger)
    await paying_crew.execute(
        "INSERT INTO suppression (channel, address, reason, at) VALUES ('email', 'otto@example.org', $1, $2)",
        *(reason, paying_crew.clock.read()),
    )
    assert await _end(paying_crew, booking) == NOT_TOLD


async def test_a_cap_of_ours_is_no_wish(paying_crew: Crew, town: Town) -> None:
    booking = await _paid(paying_crew, town)
    await _wishes(paying_crew, town.driver, email=False)
    await paying_crew.execute("UPDATE vendor SET spend_cap = 0")
    assert await _end(paying_crew, booking) == NOT_TOLD


async def test_that_the_house_switched_mail_off_is_no_wish(paying_crew: Crew, town: Town) -> None:
    booking = await _paid(paying_crew, town, town.stranger)
    without_mail = Crew(replace(paying_crew.desk, channels=frozenset({Channel.SMS})))
    assert await _end(without_mail, booking) == NOT_TOLD


async def test_the_last_channel_stays_on_while_a_slot_is_held(crew: Crew, town: Town) -> None:
    off = {"channels": {"email": False, "sms": False}}
    subject = town.driver.subject
    await choose_how_told(crew.desk, subject, off)
    await choose_how_told(crew.desk, subject, {"channels": {"email": False, "sms": True}})
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await choose_how_told(crew.desk, subject, {"channels": {"email": True, "sms": False}})
    with pytest.raises(ContactNeeded, match="hold a booking"):
        await choose_how_told(crew.desk, subject, off)
    stored = await crew.value("SELECT preferences FROM driver WHERE subject = $1", subject)
    assert stored == {"channels": {"email": True, "sms": False}}
    await crew.live_until(booking.timeline.expires_at)
    await choose_how_told(crew.desk, subject, off)


async def test_stop_leaves_mail_as_the_last_one(crew: Crew, town: Town) -> None:
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await _says_stop(crew)
    with pytest.raises(ContactNeeded, match="START"):
        await choose_how_told(crew.desk, town.driver.subject, {"channels": {"email": False}})


async def test_who_said_stop_and_has_nothing_else_cannot_book(crew: Crew, town: Town) -> None:
    await _says_stop(crew)
    await crew.execute("UPDATE driver SET email = NULL")
    with pytest.raises(ContactNeeded, match=r"STOP.*START"):
        await crew.booked(town.driver, town.connectors[0], town.slot())


async def test_who_switched_all_off_is_told_where_to_switch_it_on(crew: Crew, town: Town) -> None:
    await _wishes(crew, town.driver, email=False, sms=False)
    with pytest.raises(ContactNeeded, match=r"switched e-mail off.*switched SMS off.*settings"):
        await crew.booked(town.driver, town.connectors[0], town.slot())


async def test_an_address_that_bounced_is_not_booked_with(crew: Crew, town: Town) -> None:
    await crew.execute(
        "INSERT INTO suppression (channel, address, reason, at) VALUES ('email', 'otto@example.org', 'bounced', $1)",
        crew.clock.read(),
    )
    with pytest.raises(ContactNeeded, match=r"otto@example.org.*another"):
        await crew.booked(town.stranger, town.connectors[0], town.slot())


async def test_where_only_proved_addresses_count_one_is_needed_to_book(crew: Crew, town: Town) -> None:
    rules = ContactRules(verified_only=True)
    strict = Crew(replace(crew.desk, contact=rules), settings=SenderSettings(verified_only=True))
    with pytest.raises(ContactNeeded, match="not proved"):
        await strict.booked(town.driver, town.connectors[0], town.slot())
    await crew.execute("UPDATE driver SET email_verified_at = $2 WHERE id = $1", town.driver.id, NOON)
    await strict.booked(town.driver, town.connectors[0], town.slot())


async def test_a_number_that_gets_nothing_is_not_booked_with(crew: Crew, town: Town) -> None:
    rules = ContactRules(why_not_number=lambda number: "no messages go to phones of US")
    strict = Crew(replace(crew.desk, contact=rules))
    await strict.booked(town.driver, town.connectors[0], town.slot())  # the mail can be used
    await crew.execute("UPDATE driver SET email = NULL")
    with pytest.raises(ContactNeeded, match="no messages go to phones of US"):
        await strict.booked(town.driver, town.connectors[1], town.slot())
