"""Every morning: tells each vendor's owners and managers by e-mail what no-shows there were, if there were any.

It is morning from 08:00 on in the zone of the vendor's first station; who was not told by noon is not told.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import structlog

from slotwatch.domain.notices import NOTICE_RULES, Channel, NoticeKind
from slotwatch.storage.recipients import people_of
from slotwatch.storage.statements import Connection, Statement, load_sql
from slotwatch.storage.tell import tell

__all__ = ["DIGEST_EVERY", "Digest", "DigestReport", "ReadNoShows"]

_log = structlog.get_logger(__name__)

DIGEST_EVERY = timedelta(minutes=5)
_MORNING, _NOON = time(8), time(12)

ReadNoShows = Callable[[Connection, int, datetime, datetime], Awaitable[Sequence[Mapping[str, Any]]]]
"""A vendor's no-shows of a period by station, as `analytics` counts them."""

_DUE = load_sql(__package__, "digest.sql")
_TRY_LOCK = Statement("SELECT pg_try_advisory_xact_lock(7215007)")


@dataclass(frozen=True)
class DigestReport:
    """How many vendors were looked at, and how many people were written to."""

    vendors: int = 0
    told: int = 0


class Digest:
    """`often` is daily, or weekly: on Mondays, of the week before. `read` counts."""

    def __init__(
        self, channels: Collection[Channel], read: ReadNoShows, *, often: Literal["daily", "weekly", "off"] = "daily"
    ) -> None:
        self._channels = [channel for channel in NOTICE_RULES[NoticeKind.NO_SHOW_DIGEST].at_once if channel in channels]
        self._read = read
        self._often = often
        self._seen: dict[int, date] = {}  # what this process looked at need not be counted again

    async def run_once(self, conn: Connection, now: datetime) -> DigestReport:
        """Tell who is not told yet. One worker of all does it at a time; in a transaction of the caller."""
        if self._often == "off" or not self._channels or not await _TRY_LOCK.fetchval(conn):
            return DigestReport()
        rows = await _DUE.fetch(conn, now=now, since=_MORNING, until=_NOON)
        due = [row for row in rows if self._is_due(row["vendor_id"], row["today"])]
        told = 0
        for row in due:
            told += await self._tell(conn, row["vendor_id"], ZoneInfo(row["zone"]), row["today"], now)
            self._seen[row["vendor_id"]] = row["today"]
        if told:
            _log.info("digests were written", action="digests_written", vendors=len(due), told=told)
        return DigestReport(len(due), told)

    def _is_due(self, vendor_id: int, today: date) -> bool:
        is_the_day = self._often == "daily" or today.weekday() == 0
        return is_the_day and self._seen.get(vendor_id) != today

    async def _tell(self, conn: Connection, vendor_id: int, zone: ZoneInfo, today: date, now: datetime) -> int:
        first = today - timedelta(days=7 if self._often == "weekly" else 1)
        since, until = (datetime.combine(day, time(), zone).astimezone(UTC) for day in (first, today))
        stations = await self._read(conn, vendor_id, since, until)
        if not stations:
            return 0
        facts = {
            "from": first.isoformat(),
            "until": (today - timedelta(days=1)).isoformat(),
            "stations": [dict(row) for row in stations],
            "link": "vendor/insights",
        }
        written = [
            await tell(
                conn,
                NoticeKind.NO_SHOW_DIGEST,
                occasion=f"{vendor_id}:{first}:{today}:{person.email}",
                recipient=person,
                facts=facts,
                channels=self._channels,
                valid_for=NOTICE_RULES[NoticeKind.NO_SHOW_DIGEST].offset,
                now=now,
            )
            for person in await people_of(conn, vendor_id)
        ]
        return sum(written)
