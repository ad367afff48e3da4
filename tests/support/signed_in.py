"""People who are signed in to the pages, without going through the sign-in page."""

from datetime import datetime, timedelta

from slotwatch.domain.staff import StaffRole
from slotwatch.storage.database import Database
from slotwatch.storage.sessions import open_session
from slotwatch.web.visitors import SESSION_COOKIE

__all__ = ["driver_cookie", "make_staff", "staff_cookie"]


async def make_staff(
    database: Database, vendor_id: int | None, *, now: datetime, role: StaffRole = StaffRole.OWNER, name: str = "Ada"
) -> int:
    """Somebody who works for the vendor, or with vendor None for the operator; their number."""
    async with database.connection() as conn:
        staff_id: int = await conn.fetchval(
            "INSERT INTO staff (vendor_id, role, name, email, created_at) VALUES ($1, $2, $3, $4, $5) RETURNING id",
            *(vendor_id, role.value, name, f"{name.lower()}-{role}-{vendor_id}@example.org", now),
        )
    return staff_id


async def staff_cookie(database: Database, staff_id: int, *, now: datetime) -> dict[str, str]:
    """The cookie of one of the staff."""
    async with database.connection() as conn:
        token = await open_session(conn, now=now, lasts=timedelta(days=30), staff_id=staff_id)
    return {SESSION_COOKIE: token}


async def driver_cookie(database: Database, driver_id: int, *, now: datetime) -> dict[str, str]:
    """The cookie of a driver."""
    async with database.connection() as conn:
        token = await open_session(conn, now=now, lasts=timedelta(days=30), driver_id=driver_id)
    return {SESSION_COOKIE: token}
