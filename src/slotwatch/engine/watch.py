"""Every minute: raises alerts for what is wrong, resolves those that are over, and tells whom it concerns by e-mail.

Each kind is a file in `alerts/` that lists what is bad, and what is not bad any more but not well yet: the way back is
longer than the way there. One process of all does it at a time, of any kind: who lives watches the rest.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import structlog

from slotwatch.domain.alerts import AlertKind, AlertRules
from slotwatch.domain.errors import Unavailable
from slotwatch.domain.notices import NOTICE_RULES, Channel, NoticeKind, Recipient
from slotwatch.outbox.settings import CapSettings
from slotwatch.storage.clock import Clock
from slotwatch.storage.database import CONNECTION_ERRORS, Database
from slotwatch.storage.recipients import operators, people_of
from slotwatch.storage.statements import Connection, Statement, load_sql
from slotwatch.storage.tell import tell

__all__ = ["WATCH_EVERY", "Watch", "WatchReport"]

_log = structlog.get_logger(__name__)

WATCH_EVERY = timedelta(minutes=1)
_SLICES = 15  # of the vendors one slice's rates are looked at each minute: that reads weeks of bookings
_USUAL_DAYS = 28

_FILES = {
    "vendor_delivery_failures": AlertKind.DELIVERY_FAILURES,
    "house_delivery_failures": AlertKind.DELIVERY_FAILURES,
    "spend_cap": AlertKind.SPEND_CAP,
    "code_cap": AlertKind.SPEND_CAP,
    "vendor_outage": AlertKind.OUTAGE,
    "house_outage": AlertKind.OUTAGE,
    "engine_late": AlertKind.ENGINE_LATE,
    "component_silent": AlertKind.COMPONENT_SILENT,
    "set_aside": AlertKind.SET_ASIDE,
    "no_check_ins": AlertKind.NO_CHECK_INS,
    "high_no_show_rate": AlertKind.HIGH_NO_SHOW_RATE,
}
_SETTLE = load_sql(__package__, "alerts/settle_alerts.sql")
# Claimed by the row: of two that come at once the second waits, and sees that it is done.
_CLAIM = Statement(
    "INSERT INTO watch_run AS w (what, at) VALUES (:what, :now) ON CONFLICT (what) DO UPDATE SET at = excluded.at,"
    " slice = (w.slice + 1) % :slices::int"
    " WHERE w.at <= excluded.at - :every::interval RETURNING slice"
)


@dataclass(frozen=True)
class WatchReport:
    """How many alerts changed, and how many people were written to."""

    at: datetime
    raised: int = 0
    resolved: int = 0
    told: int = 0


class Watch:
    """Runs the files in `alerts/`; `channels` are those that are switched on."""

    def __init__(
        self, database: Database, channels: Collection[Channel], clock: Clock, caps: CapSettings | None = None
    ) -> None:
        self._database = database
        self._channels = channels
        self._clock = clock
        self._caps = caps or CapSettings()
        self._rules = AlertRules()

    async def run_once(self, now: datetime) -> WatchReport:
        """Look at everything, raise, resolve and write down who is told, in one transaction."""
        async with self._database.transaction() as conn:
            return await self._look(conn, now)

    async def run_if_due(self) -> WatchReport | None:
        """As `run_once`, unless somebody did it within the last minute; each vendor's no-show rates every 15th
        time, its failed messages every fifth."""
        async with self._database.transaction() as conn:
            now = await self._clock.now(conn)
            part = await _CLAIM.fetchval(conn, what="alerts", now=now, every=WATCH_EVERY, slices=_SLICES)
            return None if part is None else await self._look(conn, now, slices=_SLICES, of=part)

    async def run(self, stop: asyncio.Event) -> None:
        """Look every minute until stopped; trouble is logged and tried again."""
        while not stop.is_set():
            try:
                await self.run_if_due()
            except (Unavailable, *CONNECTION_ERRORS, asyncpg.PostgresError) as error:
                _log.warning("the watch could not look", action="watch_failed", error=str(error))
            await self._clock.wait(WATCH_EVERY / 4, stop)

    async def _look(self, conn: Connection, now: datetime, *, slices: int = 1, of: int = 0) -> WatchReport:
        known = self._known(now) | {"slices": slices, "slice": of}
        readings = [reading for name, kind in _FILES.items() for reading in await _read(conn, name, kind, known)]
        settled = await _SETTLE.fetch(
            conn,
            now=now,
            measured=sorted({kind.value for kind in _FILES.values()}),
            slices=slices,
            slice=of,
            vendor_ids=[one["vendor_id"] for one in readings],
            kinds=[one["kind"] for one in readings],
            subjects=[one["subject"] for one in readings],
            station_ids=[one["station_id"] for one in readings],
            details=[one["detail"] for one in readings],
            bad=[one["is_bad"] for one in readings],
        )
        raised = [row for row in settled if row["became"] == "raised"]
        told = sum([await self._tell(conn, row, now) for row in raised])
        for row in settled:
            what = {name: row[name] for name in ("kind", "subject", "vendor_id")}
            _log.info(f"an alert was {row['became']}", action=f"alert_{row['became']}", **what)
        return WatchReport(now, len(raised), len(settled) - len(raised), told)

    def _known(self, now: datetime) -> dict[str, Any]:
        """What the files may ask for: the house's rules, where vendors have none of their own, and its limits."""
        rules = {name: getattr(self._rules, name) for name in self._rules.__dataclass_fields__}
        return rules | {
            "now": now,
            "usual_days": _USUAL_DAYS,
            "house_cap": self._caps.spend_cap,
            "code_cap": self._caps.code_sms_cap,
            "one_more": self._caps.sms_cost,
            "channels": [channel.value for channel in Channel],
        }

    async def _tell(self, conn: Connection, row: Mapping[str, Any], now: datetime) -> int:
        """Each of the vendor's owners and managers, or of the operators; once for each alert."""
        vendor_id = row["vendor_id"]
        people: list[Recipient] = await (operators(conn) if vendor_id is None else people_of(conn, vendor_id))
        station = row["station_name"]
        facts = {  # put into words when it is sent, in the language of who gets it
            **{name: row[name] for name in ("kind", "subject", "detail")},
            "link": "operator" if vendor_id is None else "vendor/alerts",
            **({"station": station} if station else {}),
        }
        told = [
            await tell(
                conn,
                NoticeKind.ALERT_RAISED,
                occasion=f"{row['id']}:{person.mark}",
                recipient=person,
                facts=facts,
                channels=[Channel.EMAIL] if Channel.EMAIL in self._channels else [],
                valid_for=NOTICE_RULES[NoticeKind.ALERT_RAISED].offset,
                now=now,
            )
            for person in people
        ]
        return sum(told)


async def _read(conn: Connection, name: str, kind: AlertKind, known: Mapping[str, Any]) -> list[dict[str, Any]]:
    statement = load_sql(__package__, f"alerts/{name}.sql")
    rows = await statement.fetch(conn, **{field: known[field] for field in statement.names})
    return [{**row, "kind": kind.value} for row in rows]
