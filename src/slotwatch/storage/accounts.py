"""Who an address belongs to: drivers who proved it, and live staff; and new drivers who come by an address alone."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from slotwatch.domain.notices import Channel
from slotwatch.domain.staff import StaffRole
from slotwatch.storage.people import Driver
from slotwatch.storage.statements import Connection, Statement

__all__ = [
    "StaffMember",
    "driver_with",
    "end_sessions_of_driver",
    "find_driver_by_id",
    "make_driver_with",
    "rename_driver",
    "staff_with",
    "verified_at",
    "wait_for_address",
]

_COLUMNS = "id, subject, name, email, phone, preferences"
_BY = {
    Channel.EMAIL: Statement(
        f"SELECT {_COLUMNS} FROM driver WHERE lower(email) = lower(:address) AND email_verified_at IS NOT NULL"  # noqa: S608
        " ORDER BY id LIMIT 1"
    ),
    Channel.SMS: Statement(
        f"SELECT {_COLUMNS} FROM driver WHERE phone = :address AND phone_verified_at IS NOT NULL ORDER BY id LIMIT 1"  # noqa: S608
    ),
}
_MAKE = {
    Channel.EMAIL: Statement(
        "INSERT INTO driver (subject, email, email_verified_at, created_at)"  # noqa: S608  # names only, no values
        " VALUES (:subject, :address, :now, :now)"
        f" RETURNING {_COLUMNS}"
    ),
    Channel.SMS: Statement(
        "INSERT INTO driver (subject, phone, phone_verified_at, created_at)"  # noqa: S608
        " VALUES (:subject, :address, :now, :now)"
        f" RETURNING {_COLUMNS}"
    ),
}
_QUEUE = Statement("SELECT pg_advisory_xact_lock(hashtextextended(lower(:address), 3))")
_BY_ID = Statement(f"SELECT {_COLUMNS} FROM driver WHERE id = :id")  # noqa: S608
_VERIFIED_AT = Statement("SELECT email_verified_at, phone_verified_at FROM driver WHERE id = :id")
_RENAME = Statement("UPDATE driver SET name = :name WHERE id = :id")
_STAFF = Statement(
    "SELECT s.id, s.vendor_id, s.role, s.name, v.name AS vendor_name FROM staff AS s"
    " LEFT JOIN vendor AS v ON v.id = s.vendor_id WHERE lower(s.email) = lower(:email) AND s.removed_at IS NULL"
)
_END_SESSIONS = Statement(
    "WITH browsers AS (DELETE FROM push_subscription WHERE driver_id = :driver_id)"
    " DELETE FROM session WHERE driver_id = :driver_id"
)


@dataclass(frozen=True)
class StaffMember:
    """Somebody who works for a vendor, or with vendor None for the operator."""

    id: int
    vendor_id: int | None
    role: StaffRole
    name: str
    vendor_name: str | None


async def driver_with(conn: Connection, channel: Channel, address: str) -> Driver | None:
    """The driver who proved that address; who only claimed it does not count."""
    row = await _BY[channel].fetchrow(conn, address=address)
    return None if row is None else Driver(**row)


async def wait_for_address(conn: Connection, address: str) -> None:
    """Until the end of the transaction, whoever else comes by that address waits here."""
    await _QUEUE.fetchval(conn, address=address)


async def make_driver_with(conn: Connection, channel: Channel, address: str, *, now: datetime) -> Driver:
    """A new driver with that address, proven. Their subject, which the operator's app is told, says nothing of them."""
    subject = f"page-{secrets.token_hex(16)}"
    row = await _MAKE[channel].fetchrow(conn, subject=subject, address=address, now=now)
    assert row is not None
    return Driver(**row)


async def find_driver_by_id(conn: Connection, driver_id: int) -> Driver:
    """The driver with that number, who must be there."""
    row = await _BY_ID.fetchrow(conn, id=driver_id)
    assert row is not None, "drivers are never deleted"
    return Driver(**row)


async def verified_at(conn: Connection, driver_id: int) -> dict[Channel, datetime | None]:
    """When the driver proved each address; None: not yet."""
    row = await _VERIFIED_AT.fetchrow(conn, id=driver_id)
    assert row is not None, "drivers are never deleted"
    return {Channel.EMAIL: row["email_verified_at"], Channel.SMS: row["phone_verified_at"]}


async def rename_driver(conn: Connection, driver_id: int, name: str | None) -> None:
    """How the driver wants to be called; None: not at all."""
    await _RENAME.execute(conn, id=driver_id, name=name)


async def staff_with(conn: Connection, email: str) -> StaffMember | None:
    """Who of the live staff has that e-mail address."""
    row = await _STAFF.fetchrow(conn, email=email)
    return None if row is None else StaffMember(**{**row, "role": StaffRole(row["role"])})


async def end_sessions_of_driver(conn: Connection, driver_id: int) -> None:
    """Sign a driver out everywhere; no browser is told by push any more, for one of them may be in other hands."""
    await _END_SESSIONS.execute(conn, driver_id=driver_id)
