"""Every morning: tells each vendor's owners and managers by e-mail what no-shows there were, if there were any.

It is morning from 08:00 on in the zone of the vendor's first station; who was not told by noon is not told. Each
vendor is a transaction of its own, beside the engine's loop: counting a month holds up no booking, and what fails for
one vendor is tried again without holding up the others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import asyncpg
import structlog

from slotwatch.domain.errors import Unavailable
from slotwatch.domain.notices import NOTICE_RULES, Channel, NoticeKind
from slotwatch.storage.clock import Clock
from slotwatch.storage.database import CONNECTION_ERRORS, Database
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
_TRY_LOCK = Statement("SELECT pg_try_advisory_xact_lock(hashtextextended('digest', :vendor_id::bigint))")


@dataclass(frozen=True)
class DigestReport:
    """How many vendors were looked at, and how many people were written to."""

    vendors: int = 0
    told: int = 0


class Digest:
    """`often` is daily, or weekly: on Mondays, of the week before. `read` counts."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        channels: Collection[Channel],
        read: ReadNoShows,
        *,
        often: Literal["daily", "weekly", "off"] = "daily",
    ) -> None:
        self._database = database
        self._clock = clock
        self._channels = [channel for channel in NOTICE_RULES[NoticeKind.NO_SHOW_DIGEST].at_once if channel in channels]
        self._read = read
        self._often = often
        self._seen: dict[int, date] = {}  # what this process looked at need not be counted again

    async def run_once(self, now: datetime) -> DigestReport:
        """Tell who is not told yet. Raises Unavailable, and what a lost connection raises."""
        if self._often == "off" or not self._channels:
            return DigestReport()
        async with self._database.connection() as conn:
            rows = await _DUE.fetch(conn, now=now, since=_MORNING, until=_NOON)
        looked_at = told = 0
        for row in rows:
            if not self._is_due(row["vendor_id"], row["today"]):
                continue
            written = await self._sum_up(row, now)
            if written is not None:
                self._seen[row["vendor_id"]] = row["today"]  # only now is it certain that it stays
                looked_at, told = looked_at + 1, told + written
        if told:
            _log.info("digests were written", action="digests_written", vendors=looked_at, told=told)
        return DigestReport(looked_at, told)

    async def run(self, stop: asyncio.Event) -> None:
        """Look every five minutes until stopped; a lost database is waited for."""
        while not stop.is_set():
            try:
                async with self._database.connection() as conn:
                    now = await self._clock.now(conn)
                await self.run_once(now)
            except (Unavailable, *CONNECTION_ERRORS, asyncpg.PostgresError) as error:
                _log.warning("the digest waits for the database", action="digest_waits", error=str(error))
            await self._clock.wait(DIGEST_EVERY, stop)

    async def _sum_up(self, row: Mapping[str, Any], now: datetime) -> int | None:
        """One vendor's digest, and how many were told; None: another process is at it, or it failed."""
        vendor_id = row["vendor_id"]
        try:
            async with self._database.transaction() as conn:
                if not await _TRY_LOCK.fetchval(conn, vendor_id=vendor_id):
                    return None
                return await self._tell(conn, vendor_id, ZoneInfo(row["zone"]), row["today"], now)
        except (Unavailable, *CONNECTION_ERRORS):
            raise
        except Exception as error:  # whatever is wrong with one vendor, the others are told
            _log.exception("a digest failed", action="digest_failed", vendor_id=vendor_id, error=str(error))
            return None

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
                occasion=f"{vendor_id}:{first}:{today}:{person.mark}",
                recipient=person,
                facts=facts,
                channels=self._channels,
                valid_for=NOTICE_RULES[NoticeKind.NO_SHOW_DIGEST].offset,
                now=now,
            )
            for person in await people_of(conn, vendor_id)
        ]
        return sum(written)
