"""How slotwatch itself is doing, for operators: processes, outages, the last audit, what moved and what was sent."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from slotwatch.storage.statements import Connection, Statement
from slotwatch.storage.vital_signs import VitalSigns, read_flow, read_vital_signs, readiness

__all__ = ["Audit", "House", "Outage", "Process", "Throughput", "see_house"]

_SILENT_AFTER = timedelta(seconds=15)
_FLOW_OF = timedelta(minutes=5)

_PROCESSES = Statement(
    "SELECT instance, component, detail, started_at, beat_at FROM heartbeat ORDER BY component, started_at LIMIT 200"
)
_OUTAGES = Statement("SELECT component, began_at, ended_at FROM outage ORDER BY ended_at DESC, id DESC LIMIT :limit")
_AUDIT = Statement("SELECT at, findings FROM audit_run ORDER BY id DESC LIMIT 1")
_PULSES = Statement("SELECT component, beat_at FROM pulse WHERE beat_at < :now::timestamptz - :silent::interval")


@dataclass(frozen=True)
class Process:
    """One process with a heartbeat; `is_alive` unless it has been silent for 15 s."""

    instance: str
    component: str
    host: str
    started_at: datetime
    beat_at: datetime
    is_alive: bool


@dataclass(frozen=True)
class Outage:
    """A time in which no process of a part was alive; `ended_at` None: it still runs."""

    component: str
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class Audit:
    """What the last audit found."""

    at: datetime
    findings: dict[str, Any]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was off."""
        return not any(self.findings.get(name) for name in ("overdue", "stray", "untold", "set_aside"))


@dataclass(frozen=True)
class Throughput:
    """How many bookings moved and messages were tried in the last five minutes; tries by channel and outcome."""

    moves: int
    tries: dict[str, dict[str, int]]


@dataclass(frozen=True)
class House:
    """All of it, as of one instant."""

    signs: VitalSigns
    schema: str | None
    processes: list[Process]
    outages: list[Outage]
    audit: Audit | None
    throughput: Throughput


async def see_house(conn: Connection, *, now: datetime | None) -> House:
    """At `now` (None: by the database's clock)."""
    signs = await read_vital_signs(conn, now=now)
    flow = await read_flow(conn, signs.now - _FLOW_OF, signs.now)
    tries: dict[str, dict[str, int]] = {}
    for (channel, _, _, outcome), count in flow.attempts.items():
        of_channel = tries.setdefault(channel, {})
        of_channel[outcome] = of_channel.get(outcome, 0) + count
    audit = await _AUDIT.fetchrow(conn)
    silent = await _PULSES.fetch(conn, now=signs.now, silent=_SILENT_AFTER)
    running = [Outage(row["component"], row["beat_at"], None) for row in silent]
    return House(
        signs=signs,
        schema=(await readiness(conn, now=signs.now)).schema,
        processes=[_process(row, signs.now) for row in await _PROCESSES.fetch(conn)],
        outages=[*running, *(Outage(**row) for row in await _OUTAGES.fetch(conn, limit=20))],
        audit=None if audit is None else Audit(audit["at"], audit["findings"]),
        throughput=Throughput(sum(flow.transitions.values()), tries),
    )


def _process(row: Any, now: datetime) -> Process:
    return Process(
        instance=row["instance"],
        component=row["component"],
        host=str(row["detail"].get("host", "?")),
        started_at=row["started_at"],
        beat_at=row["beat_at"],
        is_alive=row["beat_at"] > now - _SILENT_AFTER,
    )
