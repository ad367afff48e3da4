"""Notes what providers report of deliveries, in any order and however often, and what people answered.

What comes before its delivery is on record waits for up to a day and is looked at again every two seconds.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import structlog

from slotwatch.channels.channel import without_address
from slotwatch.channels.receipts import Confirmation, News, Receipt, Reply
from slotwatch.domain.errors import Unavailable
from slotwatch.domain.notices import NOTICE_RULES, SAID_STOP, Channel
from slotwatch.outbox.keys import notice_named_by
from slotwatch.storage.clock import Clock
from slotwatch.storage.database import CONNECTION_ERRORS, Database
from slotwatch.storage.statements import Connection, Statement, load_sql

__all__ = ["Applied", "ReceiptBook"]

_log = structlog.get_logger(__name__)

_APPLY = load_sql(__package__, "apply_receipts.sql")
_ENTER_REPLY = load_sql(__package__, "enter_reply.sql")
# Two at the same moment would not see each other.
_QUEUE = Statement("SELECT pg_advisory_xact_lock(hashtextextended(:channel || ' ' || :address, 4))")
_LOOK_EVERY = timedelta(seconds=2)
_MOST_WAITING = 1000


@dataclass(frozen=True)
class Applied:
    """What came of some receipts: how many were new, found their delivery, changed it, opened another channel."""

    arrived: int
    known: int
    risen: int
    opened: int
    suppressed: int


class ReceiptBook:
    """Where receipts and replies are entered. `enabled`: the channels that are on, for what steps in."""

    def __init__(self, database: Database, clock: Clock, enabled: Collection[Channel]) -> None:
        self._database = database
        self._clock = clock
        instead = [
            (kind.value, channel.value, other.value)
            for kind, rule in NOTICE_RULES.items()
            for channel in Channel
            if (other := rule.instead_of(channel, enabled)) is not None
        ]
        self._plan = {
            "plan_kinds": [kind for kind, _, _ in instead],
            "plan_channels": [channel for _, channel, _ in instead],
            "plan_fallbacks": [other for _, _, other in instead],
        }

    async def enter(self, news: Sequence[News]) -> Applied:
        """Enter what one call said, all or nothing. Raises Unavailable."""
        async with self._database.transaction() as conn:
            for one in news:
                if isinstance(one, Reply):
                    await self._enter_reply(conn, one)
                elif isinstance(one, Confirmation):
                    _log.warning(
                        "a provider wants this address to be opened once, before it reports anything",
                        action="confirmation_wanted",
                        provider=one.provider,
                        url=one.url,
                    )
            return await self.apply(conn, [one for one in news if isinstance(one, Receipt)])

    async def apply(self, conn: Connection, receipts: Sequence[Receipt], *, waiting: int = 0) -> Applied:
        """Enter receipts, and look at up to `waiting` earlier ones again; inside the caller's transaction."""
        of_ours = [notice_named_by(one.key) for one in receipts]
        row = await _APPLY.fetchrow(
            conn,
            now=await self._clock.now(conn),
            waiting=waiting,
            providers=[one.provider for one in receipts],
            event_ids=[one.event_id for one in receipts],
            channels=[one.channel for one in receipts],
            message_ids=[one.message_id for one in receipts],
            notice_ids=[named and named[0] for named in of_ours],
            written_ats=[named and named[1] for named in of_ours],
            statuses=[one.status for one in receipts],
            errors=[one.error and without_address(one.error, one.address or "") for one in receipts],
            suppressions=[one.suppress for one in receipts],
            addresses=[_spelled(one) for one in receipts],
            happened_ats=[one.at for one in receipts],
            heards=[one.heard for one in receipts],
            **self._plan,
        )
        assert row is not None
        return Applied(**row)

    async def look_again(self) -> Applied:
        """Look once more at what came before its delivery. Raises Unavailable."""
        async with self._database.transaction() as conn:
            return await self.apply(conn, (), waiting=_MOST_WAITING)

    async def run(self, stop: asyncio.Event) -> None:
        """Look again every two seconds until `stop` is set. A lost database is waited for."""
        while not stop.is_set():
            try:
                await self.look_again()
            except (Unavailable, *CONNECTION_ERRORS, asyncpg.PostgresError) as error:
                _log.warning("receipts wait for the database", action="receipts_wait", error=str(error))
            await self._clock.wait(_LOOK_EVERY, stop)

    async def _enter_reply(self, conn: Connection, reply: Reply) -> None:
        if reply.wants == "help":
            return
        address = _spelled(reply)
        await _QUEUE.execute(conn, channel=reply.channel, address=address)
        await _ENTER_REPLY.execute(
            conn,
            provider=reply.provider,
            event_id=reply.event_id,
            channel=reply.channel,
            wants=reply.wants,
            address=address,
            reason=reply.reason or SAID_STOP,
            now=await self._clock.now(conn),
            happened_at=reply.at,
        )


def _spelled(news: Receipt | Reply) -> str | None:
    return news.address.lower() if news.address and news.channel == "email" else news.address
