"""A driver checks in: when it counts, when it is refused and why, and what is on record either way."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.errors import CheckInTooEarly, GraceOver, NotCheckInable, NotFound, WrongConnector
from slotwatch.domain.lifecycle import EndReason, State
from slotwatch.domain.money import PaymentStatus
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.statements import Connection
from slotwatch.usecases.cancel import cancel
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.finish import finish
from slotwatch.usecases.pay import pay
from tests.conftest import Town
from tests.support.crew import APP, Crew

pytestmark = pytest.mark.any_postgres

MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize(
    "offset",
    [
        pytest.param(-15 * MINUTE, id="the instant the window opens"),
        pytest.param(timedelta(0), id="the start"),
        pytest.param(30 * MINUTE - timedelta(milliseconds=1), id="29:59.999"),
        pytest.param(30 * MINUTE, id="exactly the deadline"),
    ],
)
async def test_a_check_in_inside_the_closed_window_counts(crew: Crew, town: Town, offset: timedelta) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.starts_at + offset)
    active = await crew.checked_in(booking)
    assert (active.state, active.checked_in_at) == (State.ACTIVE, crew.clock.read())
    await crew.live_until(booking.timeline.ends_at)
    assert await crew.state(booking) is State.COMPLETED


async def test_a_check_in_a_microsecond_before_the_window_is_told_when_it_opens(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    crew.clock.move_to(booking.timeline.check_in_opens_at - MICROSECOND)
    with pytest.raises(CheckInTooEarly) as refusal:
        await crew.checked_in(booking)
    assert refusal.value.details["opensAt"] == booking.timeline.check_in_opens_at
    assert await crew.state(booking) is State.CONFIRMED


async def test_a_check_in_a_microsecond_after_the_deadline_does_not_count(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.grace_ends_at + MICROSECOND)
    with pytest.raises(GraceOver) as refusal:
        await crew.checked_in(booking)
    assert refusal.value.details == {"graceEndedAt": booking.timeline.grace_ends_at, "bookingId": booking.ref}
    assert await crew.state(booking) is State.GRACE
    await crew.live_until(booking.timeline.expires_at)
    assert await crew.state(booking) is State.EXPIRED
    with pytest.raises(GraceOver):
        await crew.checked_in(booking)


@pytest.mark.parametrize("method", CheckInMethod)
async def test_every_method_checks_in(crew: Crew, town: Town, method: CheckInMethod) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    crew.clock.move_to(booking.timeline.starts_at)
    active = await crew.checked_in(booking, CheckInAttempt(method, location=(48.2, 16.37)))
    assert active.check_in_method is method
    row = (await crew.rows("SELECT * FROM evidence"))[0]
    assert (row["kind"], row["method"], row["valid"], row["actor"]) == (
        *("check_in", method.value, True),
        f"driver:{town.driver.id}",
    )
    assert (row["received_at"], row["detail"]) == (crew.clock.read(), {"location": [48.2, 16.37]})


async def test_checking_in_again_changes_nothing_and_tells_nobody_again(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    crew.clock.move_to(booking.timeline.starts_at)
    first = await crew.checked_in(booking)
    crew.clock.advance(MINUTE)
    again = await crew.checked_in(booking, CheckInAttempt(CheckInMethod.QR, qr_connector_id=town.connectors[0]))
    assert again == first == await crew.load(booking)
    assert (await crew.notices(booking)).count("checked_in") == 1
    assert len(await crew.rows("SELECT FROM evidence WHERE kind = 'check_in'")) == 2


async def test_a_stranger_finds_no_booking_and_leaves_no_evidence(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    crew.clock.move_to(booking.timeline.starts_at)
    with pytest.raises(NotFound):
        await check_in(crew.desk, town.stranger.id, booking.id, APP)
    with pytest.raises(NotFound):
        await check_in(crew.desk, town.driver.id, booking.id + 1, APP)
    assert await crew.rows("SELECT FROM evidence") == []


async def test_a_cancelled_and_a_finished_booking_cannot_be_checked_in(crew: Crew, town: Town) -> None:
    cancelled = await crew.booked(town.driver, town.connectors[0], town.slot())
    finished = await crew.booked(town.driver, town.connectors[1], town.slot())
    await cancel(crew.desk, town.driver.id, cancelled.id)
    crew.clock.move_to(finished.timeline.starts_at)
    await crew.checked_in(finished)
    await finish(crew.desk, town.driver.id, finished.id)
    for booking, state in ((cancelled, "cancelled"), (finished, "completed")):
        with pytest.raises(NotCheckInable, match=state):
            await crew.checked_in(booking)


async def test_an_unpaid_booking_cannot_be_checked_in(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=5 * MINUTE))
    crew.clock.move_to(booking.timeline.starts_at)
    with pytest.raises(NotCheckInable, match="pending"):
        await crew.checked_in(booking)


async def test_a_code_of_another_connector_is_refused_and_does_not_count_later(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.starts_at)
    wrong = CheckInAttempt(CheckInMethod.QR, qr_connector_id=town.connectors[1])
    with pytest.raises(WrongConnector):
        await crew.checked_in(booking, wrong)
    await crew.live_until(booking.timeline.expires_at)
    assert await crew.state(booking) is State.EXPIRED


async def test_a_refusal_is_evidence_too_and_says_why(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    with pytest.raises(CheckInTooEarly):
        await crew.checked_in(booking)
    rows = await crew.rows("SELECT kind, valid, detail ->> 'code' AS code FROM evidence ORDER BY id")
    assert [tuple(row) for row in rows] == [
        ("check_in", True, None),
        ("check_in_refused", False, "check_in_too_early"),
    ]


async def test_an_attempt_before_the_window_does_not_save_a_no_show(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    with pytest.raises(CheckInTooEarly):
        await crew.checked_in(booking)
    await crew.live_until(booking.timeline.expires_at)
    assert await crew.state(booking) is State.EXPIRED


async def _attempt_only(conn: Connection, booking_id: int, received_at: datetime, *, valid: bool = True) -> None:
    """What a process leaves behind that dies between evidence and decision."""
    await conn.execute(
        "INSERT INTO evidence (booking_id, kind, method, actor, valid, detail, received_at)"
        " VALUES ($1, 'check_in', 'app', 'driver:1', $3, '{}', $2)",
        *(booking_id, received_at, valid),
    )


@pytest.mark.parametrize("offset", [-15 * MINUTE, timedelta(0), 30 * MINUTE])
async def test_evidence_whose_process_died_keeps_the_slot_when_grace_ends(
    crew: Crew, town: Town, offset: timedelta
) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    received_at = booking.timeline.starts_at + offset
    async with crew.desk.database.connection() as conn:
        await _attempt_only(conn, booking.id, received_at)
    await crew.live_until(booking.timeline.expires_at)
    active = await crew.load(booking)
    assert (active.state, active.checked_in_at, active.check_in_method) == (
        *(State.ACTIVE, received_at),
        CheckInMethod.APP,
    )
    assert await crew.history(booking) == ["confirmed", "grace", "active"]
    assert "checked_in" in await crew.notices(booking)
    assert "slot_expired" not in await crew.notices(booking)
    await crew.live_until(booking.timeline.ends_at)
    assert await crew.state(booking) is State.COMPLETED


@pytest.mark.parametrize(
    ("offset", "valid"),
    [
        pytest.param(-15 * MINUTE - MICROSECOND, True, id="before the window"),
        pytest.param(30 * MINUTE + MICROSECOND, True, id="after the deadline"),
        pytest.param(MINUTE, False, id="of another connector"),
    ],
)
async def test_evidence_that_does_not_count_saves_nobody(
    crew: Crew, town: Town, offset: timedelta, valid: bool
) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    async with crew.desk.database.connection() as conn:
        await _attempt_only(conn, booking.id, booking.timeline.starts_at + offset, valid=valid)
    await crew.live_until(booking.timeline.expires_at)
    assert await crew.state(booking) is State.EXPIRED


async def test_a_check_in_received_in_time_but_decided_after_expiry_pays_back(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await pay(crew.desk, town.driver.id, booking.id)
    await crew.live_until(booking.timeline.expires_at)
    other = await crew.booked(
        town.stranger, town.connectors[0], town.slot(starts_in=timedelta(minutes=91), length=timedelta(minutes=29))
    )
    stalled = Crew(_received_at(crew, booking.timeline.grace_ends_at))
    back = await stalled.checked_in(booking)
    assert (back.state, back.end_reason) == (State.REINSTATED, EndReason.PROVEN)
    assert (back.checked_in_at, back.payment_status) == (booking.timeline.grace_ends_at, PaymentStatus.REFUNDED)
    assert await crew.ledger(booking) == [
        ("captured", "driver", "held", 1250),
        ("forfeit_held", "held", "forfeit", 1250),
        ("refunded", "forfeit", "driver", 1250),
    ]
    assert await crew.state(other) is State.PENDING
    await crew.deliver()
    assert await crew.deliveries(booking, "booking_reinstated") == {"email": "sent", "sms": "sent"}
    assert await stalled.checked_in(booking) == await crew.load(booking)


async def test_a_check_in_received_just_before_the_start_and_written_just_after_it_keeps_history_in_order(
    crew: Crew, town: Town
) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.starts_at)
    active = await Crew(_received_at(crew, booking.timeline.starts_at - MICROSECOND)).checked_in(booking)
    assert (active.state, active.checked_in_at) == (State.ACTIVE, booking.timeline.starts_at - MICROSECOND)
    times = [row["at"] for row in await crew.rows("SELECT at FROM transition ORDER BY version")]
    assert times == sorted(times)
    await crew.assert_sound()


async def test_a_check_in_received_in_time_after_the_hold_takes_the_money_back_from_the_vendor(
    paying_crew: Crew, town: Town
) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await pay(crew.desk, town.driver.id, booking.id)
    await crew.live_until(booking.timeline.expires_at)
    crew.clock.advance(timedelta(hours=25))
    async with crew.desk.database.transaction() as conn:
        await crew.duties().cleaner.run_once(conn)
    assert (await crew.load(booking)).payment_status is PaymentStatus.FORFEITED
    back = await Crew(_received_at(crew, booking.timeline.grace_ends_at)).checked_in(booking)
    assert back.state is State.REINSTATED
    assert (await crew.ledger(booking))[-1] == ("refunded", "vendor", "driver", 1250)


async def test_a_check_in_before_the_window_decided_after_expiry_pays_nothing_back(
    paying_crew: Crew, town: Town
) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await pay(crew.desk, town.driver.id, booking.id)
    await crew.live_until(booking.timeline.expires_at)
    with pytest.raises(CheckInTooEarly):
        await Crew(_received_at(crew, booking.timeline.check_in_opens_at - MICROSECOND)).checked_in(booking)
    assert await crew.state(booking) is State.EXPIRED


async def test_a_check_in_waits_out_a_lock_and_then_counts(crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    crew.clock.move_to(booking.timeline.starts_at)
    async with crew.desk.database.transaction() as conn:
        await conn.execute("SELECT FROM booking WHERE id = $1 FOR UPDATE", booking.id)
        assert (await crew.advance()).moved == 0
    assert (await crew.checked_in(booking)).state is State.ACTIVE


def _received_at(crew: Crew, instant: datetime) -> Desk:
    """A desk whose request arrived at that instant, while the world's clock went on."""
    return replace(crew.desk, clock=MovableClock(instant))
