"""BookingScheduler: the named face of the engine, with the six operations that the original description promises.

There are no jobs to schedule or cancel: each booking is its own timer. So "schedule" checks that a booking is on its
timeline and wakes the worker, and "cancel" withdraws messages that are no longer true.
"""

import asyncio
from datetime import datetime

from slotwatch.domain.booking import Booking
from slotwatch.domain.errors import Conflict
from slotwatch.domain.notices import NOTICE_RULES
from slotwatch.engine.advance import AdvanceReport
from slotwatch.engine.audit import AuditReport
from slotwatch.engine.worker import Duties, Worker
from slotwatch.storage import migrate
from slotwatch.storage.clock import Clock
from slotwatch.storage.database import Database
from slotwatch.storage.statements import Statement

__all__ = ["BookingScheduler"]

_WITHDRAW = Statement(
    "UPDATE delivery AS d SET state = 'suppressed', error = 'withdrawn: no longer true'"  # not what is on its way
    " FROM notice AS n JOIN booking AS b ON b.id = n.booking_id"
    " WHERE n.booking_id = :booking_id AND d.notice_id = n.id AND d.state || '' = 'pending' AND d.handed_over IS NULL"
    " AND NOT EXISTS (SELECT FROM unnest(:kinds::text[], :states::text[]) AS truth(kind, state)"
    " WHERE truth.kind = n.kind AND truth.state = b.state)"
)


class BookingScheduler:
    """One per process; `init` starts it, `close` stops it within 10 s."""

    def __init__(self, database: Database, clock: Clock, duties: Duties) -> None:
        self._database = database
        self._duties = duties
        self._worker = Worker(database, clock, duties)
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def init(self) -> None:
        """Check the schema and start the worker. Raises SchemaMismatch."""
        await migrate.require_current(self._database.url)
        self._running = asyncio.create_task(self._worker.run(self._stop))

    async def close(self) -> None:
        """Finish the batch under way and stop."""
        self._stop.set()
        if self._running is not None:
            async with asyncio.timeout(10):
                await self._running

    async def schedule_booking_notifications(self, booking: Booking) -> datetime:
        """When the booking's next step is due. Raises Conflict for a booking that has ended."""
        if booking.due_at is None:
            raise Conflict(f"This booking is {booking.state}: nothing is left to schedule.")
        self._worker.wake.set()
        return booking.due_at

    async def handle_booking_start(self, booking_id: int) -> AdvanceReport:
        """Do what is due for this booking now; too early or already done moves nothing."""
        return await self._advance(booking_id)

    async def handle_grace_period_expiration(self, booking_id: int) -> AdvanceReport:
        """As handle_booking_start: the timeline knows which step it is."""
        return await self._advance(booking_id)

    async def check_booking_statuses(self) -> AuditReport:
        """The audit, now: what is overdue, stuck or untold is repaired, counted and logged."""
        async with self._database.transaction() as conn:
            return await self._duties.auditor.run_once(conn)

    async def cancel_booking_notifications(self, booking_id: int) -> int:
        """Withdraw the waiting messages that are no longer true for this booking; how many there were."""
        truths = [(kind.value, state.value) for kind, rule in NOTICE_RULES.items() for state in rule.true_in]
        async with self._database.connection() as conn:
            return await _WITHDRAW.execute(
                conn,
                booking_id=booking_id,
                kinds=[kind for kind, _ in truths],
                states=[state for _, state in truths],
            )

    async def _advance(self, booking_id: int) -> AdvanceReport:
        async with self._database.connection() as conn:
            return await self._duties.advancer.run_once(conn, ids=[booking_id])
