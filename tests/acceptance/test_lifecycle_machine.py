"""Hypothesis plays drivers, engines, senders, outages and crashes against a real database, and a small model judges.

After each step the state of every booking is the model's, and no invariant is broken.
"""

import asyncio
import os
from collections.abc import Awaitable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from slotwatch.analytics.invariants import invariants, verify
from slotwatch.channels import Failed, Message, Outcome, Refused
from slotwatch.domain import errors
from slotwatch.domain.booking import Booking, CheckInMethod
from slotwatch.domain.notices import USUAL_CHANNELS
from slotwatch.domain.slot import Slot
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database, DatabaseSettings, connect
from slotwatch.storage.people import ensure_driver
from slotwatch.usecases.book import book
from slotwatch.usecases.cancel import cancel
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import BookingSettings, Desk
from slotwatch.usecases.dispute import dispute
from slotwatch.usecases.finish import finish
from slotwatch.usecases.pay import pay
from tests.conftest import NOON
from tests.support.crew import Crew
from tests.support.model import HOLD, Expected, Outages

_T = TypeVar("_T")
MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)
CONNECTORS = 3
_THOROUGH = os.environ.get("SLOTWATCH_CHAOS") == "full"

# The engine of this test comes when it is called, not when something is due.
_PROMISES_OF_A_PUNCTUAL_ENGINE = {"nothing_is_overdue", "deliveries_end", "never_late"}

# Moments that matter: the edges of windows, to the microsecond, and what lies between them.
JUMPS = st.sampled_from([timedelta(seconds=5), timedelta(seconds=20), 5 * MINUTE, 15 * MINUTE, 35 * MINUTE])
EDGES = st.sampled_from(["start", "deadline", "past deadline", "expiry", "end", "hold", "window"])


def _answer(mood: str) -> Any:
    def answer(message: Message) -> Outcome:
        return Refused("no such address") if mood == "refuses" else Failed("down")

    return None if mood == "accepts" else answer


class Lifecycle(RuleBasedStateMachine):
    """`url` is set by the test: a migrated database that only this machine uses."""

    url = ""
    bookings = Bundle("bookings")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.database: Database = self.run(connect(DatabaseSettings(pool_size=8), name="machine", url=self.url))
        self.clock = MovableClock(NOON)
        self.outages = Outages()
        self.expected: dict[int, Expected] = {}
        self.alive = {"engine": True, "api": True}
        self.disputed: set[int] = set()
        self.connector_of: dict[int, int] = {}

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.database.close())
        self.runner.close()

    @initialize(payments=st.sampled_from(["off", "local"]))
    def an_empty_town(self, payments: str) -> None:
        booking_settings = BookingSettings(payments=payments, max_live_bookings=1000)  # type: ignore[arg-type]
        self.desk = Desk(self.database, self.clock, booking_settings, USUAL_CHANNELS, lambda due: None)
        self.crew = Crew(self.desk)
        self.run(self._empty_town())
        for component in self.alive:
            self._beat(component)

    async def _empty_town(self) -> None:
        async with self.database.transaction() as conn:
            await conn.execute(
                "TRUNCATE booking, transition, notice, delivery, attempt, evidence, ledger, dispute, outage, pulse,"
                " heartbeat, audit_run, connector, station, vendor, driver RESTART IDENTITY CASCADE"
            )
            await conn.execute("INSERT INTO vendor (name, created_at) VALUES ('Volt', $1)", NOON)
            await conn.execute(
                "INSERT INTO station (vendor_id, name, address, latitude, longitude, zone, created_at)"
                " VALUES (1, 'Harbour', 'Quay 1', 48.2, 16.37, 'UTC', $1)",
                NOON,
            )
            await conn.execute(
                "INSERT INTO connector (station_id, label, type, power_kw, price_per_hour, currency, created_at)"
                " SELECT 1, 'C' || n, 'CCS', 50, 1250, 'EUR', $1 FROM generate_series(1, $2) AS n",
                *(NOON, CONNECTORS),
            )
            self.driver = await ensure_driver(conn, "mira", now=NOON, email="mira@example.org", phone="+15005550010")

    # What people do.

    @rule(
        target=bookings,
        connector=st.integers(1, CONNECTORS),
        ahead=st.integers(0, 12).map(lambda n: n * 10 * MINUTE),
        length=st.sampled_from([15, 35, 60, 120]).map(lambda n: n * MINUTE),
    )
    def books(self, connector: int, ahead: timedelta, length: timedelta) -> Any:
        slot = Slot(self.now + ahead, self.now + ahead + length)
        overlaps = any(
            one.is_live and one.starts_at < slot.ends_at and slot.starts_at < one.ends_at
            for booking_id, one in self.expected.items()
            if self.connector_of[booking_id] == connector
        )
        booking = self.run(_outcome(book(self.desk, self.driver, connector, slot)))
        if overlaps:
            assert booking == "SlotTaken"
            return multiple()
        assert isinstance(booking, Booking)
        is_paid = self.desk.settings.payments == "local"
        self.expected[booking.id] = Expected(
            slot.starts_at,
            slot.ends_at,
            "pending" if is_paid else "confirmed",
            self.now + HOLD if is_paid else None,
        )
        self.connector_of[booking.id] = connector
        return booking.id

    @rule(booking_id=bookings)
    def pays(self, booking_id: int) -> None:
        one, outcome = self.expected[booking_id], self.run(_outcome(pay(self.desk, self.driver.id, booking_id)))
        may = one.state == "pending" and one.hold_ends_at is not None and self.now <= one.hold_ends_at
        self._agree(outcome, one, "confirmed" if may else "NotPayable")

    @rule(booking_id=bookings)
    def cancels(self, booking_id: int) -> None:
        one, outcome = self.expected[booking_id], self.run(_outcome(cancel(self.desk, self.driver.id, booking_id)))
        self._agree(outcome, one, "cancelled" if one.state in ("pending", "confirmed", "grace") else "NotCancellable")

    @rule(booking_id=bookings)
    def leaves(self, booking_id: int) -> None:
        one, outcome = self.expected[booking_id], self.run(_outcome(finish(self.desk, self.driver.id, booking_id)))
        self._agree(outcome, one, "completed" if one.state == "active" else "NotFinishable")

    @rule(booking_id=bookings)
    def disputes(self, booking_id: int) -> None:
        one = self.expected[booking_id]
        outcome = self.run(_outcome(dispute(self.desk, self.driver.id, booking_id, "I was there.")))
        if one.state != "expired":
            assert outcome == "NotDisputable"
        else:
            assert outcome == ("AlreadyDisputed" if booking_id in self.disputed else None)
            self.disputed.add(booking_id)

    @rule(booking_id=bookings, method=st.sampled_from(CheckInMethod), right=st.booleans())
    def checks_in(self, booking_id: int, method: CheckInMethod, right: bool) -> None:
        connector = self.connector_of[booking_id]
        scanned = None if method is not CheckInMethod.QR else connector if right else connector % CONNECTORS + 1
        attempt = CheckInAttempt(method, qr_connector_id=scanned)
        one = self.expected[booking_id]
        outcome = self.run(_outcome(check_in(self.desk, self.driver.id, booking_id, attempt)))
        if scanned not in (None, connector):
            assert outcome == "WrongConnector"
            return
        one.proofs.append(self.now)
        self._agree(outcome, one, self._check_in(one, self.now))

    @rule(booking_id=bookings)
    def checks_in_but_the_process_dies(self, booking_id: int) -> None:
        self.expected[booking_id].proofs.append(self.now)
        self.run(
            self.crew.execute(
                "INSERT INTO evidence (booking_id, kind, method, actor, valid, detail, received_at)"
                " VALUES ($1, 'check_in', 'app', 'driver', true, '{}', $2)",
                *(booking_id, self.now),
            )
        )

    @rule(booking_id=bookings, ago=st.sampled_from([MICROSECOND, timedelta(seconds=4), timedelta(seconds=6)]))
    def checks_in_and_is_served_late(self, booking_id: int, ago: timedelta) -> None:
        """The request was stamped some seconds ago; meanwhile the engine may have moved the booking."""
        one, received_at = self.expected[booking_id], self.now - ago
        stamped = replace(self.desk, clock=MovableClock(received_at))
        outcome = self.run(_outcome(check_in(stamped, self.driver.id, booking_id, CheckInAttempt(CheckInMethod.APP))))
        one.proofs.append(received_at)
        self._agree(outcome, one, self._check_in(one, received_at))

    def _check_in(self, one: Expected, received_at: datetime) -> str:
        """What a check-in must come to."""
        if one.state in ("active", "reinstated"):
            return one.state
        if one.state not in ("confirmed", "grace", "expired"):
            return "NotCheckInable"
        if received_at < one.starts_at - 15 * MINUTE:
            return "CheckInTooEarly"
        if one.state == "expired":
            return "reinstated" if received_at <= one.deadline else "GraceOver"
        if not one.in_window(received_at, self.outages):
            return "GraceOver"
        if received_at > one.deadline:
            one.deadline = one.owed(received_at, self.outages) or one.deadline
        return "active"

    def _agree(self, outcome: object, one: Expected, expected: str) -> None:
        got = str(outcome.state) if isinstance(outcome, Booking) else outcome
        assert got == expected, f"{got} where the model says {expected}: {one} at {self.now}"
        if expected[0].islower():
            one.state = expected

    # What time does.

    @rule(jump=JUMPS)
    def time_passes(self, jump: timedelta) -> None:
        self._move_to(self.now + jump)

    @rule(booking_id=bookings, edge=EDGES)
    def time_comes_to_an_edge(self, booking_id: int, edge: str) -> None:
        one = self.expected[booking_id]
        target = {
            "start": one.starts_at,
            "deadline": one.deadline,
            "past deadline": one.deadline + MICROSECOND,
            "expiry": one.deadline + timedelta(seconds=5),
            "end": one.ends_at,
            "hold": one.hold_ends_at or one.starts_at,
            "window": one.starts_at - 15 * MINUTE,
        }[edge]
        if target > self.now:
            self._move_to(target)

    def _move_to(self, target: datetime) -> None:
        """What is alive beats all the way."""
        self.clock.move_to(target)
        for component, is_alive in self.alive.items():
            if is_alive:
                self.outages.beats[component] = target
                self.run(self.crew.execute("UPDATE pulse SET beat_at = $1 WHERE component = $2", target, component))

    @rule(component=st.sampled_from(["engine", "api"]))
    def dies(self, component: str) -> None:
        self.alive[component] = False

    @rule(component=st.sampled_from(["engine", "api"]))
    def comes_back(self, component: str) -> None:
        self.alive[component] = True
        self._beat(component)

    def _beat(self, component: str) -> None:
        self.outages.beat(component, self.now)
        self.run(self.crew.beat(component))  # type: ignore[arg-type]

    # What the machines do.

    @rule(workers=st.integers(1, 3), batch=st.sampled_from([1, 2, 100]))
    def engines_work(self, workers: int, batch: int) -> None:
        if not self.alive["engine"]:
            self.comes_back("engine")
        told = self.run(self._told())
        crews = [Crew(self.desk, batch_size=batch) for _ in range(workers)]
        self.run(_together(*(crew.engine() for crew in crews)))
        for booking_id, one in self.expected.items():
            one.engine(self.now, self.outages, told=booking_id in told)

    async def _told(self) -> set[int]:
        rows = await self.crew.rows(
            "SELECT n.booking_id FROM notice AS n JOIN delivery AS d ON d.notice_id = n.id"
            " WHERE n.kind IN ('slot_started', 'grace_extended') AND d.state = 'sent'"
        )
        return {row["booking_id"] for row in rows}

    @rule(mail=st.sampled_from(["accepts", "accepts", "refuses", "fails"]), sms=st.sampled_from(["accepts", "fails"]))
    def senders_work(self, mail: str, sms: str) -> None:
        self.crew.mail.answer, self.crew.sms.answer = _answer(mail), _answer(sms)
        self.run(self.crew.deliver())

    @rule()
    def the_audit_finds_nothing_to_repair(self) -> None:
        report = self.run(self._audit())
        assert (report.stray, report.untold, report.set_aside) == (0, 0, 0)

    async def _audit(self) -> Any:
        async with self.database.transaction() as conn:
            return await self.crew.duties().auditor.run_once(conn)

    @rule()
    def the_cleaner_works(self) -> None:
        self.run(self._clean())

    async def _clean(self) -> None:
        async with self.database.transaction() as conn:
            await self.crew.duties().cleaner.run_once(conn)

    # What must hold.

    @invariant()
    def the_states_are_those_of_the_model(self) -> None:
        rows = self.run(self.crew.rows("SELECT id, state, grace_ends_at FROM booking"))
        assert {row["id"]: row["state"] for row in rows} == {
            booking_id: one.state for booking_id, one in self.expected.items()
        }
        for row in rows:
            assert row["grace_ends_at"] == self.expected[row["id"]].deadline

    @invariant()
    def no_invariant_is_broken(self) -> None:
        self.run(self._sound())

    async def _sound(self) -> None:
        async with self.database.connection() as conn:
            for one in invariants():
                if one.name not in _PROMISES_OF_A_PUNCTUAL_ENGINE:
                    assert await verify(conn, one, self.now) is None

    @property
    def now(self) -> datetime:
        return self.clock.read()


async def _outcome(action: Awaitable[_T]) -> _T | str:
    """What came of it, or the name of the refusal."""
    try:
        return await action
    except errors.SlotwatchError as refusal:
        return type(refusal).__name__


async def _together(*actions: Awaitable[object]) -> None:
    await asyncio.gather(*actions)


def test_whatever_people_and_machines_do_every_booking_is_where_the_model_says(database_url: str) -> None:
    Lifecycle.url = database_url
    run_state_machine_as_test(
        Lifecycle,
        settings=settings(
            max_examples=400 if _THOROUGH else 18,
            stateful_step_count=50 if _THOROUGH else 30,
            deadline=None,
            derandomize=not _THOROUGH,
            database=None,
            phases=(Phase.generate, Phase.shrink) if _THOROUGH else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
