"""The link that the screen of a bay opens: it shows the code and nothing else, until a manager takes it back."""

from slotwatch.domain.errors import NotFound
from slotwatch.storage.places import Place, find_place
from slotwatch.storage.statements import Connection, Statement
from slotwatch.usecases.desk import Desk

__all__ = ["find_own_bay", "take_back_link"]

_TAKE_BACK = Statement("UPDATE connector SET screen_number = screen_number + 1 WHERE id = :id")


async def find_own_bay(conn: Connection, vendor_id: int, station_id: int, connector_id: int) -> Place:
    """The vendor's bay of that station. Raises NotFound, also for one that is gone."""
    place = await find_place(conn, connector_id)
    if place is None or place.is_removed or (place.vendor_id, place.station_id) != (vendor_id, station_id):
        raise NotFound
    return place


async def take_back_link(desk: Desk, vendor_id: int, station_id: int, connector_id: int) -> None:
    """Links made so far show nothing any more. Raises NotFound."""
    async with desk.database.transaction() as conn:
        await find_own_bay(conn, vendor_id, station_id, connector_id)
        await _TAKE_BACK.execute(conn, id=connector_id)
