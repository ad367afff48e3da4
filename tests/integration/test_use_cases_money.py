"""Pay, cancel, finish and dispute: what each allows, what it gives back, and what it refuses."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from slotwatch.domain.errors import (
    AlreadyDisputed,
    DisputeWindowOver,
    InvalidInput,
    NotCancellable,
    NotDisputable,
    NotFinishable,
    NotFound,
    NotPayable,
    SlotwatchError,
    Unavailable,
)
from slotwatch.domain.lifecycle import EndReason, State, Step
from slotwatch.domain.money import PaymentStatus
from slotwatch.usecases.book import book
from slotwatch.usecases.cancel import cancel
from slotwatch.usecases.check_in import check_in
from slotwatch.usecases.desk import BookingSettings
from slotwatch.usecases.dispute import dispute
from slotwatch.usecases.finish import finish
from slotwatch.usecases.pay import pay
from tests.conftest import NOON, Town
from tests.support.crew import APP, Crew

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


async def test_payment_confirms_and_is_kept_safe(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=3 * HOUR))
    assert (booking.state, booking.payment_status) == (State.PENDING, PaymentStatus.AWAITED)
    assert await crew.notices(booking) == []
    crew.clock.advance(10 * MINUTE)
    paid = await pay(crew.desk, town.driver.id, booking.id)
    assert (paid.state, paid.step, paid.payment_status) == (State.CONFIRMED, Step.REMIND, PaymentStatus.PAID)
    assert await crew.ledger(booking) == [("captured", "driver", "held", 1250)]
    assert await crew.notices(booking) == ["booking_confirmed"]
    with pytest.raises(NotPayable):
        await pay(crew.desk, town.driver.id, booking.id)


async def test_a_payment_after_the_hold_is_refused(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    crew.clock.advance(10 * MINUTE + MICROSECOND)
    with pytest.raises(NotPayable, match="hold"):
        await pay(crew.desk, town.driver.id, booking.id)
    assert await crew.ledger(booking) == []


async def test_a_hold_that_outlasts_the_start_still_leads_into_the_grace_that_is_left(
    paying_crew: Crew, town: Town
) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * MINUTE))
    crew.clock.advance(9 * MINUTE)
    await pay(crew.desk, town.driver.id, booking.id)
    await crew.work()
    assert await crew.state(booking) is State.GRACE
    await crew.live_until(booking.timeline.expires_at)
    assert await crew.state(booking) is State.EXPIRED


async def test_a_hold_ends_with_the_grace_at_the_latest(paying_crew: Crew, town: Town) -> None:
    """Nobody pays for a slot that is lost already, however long the house holds slots."""
    patient = Crew(replace(paying_crew.desk, settings=BookingSettings(payments="local", payment_hold_minutes=1440)))
    booking = await patient.booked(town.driver, town.connectors[0], town.slot())
    assert booking.timeline.hold_ends_at == booking.timeline.grace_ends_at
    patient.clock.move_to(booking.timeline.grace_ends_at + MICROSECOND)
    with pytest.raises(NotPayable):
        await pay(patient.desk, town.driver.id, booking.id)
    await patient.engine()
    assert await patient.state(booking) is State.CANCELLED


async def test_without_a_database_every_request_is_unavailable_and_can_be_made_again(
    paying_crew: Crew, town: Town
) -> None:
    desk, driver = paying_crew.desk, town.driver
    await desk.database.close()
    requests: list[Callable[[], Awaitable[object]]] = [
        lambda: book(desk, driver, town.connectors[0], town.slot()),
        lambda: pay(desk, driver.id, 1),
        lambda: check_in(desk, driver.id, 1, APP),
        lambda: cancel(desk, driver.id, 1),
        lambda: finish(desk, driver.id, 1),
        lambda: dispute(desk, driver.id, 1, "I was there."),
    ]
    for request in requests:
        with pytest.raises(Unavailable):
            await request()


async def test_a_free_booking_is_paid_without_moving_money(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    await crew.execute("UPDATE connector SET price_per_hour = 0")
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await pay(crew.desk, town.driver.id, booking.id)
    await cancel(crew.desk, town.driver.id, booking.id)
    assert await crew.ledger(booking) == []


@pytest.mark.parametrize(
    ("before_start", "given_back", "status"),
    [
        pytest.param(24 * HOUR, 1250, PaymentStatus.REFUNDED, id="a day before"),
        pytest.param(24 * HOUR - MICROSECOND, 937, PaymentStatus.PARTLY_REFUNDED, id="just under a day"),
        pytest.param(4 * HOUR, 937, PaymentStatus.PARTLY_REFUNDED, id="four hours"),
        pytest.param(4 * HOUR - MICROSECOND, 625, PaymentStatus.PARTLY_REFUNDED, id="just under four hours"),
        pytest.param(HOUR, 625, PaymentStatus.PARTLY_REFUNDED, id="an hour"),
        pytest.param(HOUR - MICROSECOND, 0, PaymentStatus.NOT_REFUNDED, id="just under an hour"),
        pytest.param(-10 * MINUTE, 0, PaymentStatus.NOT_REFUNDED, id="during grace"),
    ],
)
async def test_a_cancel_gives_back_what_the_terms_say_and_divides_all_of_the_money(
    paying_crew: Crew, town: Town, before_start: timedelta, given_back: int, status: PaymentStatus
) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=30 * HOUR))
    await pay(crew.desk, town.driver.id, booking.id)
    await crew.live_until(booking.timeline.starts_at - before_start)
    cancelled = await cancel(crew.desk, town.driver.id, booking.id, "plans changed")
    assert (cancelled.state, cancelled.end_reason, cancelled.payment_status) == (
        *(State.CANCELLED, EndReason.BY_DRIVER),
        status,
    )
    moved = {entry: (debit, credit, amount) for entry, debit, credit, amount in await crew.ledger(booking)}
    assert moved.pop("captured") == ("driver", "held", 1250)
    assert moved.pop("refunded", ("held", "driver", 0)) == ("held", "driver", given_back)
    assert moved.pop("kept", ("held", "vendor", 0)) == ("held", "vendor", 1250 - given_back)
    assert await crew.value("SELECT reason FROM transition WHERE to_state = 'cancelled'") == "plans changed"
    again = await crew.booked(town.stranger, town.connectors[0], town.slot(starts_in=30 * HOUR + 15 * MINUTE))
    assert again.state is State.PENDING, "the slot is free"


async def test_an_unpaid_booking_is_cancelled_without_money(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    assert (await cancel(crew.desk, town.driver.id, booking.id)).payment_status is PaymentStatus.NOT_PAID
    assert await crew.ledger(booking) == []


async def test_a_vendors_cancel_gives_everything_back_even_during_grace(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    paid = await pay(crew.desk, town.driver.id, booking.id)
    move = paid.cancel(EndReason.BY_VENDOR, booking.timeline.starts_at)
    assert [(posting.entry, posting.amount) for posting in move.postings] == [("refunded", 1250)]


async def test_a_driver_who_leaves_early_frees_the_rest_and_pays_all(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await pay(crew.desk, town.driver.id, booking.id)
    with pytest.raises(NotFinishable):
        await finish(crew.desk, town.driver.id, booking.id)
    await crew.live_until(booking.timeline.starts_at)
    await crew.checked_in(booking)
    crew.clock.advance(20 * MINUTE)
    left = await finish(crew.desk, town.driver.id, booking.id)
    assert (left.state, left.end_reason, left.ended_at) == (
        *(State.COMPLETED, EndReason.LEFT_EARLY),
        crew.clock.read(),
    )
    assert (await crew.ledger(booking))[-1] == ("earned", "held", "vendor", 1250)
    await crew.booked(town.stranger, town.connectors[0], town.slot(starts_in=80 * MINUTE, length=40 * MINUTE))


@pytest.mark.parametrize("state", ["active", "completed", "expired", "cancelled"])
async def test_what_has_ended_or_is_in_use_cannot_be_cancelled(crew: Crew, town: Town, state: str) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    if state == "cancelled":
        await cancel(crew.desk, town.driver.id, booking.id)
    elif state != "expired":
        await crew.live_until(booking.timeline.starts_at)
        await crew.checked_in(booking)
    if state in ("completed", "expired"):
        await crew.live_until(booking.timeline.ends_at)
    assert await crew.state(booking) == state
    with pytest.raises(NotCancellable, match=state):
        await cancel(crew.desk, town.driver.id, booking.id)


async def test_a_no_show_is_disputed_once(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    with pytest.raises(NotDisputable):
        await dispute(crew.desk, town.driver.id, booking.id, "I was there.")
    await crew.live_until(booking.timeline.expires_at)
    await dispute(crew.desk, town.driver.id, booking.id, "  The charger was blocked.  ")
    assert await crew.value("SELECT statement FROM dispute") == "The charger was blocked."
    with pytest.raises(AlreadyDisputed):
        await dispute(crew.desk, town.driver.id, booking.id, "Again.")


async def test_a_dispute_comes_within_fourteen_days(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.expires_at)
    crew.clock.advance(14 * DAY + MICROSECOND)
    with pytest.raises(DisputeWindowOver):
        await dispute(crew.desk, town.driver.id, booking.id, "I was there.")
    assert await crew.value("SELECT count(*) FROM dispute") == 0


@pytest.mark.parametrize("statement", ["", "  \n ", "x" * 4001])
async def test_a_dispute_says_something_and_not_too_much(crew: Crew, town: Town, statement: str) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.expires_at)
    with pytest.raises(InvalidInput):
        await dispute(crew.desk, town.driver.id, booking.id, statement)


@pytest.mark.parametrize("call", ["pay", "cancel", "finish", "dispute"])
async def test_somebody_elses_booking_looks_absent_and_stays_as_it_is(paying_crew: Crew, town: Town, call: str) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    stranger, desk = town.stranger.id, crew.desk
    for booking_id in (booking.id, booking.id + 1, 0, -1, 2**62):
        calls: dict[str, Callable[[int], Awaitable[object]]] = {
            "pay": lambda n: pay(desk, stranger, n),
            "cancel": lambda n: cancel(desk, stranger, n),
            "finish": lambda n: finish(desk, stranger, n),
            "dispute": lambda n: dispute(desk, stranger, n, "mine"),
        }
        with pytest.raises(NotFound):
            await calls[call](booking_id)
    assert await crew.load(booking) == booking


async def test_every_refusal_is_an_error_of_the_one_tree_with_a_code(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    for refused in (finish(crew.desk, town.driver.id, booking.id), crew.checked_in(booking)):
        with pytest.raises(SlotwatchError) as refusal:
            await refused
        assert refusal.value.code
        assert refusal.value.message.endswith(".")
    assert crew.clock.read() == NOON
