"""Our own outage is never a no-show: what is recorded, what grace it adds, when nobody is at fault."""

import random
from datetime import datetime, timedelta

import pytest

from slotwatch.domain.booking import Booking
from slotwatch.domain.errors import GraceOver
from slotwatch.domain.lifecycle import EndReason, State
from slotwatch.domain.money import PaymentStatus
from slotwatch.usecases.pay import pay
from tests.conftest import NOON, Town
from tests.support.crew import Crew
from tests.support.provider import down

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
START = NOON + HOUR


async def _outage(crew: Crew, begins: timedelta, ends: timedelta, component: str = "engine") -> None:
    """An outage on record, `begins` and `ends` counted from the start of the slot."""
    await crew.execute(
        "INSERT INTO outage (component, began_at, ended_at, detail) VALUES ($1, $2, $3, 'test')",
        *(component, START + begins, START + ends),
    )


async def _booked(crew: Crew, town: Town, length: timedelta = HOUR) -> Booking:
    return await crew.booked(town.driver, town.connectors[0], town.slot(length=length))


async def test_a_silence_of_more_than_fifteen_seconds_becomes_an_outage_row(crew: Crew) -> None:
    await crew.beat("engine")
    crew.clock.advance(15 * SECOND)
    await crew.beat("engine")
    assert await crew.rows("SELECT FROM outage") == []
    crew.clock.advance(16 * SECOND)
    await crew.beat("engine")
    row = (await crew.rows("SELECT component, began_at, ended_at FROM outage"))[0]
    assert tuple(row) == ("engine", NOON + 15 * SECOND, NOON + 31 * SECOND)
    await crew.beat("engine")
    assert await crew.value("SELECT count(*) FROM outage") == 1


async def test_one_process_of_many_that_lives_is_no_outage(crew: Crew) -> None:
    other = Crew(crew.desk)
    await crew.beat("api")
    for _ in range(10):
        crew.clock.advance(10 * SECOND)
        await other.beat("api")
    await crew.beat("api")
    assert await crew.rows("SELECT FROM outage") == []
    assert await crew.value("SELECT count(*) FROM heartbeat") == 2


async def test_two_processes_that_come_back_at_once_record_one_outage(crew: Crew) -> None:
    await crew.beat("engine")
    crew.clock.advance(MINUTE)
    await crew.beat("engine")
    await Crew(crew.desk).beat("engine")
    assert await crew.value("SELECT count(*) FROM outage") == 1


@pytest.mark.parametrize("component", ["engine", "api"])
async def test_an_outage_during_grace_gives_that_time_back(crew: Crew, town: Town, component: str) -> None:
    booking = await _booked(crew, town)
    await crew.live_until(START)
    await _outage(crew, 5 * MINUTE, 15 * MINUTE, component)
    await crew.live_until(booking.timeline.expires_at)
    waiting = await crew.load(booking)
    assert (waiting.state, waiting.epoch) == (State.GRACE, 1)
    # Nothing is owed twice: 20:05 of usable time had passed, so 9:55 were missing when grace was to end at 30:05.
    assert waiting.timeline.grace_ends_at == START + 40 * MINUTE
    assert await crew.history(booking) == ["confirmed", "grace", "grace"]
    assert await crew.deliveries(booking, "grace_extended") == {"email": "sent", "sms": "sent"}
    await crew.live_until(START + 40 * MINUTE)
    assert (await crew.checked_in(booking)).state is State.ACTIVE


async def test_who_does_not_use_the_time_given_back_is_a_no_show(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    await crew.live_until(START)
    await _outage(crew, 5 * MINUTE, 15 * MINUTE)
    await crew.live_until(START + 40 * MINUTE + 5 * SECOND)
    assert await crew.history(booking) == ["confirmed", "grace", "grace", "expired"]


async def test_repeated_outages_are_each_given_back(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town, 3 * HOUR)
    await crew.live_until(START)
    await _outage(crew, 5 * MINUTE, 15 * MINUTE)
    await crew.live_until(START + 32 * MINUTE)
    await _outage(crew, 33 * MINUTE, 38 * MINUTE)
    await crew.live_until(START + 41 * MINUTE)
    assert (await crew.load(booking)).timeline.grace_ends_at == START + 45 * MINUTE
    await _outage(crew, 42 * MINUTE, 44 * MINUTE)
    await crew.live_until(START + 46 * MINUTE)
    extended = await crew.load(booking)
    assert (extended.timeline.grace_ends_at, extended.epoch) == (START + 47 * MINUTE, 3)
    assert (await crew.notices(booking)).count("grace_extended") == 3
    await crew.live_until(START + HOUR)
    assert await crew.state(booking) is State.EXPIRED


async def test_overlapping_outages_of_two_components_count_once(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    await crew.live_until(START)
    await _outage(crew, 5 * MINUTE, 10 * MINUTE, "engine")
    await _outage(crew, 8 * MINUTE, 12 * MINUTE, "api")
    await _outage(crew, 9 * MINUTE, 10 * MINUTE, "api")
    await crew.live_until(booking.timeline.expires_at)
    assert (await crew.load(booking)).timeline.grace_ends_at == START + 37 * MINUTE


@pytest.mark.parametrize(
    ("gap", "grace_minutes", "ends"),
    [
        pytest.param(60 * SECOND, 30, State.EXPIRED, id="a minute of thirty"),
        pytest.param(66 * SECOND, 30, State.GRACE, id="a minute and the settle time and a second of thirty"),
        pytest.param(12 * SECOND, 2, State.EXPIRED, id="a tenth of two minutes"),
        pytest.param(18 * SECOND, 2, State.GRACE, id="a tenth of two minutes and the settle time and a second"),
    ],
)
async def test_a_tiny_gap_changes_nothing(
    crew: Crew, town: Town, gap: timedelta, grace_minutes: int, ends: State
) -> None:
    await crew.execute("UPDATE vendor SET terms = $1", {"gracePeriodMinutes": grace_minutes})
    booking = await _booked(crew, town)
    await crew.live_until(START)
    await _outage(crew, 10 * SECOND, 10 * SECOND + gap)
    await crew.live_until(booking.timeline.expires_at)
    assert await crew.state(booking) is ends


async def test_an_outage_before_and_after_grace_changes_nothing(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    await crew.live_until(START)
    await _outage(crew, -50 * MINUTE, -1 * MINUTE)
    await _outage(crew, 30 * MINUTE + 5 * SECOND, 50 * MINUTE)
    await crew.live_until(booking.timeline.expires_at)
    assert await crew.state(booking) is State.EXPIRED


async def test_time_is_given_back_up_to_the_end_of_the_slot(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town, 45 * MINUTE)
    await crew.live_until(START)
    await _outage(crew, MINUTE, 26 * MINUTE)
    await crew.live_until(booking.timeline.expires_at)
    assert (await crew.load(booking)).timeline.grace_ends_at == booking.timeline.ends_at


async def test_nobody_is_at_fault_when_the_slot_is_over_before_grace_was_usable(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await _booked(crew, town, 35 * MINUTE)
    await pay(crew.desk, town.driver.id, booking.id)
    await crew.live_until(START)
    await _outage(crew, MINUTE, 26 * MINUTE)
    await crew.live_until(START + HOUR)
    voided = await crew.load(booking)
    assert (voided.state, voided.end_reason) == (State.VOIDED, EndReason.OUTAGE)
    assert voided.payment_status is PaymentStatus.REFUNDED
    assert await crew.ledger(booking) == [("captured", "driver", "held", 729), ("refunded", "held", "driver", 729)]
    assert await crew.deliveries(booking, "slot_voided") == {"email": "sent", "sms": "sent"}


async def test_a_silence_of_the_api_that_still_lasts_counts(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    await crew.live_until(START + 10 * MINUTE)
    await crew.beat()
    while crew.clock.read() < booking.timeline.expires_at:  # the api is gone, the engine is not
        crew.clock.advance(10 * SECOND)
        await crew.beat("engine")
    await crew.work()
    waiting = await crew.load(booking)
    assert waiting.state is State.GRACE
    assert waiting.timeline.grace_ends_at > booking.timeline.grace_ends_at
    assert await crew.rows("SELECT FROM outage") == [], "nothing has come back yet"


async def test_a_component_that_never_was_there_is_not_missed(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    await crew.beat("engine")
    while crew.clock.read() < booking.timeline.expires_at:
        crew.clock.advance(10 * SECOND)
        await crew.beat("engine")
        await crew.work()
    assert await crew.state(booking) is State.EXPIRED


async def test_nobody_forfeits_who_was_not_told_that_the_slot_began(paying_crew: Crew, town: Town) -> None:
    crew = paying_crew
    booking = await _booked(crew, town)
    await pay(crew.desk, town.driver.id, booking.id)
    crew.mail.answer = crew.sms.answer = down
    await crew.live_until(booking.timeline.expires_at)
    voided = await crew.load(booking)
    assert (voided.state, voided.end_reason) == (State.VOIDED, EndReason.NOT_TOLD)
    assert voided.payment_status is PaymentStatus.REFUNDED


@pytest.mark.parametrize("works", ["email", "sms"])
async def test_being_told_on_one_channel_suffices(crew: Crew, town: Town, works: str) -> None:
    booking = await _booked(crew, town)
    (crew.sms if works == "email" else crew.mail).answer = down
    await crew.live_until(booking.timeline.expires_at)
    assert await crew.state(booking) is State.EXPIRED


async def test_a_check_in_after_the_old_deadline_counts_within_the_time_that_is_owed(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    await crew.live_until(START)
    await _outage(crew, 5 * MINUTE, 15 * MINUTE)
    crew.clock.move_to(START + 33 * MINUTE)  # the engine has not come to it yet
    active = await crew.checked_in(booking)
    assert (active.state, active.timeline.grace_ends_at) == (State.ACTIVE, START + 40 * MINUTE)


async def test_a_check_in_after_the_owed_time_does_not_count(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    await crew.live_until(START)
    await _outage(crew, 5 * MINUTE, 15 * MINUTE)
    crew.clock.move_to(START + 40 * MINUTE + SECOND)
    with pytest.raises(GraceOver):
        await crew.checked_in(booking)


@pytest.mark.parametrize("judged_at", [35, 45])
async def test_evidence_from_the_owed_time_whose_process_died_counts_whenever_it_is_judged(
    crew: Crew, town: Town, judged_at: int
) -> None:
    booking = await _booked(crew, town)
    await crew.live_until(START)
    await _outage(crew, 5 * MINUTE, 15 * MINUTE)
    await crew.execute(
        "INSERT INTO evidence (booking_id, kind, method, actor, valid, detail, received_at)"
        " VALUES ($1, 'check_in', 'app', 'driver', true, '{}', $2)",
        *(booking.id, START + 33 * MINUTE),
    )
    crew.clock.move_to(START + judged_at * MINUTE)
    await crew.engine()
    active = await crew.load(booking)
    assert (active.state, active.checked_in_at) == (State.ACTIVE, START + 33 * MINUTE)
    assert active.timeline.grace_ends_at >= START + 33 * MINUTE
    await crew.assert_sound()


async def test_a_worker_that_starts_late_gives_the_lost_grace_back_before_it_judges(crew: Crew, town: Town) -> None:
    """Engine away from before the start until after grace; the slot still runs when it is back."""
    booking = await _booked(crew, town, 2 * HOUR)
    await crew.live_until(START - 10 * MINUTE)
    await crew.beat()
    crew.clock.move_to(START + 45 * MINUTE)
    await crew.beat()
    await crew.work()
    waiting = await crew.load(booking)
    assert waiting.state is State.GRACE
    assert waiting.timeline.grace_ends_at == START + 75 * MINUTE
    assert await crew.deliveries(booking, "grace_extended") == {"email": "sent", "sms": "sent"}
    assert set((await crew.deliveries(booking, "slot_started")).values()) == {"missed"}
    await crew.never_silent()
    await crew.live_until(START + 76 * MINUTE)
    assert await crew.state(booking) is State.EXPIRED, "told of the new deadline, and did not come"


async def test_a_worker_that_starts_after_the_slot_is_over_voids_it(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    await crew.live_until(START - 10 * MINUTE)
    await crew.beat()
    crew.clock.move_to(START + 3 * HOUR)
    await crew.beat()
    await crew.work()
    voided = await crew.load(booking)
    assert (voided.state, voided.end_reason) == (State.VOIDED, EndReason.OUTAGE)


async def test_a_late_worker_runs_the_backlog_in_due_order_and_tells_nothing_stale(crew: Crew, town: Town) -> None:
    booking = await _booked(crew, town)
    other = await crew.booked(town.stranger, town.connectors[1], town.slot(starts_in=2 * HOUR))
    await crew.beat()
    sent_before = len(crew.mail.taken)
    crew.clock.move_to(START + 5 * HOUR)
    await crew.beat()
    await crew.engine()
    moves = await crew.rows(
        "SELECT booking_id, from_state, to_state, due_at FROM transition WHERE due_at IS NOT NULL ORDER BY due_at"
    )
    assert [(row["booking_id"], row["to_state"]) for row in moves] == [
        *((booking.id, "grace"), (booking.id, "voided"), (other.id, "grace"), (other.id, "voided"))
    ]
    states = {
        (row["kind"], row["state"])
        for row in await crew.rows("SELECT kind, state FROM delivery AS d JOIN notice AS n ON n.id = d.notice_id")
    }
    assert states == {
        *(("booking_confirmed", "pending"), ("reminder", "missed"), ("slot_started", "missed")),
        *(("grace_alert", "missed"), ("slot_voided", "pending")),
    }
    await crew.deliver()
    assert len(crew.mail.taken) - sent_before == 2, "only that the slots could not be used"
    assert await crew.value("SELECT count(*) FROM delivery WHERE state = 'missed' AND error IS NULL") == 0
    assert await crew.unsent() == await crew.missed(), "metrics count what the engine itself calls missed"


@pytest.mark.parametrize("minutes", [5, 30, 240])
async def test_no_grace_that_an_outage_touched_ends_as_a_no_show_untold(crew: Crew, town: Town, minutes: int) -> None:
    """Everything stops at a moment of the slot's life and comes back later: never a no-show, never a double."""
    for stopped_at in range(-20, 40, 5):
        offset = timedelta(days=1 + (stopped_at + 20) // 5)
        slot = town.slot(starts_in=offset)
        booking = await crew.booked(town.driver, town.connectors[0], slot)
        await crew.live_until(slot.starts_at + stopped_at * MINUTE)
        await crew.beat()
        crew.clock.advance(minutes * MINUTE)
        await crew.beat()
        await crew.work()
        now, lost = await crew.load(booking), slot.starts_at + stopped_at * MINUTE
        touched = lost < booking.timeline.grace_ends_at and crew.clock.read() > slot.starts_at + MINUTE
        if touched:
            assert now.state in (State.GRACE, State.VOIDED), stopped_at
        await crew.never_silent()
        await crew.live_until(slot.starts_at + 5 * HOUR)
        await crew.execute("DELETE FROM pulse")


async def _usable(crew: Crew, since: datetime, until: datetime) -> timedelta:
    found: timedelta = await crew.value("SELECT unusable_time($1, $2)", since, until)
    return found


async def test_unusable_time_is_the_union_of_all_gaps_inside_the_interval(crew: Crew) -> None:
    """Compared with counting seconds, over random gaps."""
    chance = random.Random(7)
    for _ in range(20):
        gaps = [(begin, begin + chance.randint(1, 300)) for begin in (chance.randint(-200, 900) for _ in range(6))]
        await crew.execute("DELETE FROM outage")
        for begin, end in gaps:
            await _outage(crew, begin * SECOND, end * SECOND, chance.choice(["engine", "api"]))
        since, until = sorted((chance.randint(-100, 900), chance.randint(-100, 900)))
        seconds = sum(any(begin <= second < end for begin, end in gaps) for second in range(since, until))
        assert await _usable(crew, START + since * SECOND, START + until * SECOND) == seconds * SECOND
