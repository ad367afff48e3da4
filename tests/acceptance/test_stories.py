"""Whole bookings told with their dates: what happened when, who was told what, and where the money went."""

from datetime import datetime, timedelta

import pytest

from slotwatch.domain.booking import Booking, CheckInMethod
from slotwatch.domain.errors import CheckInTooEarly, GraceOver, SlotTaken
from slotwatch.domain.lifecycle import EndReason, State
from slotwatch.domain.money import PaymentStatus
from slotwatch.domain.slot import Slot
from slotwatch.usecases.cancel import cancel
from slotwatch.usecases.check_in import CheckInAttempt
from slotwatch.usecases.dispute import dispute
from slotwatch.usecases.finish import finish
from slotwatch.usecases.pay import pay
from tests.conftest import Town
from tests.support.crew import Crew
from tests.support.provider import down

HOUR = timedelta(hours=1)
QR = CheckInMethod.QR


def at(day: int, clock: str, month: int = 3) -> datetime:
    """That day of 2026, UTC; the story begins on Monday 2 March at noon."""
    return datetime.fromisoformat(f"2026-{month:02}-{day:02}T{clock}+00:00")


async def _paid(crew: Crew, town: Town, slot: Slot, connector: int = 0) -> Booking:
    booking = await crew.booked(town.driver, town.connectors[connector], slot)
    return await pay(crew.desk, town.driver.id, booking.id)


async def test_mira_charges_on_tuesday_evening(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await _paid(crew, town, Slot(at(3, "18:00"), at(3, "19:30")))
    await crew.live_until(at(3, "17:30"))
    with pytest.raises(CheckInTooEarly) as too_early:
        await crew.checked_in(booking)
    assert too_early.value.details["opensAt"] == at(3, "17:45")
    await crew.live_until(at(3, "18:22"))
    await crew.checked_in(booking, CheckInAttempt(QR, qr_connector_id=town.connectors[0]))
    await crew.live_until(at(3, "20:00"))
    done = await crew.load(booking)
    assert (done.state, done.started_at, done.checked_in_at, done.ended_at) == (
        *(State.COMPLETED, at(3, "18:00")),
        *(at(3, "18:22"), at(3, "19:30")),
    )
    assert await crew.notices(booking) == [
        *("booking_confirmed", "reminder", "slot_started", "grace_alert/half"),
        *("checked_in", "booking_completed"),
    ]
    assert await crew.ledger(booking) == [("captured", "driver", "held", 1875), ("earned", "held", "vendor", 1875)]
    await crew.assert_sound()


async def test_otto_takes_the_slot_that_mira_let_go_on_wednesday_morning(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await _paid(crew, town, Slot(at(4, "08:00"), at(4, "10:00")))
    with pytest.raises(SlotTaken):
        await crew.booked(town.stranger, town.connectors[0], Slot(at(4, "08:45"), at(4, "09:45")))
    await crew.live_until(at(4, "08:30:04"))
    assert await crew.state(booking) is State.GRACE, "the settle time runs"
    await crew.live_until(at(4, "08:30:05"))
    gone = await crew.load(booking)
    assert (gone.state, gone.end_reason, gone.payment_status) == (
        *(State.EXPIRED, EndReason.NO_SHOW),
        PaymentStatus.FORFEIT_HELD,
    )
    assert await crew.deliveries(booking, "slot_expired") == {"email": "sent", "sms": "sent"}
    otto = await crew.booked(town.stranger, town.connectors[0], Slot(at(4, "08:45"), at(4, "09:45")))
    await pay(crew.desk, town.stranger.id, otto.id)
    with pytest.raises(GraceOver):
        await crew.checked_in(booking)
    await crew.live_until(at(4, "08:50"))
    assert (await crew.checked_in(otto)).state is State.ACTIVE
    await crew.assert_sound()


async def test_a_no_show_that_nobody_disputes_is_the_vendors_a_day_later(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await _paid(crew, town, Slot(at(4, "08:00"), at(4, "09:00")))
    for moment, status in (
        (at(4, "08:31"), PaymentStatus.FORFEIT_HELD),
        (at(5, "08:30"), PaymentStatus.FORFEIT_HELD),
        (at(5, "08:31"), PaymentStatus.FORFEITED),
    ):
        await crew.live_until(moment)
        async with crew.desk.database.transaction() as conn:
            await crew.duties().cleaner.run_once(conn)
        assert (await crew.load(booking)).payment_status is status
    await crew.assert_sound()


async def test_mira_disputes_on_friday_and_the_money_waits(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await _paid(crew, town, Slot(at(6, "08:00"), at(6, "09:00")))
    await crew.live_until(at(6, "12:00"))
    await dispute(crew.desk, town.driver.id, booking.id, "A van stood in the bay; I have a photo.")
    await crew.live_until(at(9, "12:00"))
    async with crew.desk.database.transaction() as conn:
        await crew.duties().cleaner.run_once(conn)
    assert (await crew.load(booking)).payment_status is PaymentStatus.FORFEIT_HELD
    await crew.assert_sound()


async def test_mira_cancels_three_hours_before_and_gets_half_back(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await _paid(crew, town, Slot(at(3, "18:00"), at(3, "19:00")))
    await crew.live_until(at(3, "15:00"))
    await cancel(crew.desk, town.driver.id, booking.id, "The meeting moved.")
    await crew.live_until(at(3, "19:00"))
    assert await crew.ledger(booking) == [
        *(("captured", "driver", "held", 1250), ("refunded", "held", "driver", 625)),
        ("kept", "held", "vendor", 625),
    ]
    assert await crew.notices(booking) == ["booking_confirmed", "booking_cancelled"]
    await crew.assert_sound()


async def test_mira_comes_early_and_leaves_early(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await _paid(crew, town, Slot(at(3, "18:00"), at(3, "20:00")))
    await crew.live_until(at(3, "17:50"))
    await crew.checked_in(booking, CheckInAttempt(CheckInMethod.CHARGER))
    await crew.live_until(at(3, "18:40"))
    await finish(crew.desk, town.driver.id, booking.id)
    assert await crew.history(booking) == ["pending", "confirmed", "active", "completed"]
    assert "slot_started" not in await crew.notices(booking), "she was there before it began"
    rest = await crew.booked(town.stranger, town.connectors[0], Slot(at(3, "18:45"), at(3, "20:00")))
    assert rest.state is State.PENDING
    await crew.assert_sound()


async def test_the_mail_server_is_down_on_thursday_and_everything_goes_by_sms(crew: Crew, town: Town) -> None:
    crew.mail.answer = down
    booking = await crew.booked(town.driver, town.connectors[0], Slot(at(5, "18:00"), at(5, "19:00")))
    await crew.live_until(at(5, "18:31"))
    assert await crew.state(booking) is State.EXPIRED, "told by SMS"
    for kind in ("booking_confirmed", "reminder", "slot_started", "grace_alert", "slot_expired"):
        assert (await crew.deliveries(booking, kind))["sms"] == "sent"
    await crew.assert_sound()


async def test_slotwatch_is_down_from_1805_to_1825_and_mira_gets_that_time_back(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], Slot(at(3, "18:00"), at(3, "20:00")))
    await crew.live_until(at(3, "18:05"))
    await crew.beat()
    crew.clock.move_to(at(3, "18:25"))
    await crew.beat()
    await crew.never_silent()
    await crew.live_until(at(3, "18:31"))
    waiting = await crew.load(booking)
    assert (waiting.state, waiting.timeline.grace_ends_at) == (State.GRACE, at(3, "18:50"))
    await crew.live_until(at(3, "18:50"))
    assert (await crew.checked_in(booking)).state is State.ACTIVE
    await crew.assert_sound()


async def test_slotwatch_is_down_all_evening_and_nobody_pays(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await _paid(crew, town, Slot(at(3, "18:00"), at(3, "19:00")))
    await crew.live_until(at(3, "17:30"))
    await crew.beat()
    crew.clock.move_to(at(3, "22:00"))
    await crew.beat()
    await crew.work()
    voided = await crew.load(booking)
    assert (voided.state, voided.end_reason, voided.payment_status) == (
        *(State.VOIDED, EndReason.OUTAGE),
        PaymentStatus.REFUNDED,
    )
    assert [mail.subject for mail in crew.mail.taken[-1:]] != []
    await crew.assert_sound()


async def test_a_slot_in_the_night_of_the_two_hours_is_as_long_as_it_was_booked(crew: Crew, town: Town) -> None:
    """Berlin, 25 October 2026: at 03:00 summer time it is 02:00 again. 01:45 to 03:45 by the stopwatch is 2 h."""
    await crew.execute("UPDATE station SET zone = 'Europe/Berlin' WHERE id = $1", town.station)
    crew.clock.move_to(at(24, "12:00", month=10))
    starts_at = at(24, "23:45", month=10)
    booking = await crew.booked(town.driver, town.connectors[0], Slot(starts_at, starts_at + 2 * HOUR))
    await crew.live_until(starts_at + timedelta(minutes=10))
    await crew.checked_in(booking)
    await crew.live_until(starts_at + 2 * HOUR - timedelta(microseconds=1))
    assert await crew.state(booking) is State.ACTIVE
    await crew.live_until(starts_at + 2 * HOUR)
    assert await crew.state(booking) is State.COMPLETED
    kinds = await crew.kinds(crew.mail.taken)
    started = crew.mail.taken[kinds.index("slot_started")]
    assert "02:15" in started.text, "the deadline by the clock on the station's wall"
    assert "CEST" in started.text


async def test_four_drivers_share_one_connector_on_saturday(crew: Crew, town: Town) -> None:
    hours = [Slot(at(7, f"{hour:02}:00"), at(7, f"{hour + 1:02}:00")) for hour in range(9, 13)]
    booked = [
        await crew.booked((town.driver, town.stranger)[n % 2], town.connectors[0], slot) for n, slot in enumerate(hours)
    ]
    for booking in booked[::2]:
        await crew.live_until(booking.timeline.starts_at + timedelta(minutes=5))
        await crew.checked_in(booking)
    await crew.live_until(at(7, "14:00"))
    assert [await crew.state(booking) for booking in booked] == [
        *(State.COMPLETED, State.EXPIRED, State.COMPLETED, State.EXPIRED)
    ]
    await crew.assert_sound()
