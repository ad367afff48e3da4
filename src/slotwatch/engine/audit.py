"""Every minute: compares the whole, repairs what is off, and says so. One worker of all does it at a time."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from slotwatch.domain.lifecycle import STEP_RULES, Cause, State
from slotwatch.domain.notices import LOUDER_AFTER, NOTICE_RULES, Channel, NoticeKind
from slotwatch.engine.rules import plan_arrays
from slotwatch.storage.clock import Clock
from slotwatch.storage.statements import Connection, Statement, load_sql

__all__ = ["AUDIT_EVERY", "AuditReport", "Auditor"]

_log = structlog.get_logger(__name__)

AUDIT_EVERY = timedelta(minutes=1)

_AUDIT = load_sql(__package__, "audit.sql")
_LAST = Statement("SELECT at FROM audit_run ORDER BY id DESC LIMIT 1")
_KEEP = Statement("INSERT INTO audit_run (at, findings) VALUES (:at, :findings)")
_TRY_LOCK = Statement("SELECT pg_try_advisory_xact_lock(7215002)")

_LATE_AFTER = timedelta(seconds=60)
_SINCE = timedelta(minutes=10)  # moves older than this were looked at ten times already

_TOLD_BY_PEOPLE = (
    (State.CONFIRMED, Cause.BOOKED, NoticeKind.BOOKING_CONFIRMED),
    (State.CONFIRMED, Cause.PAID, NoticeKind.BOOKING_CONFIRMED),
    (State.ACTIVE, Cause.CHECKED_IN, NoticeKind.CHECKED_IN),
    (State.CANCELLED, Cause.CANCELLED, NoticeKind.BOOKING_CANCELLED),
    (State.COMPLETED, Cause.LEFT, NoticeKind.BOOKING_COMPLETED),
    (State.REINSTATED, Cause.PROVEN, NoticeKind.BOOKING_REINSTATED),
    (State.VOIDED, Cause.DISPUTE_WON, NoticeKind.SLOT_VOIDED),
)


@dataclass(frozen=True)
class AuditReport:
    """What was found. `overdue` and `set_aside` are only counted; `stray` and `untold` were repaired."""

    at: datetime
    overdue: int
    latest_seconds: float
    stray: int
    untold: int
    set_aside: int

    @property
    def is_clean(self) -> bool:
        """Whether nothing was off."""
        return not (self.overdue or self.stray or self.untold or self.set_aside)


class Auditor:
    """Runs `audit.sql`; the rules are those of the engine."""

    def __init__(self, channels: Collection[Channel], clock: Clock, *, louder_after: timedelta = LOUDER_AFTER) -> None:
        self._clock = clock
        self._arrays: dict[str, list[Any]] = {
            **plan_arrays(channels, louder_after),
            **_told_arrays(),
            "rule_steps": [rule.step.value for rule in STEP_RULES],
            "rule_from": [rule.state.value for rule in STEP_RULES],
        }

    async def run_once(self, conn: Connection) -> AuditReport:
        """Compare, repair, keep the findings and log them if there are any. Inside the caller's transaction."""
        row = await _AUDIT.fetchrow(conn, now=self._clock.fixed, late_after=_LATE_AFTER, since=_SINCE, **self._arrays)
        assert row is not None
        report = AuditReport(
            at=row["now"],
            overdue=row["overdue"],
            latest_seconds=row["latest"].total_seconds(),
            stray=row["stray"],
            untold=row["untold"],
            set_aside=row["set_aside"],
        )
        findings = {name: value for name, value in asdict(report).items() if name != "at"}
        await _KEEP.execute(conn, at=report.at, findings=findings)
        if not report.is_clean:
            _log.warning("the audit found something", action="audit_found", **findings)
        return report

    async def run_if_due(self, conn: Connection, now: datetime) -> AuditReport | None:
        """Run unless another worker is at it or did it within the last minute; in a transaction of the caller."""
        if not await _TRY_LOCK.fetchval(conn):
            return None
        last = await _LAST.fetchval(conn)
        if last is not None and last > now - AUDIT_EVERY:
            return None
        return await self.run_once(conn)


def _told_arrays() -> dict[str, list[Any]]:
    told = [
        *((rule.to_state, rule.cause, NoticeKind(rule.notice)) for rule in STEP_RULES if rule.is_logged),
        *_TOLD_BY_PEOPLE,
    ]
    unique = sorted({(state.value, cause.value): kind for state, cause, kind in told}.items())
    return {
        "told_states": [state for (state, _), _ in unique],
        "told_causes": [cause for (_, cause), _ in unique],
        "told_kinds": [kind.value for _, kind in unique],
        "told_anchors": [NOTICE_RULES[kind].anchor.value for _, kind in unique],
        "told_offsets": [NOTICE_RULES[kind].offset for _, kind in unique],
        "told_urgencies": [int(NOTICE_RULES[kind].urgency) for _, kind in unique],
    }
