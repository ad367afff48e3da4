"""Somebody has seen an alert and sees to it: it stays open, but nobody need look again."""

from slotwatch.domain.errors import NotFound
from slotwatch.storage.statements import Statement
from slotwatch.usecases.desk import Desk

__all__ = ["acknowledge_alert"]

_ACKNOWLEDGE = Statement(
    "UPDATE alert SET acknowledged_at = :now, acknowledged_by = :actor"
    " WHERE id = :id AND vendor_id IS NOT DISTINCT FROM :vendor_id::bigint AND acknowledged_at IS NULL"
)
_EXISTS = Statement("SELECT EXISTS (SELECT FROM alert WHERE id = :id AND vendor_id IS NOT DISTINCT FROM :vendor_id)")


async def acknowledge_alert(desk: Desk, vendor_id: int | None, alert_id: int, *, actor: str) -> None:
    """Note who saw it first; again changes nothing. Raises NotFound for another's alert."""
    async with desk.database.transaction() as conn:
        now = await desk.clock.now(conn)
        if await _ACKNOWLEDGE.execute(conn, id=alert_id, vendor_id=vendor_id, actor=actor, now=now):
            return
        if not await _EXISTS.fetchval(conn, id=alert_id, vendor_id=vendor_id):
            raise NotFound
