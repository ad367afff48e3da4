"""The last days of a town, lived before its doors open: real bookings, engine and senders on a clock that moves.

So that whoever looks at the numbers of a new demo town sees some. No message leaves the process.
"""

import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Protocol
from zoneinfo import ZoneInfo

from slotwatch.channels import ChannelName, Message
from slotwatch.channels.receipts import Receipt, ReceiptStatus
from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.errors import SlotwatchError
from slotwatch.domain.notices import USUAL_CHANNELS
from slotwatch.domain.opening_hours import OpeningHours
from slotwatch.domain.slot import Slot
from slotwatch.outbox.receipts import ReceiptBook
from slotwatch.simulation.house import House
from slotwatch.simulation.provider import ScriptedProvider
from slotwatch.simulation.town import write_briefly
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database
from slotwatch.storage.people import Driver
from slotwatch.storage.statements import Statement
from slotwatch.usecases.book import book
from slotwatch.usecases.cancel import cancel
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import BookingSettings, Desk
from slotwatch.usecases.finish import finish
from slotwatch.usecases.pay import pay

__all__ = ["live_past"]

_MINUTE = timedelta(minutes=1)
_ROUND = timedelta(minutes=5)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_LULL = timedelta(minutes=15)  # the bays are free when the doors open
_OPENS, _SHUTS = time(7), time(22)  # people of the past charge by day
_LENGTHS = (45, 60, 60, 90, 120)
_METHODS = (CheckInMethod.APP, CheckInMethod.APP, CheckInMethod.QR, CheckInMethod.CHARGER)
_HAS_BOOKINGS = Statement("SELECT EXISTS (SELECT FROM booking)")
_SET_TERMS = Statement("UPDATE vendor SET terms = :terms WHERE id = :id")
_WAS_THERE = Statement(
    "WITH stations AS (UPDATE station SET created_at = :began) UPDATE connector SET created_at = :began"
)
_TERMS = Statement("SELECT id, terms FROM vendor")


class Bay(Protocol):
    """What is booked."""

    @property
    def connector_id(self) -> int: ...

    @property
    def zone(self) -> ZoneInfo: ...

    @property
    def hours(self) -> OpeningHours: ...


@dataclass
class _Past:
    desk: Desk
    house: House
    book: ReceiptBook
    clock: MovableClock
    dice: random.Random
    acts: dict[datetime, list[Callable[[], Awaitable[None]]]] = field(default_factory=lambda: defaultdict(list))
    arrived: list[Receipt] = field(default_factory=list)

    def plan_day(self, bay: Bay, drivers: Sequence[Driver], day: datetime, until: datetime) -> None:
        """A few slots that do not overlap, by day, all of them over before `until`."""
        at = datetime.combine(day.astimezone(bay.zone).date(), _OPENS, bay.zone) + self._quarters(0, 40)
        shuts = datetime.combine(at.date(), _SHUTS, bay.zone)
        while at < shuts:
            length = timedelta(minutes=self.dice.choice(_LENGTHS))
            slot = Slot(at.astimezone(UTC), (at + length).astimezone(UTC))
            at += length + self._quarters(12, 50)
            if slot.ends_at > until:
                break
            made_at = max(slot.starts_at - self._quarters(2, 60), self.clock.read())
            driver = self.dice.choice(drivers)
            self.acts[made_at].append(partial(self._books, driver, bay.connector_id, slot))

    async def run(self, until: datetime) -> None:
        """Each five minutes the engine and the senders, so that many share a round; people in between, when they do."""
        await self.house.beat()
        while (instant := await self._next_round(until)) < until:
            for at in sorted(at for at in self.acts if at <= instant):
                self.clock.move_to(max(at, self.clock.read()))
                for act in self.acts.pop(at):
                    await act()
            self.clock.move_to(instant)
            await self.house.keep_alive(instant)
            await self.house.advance()
            await self.house.send_in_turn()
        await self.book.enter(self.arrived)
        self.clock.move_to(until)
        await self.house.beat()
        await self.house.clean()

    async def _next_round(self, until: datetime) -> datetime:
        """The first full five minutes after which something has happened."""
        events = [event for event in (*await self.house.next_events(), *self.acts) if event is not None]
        since_epoch = min(events, default=until) - _EPOCH
        return max(_EPOCH - (-since_epoch // _ROUND) * _ROUND, self.clock.read())

    async def _books(self, driver: Driver, connector_id: int, slot: Slot) -> None:
        try:
            booking = await book(self.desk, driver, connector_id, slot)
            await pay(self.desk, driver.id, booking.id)
        except SlotwatchError:
            return  # taken, or shut at that hour: so it is in towns
        fate = self.dice.random()
        if fate < 0.07:
            self._then(slot.starts_at - self._quarters(1, 30), cancel, driver, booking.id)
        elif fate > 0.07 + 0.13:
            minutes = min(int(self.dice.expovariate(1 / 6)), 28) - (4 if self.dice.random() < 0.35 else 0)
            attempt = CheckInAttempt(self.dice.choice(_METHODS))
            self._then(slot.starts_at + minutes * _MINUTE, check_in, driver, booking.id, attempt)
            if self.dice.random() < 0.25:
                self._then(slot.ends_at - 5 * _MINUTE, finish, driver, booking.id)

    def _then(self, at: datetime, what: Callable[..., Awaitable[object]], driver: Driver, *more: object) -> None:
        async def act() -> None:
            try:
                await what(self.desk, driver.id, *more)
            except SlotwatchError:
                return  # refused, and on record as such

        self.acts[max(at, self.clock.read() + _MINUTE)].append(act)

    def _quarters(self, least: int, most: int) -> timedelta:
        return 15 * self.dice.randint(least, most) * _MINUTE

    def took(self, channel: ChannelName, message: Message) -> None:
        """What providers will report: most arrives, some never does, of some nothing is heard."""
        fate = self.dice.random()
        if fate > 0.94:
            return
        status: ReceiptStatus = "failed" if fate < 0.03 else "delivered"
        key = f"{channel}-{message.key}"
        self.arrived.append(
            Receipt(
                provider=ScriptedProvider.provider,
                channel=channel,
                message_id=key,
                status=status,
                event_id=key,
                error="550 no such person here" if status == "failed" else None,
            )
        )


async def live_past(
    database: Database, bays: Sequence[Bay], drivers: Sequence[Driver], *, until: datetime, days: int
) -> bool:
    """Fill the days before `until` (UTC), under the house's usual terms. False: there are bookings already.

    Nothing else may work on the database meanwhile.
    """
    began = (until - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
    async with database.transaction() as conn:
        if await _HAS_BOOKINGS.fetchval(conn):
            return False
        await _WAS_THERE.execute(conn, began=began)  # else they would have been used before they were offered
        terms = await _TERMS.fetch(conn)
        for vendor in terms:
            await _SET_TERMS.execute(conn, id=vendor["id"], terms={"settleSeconds": 0})  # its steps keep to the rounds
    clock = MovableClock(began)
    desk = Desk(database, clock, BookingSettings(payments="local"), USUAL_CHANNELS, lambda due_at: None)
    book = ReceiptBook(database, clock, USUAL_CHANNELS)
    providers = [ScriptedProvider("email"), ScriptedProvider("sms")]
    house = House.built(database, clock, providers, write=write_briefly)
    past = _Past(desk, house, book, clock, random.Random(7))  # noqa: S311  # a play, not a secret
    for provider in providers:
        provider.on_accepted = past.took
    for day in range(days + 1):
        for bay in bays:
            past.plan_day(bay, drivers, began + timedelta(days=day), until - _LULL)
    await past.run(until)
    async with database.connection() as conn:
        for vendor in terms:
            await _SET_TERMS.execute(conn, id=vendor["id"], terms=vendor["terms"])
    return True
