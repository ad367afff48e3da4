"""The whole engine on a movable clock: advance, audit, clean, heartbeats and senders, as in production.

Time jumps from event to event. A jump must not look like an outage of ours, so the hearts are noted as having beaten
until shortly before; only inside an outage that the simulation wants are they not.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from slotwatch.channels import Channel as Provider
from slotwatch.domain.notices import Channel
from slotwatch.engine.advance import Advancer, AdvanceReport, AdvanceSettings, next_due
from slotwatch.engine.audit import Auditor, AuditReport
from slotwatch.engine.clean import Cleaner
from slotwatch.engine.outages import BEAT_EVERY, Heart
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
_NEXT_TRY = Statement("SELECT min(next_attempt_at) FROM delivery WHERE state = 'pending'")


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
        cls, database: Database, clock: MovableClock, providers: Sequence[Provider], *, workers: int = 1
    ) -> "House":
        """A house in which every provider's channel is switched on."""
        channels = [Channel(provider.name) for provider in providers]
        return cls(
            database,
            clock,
            tuple(Advancer(AdvanceSettings(), channels, clock) for _ in range(workers)),
            Auditor(channels, clock),
            Cleaner(clock),
            (Heart("engine", database, clock), Heart("api", database, clock)),
            tuple(
                Sender(provider, database, clock, _SENDING, enabled=channels, frontend_url=FRONTEND_URL)
                for provider in providers
            ),
        )

    async def beat(self, *, was_down: bool = False) -> None:
        """Note that engine and API are alive, and, unless they were down, that they have been all along."""
        async with self.database.connection() as conn:
            if not was_down:
                await _ALIVE.execute(conn, until=self.clock.read() - BEAT_EVERY)
            for heart in self.hearts:
                await heart.beat(conn)

    async def advance(self) -> list[AdvanceReport]:
        """All workers at once, each until it finds nothing due any more."""
        reports = await asyncio.gather(*(self._worker(advancer) for advancer in self.advancers))
        return [report for of_one in reports for report in of_one]

    async def send(self) -> None:
        """Every sender until nothing is due any more; a fallback may give the other one work."""
        claimed = True
        while claimed:
            batches = await asyncio.gather(*(sender.run_once() for sender in self.senders))
            claimed = any(batch.claimed for batch in batches)

    async def audit(self) -> AuditReport:
        """What `check_booking_statuses` finds."""
        async with self.database.transaction() as conn:
            return await self.auditor.run_once(conn)

    async def clean(self) -> None:
        """Settle forfeits whose hold has passed, close what was not sent in time."""
        async with self.database.transaction() as conn:
            await self.cleaner.run_once(conn)

    async def next_step(self) -> datetime | None:
        """When the earliest step of a booking is due."""
        async with self.database.connection() as conn:
            return await next_due(conn)

    async def next_try(self) -> datetime | None:
        """When the next try of a delivery is due."""
        async with self.database.connection() as conn:
            tried_at: datetime | None = await _NEXT_TRY.fetchval(conn)
        return tried_at

    async def _worker(self, advancer: Advancer) -> list[AdvanceReport]:
        reports: list[AdvanceReport] = []
        async with self.database.connection() as conn:
            while True:
                report = await advancer.run_once(conn)
                if not (report.moved or report.failed):
                    return reports
                reports.append(report)
