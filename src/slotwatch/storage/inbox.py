"""The local inbox: what would have been sent if a provider were configured, kept for people to read."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from slotwatch.storage.clock import Clock
from slotwatch.storage.database import Database
from slotwatch.storage.statements import Connection, Statement

__all__ = ["Letter", "StoredMessage", "message", "messages", "saver"]

_COLUMNS = "id, key, channel, recipient, subject, text, html, at"
_SAVE = Statement(
    "WITH kept AS (INSERT INTO inbox_message (key, channel, recipient, subject, text, html, at)"
    " VALUES (:key, :channel, :recipient, :subject, :text, :html, coalesce(:now::timestamptz, clock_timestamp()))"
    " ON CONFLICT (key) DO NOTHING RETURNING id)"
    " SELECT id FROM kept UNION ALL SELECT id FROM inbox_message WHERE key = :key LIMIT 1"
)
# A letter's key begins with the number of its notice.
_IS_SHOWN = (
    "(:with_codes OR NOT EXISTS (SELECT FROM notice AS n WHERE n.kind = 'sign_in_code'"
    " AND n.id = CASE WHEN key ~ '^[0-9]{1,18}-' THEN split_part(key, '-', 1)::bigint END))"
)
_LIST = Statement(
    f"SELECT {_COLUMNS} FROM inbox_message WHERE (:before::bigint IS NULL OR id < :before)"  # noqa: S608  # names only
    f" AND (:channel::text IS NULL OR channel = :channel) AND {_IS_SHOWN} ORDER BY id DESC LIMIT :limit"
)
_ONE = Statement(f"SELECT {_COLUMNS} FROM inbox_message WHERE id = :id AND {_IS_SHOWN}")  # noqa: S608  # names only


class Letter(Protocol):
    """What a channel hands over to be kept."""

    @property
    def key(self) -> str: ...

    @property
    def channel(self) -> str: ...

    @property
    def to(self) -> str: ...

    @property
    def subject(self) -> str | None: ...

    @property
    def text(self) -> str: ...

    @property
    def html(self) -> str | None: ...


@dataclass(frozen=True)
class StoredMessage:
    """One message of the inbox; `at` is when it was put there, UTC."""

    id: int
    key: str
    channel: str
    recipient: str
    subject: str | None
    text: str
    html: str | None
    at: datetime


def saver(database: Database, clock: Clock) -> Callable[[Letter], Awaitable[str]]:
    """The function that keeps a message, once per key, and returns its id."""

    async def save(letter: Letter) -> str:
        async with database.connection() as conn:
            kept = await _SAVE.fetchval(
                conn,
                key=letter.key,
                channel=letter.channel,
                recipient=letter.to,
                subject=letter.subject,
                text=letter.text,
                html=letter.html,
                now=clock.fixed,
            )
        return f"inbox-{kept}"

    return save


async def messages(
    conn: Connection,
    *,
    limit: int = 50,
    before: int | None = None,
    channel: str | None = None,
    with_codes: bool = True,
) -> list[StoredMessage]:
    """The newest messages, or the newest of those older than id `before`; those with sign-in codes only if wanted."""
    rows = await _LIST.fetch(conn, limit=limit, before=before, channel=channel, with_codes=with_codes)
    return [StoredMessage(**row) for row in rows]


async def message(conn: Connection, message_id: int, *, with_codes: bool = True) -> StoredMessage | None:
    """One message; one with a sign-in code only if wanted."""
    row = await _ONE.fetchrow(conn, id=message_id, with_codes=with_codes)
    return None if row is None else StoredMessage(**row)
