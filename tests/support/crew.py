"""The engine, the senders and the hearts of one machine, driven step by step by a test."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from slotwatch.analytics.invariants import broken
from slotwatch.channels import Message
from slotwatch.channels.guarded import Guarded
from slotwatch.domain.booking import Booking, CheckInMethod
from slotwatch.domain.errors import WrongConnector
from slotwatch.domain.lifecycle import State
from slotwatch.domain.notices import Channel
from slotwatch.domain.slot import Slot
from slotwatch.engine.advance import Advancer, AdvanceReport, AdvanceSettings
from slotwatch.engine.audit import Auditor
from slotwatch.engine.clean import Cleaner
from slotwatch.engine.outages import Component, Heart
from slotwatch.engine.worker import Duties
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.compose import compose
from slotwatch.outbox.keys import delivery_key
from slotwatch.outbox.sender import Sender
from slotwatch.outbox.settings import CapSettings, SenderSettings
from slotwatch.storage import bookings
from slotwatch.storage.clock import MovableClock
from slotwatch.usecases.book import book
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import Desk
from tests.support.provider import Provider

__all__ = ["APP", "FRONTEND", "Crew", "until"]

APP = CheckInAttempt(CheckInMethod.APP)
FRONTEND = "https://slots.example.org"
_WAIT_SECONDS = 20.0


async def until(condition: Any, *, seconds: float = _WAIT_SECONDS) -> None:
    """Look every few milliseconds until `await condition()` is true; fails after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.005)


@dataclass
class Crew:
    """Works on the desk's database by the desk's clock, which must be a movable one."""

    desk: Desk
    settings: SenderSettings = field(default_factory=SenderSettings)
    batch_size: int = 2500
    caps: CapSettings = field(default_factory=CapSettings)

    def __post_init__(self) -> None:
        self.mail, self.sms = Provider(Channel.EMAIL), Provider(Channel.SMS)
        self.senders = {
            channel: self.sender(provider)
            for channel, provider in ((Channel.EMAIL, self.mail), (Channel.SMS, self.sms))
            if channel in self.desk.channels
        }
        self.advancer = Advancer(AdvanceSettings(batch_size=self.batch_size), self.desk.channels, self.desk.clock)
        self._hearts: dict[Component, Heart] = {
            "engine": Heart("engine", self.desk.database, self.desk.clock),
            "api": Heart("api", self.desk.database, self.desk.clock),
        }

    @property
    def clock(self) -> MovableClock:
        """The clock that the test moves."""
        assert isinstance(self.desk.clock, MovableClock)
        return self.desk.clock

    def sender(
        self,
        provider: Provider | Guarded,
        settings: SenderSettings | None = None,
        *,
        write: Callable[[Claimed, str], Message] = compose,
    ) -> Sender:
        """One more sender."""
        return Sender(
            provider,  # type: ignore[arg-type]  # its name is one of the two literals
            self.desk.database,
            self.desk.clock,
            settings or self.settings,
            enabled=self.desk.channels,
            caps=self.caps,
            frontend_url=FRONTEND,
            write=write,
        )

    def duties(self) -> Duties:
        """What a worker or a scheduler is built from."""
        channels, clock = self.desk.channels, self.desk.clock
        return Duties(self.advancer, Auditor(channels, clock), Cleaner(clock), self._hearts["engine"])

    async def advance(self, **options: Any) -> AdvanceReport:
        """One batch of the engine."""
        async with self.desk.database.connection() as conn:
            return await self.advancer.run_once(conn, **options)

    async def engine(self) -> list[AdvanceReport]:
        """The engine until nothing is due."""
        reports = []
        while (report := await self.advance()).moved or report.failed:
            reports.append(report)
        return reports

    async def deliver(self) -> None:
        """Both senders until nothing waits for them now."""
        for sender in self.senders.values():
            while (await sender.run_once()).claimed:
                pass

    async def work(self) -> None:
        """What is due is done and told."""
        await self.engine()
        await self.deliver()

    async def beat(self, *components: Component) -> None:
        """A heartbeat of these components, or of all."""
        async with self.desk.database.connection() as conn:
            for component in components or ("engine", "api"):
                await self._hearts[component].beat(conn)

    async def never_silent(self) -> None:
        """From now on no silence counts as an outage, however time is moved."""
        await self.execute("UPDATE pulse SET beat_at = 'infinity'")

    async def live_until(self, instant: datetime) -> None:
        """Let time pass up to that instant, doing everything at the instant at which it is due."""
        while (due := await self._next(instant)) is not None:
            self.clock.move_to(max(due, self.clock.read()))
            await self.work()
        self.clock.move_to(instant)
        await self.work()

    async def live_for(self, duration: timedelta) -> None:
        """As live_until."""
        await self.live_until(self.clock.read() + duration)

    async def _next(self, limit: datetime) -> datetime | None:
        due: datetime | None = await self.value(
            "SELECT min(at) FROM (SELECT min(due_at) AS at FROM booking WHERE NOT set_aside"
            " UNION ALL SELECT min(next_attempt_at) FROM delivery WHERE state = 'pending') AS next WHERE at <= $1",
            limit,
        )
        return due

    async def booked(self, driver: Any, connector: int, slot: Slot, **options: Any) -> Booking:
        """A new booking."""
        return await book(self.desk, driver, connector, slot, **options)

    async def checked_in(self, booking: Booking, attempt: CheckInAttempt = APP) -> Booking:
        """The booking after its own driver checks in."""
        return await check_in(self.desk, booking.driver_id, booking.id, attempt)

    async def refused(self, booking: Booking, *, scanned: int) -> None:
        """Its driver scans the code of another bay, which is refused."""
        with suppress(WrongConnector):
            await self.checked_in(booking, CheckInAttempt(CheckInMethod.QR, qr_connector_id=scanned))
            raise AssertionError("the attempt was not refused")

    async def load(self, booking: Booking) -> Booking:
        """The booking as it is now."""
        async with self.desk.database.connection() as conn:
            current = await bookings.load(conn, booking.id)
        assert current is not None
        return current

    async def state(self, booking: Booking) -> State:
        """Where it stands now."""
        return (await self.load(booking)).state

    async def assert_sound(self) -> None:
        """No invariant is broken."""
        async with self.desk.database.connection() as conn:
            found = await broken(conn, self.clock.read())
        assert not found, [(one.name, one.count, one.examples) for one in found]

    async def rows(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        """All rows."""
        async with self.desk.database.connection() as conn:
            found: list[asyncpg.Record] = await conn.fetch(sql, *values)
            return found

    async def value(self, sql: str, *values: Any) -> Any:
        """The first column of the first row."""
        async with self.desk.database.connection() as conn:
            return await conn.fetchval(sql, *values)

    async def execute(self, sql: str, *values: Any) -> None:
        """Run it."""
        async with self.desk.database.connection() as conn:
            await conn.execute(sql, *values)

    async def history(self, booking: Booking) -> list[str]:
        """The states it went through, in order."""
        rows = await self.rows("SELECT to_state FROM transition WHERE booking_id = $1 ORDER BY version", booking.id)
        return [row["to_state"] for row in rows]

    async def notices(self, booking: Booking) -> list[str]:
        """The kinds of what was to be told, in order, with the occasion of those that have one."""
        rows = await self.rows("SELECT kind, occasion FROM notice WHERE booking_id = $1 ORDER BY id", booking.id)
        return ["/".join(filter(None, row)) for row in rows]

    async def kinds(self, messages: Sequence[Message]) -> list[str]:
        """Of which kind each of these messages is."""
        kinds = {str(row["id"]): row["kind"] for row in await self.rows("SELECT id, kind FROM notice")}
        return [kinds[message.key.split("-")[0]] for message in messages]

    async def deliveries(self, booking: Booking, kind: str) -> dict[str, str]:
        """The state of each delivery of that kind, by channel."""
        rows = await self.rows(
            "SELECT d.channel, d.state FROM delivery AS d JOIN notice AS n ON n.id = d.notice_id"
            " WHERE n.booking_id = $1 AND n.kind = $2 ORDER BY n.id, d.channel",
            booking.id,
            kind,
        )
        return {row["channel"]: row["state"] for row in rows}

    async def key_of(self, notice_id: int, channel: str) -> str:
        """The key that providers know a delivery by."""
        written_at = await self.value("SELECT created_at FROM notice WHERE id = $1", notice_id)
        return delivery_key(notice_id, written_at, Channel(channel))

    async def missed(self) -> list[tuple[int, str]]:
        """Every delivery that was too late, by notice and channel."""
        rows = await self.rows("SELECT notice_id, channel FROM delivery WHERE state = 'missed' ORDER BY 1, 2")
        return [(row["notice_id"], row["channel"]) for row in rows]

    async def unsent(self) -> list[tuple[int, str]]:
        """What metrics count as missed, by notice and channel."""
        rows = await self.rows("SELECT notice_id, channel FROM unsent WHERE state = 'missed' ORDER BY 1, 2")
        return [(row["notice_id"], row["channel"]) for row in rows]

    async def ledger(self, booking: Booking) -> list[tuple[str, str, str, int]]:
        """Its movements of money, in order."""
        rows = await self.rows(
            "SELECT entry, debit, credit, amount FROM ledger WHERE booking_id = $1 ORDER BY id", booking.id
        )
        return [tuple(row) for row in rows]
