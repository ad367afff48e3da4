"""Who is written to about a vendor's affairs, and about the house's: those who may decide something."""

from slotwatch.domain.notices import Recipient
from slotwatch.storage.statements import Connection, Statement

__all__ = ["operators", "people_of"]

# A vendor without staff of its own is written to at the address in its profile.
_PEOPLE = Statement(
    "SELECT w.name, w.email, w.language, w.vendor_id, w.id AS staff_id FROM staff AS w"
    " WHERE w.vendor_id = :vendor_id AND w.role IN ('owner', 'manager') AND w.removed_at IS NULL"
    " UNION ALL SELECT v.name, v.email, v.language, v.id, NULL FROM vendor AS v"
    " WHERE v.id = :vendor_id AND v.email IS NOT NULL AND NOT EXISTS (SELECT FROM staff AS w"
    " WHERE w.vendor_id = v.id AND w.role IN ('owner', 'manager') AND w.removed_at IS NULL) ORDER BY email"
)
_OPERATORS = Statement(
    "SELECT name, email, language, vendor_id, id AS staff_id FROM staff"
    " WHERE role = 'operator' AND removed_at IS NULL ORDER BY email"
)


async def people_of(conn: Connection, vendor_id: int) -> list[Recipient]:
    """The vendor's owners and managers; without any, the vendor itself; perhaps nobody."""
    return [Recipient(**row) for row in await _PEOPLE.fetch(conn, vendor_id=vendor_id)]


async def operators(conn: Connection) -> list[Recipient]:
    """Everybody who runs slotwatch."""
    return [Recipient(**row) for row in await _OPERATORS.fetch(conn)]
