"""Who is signed in to the pages: sessions in the database, known by the SHA-256 of the cookie's token."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from slotwatch.domain.staff import StaffRole
from slotwatch.storage.statements import Connection, Statement

__all__ = [
    "DRIVER_STAYS",
    "LONGEST_STAY",
    "STAFF_STAYS",
    "SignedIn",
    "end_session",
    "end_sessions_of_staff",
    "find_session",
    "open_session",
    "staff_sessions_alive",
    "token_hash",
]

_OPEN = Statement(
    "INSERT INTO session (token_hash, driver_id, staff_id, created_at, seen_at, ends_at)"
    " VALUES (:token_hash, :driver_id, :staff_id, :now, :now, :now::timestamptz + :lasts::interval)"
)
DRIVER_STAYS = timedelta(days=30)
STAFF_STAYS = timedelta(hours=12)
LONGEST_STAY = timedelta(days=90)
"""A session goes on while it is used, so that a board on a wall stays signed in; so long at most."""

# Seen at most once a minute, so that a page that renews itself does not write each time.
_FIND = Statement(
    "WITH clock AS MATERIALIZED (SELECT coalesce(:now::timestamptz, clock_timestamp()) AS now), seen AS ("
    " UPDATE session SET seen_at = clock.now, ends_at = greatest(ends_at, least(created_at + :longest::interval,"
    "  clock.now + CASE WHEN staff_id IS NULL THEN :driver_stays::interval ELSE :staff_stays::interval END)) FROM clock"
    " WHERE token_hash = :token_hash AND seen_at < clock.now - interval '1 minute' AND ends_at > clock.now)"
    " SELECT s.token_hash, s.driver_id, d.subject, d.name AS driver_name, s.staff_id, w.vendor_id,"
    " w.role AS staff_role, w.name AS staff_name, w.email AS staff_email,"
    " coalesce(d.preferences ->> 'language', w.language) AS language"
    " FROM session AS s CROSS JOIN clock"
    " LEFT JOIN driver AS d ON d.id = s.driver_id"
    " LEFT JOIN staff AS w ON w.id = s.staff_id AND w.removed_at IS NULL"
    " WHERE s.token_hash = :token_hash AND s.ends_at > clock.now AND (d.id IS NOT NULL OR w.id IS NOT NULL)"
)
_END = Statement("DELETE FROM session WHERE token_hash = :token_hash")
_END_OF_STAFF = Statement("DELETE FROM session WHERE staff_id = :staff_id")
_ALIVE = Statement(
    "SELECT s.token_hash FROM session AS s JOIN staff AS w ON w.id = s.staff_id"
    " WHERE s.token_hash = ANY (:hashes::text[]) AND w.removed_at IS NULL"
    " AND s.ends_at > coalesce(:now::timestamptz, clock_timestamp())"
)


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """One live session: a driver's or one of the staff's. `staff_role` operator belongs to no vendor."""

    token_hash: str
    driver_id: int | None
    subject: str | None  # the driver's, as in tokens
    driver_name: str | None
    staff_id: int | None
    vendor_id: int | None
    staff_role: StaffRole | None
    staff_name: str | None
    staff_email: str | None
    language: str | None

    @property
    def name(self) -> str:
        """How the pages greet them; may be empty."""
        return self.driver_name or self.staff_name or ""


def token_hash(token: str) -> str:
    """What is stored of a cookie's token."""
    return hashlib.sha256(token.encode()).hexdigest()


async def open_session(
    conn: Connection, *, now: datetime, lasts: timedelta, driver_id: int | None = None, staff_id: int | None = None
) -> str:
    """A new session of exactly one person; the token for the cookie, which is stored nowhere."""
    token = secrets.token_urlsafe(32)
    await _OPEN.execute(
        conn, token_hash=token_hash(token), driver_id=driver_id, staff_id=staff_id, now=now, lasts=lasts
    )
    return token


async def find_session(conn: Connection, token: str, *, now: datetime | None) -> SignedIn | None:
    """Who that is, and the session goes on; None when it has ended, or the person is of the staff no longer."""
    row = await _FIND.fetchrow(
        conn,
        token_hash=token_hash(token),
        now=now,
        driver_stays=DRIVER_STAYS,
        staff_stays=STAFF_STAYS,
        longest=LONGEST_STAY,
    )
    if row is None:
        return None
    role = None if row["staff_role"] is None else StaffRole(row["staff_role"])
    return SignedIn(**{**row, "staff_role": role})


async def staff_sessions_alive(conn: Connection, hashes: Collection[str], *, now: datetime | None) -> set[str]:
    """Which of these sessions of the staff have not ended."""
    return {row["token_hash"] for row in await _ALIVE.fetch(conn, hashes=list(hashes), now=now)}


async def end_session(conn: Connection, hashed: str) -> None:
    """Sign out; again is harmless."""
    await _END.execute(conn, token_hash=hashed)


async def end_sessions_of_staff(conn: Connection, staff_id: int) -> None:
    """Sign somebody of the staff out everywhere."""
    await _END_OF_STAFF.execute(conn, staff_id=staff_id)
