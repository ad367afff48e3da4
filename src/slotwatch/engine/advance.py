"""Moves every booking whose time has come, thousands in one statement, and sets aside the one that cannot be moved."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import asyncpg
import msgspec
import structlog

from slotwatch.domain.lifecycle import Cause, State, Step
from slotwatch.domain.notices import LOUDER_AFTER, Channel
from slotwatch.engine.rules import plan_arrays, rule_arrays
from slotwatch.storage.clock import Clock
from slotwatch.storage.database import CONNECTION_ERRORS
from slotwatch.storage.statements import Connection, Statement, load_sql

__all__ = ["AdvanceReport", "AdvanceSettings", "Advancer", "Moved", "next_due"]

_log = structlog.get_logger(__name__)

_ADVANCE = load_sql(__package__, "advance_due.sql")
_DUE = Statement(
    "SELECT id FROM booking WHERE due_at <= coalesce(:now::timestamptz, clock_timestamp()) AND NOT set_aside"
    " ORDER BY due_at, id LIMIT :limit"
)
_NEXT_DUE = Statement(
    "SELECT due_at FROM booking WHERE due_at IS NOT NULL AND NOT set_aside ORDER BY due_at, id LIMIT 1"
)
_COUNT_FAILURE = Statement(
    "UPDATE booking SET tries = tries + 1, set_aside = tries + 1 >= :most"
    " WHERE id = :id AND due_at IS NOT NULL AND NOT set_aside RETURNING set_aside"
)

_MOST_TRIES = 3
_NOT_THE_ROW = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.SyntaxOrAccessError,  # a table or a right is missing: every booking would be set aside in a moment
    asyncpg.InsufficientResourcesError,
)
"""Failures that say nothing about the row: try again on the next tick."""


class AdvanceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many bookings one transaction moves. Measured best between 1,000 and 5,000 (field/performance.md)."""

    batch_size: int = 2500

    ENV: ClassVar[dict[str, str]] = {"batch_size": "SLOTWATCH_ENGINE_BATCH_SIZE"}

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= 20_000:
            raise ValueError("batch_size must be between 1 and 20000")


@dataclass(frozen=True)
class Moved:
    """So many bookings made the same move."""

    step: Step
    cause: Cause
    from_state: State
    to_state: State
    count: int


@dataclass(frozen=True)
class AdvanceReport:
    """What one run did. `latest` is how late the latest of them was; `failed` lists rows that could not be moved."""

    moves: tuple[Moved, ...] = ()
    latest: timedelta = timedelta(0)
    now: datetime | None = None
    failed: tuple[int, ...] = ()

    @property
    def moved(self) -> int:
        """How many bookings moved."""
        return sum(move.count for move in self.moves)


class Advancer:
    """Runs `advance_due.sql` with the rules of the domain. Any number of them may run at once, on any machines."""

    def __init__(
        self,
        settings: AdvanceSettings,
        channels: Collection[Channel],
        clock: Clock,
        *,
        louder_after: timedelta = LOUDER_AFTER,
    ) -> None:
        self.batch_size = settings.batch_size
        self._clock = clock
        self._rules = {**rule_arrays(), **plan_arrays(channels, louder_after)}

    async def run_once(
        self, conn: Connection, *, ids: Sequence[int] | None = None, may_expire: bool = True
    ) -> AdvanceReport:
        """Move one batch, or only the due ones among `ids`. Each batch is one transaction."""
        try:
            return await self._advance(conn, ids, may_expire)
        except (*CONNECTION_ERRORS, *_NOT_THE_ROW):
            raise
        except asyncpg.PostgresError as error:
            suspects = list(ids) if ids is not None else await self._due_ids(conn)
            return await self._isolate(conn, suspects, may_expire, error)

    async def _advance(self, conn: Connection, ids: Sequence[int] | None, may_expire: bool) -> AdvanceReport:
        rows = await _ADVANCE.fetch(
            conn, now=self._clock.fixed, limit=self.batch_size, ids=ids, may_expire=may_expire, **self._rules
        )
        if not rows:
            return AdvanceReport()
        moves = tuple(
            Moved(
                Step(row["step"]), Cause(row["cause"]), State(row["from_state"]), State(row["to_state"]), row["moved"]
            )
            for row in rows
        )
        return AdvanceReport(moves, max(row["latest"] for row in rows), rows[0]["now"])

    async def _due_ids(self, conn: Connection) -> list[int]:
        return [row["id"] for row in await _DUE.fetch(conn, now=self._clock.fixed, limit=self.batch_size)]

    async def _isolate(
        self, conn: Connection, ids: list[int], may_expire: bool, error: asyncpg.PostgresError
    ) -> AdvanceReport:
        """Halve until the rows that break the batch stand alone; all the others move."""
        if len(ids) <= 1:
            for booking_id in ids if not isinstance(error, asyncpg.QueryCanceledError) else ():
                await self._count_failure(conn, booking_id, error)
            return AdvanceReport(failed=tuple(ids))
        middle = len(ids) // 2
        reports = [await self.run_once(conn, ids=half, may_expire=may_expire) for half in (ids[:middle], ids[middle:])]
        return AdvanceReport(
            tuple(move for report in reports for move in report.moves),
            max(report.latest for report in reports),
            reports[-1].now or reports[0].now,
            tuple(booking_id for report in reports for booking_id in report.failed),
        )

    async def _count_failure(self, conn: Connection, booking_id: int, error: asyncpg.PostgresError) -> None:
        set_aside = await _COUNT_FAILURE.fetchval(conn, id=booking_id, most=_MOST_TRIES)
        _log.error(
            "a booking cannot be moved",
            action="booking_failed",
            booking=booking_id,
            set_aside=set_aside,
            error=str(error),
        )


async def next_due(conn: Connection) -> datetime | None:
    """When the earliest step of all bookings is due; None when nothing is on any timeline."""
    due: datetime | None = await _NEXT_DUE.fetchval(conn)
    return due
