"""The stage of a told story: two drivers, one station, the real engine, and a record of who did what when."""

from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from slotwatch.channels import ChannelName, Message
from slotwatch.domain.booking import Booking
from slotwatch.domain.errors import SlotwatchError
from slotwatch.domain.notices import USUAL_CHANNELS
from slotwatch.domain.slot import Slot
from slotwatch.simulation.house import House
from slotwatch.simulation.provider import ScriptedProvider
from slotwatch.storage import bookings
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database
from slotwatch.storage.people import Driver, ensure_driver
from slotwatch.storage.statements import Statement
from slotwatch.usecases.book import book
from slotwatch.usecases.desk import BookingSettings, Desk
from slotwatch.usecases.pay import pay

__all__ = ["Expectation", "Line", "Stage", "set_up"]

HOUR = timedelta(hours=1)

_CLEAR = (
    "TRUNCATE attempt, audit_run, booking, connector, delivery, dispute, driver, evidence, heartbeat, idempotency,"
    " inbox_message, ledger, notice, outage, pulse, receipt, recipient_day, spend, station, suppression, transition,"
    " unsent, vendor CASCADE"
)
_ADD_VENDOR = Statement("INSERT INTO vendor (name, created_at) VALUES ('Volt', :now) RETURNING id")
_ADD_STATION = Statement(
    "INSERT INTO station (vendor_id, name, address, latitude, longitude, zone, opening_hours, created_at)"
    " VALUES (:vendor_id, 'Harbour', 'Quay 1', 48.2, 16.37, :zone, '[]', :now) RETURNING id"
)
_ADD_CONNECTOR = Statement(
    "INSERT INTO connector (station_id, label, type, power_kw, price_per_hour, currency, created_at)"
    " VALUES (:station_id, :label, 'CCS', 50, 1250, 'EUR', :now) RETURNING id"
)
_MOVES = Statement(
    "SELECT booking_id, version, from_state, to_state, cause, actor, reason FROM transition"
    " WHERE at >= :since ORDER BY at, booking_id, version"
)
_DELIVERIES = Statement(
    "SELECT n.kind, n.occasion, d.channel, d.state FROM notice AS n JOIN delivery AS d ON d.notice_id = n.id"
    " WHERE n.booking_id = :booking_id"
)
_LEDGER = Statement("SELECT entry, amount FROM ledger WHERE booking_id = :booking_id ORDER BY id")


@dataclass(frozen=True)
class Line:
    """Who did what, and when (UTC)."""

    at: datetime
    who: str
    what: str


@dataclass(frozen=True)
class Expectation:
    """What should be so, whether it is, and what was seen instead."""

    claim: str
    holds: bool
    seen: str


@dataclass
class Stage:
    """Where a story plays. Money is paid at booking; the clock stands until `until` moves it."""

    house: House
    desk: Desk
    email: ScriptedProvider
    sms: ScriptedProvider
    mira: Driver
    otto: Driver
    connectors: tuple[int, ...]
    zone: ZoneInfo
    lines: list[Line] = field(default_factory=list)
    expectations: list[Expectation] = field(default_factory=list)
    _told: set[tuple[int, int]] = field(default_factory=set)
    _is_down: bool = False

    @property
    def now(self) -> datetime:
        """Where the clock stands."""
        return self.house.clock.read()

    @property
    def database(self) -> Database:
        """The database of the story."""
        return self.house.database

    def say(self, who: str, what: str) -> None:
        """One line of the story."""
        self.lines.append(Line(self.now, who, what))

    def expect(self, claim: str, holds: bool, seen: object = "") -> None:
        """Note whether what should be so is so; the story goes on either way."""
        self.expectations.append(Expectation(claim, holds, str(seen)))

    def expect_equal(self, claim: str, seen: object, wanted: object) -> None:
        """As expect, for two things that should be the same."""
        self.expect(claim, seen == wanted, f"{seen}, not {wanted}")

    async def until(self, goal: datetime) -> None:
        """Let time pass, from event to event, with the engine and the senders at work."""
        while True:
            await self.house.beat(was_down=self._is_down)
            self._is_down = False
            await self.house.advance()
            await self._tell_moves()
            await self.house.send()
            await self.house.clean()
            if self.now >= goal:
                break
            events = [event for event in await self.house.next_events() if event is not None and event > self.now]
            self.house.clock.move_to(min([goal, *events]))
        report = await self.house.audit()
        if not report.is_clean:
            self.say(
                "audit", f"finds overdue {report.overdue}, off the timeline {report.stray}, untold {report.untold}"
            )
            await self.house.send()

    async def down_until(self, goal: datetime) -> None:
        """Let time pass while slotwatch is down: nothing beats, moves or is sent."""
        self.say("slotwatch", "goes down")
        self.house.clock.move_to(goal)
        self._is_down = True
        self.say("slotwatch", "is back")
        await self.until(goal)

    async def books(
        self, who: Driver, starts_at: datetime, *, length: timedelta = HOUR, connector: int = 0, pays: bool = True
    ) -> Booking:
        """A new booking, paid for at once unless said otherwise. Raises what `book` raises."""
        booking = await book(self.desk, who, self.connectors[connector], Slot(starts_at, starts_at + length))
        local = starts_at.astimezone(self.zone)
        self.say(str(who.name), f"books connector {'AB'[connector]}, {local:%a %H:%M %Z}, for {length / HOUR:g} h")
        if pays:
            booking = await pay(self.desk, who.id, booking.id)
            self.say(str(who.name), f"pays {booking.amount.amount / 100:.2f} {booking.amount.currency}")
        await self.until(self.now)
        return booking

    async def does(self, who: str, what: str, action: Awaitable[object]) -> str | None:
        """Somebody does something; the code of the refusal, or None when it was done."""
        try:
            await action
        except SlotwatchError as refusal:
            self.say(who, f"{what}, and is refused: {refusal.message}")
            return refusal.code
        self.say(who, what)
        await self._tell_moves()
        await self.house.send()
        return None

    async def booking(self, booking_id: int) -> Booking:
        """As it is stored now."""
        async with self.database.connection() as conn:
            booking = await bookings.load(conn, booking_id)
        assert booking is not None, "bookings are never deleted"
        return booking

    async def deliveries(self, booking_id: int, kind: str, occasion: str = "") -> dict[str, str]:
        """How far the notice of that kind has come, by channel."""
        async with self.database.connection() as conn:
            rows = await _DELIVERIES.fetch(conn, booking_id=booking_id)
        return {row["channel"]: row["state"] for row in rows if (row["kind"], row["occasion"]) == (kind, occasion)}

    async def ledger(self, booking_id: int) -> dict[str, int]:
        """What was moved for that booking, in minor units, by entry."""
        async with self.database.connection() as conn:
            return {row["entry"]: row["amount"] for row in await _LEDGER.fetch(conn, booking_id=booking_id)}

    def desk_at(self, instant: datetime) -> Desk:
        """The desk of a process that received a request at `instant`, and is only now getting round to it."""
        return replace(self.desk, clock=MovableClock(instant))

    async def _tell_moves(self) -> None:
        async with self.database.connection() as conn:
            rows = await _MOVES.fetch(conn, since=self.now - timedelta(days=1))
        for row in rows:
            move = (row["booking_id"], row["version"])
            if move not in self._told and row["actor"] == "engine":
                why = f" ({row['reason']})" if row["reason"] else ""
                self.say("engine", f"{row['from_state']} -> {row['to_state']}{why}")
            self._told.add(move)


async def set_up(database: Database, starts_at: datetime, *, zone: str = "UTC") -> Stage:
    """An empty stage at that instant: Mira, Otto, and station Harbour with two connectors, open day and night."""
    stages: list[Stage] = []
    clock = MovableClock(starts_at.astimezone(UTC))

    def on_accepted(channel: ChannelName, message: Message) -> None:
        stages[0].say("e-mail" if channel == "email" else "SMS", _shortened(message))

    email, sms = ScriptedProvider("email", on_accepted=on_accepted), ScriptedProvider("sms", on_accepted=on_accepted)
    async with database.transaction() as conn:
        await conn.execute(_CLEAR)
        vendor_id = await _ADD_VENDOR.fetchval(conn, now=starts_at)
        station_id = await _ADD_STATION.fetchval(conn, vendor_id=vendor_id, zone=zone, now=starts_at)
        connectors = [
            await _ADD_CONNECTOR.fetchval(conn, station_id=station_id, label=label, now=starts_at) for label in "AB"
        ]
        mira = await ensure_driver(
            conn, "mira", now=starts_at, name="Mira", email="mira@example.org", phone="+15005550010"
        )
        otto = await ensure_driver(
            conn, "otto", now=starts_at, name="Otto", email="otto@example.org", phone="+15005550011"
        )
    desk = Desk(database, clock, BookingSettings(payments="local"), USUAL_CHANNELS, lambda due_at: None)
    house = House.built(database, clock, [email, sms])
    stages.append(Stage(house, desk, email, sms, mira, otto, tuple(connectors), ZoneInfo(zone)))
    await house.beat()
    return stages[0]


def _shortened(message: Message) -> str:
    words = f"to {message.to}: {message.subject or message.text}"
    return words if len(words) <= 110 else words[:109].rstrip() + "…"
