"""Looks at the engine: does it run, is it late, what could it not move, were there outages."""

from datetime import datetime, timedelta

from slotwatch.doctor.finding import Finding, fail, ok, warn
from slotwatch.domain.ids import booking_ref
from slotwatch.storage.statements import Connection, Statement
from slotwatch.storage.vital_signs import VitalSigns, readiness

__all__ = ["check_audit", "check_engine", "check_outages", "check_processes", "check_pulses", "check_set_aside"]

_SILENT_AFTER = timedelta(seconds=15)
_LATE = timedelta(seconds=10)
_TOO_LATE = timedelta(seconds=60)
_AUDIT_OLD = timedelta(minutes=3)

_PROCESSES = Statement(
    "SELECT component, count(*) AS n, string_agg(DISTINCT coalesce(detail->>'host', '?'), ', ') AS hosts FROM heartbeat"
    " WHERE beat_at > :now::timestamptz - :silent::interval GROUP BY component ORDER BY component"
)
_PULSES = Statement(
    "SELECT component, :now::timestamptz - beat_at AS silent FROM pulse"
    " WHERE beat_at < :now - :silent::interval ORDER BY component"
)
_SET_ASIDE = Statement("SELECT id, state, step FROM booking WHERE set_aside ORDER BY id LIMIT 5")
_AUDIT = Statement("SELECT findings, cast(:now AS timestamptz) - at AS age FROM audit_run ORDER BY id DESC LIMIT 1")
_OUTAGES = Statement("SELECT unusable_time(:now::timestamptz - interval '24 hours', :now)")


async def check_engine(conn: Connection, signs: VitalSigns) -> list[Finding]:
    """Whether bookings are moved, and in time."""
    silence = (await readiness(conn, now=None)).engine_silent_for
    if silence is None:
        return [fail("engine", "No engine has run on this database yet.", "Start one: slotwatch work")]
    if silence > _SILENT_AFTER:
        says = f"The engine has been silent for {_spoken(silence)}; {signs.due:,} bookings are due."
        return [fail("engine", says, "Start one: slotwatch work. What grace it missed is given back to the drivers.")]
    says = f"The engine runs; {signs.due:,} bookings are due, the oldest since {signs.lag.total_seconds():.1f} s."
    if signs.lag > _TOO_LATE:
        return [fail("engine", says, "Start more workers, and see whether the database is slow.")]
    if signs.lag > _LATE:
        return [warn("engine", says, "Look again in a minute; if it grows, start more workers.")]
    return [ok("engine", says if signs.due else "The engine runs; nothing is overdue.")]


async def check_processes(conn: Connection, now: datetime) -> list[Finding]:
    """Which processes are alive."""
    rows = await _PROCESSES.fetch(conn, now=now, silent=_SILENT_AFTER)
    alive = {row["component"]: f"{row['n']} {row['component']} on {row['hosts']}" for row in rows}
    if not alive:
        return [warn("processes", "No process of slotwatch has a heartbeat.", "Start slotwatch up, or serve and work.")]
    findings = [ok("processes", f"Alive: {'; '.join(alive.values())}.")]
    if "api" not in alive:
        findings.append(warn("processes", "Nobody answers HTTP, so nobody can check in.", "Start: slotwatch serve"))
    return findings


async def check_pulses(conn: Connection, now: datetime) -> list[Finding]:
    """Parts that beat once and are silent: while they are, whoever does not check in cannot be blamed."""
    rows = await _PULSES.fetch(conn, now=now, silent=_SILENT_AFTER)
    findings = []
    for row in rows:
        if row["component"] != "api":
            continue  # the engine's own silence is said by check_engine
        says = f"HTTP has been silent for {_spoken(row['silent'])}: every no-show since then is voided."
        advice = (
            "Start it: slotwatch serve. If it is switched off for good, because nobody checks in over HTTP, forget it:"
            " DELETE FROM pulse WHERE component = 'api'"
        )
        findings.append(fail("pulses", says, advice))
    return findings or [ok("pulses", "No part that drivers depend on has fallen silent.")]


async def check_set_aside(conn: Connection, signs: VitalSigns) -> list[Finding]:
    """Bookings that could not be moved three times."""
    if not signs.set_aside:
        return [ok("set aside", "No booking had to be set aside.")]
    rows = await _SET_ASIDE.fetch(conn)
    named = ", ".join(f"{booking_ref(row['id'])} ({row['state']}, before {row['step']})" for row in rows)
    advice = "Look for booking_failed in the log, mend the cause, then: slotwatch bookings put-back BK-…"
    return [fail("set aside", f"{signs.set_aside:,} bookings could not be moved: {named}.", advice)]


async def check_audit(conn: Connection, now: datetime) -> list[Finding]:
    """What the audit found last."""
    row = await _AUDIT.fetchrow(conn, now=now)
    if row is None:
        return [warn("audit", "The audit has not run yet.", "It runs every minute while an engine runs.")]
    if row["age"] > _AUDIT_OLD:
        return [warn("audit", f"The audit ran last {_spoken(row['age'])} ago.", "It needs a running engine.")]
    repaired = {name: row["findings"].get(name, 0) for name in ("stray", "untold")}
    if any(repaired.values()):
        says = f"The last audit repaired {repaired['stray']} stray and {repaired['untold']} untold bookings."
        return [warn("audit", says, "That is a bug of ours worth reporting, with the log.")]
    return [ok("audit", f"The last audit, {_spoken(row['age'])} ago, found nothing to repair.")]


async def check_outages(conn: Connection, now: datetime) -> list[Finding]:
    """Our own outages of the last day."""
    gone = await _OUTAGES.fetchval(conn, now=now)
    if not gone:
        return [ok("outages", "No outage of slotwatch itself in the last 24 hours.")]
    says = f"slotwatch itself was down for {_spoken(gone)} of the last 24 hours."
    return [warn("outages", says, "Drivers got the time back. Run two of each process to be without gaps.")]


def _spoken(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h"
