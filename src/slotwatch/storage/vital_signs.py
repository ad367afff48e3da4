"""How the system is doing, for metrics and readiness: cheap to ask, however long the history is."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from slotwatch.domain.notices import Channel, Urgency
from slotwatch.storage.statements import Connection, Statement, load_sql

__all__ = ["COUNT_LIMIT", "Backlog", "Flow", "Readiness", "VitalSigns", "read_flow", "read_vital_signs", "readiness"]

COUNT_LIMIT = 100_000
"""Counts stop here, so that a scrape costs the same in a rush."""

_SIGNS = load_sql(__package__, "vital_signs.sql")
# These tables only grow at their end, in the order of `at`: a block-range index finds the newest rows.
_TRANSITIONS = Statement(
    "SELECT coalesce(from_state, '') AS from_state, to_state, cause, count(*) AS n FROM transition"
    " WHERE at > :since AND at <= :until GROUP BY 1, 2, 3"
)
_ATTEMPTS = Statement(
    "SELECT channel, (SELECT kind FROM notice WHERE id = notice_id) AS kind, provider, outcome, count(*) AS n"
    " FROM attempt WHERE at > :since AND at <= :until GROUP BY 1, 2, 3, 4"
)
_RECEIPTS = Statement(
    "SELECT channel, (SELECT kind FROM notice WHERE id = notice_id) AS kind, provider, status, count(*) AS n"
    " FROM receipt WHERE at > :since AND at <= :until GROUP BY 1, 2, 3, 4"
)
_UNSENT = Statement(
    "SELECT channel, (SELECT kind FROM notice WHERE id = notice_id) AS kind, state, count(*) AS n"
    " FROM unsent WHERE at > :since AND at <= :until GROUP BY 1, 2, 3"
)
_READY = Statement(
    "SELECT (SELECT version_num FROM alembic_version) AS version,"
    " (SELECT beat_at FROM pulse WHERE component = 'engine') AS beat_at,"
    " coalesce(:now::timestamptz, clock_timestamp()) AS now"
)


@dataclass(frozen=True)
class Backlog:
    """What one channel has not sent. `waits`: how long the longest-waiting one has been due."""

    channel: Channel
    pending: int
    unknown: int
    failed: int
    set_aside: int
    waits: timedelta


@dataclass(frozen=True)
class VitalSigns:
    """`lag`: how long the oldest due booking has been due; zero when none is."""

    now: datetime
    lag: timedelta
    due: int
    set_aside: int
    outages: int
    backlogs: tuple[Backlog, ...]


@dataclass(frozen=True)
class Flow:
    """How many transitions, by (from, to, cause), attempts, by (channel, kind, provider, outcome), receipts, by
    (channel, kind, provider, status), and deliveries never sent, by (channel, kind, state), in a time."""

    transitions: dict[tuple[str, str, str], int]
    attempts: dict[tuple[str, str, str, str], int]
    receipts: dict[tuple[str, str, str, str], int]
    unsent: dict[tuple[str, str, str], int]


@dataclass(frozen=True)
class Readiness:
    """`schema` is the database's version, None without one; `engine_silent_for` None when no engine ever ran."""

    schema: str | None
    engine_silent_for: timedelta | None


async def read_vital_signs(conn: Connection, *, now: datetime | None) -> VitalSigns:
    """The signs at `now` (None: by the database's clock)."""
    rows = await _SIGNS.fetch(
        conn,
        now=now,
        most=COUNT_LIMIT,
        channels=[channel.value for channel in Channel],
        urgencies=[int(urgency) for urgency in Urgency],
    )
    zero = timedelta(0)
    return VitalSigns(
        now=rows[0]["now"],
        lag=rows[0]["lag"] or zero,
        due=rows[0]["due"],
        set_aside=rows[0]["bookings_set_aside"],
        outages=rows[0]["outages"],
        backlogs=tuple(
            Backlog(
                channel=Channel(row["channel"]),
                pending=row["pending"],
                unknown=row["unknown"],
                failed=row["failed"],
                set_aside=row["set_aside"],
                waits=row["waits"] or zero,
            )
            for row in rows
        ),
    )


async def read_flow(conn: Connection, since: datetime, until: datetime) -> Flow:
    """What happened in `(since, until]`."""
    transitions = await _TRANSITIONS.fetch(conn, since=since, until=until)
    attempts = await _ATTEMPTS.fetch(conn, since=since, until=until)
    receipts = await _RECEIPTS.fetch(conn, since=since, until=until)
    unsent = await _UNSENT.fetch(conn, since=since, until=until)
    return Flow(
        {(row["from_state"], row["to_state"], row["cause"]): row["n"] for row in transitions},
        {(row["channel"], row["kind"] or "", row["provider"], row["outcome"]): row["n"] for row in attempts},
        {(row["channel"], row["kind"] or "", row["provider"], row["status"]): row["n"] for row in receipts},
        {(row["channel"], row["kind"] or "", row["state"]): row["n"] for row in unsent},
    )


async def readiness(conn: Connection, *, now: datetime | None) -> Readiness:
    """What schema the database has and how long the engine has been silent."""
    try:
        row = await _READY.fetchrow(conn, now=now)
    except asyncpg.UndefinedTableError:
        return Readiness(None, None)
    assert row is not None
    return Readiness(row["version"], None if row["beat_at"] is None else row["now"] - row["beat_at"])
