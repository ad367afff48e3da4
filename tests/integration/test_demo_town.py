"""The demo town on a clock that moves: everything a driver can bring about within five minutes of its start."""

import random
from collections import Counter
from datetime import timedelta

import pytest

from slotwatch.demo.flow import Flow
from slotwatch.demo.places import CATALOGUE, DRIVERS
from slotwatch.demo.plots import PLOTS
from slotwatch.demo.seed import DemoTown, seed
from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.lifecycle import State
from slotwatch.domain.notices import NOTICE_RULES, USUAL_CHANNELS, NoticeKind
from slotwatch.engine.advance import Advancer, AdvanceSettings
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import BookingSettings, Desk

BY_DRIVERS = {State.PENDING, State.CONFIRMED, State.GRACE, State.ACTIVE} | {
    *(State.COMPLETED, State.EXPIRED, State.CANCELLED)
}
NEED_AN_OUTAGE = {NoticeKind.GRACE_EXTENDED, NoticeKind.SLOT_VOIDED, NoticeKind.BOOKING_REINSTATED}
OF_DRIVERS = {kind for kind, rule in NOTICE_RULES.items() if rule.is_about_booking} - {NoticeKind.DISPUTE_UPHELD}


@pytest.fixture
def paying(database: Database, clock: MovableClock) -> Desk:
    """As `up` sets it: payments to make, a hold of one minute."""
    settings = BookingSettings(payments="local", payment_hold_minutes=1)
    return Desk(database, clock, settings, USUAL_CHANNELS, lambda due_at: None)


async def built(desk: Desk) -> DemoTown:
    async with desk.database.transaction() as conn:
        return await seed(conn, await desk.clock.now(conn))


class Play:
    """The town, its engine, and senders that always succeed."""

    def __init__(self, desk: Desk, clock: MovableClock, town: DemoTown, seed_number: int = 7) -> None:
        self.flow = Flow(desk, town, random.Random(seed_number))
        self.seen: Counter[str] = Counter()
        self.most_live = 0
        self._desk = desk
        self._clock = clock
        self._advancer = Advancer(AdvanceSettings(), sorted(USUAL_CHANNELS), clock)

    async def open(self) -> None:
        await self.flow.open(self._clock.read())

    async def watch(self, span: timedelta, every: timedelta = timedelta(seconds=1)) -> None:
        until = self._clock.read() + span
        while self._clock.read() < until:
            now = self._clock.advance(every)
            async with self._desk.database.connection() as conn:
                while (await self._advancer.run_once(conn)).moved:
                    await conn.execute("UPDATE delivery SET state = 'sent', sent_at = $1 WHERE state = 'pending'", now)
                rows = await conn.fetch("SELECT state, count(*) AS n FROM booking GROUP BY state")
            await self.flow.run_once(now)
            self.seen.update({row["state"]: row["n"] for row in rows})
            live = sum(row["n"] for row in rows if row["state"] in ("pending", "confirmed", "grace", "active"))
            self.most_live = max(self.most_live, live)


async def test_every_state_that_drivers_bring_about_and_every_notice_comes_within_five_minutes(
    paying: Desk, clock: MovableClock
) -> None:
    play = Play(paying, clock, await built(paying))
    await play.open()
    await play.watch(timedelta(minutes=5))
    assert set(play.seen) >= BY_DRIVERS
    async with paying.database.connection() as conn:
        told = {row["kind"] for row in await conn.fetch("SELECT DISTINCT kind FROM notice")}
        disputes = await conn.fetchval("SELECT count(*) FROM dispute")
        refused = await conn.fetch("SELECT DISTINCT detail->>'code' AS code FROM evidence WHERE NOT valid")
    assert told >= OF_DRIVERS - NEED_AN_OUTAGE
    assert disputes
    assert {row["code"] for row in refused} == {"check_in_too_early", "grace_over"}


async def test_the_first_minute_shows_life(paying: Desk, clock: MovableClock) -> None:
    play = Play(paying, clock, await built(paying))
    await play.open()
    await play.watch(timedelta(seconds=45))
    assert {"confirmed", "grace", "active"} <= set(play.seen)


async def test_a_town_is_seeded_once_however_often_it_starts(paying: Desk) -> None:
    first = await built(paying)
    second = await built(paying)
    assert second == first
    assert len(first.kept_free) == len(CATALOGUE) == 12
    assert len(first.drivers) == len(DRIVERS) == 40
    assert len(first.vendors) == 2


async def test_grace_is_two_minutes_whatever_the_house_says(paying: Desk, clock: MovableClock) -> None:
    flow = Flow(paying, await built(paying), random.Random(1))
    ready = await flow.offer_to_visitor(clock.read())
    assert ready is not None
    assert ready.terms.grace == timedelta(minutes=2)
    assert ready.state is State.CONFIRMED


async def test_the_visitors_booking_can_be_checked_in_and_a_fresh_one_follows_the_last(
    paying: Desk, clock: MovableClock
) -> None:
    town = await built(paying)
    play = Play(paying, clock, town)
    await play.open()
    ready = play.flow.visitor_booking
    assert ready is not None
    clock.move_to(ready.timeline.check_in_opens_at)
    assert (await check_in(paying, town.visitor.id, ready.id, CheckInAttempt(CheckInMethod.APP))).state is State.ACTIVE
    await play.watch(timedelta(minutes=18), every=timedelta(seconds=3))
    assert play.flow.visitor_booking is not None
    assert play.flow.visitor_booking.id != ready.id


async def test_the_town_leaves_a_bay_of_every_station_to_people(paying: Desk, clock: MovableClock) -> None:
    town = await built(paying)
    play = Play(paying, clock, town)
    await play.open()
    await play.watch(timedelta(minutes=10), every=timedelta(seconds=5))
    kept = [bay.connector_id for bay in town.kept_free]
    async with paying.database.connection() as conn:
        takers = await conn.fetch("SELECT DISTINCT driver_id FROM booking WHERE connector_id = ANY ($1)", kept)
    assert {row["driver_id"] for row in takers} == {town.visitor.id}


async def test_the_flow_is_bounded_and_grows_slower_with_age(paying: Desk, clock: MovableClock) -> None:
    play = Play(paying, clock, await built(paying))
    await play.open()
    await play.watch(timedelta(minutes=70), every=timedelta(seconds=5))
    async with paying.database.connection() as conn:
        before = await conn.fetchval("SELECT count(*) FROM booking")
        await play.watch(timedelta(minutes=20), every=timedelta(seconds=5))
        after = await conn.fetchval("SELECT count(*) FROM booking")
    assert play.most_live <= 45
    assert after - before <= 35
    assert before < 450


async def test_a_restarted_town_goes_on_beside_what_is_left_of_the_last(paying: Desk, clock: MovableClock) -> None:
    first = Play(paying, clock, await built(paying))
    await first.open()
    await first.watch(timedelta(minutes=2))
    second = Play(paying, clock, await built(paying), seed_number=8)
    await second.open()
    await second.watch(timedelta(minutes=5))
    assert set(second.seen) >= BY_DRIVERS
    assert second.flow.visitor_booking is not None


async def test_without_payments_the_town_lives_too(desk: Desk, clock: MovableClock) -> None:
    play = Play(desk, clock, await built(desk))
    await play.open()
    await play.watch(timedelta(minutes=5))
    assert set(play.seen) >= BY_DRIVERS - {State.PENDING}
    assert State.PENDING not in play.seen


def test_every_plot_is_short_enough_to_watch() -> None:
    assert all(plot.weight > 0 and plot.acts for plot in PLOTS.values())


async def test_nobody_of_the_town_can_be_reached_for_real(paying: Desk) -> None:
    town = await built(paying)
    for driver in (*town.drivers, town.visitor):
        assert driver.email is not None
        assert driver.email.endswith("@example.org")
        assert driver.phone is not None
        assert driver.phone.startswith("+1500555")
