"""A vendor takes a station or connector away: nobody books it any more; what was booked lives on or is cancelled."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from slotwatch.domain.errors import Conflict, NotCancellable, NotFound
from slotwatch.domain.money import Money
from slotwatch.storage.statements import Connection, Statement
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.vendor_bookings import Staff, cancel_for_vendor, checked_reason

__all__ = ["Removal", "ToCome", "bookings_to_come", "name_of", "remove"]

# Locks each connector as a booking does: one under way is waited for, the next finds it gone.
_REMOVE_CONNECTORS = Statement(
    "UPDATE connector AS c SET removed_at = :now FROM station AS s WHERE s.id = c.station_id AND s.id = :station_id"
    " AND s.vendor_id = :vendor_id AND (:connector_id::bigint IS NULL OR c.id = :connector_id) AND c.removed_at IS NULL"
)
_REMOVE_STATION = Statement(
    "UPDATE station SET removed_at = :now WHERE id = :station_id AND vendor_id = :vendor_id AND removed_at IS NULL"
)
_TO_COME = Statement(
    "SELECT b.id, b.amount, b.currency, b.payment_status, b.state FROM booking AS b"
    " WHERE b.vendor_id = :vendor_id AND b.station_id = :station_id AND b.due_at IS NOT NULL"
    " AND (:connector_id::bigint IS NULL OR b.connector_id = :connector_id) ORDER BY b.starts_at, b.id"
)
_NAMES = Statement(
    "SELECT s.name, c.label, coalesce(c.removed_at, s.removed_at) IS NOT NULL AS is_removed FROM station AS s"
    " LEFT JOIN connector AS c ON c.station_id = s.id AND c.id = :connector_id"
    " WHERE s.id = :station_id AND s.vendor_id = :vendor_id AND (:connector_id::bigint IS NULL OR c.id IS NOT NULL)"
)


@dataclass(frozen=True)
class Removal:
    """What is to go: a station with all of its connectors, or one of them."""

    station_id: int
    connector_id: int | None = None


@dataclass(frozen=True)
class ToCome:
    """Live bookings there: those that have not begun can be cancelled, and what goes back then; `running` cannot."""

    bookings: tuple[int, ...]
    refunds: tuple[Money, ...]
    running: int


async def name_of(desk: Desk, vendor_id: int, where: Removal) -> tuple[str, bool]:
    """How people call it, and whether it is gone already. Raises NotFound for another vendor's."""
    async with desk.database.connection() as conn:
        row = await _NAMES.fetchrow(
            conn, station_id=where.station_id, connector_id=where.connector_id, vendor_id=vendor_id
        )
    if row is None:
        raise NotFound
    name = row["name"] if row["label"] is None else f"connector {row['label']} of {row['name']}"
    return name, row["is_removed"]


async def bookings_to_come(desk: Desk, vendor_id: int, where: Removal) -> ToCome:
    """What a removal would touch."""
    async with desk.database.connection() as conn:
        return await _to_come(conn, vendor_id, where)


async def remove(desk: Desk, staff: Staff, where: Removal, *, cancel_because: str | None = None) -> ToCome:
    """Take it away; with a reason, cancel what has not begun, everything paid back and told.

    The answer says what is booked there still. What is gone already and booked still is no error: so a removal that was
    interrupted between two cancels can be asked for again. Raises NotFound or InvalidInput, and then nothing was done.
    """
    reason = None if cancel_because is None else checked_reason(cancel_because)
    async with desk.database.transaction() as conn:
        now = await desk.clock.now(conn)
        own = {"station_id": where.station_id, "vendor_id": staff.vendor_id, "now": now}
        removed = await _REMOVE_CONNECTORS.execute(conn, connector_id=where.connector_id, **own)
        if where.connector_id is None:
            removed = await _REMOVE_STATION.execute(conn, **own)
        found = await _to_come(conn, staff.vendor_id, where)
        if not removed and not found.bookings:
            raise NotFound
    if reason is None:
        return found
    await _cancel_all(desk, staff, found.bookings, reason)
    return await bookings_to_come(desk, staff.vendor_id, where)


async def _cancel_all(desk: Desk, staff: Staff, bookings: Sequence[int], reason: str) -> None:
    for booking_id in bookings:
        # It began or ended in the meantime, or is changed so often that it has to wait: what is left is said.
        with suppress(NotCancellable, Conflict):
            await cancel_for_vendor(desk, staff, booking_id, reason)


async def _to_come(conn: Connection, vendor_id: int, where: Removal) -> ToCome:
    rows = await _TO_COME.fetch(conn, vendor_id=vendor_id, station_id=where.station_id, connector_id=where.connector_id)
    ahead = [row for row in rows if row["state"] in ("pending", "confirmed")]
    amounts: dict[str, int] = {}
    for row in ahead:
        if row["payment_status"] == "paid":
            amounts[row["currency"]] = amounts.get(row["currency"], 0) + row["amount"]
    return ToCome(
        tuple(row["id"] for row in ahead),
        tuple(Money(amount, currency) for currency, amount in sorted(amounts.items())),
        len(rows) - len(ahead),
    )
