"""The whole engine on a movable clock: advance, audit, clean, heartbeats and senders, as in production.

Time jumps from event to event. A jump must not look like an outage of ours, so the hearts are noted as having beaten
until shortly before; only inside an outage that the simulation wants are they not.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from slotwatch.channels import Channel as Provider
from slotwatch.channels import Message
from slotwatch.domain.notices import Channel, DeliveryState
from slotwatch.engine.advance import Advancer, AdvanceReport, AdvanceSettings
from slotwatch.engine.audit import Auditor, AuditReport
from slotwatch.engine.clean import Cleaner
from slotwatch.engine.outages import BEAT_EVERY, Heart
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.compose import compose
from slotwatch.outbox.sender import Sender
from slotwatch.outbox.settings import SenderSettings
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database
from slotwatch.storage.statements import Statement

__all__ = ["FRONTEND_URL", "House"]

FRONTEND_URL = "https://slotwatch.example"

# The lease is long: how fast this machine happens to be must not decide what becomes of a delivery.
_SENDING = SenderSettings(batch_size=400, lease_seconds=600)

_ALIVE = Statement("UPDATE pulse SET beat_at = greatest(beat_at, :until)")
_NEXT = Statement(
    "SELECT (SELECT due_at FROM booking WHERE due_at IS NOT NULL AND NOT set_aside"
    " ORDER BY due_at, id LIMIT 1) AS step,"
    " (SELECT min(next_attempt_at) FROM delivery WHERE state = 'pending') AS try"
)


@dataclass(frozen=True)
class House:
    """One engine of `workers` workers, one sender per provider, and hearts for engine and API."""

    database: Database
    clock: MovableClock
    advancers: tuple[Advancer, ...]
    auditor: Auditor
    cleaner: Cleaner
    hearts: tuple[Heart, ...]
    senders: tuple[Sender, ...]

    @classmethod
    def built(
        cls,
        database: Database,
        clock: MovableClock,
        providers: Sequence[Provider],
        *,
        workers: int = 1,
        write: Callable[[Claimed, str], Message] = compose,
    ) -> "House":
        """A house in which every provider's channel is switched on; `write` words the messages."""
        channels = [Channel(provider.name) for provider in providers]
        return cls(
            database,
            clock,
            tuple(Advancer(AdvanceSettings(), channels, clock) for _ in range(workers)),
            Auditor(channels, clock),
            Cleaner(clock),
            (Heart("engine", database, clock), Heart("api", database, clock)),
            tuple(
                Sender(provider, database, clock, _SENDING, enabled=channels, frontend_url=FRONTEND_URL, write=write)
                for provider in providers
            ),
        )

    async def beat(self, *, was_down: bool = False) -> None:
        """Engine and API beat; unless they were down, they have been alive all along."""
        if not was_down:
            await self.keep_alive(self.clock.read() - BEAT_EVERY)
        async with self.database.connection() as conn:
            for heart in self.hearts:
                await heart.beat(conn)

    async def keep_alive(self, until: datetime) -> None:
        """Note that engine and API have beaten until then: a jump of the clock is no outage."""
        async with self.database.connection() as conn:
            await _ALIVE.execute(conn, until=until)

    async def advance(self) -> list[AdvanceReport]:
        """All workers at once, each until it finds nothing due any more."""
        reports = await asyncio.gather(*(self._worker(advancer) for advancer in self.advancers))
        return [report for of_one in reports for report in of_one]

    async def send(self) -> None:
        """All senders at once, until nothing is due any more; a fallback may give another one work."""
        again = True
        while again:
            reports = await asyncio.gather(*(sender.run_once() for sender in self.senders))
            again = any(report.claimed for report in reports)

    async def send_in_turn(self) -> None:
        """As send, one sender after the other, with as few looks as are needed: for many messages."""
        again = True
        while again:
            again = False
            for sender in self.senders:
                claimed = _SENDING.batch_size
                while claimed == _SENDING.batch_size:
                    report = await sender.run_once()
                    claimed = report.claimed
                    again = again or any(state is not DeliveryState.SENT for state in report.states)

    async def audit(self) -> AuditReport:
        """What `check_booking_statuses` finds."""
        async with self.database.transaction() as conn:
            return await self.auditor.run_once(conn)

    async def clean(self) -> None:
        """Settle forfeits whose hold has passed, close what was not sent in time."""
        async with self.database.transaction() as conn:
            await self.cleaner.run_once(conn)

    async def next_events(self) -> tuple[datetime | None, datetime | None]:
        """When the earliest step of a booking is due, and when the next try of a delivery is."""
        async with self.database.connection() as conn:
            row = await _NEXT.fetchrow(conn)
        assert row is not None, "a row of two values"
        return row["step"], row["try"]

    async def _worker(self, advancer: Advancer) -> list[AdvanceReport]:
        reports: list[AdvanceReport] = []
        async with self.database.connection() as conn:
            while True:
                report = await advancer.run_once(conn)
                if not (report.moved or report.failed):
                    return reports
                reports.append(report)
