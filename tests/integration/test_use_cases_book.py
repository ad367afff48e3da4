"""A driver books: what is stored, what is refused and why, and that a refusal leaves nothing behind."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from slotwatch.domain.errors import ContactNeeded, NotFound, SlotNotBookable, SlotTaken, TooManyBookings
from slotwatch.domain.lifecycle import State, Step
from slotwatch.domain.money import PaymentStatus
from slotwatch.domain.notices import Channel
from slotwatch.domain.slot import Slot
from slotwatch.storage.people import Driver, ensure_driver
from slotwatch.usecases.book import book
from tests.conftest import NOON, Town
from tests.support.crew import Crew

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)


async def _nothing_stored(crew: Crew) -> bool:
    tables = ("booking", "transition", "notice", "delivery", "ledger", "evidence")
    return all([await crew.value(f"SELECT count(*) FROM {table}") == 0 for table in tables])


async def test_a_booking_holds_what_was_agreed_on(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(length=90 * MINUTE), vehicle="VW ID.3 W-123")
    assert booking == await crew.load(booking)
    assert (booking.state, booking.step, booking.version) == (State.CONFIRMED, Step.START, 1)
    assert (booking.amount.amount, booking.amount.currency) == (1875, "EUR")
    assert booking.payment_status is PaymentStatus.NOT_REQUIRED
    assert (booking.vendor_id, booking.station_id) == (town.vendor, town.station)
    assert booking.vehicle == "VW ID.3 W-123"
    assert await crew.history(booking) == ["confirmed"]
    assert await crew.deliveries(booking, "booking_confirmed") == {"email": "pending", "sms": "pending"}


async def test_the_engine_is_hinted_when_the_first_step_is_due(crew: Crew, town: Town) -> None:
    hints: list[datetime] = []
    desk = replace(crew.desk, hint=hints.append)
    booking = await book(desk, town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    assert hints == [booking.timeline.remind_at]


@pytest.mark.parametrize(
    ("starts_in", "length", "why"),
    [
        pytest.param(HOUR, timedelta(0), "ends before", id="nothing at all"),
        pytest.param(HOUR, -HOUR, "ends before", id="reversed"),
        pytest.param(-MICROSECOND, HOUR, "past", id="a microsecond ago"),
        pytest.param(-HOUR, HOUR, "past", id="an hour ago"),
        pytest.param(HOUR, 15 * MINUTE - MICROSECOND, "at least 15 minutes", id="too short"),
        pytest.param(HOUR, 8 * HOUR + MICROSECOND, "at most 8 hours", id="too long"),
    ],
)
async def test_a_slot_that_makes_no_sense_is_refused_and_nothing_is_stored(
    crew: Crew, town: Town, starts_in: timedelta, length: timedelta, why: str
) -> None:
    with pytest.raises(SlotNotBookable, match=why):
        await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=starts_in, length=length))
    assert await _nothing_stored(crew)


@pytest.mark.parametrize(("starts_in", "length"), [(timedelta(0), 15 * MINUTE), (HOUR, 8 * HOUR)])
async def test_the_shortest_the_longest_and_the_one_that_begins_now_are_booked(
    crew: Crew, town: Town, starts_in: timedelta, length: timedelta
) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=starts_in, length=length))
    assert booking.state is State.CONFIRMED


def test_a_time_without_an_offset_is_no_slot() -> None:
    with pytest.raises(SlotNotBookable, match="UTC offset"):
        Slot(NOON.replace(tzinfo=None), NOON + HOUR)
    with pytest.raises(SlotNotBookable, match="UTC offset"):
        Slot(NOON, (NOON + HOUR).replace(tzinfo=None))


async def test_times_in_any_offset_are_the_same_instants(crew: Crew, town: Town) -> None:
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    slot = town.slot()
    booking = await crew.booked(
        town.driver, town.connectors[0], Slot(slot.starts_at.astimezone(kathmandu), slot.ends_at.astimezone(kathmandu))
    )
    assert (await crew.load(booking)).timeline.starts_at == slot.starts_at
    with pytest.raises(SlotTaken):
        await crew.booked(town.stranger, town.connectors[0], slot)


@pytest.mark.parametrize("connector", [0, -1, 10**9, 2**62])
async def test_a_connector_that_does_not_exist_is_not_found(crew: Crew, town: Town, connector: int) -> None:
    with pytest.raises(NotFound):
        await crew.booked(town.driver, connector, town.slot())
    assert await _nothing_stored(crew)


async def test_a_station_is_booked_only_while_it_is_open_by_its_own_clock(crew: Crew, town: Town) -> None:
    """08:00-22:00 in Kathmandu is 02:15-16:15 UTC."""
    closing = datetime(2026, 3, 2, 16, 15, tzinfo=UTC)
    with pytest.raises(SlotNotBookable, match="closed"):
        await crew.booked(town.driver, town.night_shut_connector, Slot(closing - HOUR, closing + MICROSECOND))
    assert await _nothing_stored(crew)
    await crew.booked(town.driver, town.night_shut_connector, Slot(closing - HOUR, closing))


@pytest.mark.parametrize("connector", ["connectors", "night_shut"])
async def test_a_slot_at_the_end_of_time_is_refused_in_words(crew: Crew, town: Town, connector: str) -> None:
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    which = town.connectors[0] if connector == "connectors" else town.night_shut_connector
    for starts_at, ends_at in ((end - HOUR, end), (end - 20 * MINUTE, end), (NOON + HOUR, end), (end, end)):
        with pytest.raises(SlotNotBookable):
            await crew.booked(town.driver, which, Slot(starts_at, ends_at))
    with pytest.raises(SlotNotBookable):
        await crew.booked(town.driver, which, Slot(datetime.min.replace(tzinfo=UTC), NOON + HOUR))
    assert await _nothing_stored(crew)


async def test_a_driver_holds_only_so_many_slots_at_a_time(crew: Crew, town: Town) -> None:
    booked = [await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=n * HOUR)) for n in range(1, 6)]
    with pytest.raises(TooManyBookings):
        await crew.booked(town.driver, town.connectors[1], town.slot())
    await crew.booked(town.stranger, town.connectors[1], town.slot())
    await crew.live_until(booked[0].timeline.expires_at)
    await crew.booked(town.driver, town.connectors[1], town.slot(starts_in=20 * HOUR))


async def _driver(crew: Crew, subject: str, **contact: str) -> Driver:
    async with crew.desk.database.transaction() as conn:
        return await ensure_driver(conn, subject, now=NOON, **contact)


async def test_nobody_books_who_could_not_be_told(crew: Crew, town: Town) -> None:
    unreachable = await _driver(crew, "ghost")
    with pytest.raises(ContactNeeded):
        await crew.booked(unreachable, town.connectors[0], town.slot())
    assert await _nothing_stored(crew)
    await crew.booked(await _driver(crew, "ghost", phone="+41791234567"), town.connectors[0], town.slot())


async def test_an_address_on_a_channel_that_is_off_is_no_way_to_be_told(crew: Crew, town: Town) -> None:
    only_sms = replace(crew.desk, channels=frozenset({Channel.SMS}))
    with pytest.raises(ContactNeeded):
        await book(only_sms, town.stranger, town.connectors[0], town.slot())
    await crew.execute("UPDATE driver SET preferences = $1", {"channels": {"email": False}})
    with pytest.raises(ContactNeeded):
        await crew.booked(await _driver(crew, "driver-2"), town.connectors[0], town.slot())


async def test_a_driver_seen_again_keeps_what_was_known(crew: Crew, town: Town) -> None:
    again = await _driver(crew, "driver-1", email="new@example.org")
    assert (again.id, again.name, again.email, again.phone) == (
        *(town.driver.id, "Mira", "new@example.org"),
        "+15005550010",
    )


async def test_the_price_is_by_the_second_rounded_down(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(length=20 * MINUTE + SECOND + MICROSECOND))
    assert booking.amount.amount == 1250 * 1201 // 3600


@pytest.mark.parametrize("vehicle", ["x" * 5000, "Robert'); DROP TABLE booking;--", "\u202eevil", ""])
async def test_any_words_about_the_vehicle_are_kept_as_they_are(crew: Crew, town: Town, vehicle: str) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(), vehicle=vehicle)
    assert (await crew.load(booking)).vehicle == vehicle
