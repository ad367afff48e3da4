"""Runs a planned town from minute to minute: drivers by the use cases, time by the engine, messages by the senders."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from slotwatch.channels import Failed, Message, Outcome, Refused
from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.errors import SlotwatchError
from slotwatch.domain.notices import USUAL_CHANNELS
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.compose import compose
from slotwatch.simulation.bulk import insert_all, pending_booking, person, settle_town
from slotwatch.simulation.house import House
from slotwatch.simulation.places import Places, build_places
from slotwatch.simulation.plan import BEGINS_AT, MINUTE, Act, Doing, Plan, Planned, make_plan
from slotwatch.simulation.provider import ScriptedProvider
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database
from slotwatch.usecases.book import book
from slotwatch.usecases.cancel import cancel
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import BookingSettings, Desk
from slotwatch.usecases.finish import finish
from slotwatch.usecases.pay import pay

__all__ = ["Town", "TownWish", "answer", "build_town"]

_INSTANT = timedelta(microseconds=1)
_AT_ONCE = 8  # people at the counter at the same time
_CLEAN_EVERY = 5 * MINUTE
_AUDIT_EVERY = timedelta(hours=1)  # in production each minute: it compares the whole, and the whole is big here
_COMPOSED = 100
_METHODS = (CheckInMethod.APP, CheckInMethod.QR, CheckInMethod.CHARGER)
_FORFEITS_ARE_FINAL = timedelta(hours=25)


@dataclass(frozen=True)
class TownWish:
    """How big, how long, how many do not come, on how many workers, and which of all such towns."""

    bookings: int
    days: int
    no_show_rate: float
    workers: int
    seed: int


@dataclass
class Town:
    """A town at work. `run` plays it; afterwards the database holds what came of it."""

    places: Places
    plan: Plan
    house: House
    desk: Desk
    ids: dict[int, int] = field(default_factory=dict)  # of bookings, by their number in the plan
    refused: Counter[str] = field(default_factory=Counter)
    audits: Counter[str] = field(default_factory=Counter)  # what they found
    failed: int = 0  # rows that the engine could not move
    made: int = 0

    async def run(self, on_tick: Callable[["Town"], None] = lambda town: None) -> None:
        """From the first booking to a day after the last one has ended."""
        async with self.desk.database.transaction() as conn:
            await settle_town(conn, self.places)
        await self.house.beat()
        busy = sorted({*self.plan.made, *self.plan.doings}, reverse=True)
        while True:
            step, tried = await self.house.next_events()
            instant = self._next(step, tried, busy[-1:])
            if instant is None:
                break
            await self._tick(instant, is_due=step is not None and step <= instant)
            while busy and busy[-1] <= instant:
                busy.pop()
            on_tick(self)
        await self._close()

    @property
    def now(self) -> datetime:
        """The simulated time."""
        return self.house.clock.read()

    def _next(self, step: datetime | None, tried: datetime | None, instants: list[datetime]) -> datetime | None:
        """The next instant at which anything happens; during the outage nothing does."""
        if step is not None:
            instants.append(step if step > self.now else _minute_after(self.now))
        if tried is not None:
            instants.append(_minute_after(tried - _INSTANT if tried > self.now else self.now))
        if not instants:
            return None
        instant = min(instants)
        outage = self.plan.outage
        if outage.begins_at <= instant < outage.ends_at or self.now < outage.begins_at < instant:
            return outage.ends_at
        return instant

    async def _tick(self, instant: datetime, *, is_due: bool) -> None:
        """One instant: the engine first, then people, then messages, which go out in whole minutes."""
        before = self.now
        self.house.clock.move_to(instant)
        if instant == self.plan.outage.ends_at and before < self.plan.outage.begins_at:
            await self.house.beat(was_down=True)
        else:
            await self.house.keep_alive(instant)
        if is_due:
            self.failed += sum(len(report.failed) for report in await self.house.advance())
        if instant.second or instant.microsecond:
            return
        await self._people(instant)
        await self.house.send_in_turn()
        if _passed(before, instant, _CLEAN_EVERY):
            await self.house.clean()
        if _passed(before, instant, _AUDIT_EVERY):
            await self._audit()

    async def _people(self, instant: datetime) -> None:
        made = self.plan.made.get(instant, [])
        advance = [pending_booking(planned, self.desk.settings) for planned in made if not planned.is_walk_in]
        if advance:
            async with self.desk.database.transaction() as conn:
                await insert_all(conn, advance)
        booked = (planned.number for planned in made if not planned.is_walk_in)
        self.ids.update(zip(booked, (booking.id for booking in advance), strict=True))
        self.made += len(made)
        walk_ins = [self._walks_in(planned) for planned in made if planned.is_walk_in]
        await _some_at_once([*walk_ins, *(self._does(doing) for doing in self.plan.doings.get(instant, ()))])

    async def _walks_in(self, planned: Planned) -> None:
        async def by_the_front_door() -> None:
            booking = await book(self.desk, person(planned.driver), planned.connector.id, planned.slot)
            self.ids[planned.number] = booking.id

        await self._asked("book", by_the_front_door())

    async def _does(self, doing: Doing) -> None:
        booking_id, planned = self.ids.get(doing.number), self.plan.bookings[doing.number]
        if booking_id is None:
            return  # the walk-in found the slot taken
        driver_id = planned.driver.id
        match doing.act:
            case Act.PAY:
                action: Awaitable[object] = pay(self.desk, driver_id, booking_id)
            case Act.CANCEL:
                action = cancel(self.desk, driver_id, booking_id, "plans changed")
            case Act.CHECK_IN:
                action = check_in(self.desk, driver_id, booking_id, _attempt(planned))
            case Act.FINISH:
                action = finish(self.desk, driver_id, booking_id)
        await self._asked(doing.act.value, action)

    async def _asked(self, what: str, action: Awaitable[object]) -> None:
        try:
            await action
        except SlotwatchError as refusal:
            self.refused[f"{what}: {refusal.code}"] += 1

    async def _audit(self) -> None:
        report = await self.house.audit()
        found = {"stray": report.stray, "untold": report.untold, "set_aside": report.set_aside}
        self.audits.update({name: count for name, count in {**found, "overdue": report.overdue}.items() if count})

    async def _close(self) -> None:
        """Wait until no-show money is final, and look at the whole a last time."""
        self.house.clock.move_to(max(self.now, self.plan.ends_at) + _FORFEITS_ARE_FINAL)
        await self.house.beat()
        await self.house.clean()
        await self._audit()


def build_town(database: Database, wish: TownWish) -> Town:
    """The town of that wish, in an empty database. The same wish gives the same town."""
    places = build_places(wish.bookings, wish.days, wish.seed)
    plan = make_plan(places, bookings=wish.bookings, days=wish.days, no_show_rate=wish.no_show_rate, seed=wish.seed)
    clock = MovableClock(BEGINS_AT)
    providers = [ScriptedProvider("email", answer), ScriptedProvider("sms", answer)]
    house = House.built(database, clock, providers, workers=wish.workers, write=write_briefly)
    desk = Desk(database, clock, BookingSettings(payments="local"), USUAL_CHANNELS, lambda due_at: None)
    return Town(places, plan, house, desk)


def write_briefly(delivery: Claimed, frontend_url: str) -> Message:
    """One booking in a hundred gets the real messages; the others a line: composing would take most of the time.

    What a message says decides nothing here, and an error in composing would show in the hundredth, too.
    """
    if delivery.facts["booking_id"] % _COMPOSED == 0:
        return compose(delivery, frontend_url)
    assert delivery.address is not None, "before_sending refuses deliveries without an address"
    return Message(key=delivery.key, to=delivery.address, subject=None, text=delivery.kind.value)


def answer(message: Message, tries: int) -> Outcome | None:
    """How a provider treats an address: some are gone, some fail up to four times before each success.

    Four tries take less than a minute each time, whatever the jitter, so what becomes of a message is decided here.
    """
    fate = message.to.rpartition("@")[2] if "@" in message.to else message.to[-1]
    if fate in ("gone.example", "9"):
        return Refused("550 there is nobody of that name")
    flaky = fate.removeprefix("flaky")[:1]
    if flaky.isdigit() and tries <= int(flaky):
        return Failed("451 try again later")
    return None


def _attempt(planned: Planned) -> CheckInAttempt:
    method = _METHODS[planned.number % len(_METHODS)]
    return CheckInAttempt(method, qr_connector_id=planned.connector.id if method is CheckInMethod.QR else None)


def _minute_after(instant: datetime) -> datetime:
    """The first whole minute after it."""
    return instant.replace(second=0, microsecond=0) + MINUTE


def _passed(before: datetime, instant: datetime, every: timedelta) -> bool:
    return (before - BEGINS_AT) // every != (instant - BEGINS_AT) // every


async def _some_at_once(actions: list[Coroutine[Any, Any, None]]) -> None:
    """All of them, a few at a time."""
    waiting = iter(actions)

    async def one_after_the_other() -> None:
        for action in waiting:
            await action

    await asyncio.gather(*(one_after_the_other() for _ in range(min(_AT_ONCE, len(actions)))))
