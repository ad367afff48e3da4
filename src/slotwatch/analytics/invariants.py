"""Claims that hold in every database of slotwatch at any time, each one query that returns the rows that break it.

Tests, the simulator and a person with a suspicion run the same queries. They are written from the description, not from
the engine: where they repeat a rule of the domain, they do so on purpose, as a second opinion.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files

from slotwatch.domain.ids import booking_ref
from slotwatch.storage.statements import Connection, Statement

__all__ = ["Broken", "Invariant", "broken", "invariants", "verify"]

_CLAIM = re.compile(r"-- name: (\w+): (.+(?:\n--  .+)*)")
_MOST_EXAMPLES = 5


@dataclass(frozen=True)
class Invariant:
    """One claim, and the query for what contradicts it: `booking_id` and `fault` of each row."""

    name: str
    claim: str
    query: Statement


@dataclass(frozen=True)
class Broken:
    """A claim that does not hold: how many rows contradict it, and the first few of them in words."""

    name: str
    claim: str
    count: int
    examples: tuple[str, ...]


@cache
def invariants() -> tuple[Invariant, ...]:
    """Every invariant, by name."""
    folder = files(__package__) / "invariants"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return tuple(_read((folder / name).read_text(encoding="utf-8")) for name in names)


async def broken(conn: Connection, now: datetime, *, latest: timedelta | None = None) -> list[Broken]:
    """The claims that do not hold at `now` (UTC). With `latest`, a timed move may not be later than that, either.

    What waits for the engine or for a sender (an overdue step, a delivery whose time has passed) counts as broken only
    while the engine is up: when its last beat is at most 15 s before `now`.
    """
    return [found for invariant in invariants() if (found := await verify(conn, invariant, now, latest=latest))]


async def verify(
    conn: Connection, invariant: Invariant, now: datetime, *, latest: timedelta | None = None
) -> Broken | None:
    """None if that claim holds."""
    given = {"now": now, "latest": latest}
    rows = await invariant.query.fetch(conn, **{name: given[name] for name in invariant.query.names})
    if not rows:
        return None
    return Broken(invariant.name, invariant.claim, rows[0]["found"], tuple(_in_words(rows)))


def _in_words(rows: Iterable[dict[str, object]]) -> Iterable[str]:
    for row in rows:
        booking_id = row["booking_id"]
        yield f"{booking_ref(booking_id) if isinstance(booking_id, int) else 'no booking'}: {row['fault']}"


def _read(sql: str) -> Invariant:
    header = _CLAIM.match(sql)
    assert header is not None, "the tidy test looks at the headers of SQL files"
    claim = " ".join(header.group(2).replace("\n--", " ").split())
    counted = f"SELECT *, count(*) OVER () AS found FROM (\n{sql}\n) AS faults LIMIT {_MOST_EXAMPLES}"  # noqa: S608
    return Invariant(header.group(1), claim, Statement(counted))
