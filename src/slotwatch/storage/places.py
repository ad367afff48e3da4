"""One connector with the station that it stands at, removed or not: what a scanned code or an old booking names."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from slotwatch.domain.money import Money
from slotwatch.domain.opening_hours import OpeningHours
from slotwatch.storage.statements import Connection, Statement

__all__ = ["Place", "find_place"]

_FIND = Statement(
    "SELECT c.id AS connector_id, c.label, c.type, c.power_kw, c.price_per_hour, c.currency, s.id AS station_id,"
    " s.vendor_id, s.name AS station_name, s.address, s.latitude, s.longitude, s.zone, s.opening_hours,"
    " s.rotating_code, s.check_in_radius_m, c.screen_number,"
    " coalesce(c.removed_at, s.removed_at) IS NOT NULL AS is_removed"
    " FROM connector AS c JOIN station AS s ON s.id = c.station_id WHERE c.id = :connector_id"
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A bay. Where `is_removed`, nobody can book it any more; bookings of the past still name it."""

    connector_id: int
    label: str
    type: str
    power_kw: float
    price_per_hour: Money
    station_id: int
    vendor_id: int
    station_name: str
    address: str
    latitude: float
    longitude: float
    zone: ZoneInfo
    hours: OpeningHours
    rotating_code: bool
    check_in_radius_m: int | None
    screen_number: int  # of the link that its screen opens: those with lower numbers were taken back
    is_removed: bool


async def find_place(conn: Connection, connector_id: int) -> Place | None:
    """The bay with that connector's number, if there ever was one."""
    row = await _FIND.fetchrow(conn, connector_id=connector_id)
    if row is None:
        return None
    values = dict(row)
    money = Money(values.pop("price_per_hour"), values.pop("currency"))
    hours = OpeningHours.from_list(values.pop("opening_hours"))
    return Place(**{**values, "zone": ZoneInfo(values["zone"]), "hours": hours, "price_per_hour": money})
