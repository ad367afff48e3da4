"""What has changed on vendors' boards since an earlier look: one question for any number of vendors.

Triggers write down each change with its transaction (docs/decisions/0016). A `Mark` says up to where somebody has seen
everything, so that another process can go on from there.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from slotwatch.storage.statements import Connection, Statement, load_sql

__all__ = ["MOST_IDS", "Change", "Look", "Mark", "current_mark", "look_again", "look_since"]

_CHANGES = load_sql(__package__, "board_changes.sql")
_MARK = Statement(
    "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xid,"
    " coalesce(:now::timestamptz, clock_timestamp()) AS now"
)
_MARK_FORM = re.compile(r"(\d{1,18})-(\d{1,11})\Z", re.ASCII)
_KEPT = timedelta(minutes=4)
"""Rows live from one cleaning to the next but one, so at least five minutes."""

MOST_IDS = 500
"""More changed bookings than that are not told one by one."""


@dataclass(frozen=True)
class Mark:
    """Everything that transactions before `xid` wrote has been seen; `at` is when."""

    xid: int
    at: datetime

    def __str__(self) -> str:
        return f"{self.xid}-{int(self.at.timestamp())}"

    @classmethod
    def parse(cls, text: str | None) -> "Mark | None":
        """The mark behind its text; None for anything else.

        >>> str(Mark.parse("8841-1764115047")), Mark.parse("yesterday")
        ('8841-1764115047', None)
        """
        found = _MARK_FORM.match(text or "")
        return None if found is None else cls(int(found[1]), datetime.fromtimestamp(int(found[2]), UTC))


@dataclass(frozen=True)
class Change:
    """What changed for one vendor up to `mark`. `everything`: too much to name, or nobody knows."""

    mark: Mark
    booking_ids: frozenset[int] = frozenset()
    station_ids: frozenset[int] = frozenset()
    everything: bool = False

    def and_then(self, later: "Change") -> "Change":
        """Both as one."""
        ids = self.booking_ids | later.booking_ids
        everything = self.everything or later.everything or len(ids) > MOST_IDS
        if everything:
            return Change(later.mark, everything=True)
        return Change(later.mark, ids, self.station_ids | later.station_ids)


@dataclass(frozen=True)
class Look:
    """One look at the changes: what its snapshot was, and what is new by vendor."""

    snapshot: str
    mark: Mark
    changes: dict[int, Change]


async def look_again(conn: Connection, before: Look | None, vendors: Collection[int], *, now: datetime | None) -> Look:
    """What the look before did not see; without one, nothing is new."""
    since = None if before is None else before.mark.xid
    return await _look(conn, since, None if before is None else before.snapshot, vendors, now)


async def look_since(conn: Connection, mark: Mark | None, vendor_id: int, *, now: datetime | None) -> Look:
    """What one vendor has missed since the mark: everything, if that is too long ago to know."""
    look = await _look(conn, None if mark is None else mark.xid, None, [vendor_id], now)
    if mark is None:
        return look
    is_known = mark.xid <= look.mark.xid and abs(look.mark.at - mark.at) < _KEPT
    return look if is_known else Look(look.snapshot, look.mark, {vendor_id: Change(look.mark, everything=True)})


async def current_mark(conn: Connection, *, now: datetime | None) -> Mark:
    """Where a page is that is read on this connection: inside a transaction, that of its snapshot."""
    row = await _MARK.fetchrow(conn, now=now)
    assert row is not None
    return Mark(row["xid"], row["now"])


async def _look(
    conn: Connection, since: int | None, snapshot: str | None, vendors: Collection[int], now: datetime | None
) -> Look:
    rows = await _CHANGES.fetch(conn, since=since, snapshot=snapshot, vendors=list(vendors), now=now)
    mark = Mark(rows[0]["xid"], rows[0]["now"])
    changes: dict[int, Change] = {}
    for row in rows:
        if row["vendor_id"] is not None:
            station = frozenset() if row["station_id"] is None else frozenset({row["station_id"]})
            change = Change(mark, frozenset(row["booking_ids"]), station)
            earlier = changes.get(row["vendor_id"])
            changes[row["vendor_id"]] = change if earlier is None else earlier.and_then(change)
    return Look(rows[0]["snapshot"], mark, changes)
