"""Keeps the demo town alive: new bookings at a bounded pace, and every driver's next act when its time comes."""

import asyncio
import heapq
import itertools
import random
from datetime import datetime, timedelta

import structlog

from slotwatch.demo.drivers import Scene, perform, tell_of_booking
from slotwatch.demo.plots import PLOTS, Deed, choose_plot, schedule
from slotwatch.demo.seed import DemoTown
from slotwatch.domain.booking import Booking
from slotwatch.domain.errors import SlotNotBookable, SlotTaken, TooManyBookings, Unavailable
from slotwatch.domain.lifecycle import State
from slotwatch.domain.slot import SHORTEST, Slot
from slotwatch.storage import bookings
from slotwatch.storage.people import Driver
from slotwatch.usecases.book import book
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.pay import pay

__all__ = ["Flow"]

_log = structlog.get_logger(__name__)

_OPENING = (
    *(("comes in grace", 14.0), ("never comes", 12.0), ("comes early", 22.0), ("comes at the last moment", 16.0)),
    *(("comes too late", 20.0), ("disputes", 26.0), ("cancels in grace", 18.0), ("stays to the end", 40.0)),
    *(("cancels", 80.0), ("never pays", 95.0), ("is too early", 100.0), ("comes in grace", 90.0)),
)
"""What the town begins with: a plot each, and in how many seconds its slot begins."""

_MOST_AT_ONCE = 22
_PACE = ((timedelta(minutes=10), 7.0), (timedelta(hours=1), 20.0))
_SLOWEST = 60.0
"""Seconds between bookings while the town is that young; then slower, so that a forgotten town stays small."""

_LOOK_EVERY = timedelta(milliseconds=500)
_VISITOR_LEAD = timedelta(seconds=75)
_VISITOR_PAUSE = timedelta(seconds=30)
_MOST_FOR_VISITOR = 10


class Flow:
    """The life of the town. All times come from the desk's clock."""

    def __init__(self, desk: Desk, town: DemoTown, dice: random.Random | None = None) -> None:
        self._desk = desk
        self.town = town
        self._dice = dice or random.Random()  # noqa: S311  # a play, not a secret
        self._acts: list[tuple[datetime, int, Scene, Deed]] = []
        self._order = itertools.count()
        self._on_stage: dict[int, Driver] = {}
        self._opened_at: datetime | None = None
        self._next_at: datetime | None = None
        self._for_visitor = 0
        self._visitor_booking: Booking | None = None
        self._visitor_look_at: datetime | None = None

    async def open(self, now: datetime) -> None:
        """Book what the town begins with, and one booking for the person whose token `up` prints."""
        self._opened_at = now
        self._next_at = now + timedelta(seconds=12)
        for plot, lead in _OPENING:
            if plot != "never pays" or self._takes_payments:
                await self._stage(plot, now, lead)
        await self.offer_to_visitor(now)

    async def run(self, stop: asyncio.Event) -> None:
        """Live until stopped; without the database the town waits."""
        while not stop.is_set():
            try:
                async with self._desk.database.connection() as conn:
                    now = await self._desk.clock.now(conn)
                await self.run_once(now)
            except Unavailable:
                await self._desk.clock.wait(timedelta(seconds=2), stop)
            await self._desk.clock.wait(_LOOK_EVERY, stop)

    async def run_once(self, now: datetime) -> int:
        """Do every act whose time has come and book what is next; how many acts there were."""
        done = 0
        while self._acts and self._acts[0][0] <= now:
            _, _, scene, deed = self._acts[0]
            await perform(self._desk, scene, deed, self._dice)
            heapq.heappop(self._acts)  # after it is done: without the database it is tried again
            done += 1
        self._leave_stage()
        if self._next_at is not None and now >= self._next_at and len(self._on_stage) < _MOST_AT_ONCE:
            self._next_at = now + timedelta(seconds=self._pace(now) * self._dice.uniform(0.6, 1.4))
            await self._next_scene(now)
        await self._look_after_visitor(now)
        return done

    async def offer_to_visitor(self, now: datetime) -> Booking | None:
        """A paid booking for whoever holds the printed token; None when every bay kept for it is taken."""
        starts_at = (now + _VISITOR_LEAD).replace(microsecond=0)
        slot = Slot(starts_at, starts_at + SHORTEST)
        for bay in self.town.kept_free[1:]:  # the first stays free for the printed command
            try:
                booking = await book(self._desk, self.town.visitor, bay.connector_id, slot)
            except (SlotTaken, SlotNotBookable):
                continue
            except TooManyBookings:
                break
            if booking.state is State.PENDING:
                booking = await pay(self._desk, self.town.visitor.id, booking.id)
            self._for_visitor += 1
            self._visitor_booking = booking
            _log.info(
                f"a booking is ready for you: {booking.ref}, {bay.label} at {bay.station}",
                action="demo_for_you",
                booking=booking.ref,
            )
            return booking
        return None

    @property
    def visitor_booking(self) -> Booking | None:
        """The latest booking made for the holder of the printed token."""
        return self._visitor_booking

    @property
    def _takes_payments(self) -> bool:
        return self._desk.settings.payments != "off"

    def _pace(self, now: datetime) -> float:
        age = now - (self._opened_at or now)
        return next((seconds for until, seconds in _PACE if age < until), _SLOWEST)

    def _leave_stage(self) -> None:
        busy = {scene.driver.id for _, _, scene, _ in self._acts}
        self._on_stage = {who: driver for who, driver in self._on_stage.items() if who in busy}

    async def _next_scene(self, now: datetime) -> None:
        plot = choose_plot(self._dice)
        if plot == "never pays" and not self._takes_payments:
            plot = "never comes"
        await self._stage(plot, now, self._dice.uniform(*PLOTS[plot].lead))

    async def _stage(self, plot: str, now: datetime, lead: float) -> None:
        """Somebody who is not on stage books a free bay, and will act as the plot says."""
        idle = [driver for driver in self.town.drivers if driver.id not in self._on_stage]
        if not idle:
            return
        driver = self._dice.choice(idle)
        starts_at = (now + timedelta(seconds=lead)).replace(microsecond=0)
        slot = Slot(starts_at, starts_at + SHORTEST)
        for bay in self._dice.sample(self.town.bays, k=len(self.town.bays)):
            try:
                booking = await book(self._desk, driver, bay.connector_id, slot)
            except (SlotTaken, SlotNotBookable):
                continue
            except TooManyBookings:
                return
            self._on_stage[driver.id] = driver
            self._script(plot, Scene(booking.id, driver, bay), booking, now)
            return

    def _script(self, plot: str, scene: Scene, booking: Booking, now: datetime) -> None:
        tell_of_booking(scene, booking, now)
        for at, deed in schedule(PLOTS[plot], booking.timeline, now, self._dice):
            if deed is not Deed.PAY or booking.state is State.PENDING:
                heapq.heappush(self._acts, (at, next(self._order), scene, deed))

    async def _look_after_visitor(self, now: datetime) -> None:
        """When the visitor's booking has ended, a fresh one some time later; not for ever."""
        if self._visitor_look_at is not None and now < self._visitor_look_at:
            return
        self._visitor_look_at = now + timedelta(seconds=5)
        current = self._visitor_booking
        if current is None or self._for_visitor >= _MOST_FOR_VISITOR:
            return
        async with self._desk.database.connection() as conn:
            latest = await bookings.load(conn, current.id)
        if latest is not None and latest.ended_at is not None and now >= latest.ended_at + _VISITOR_PAUSE:
            await self.offer_to_visitor(now)
