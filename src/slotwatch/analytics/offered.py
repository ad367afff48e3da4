"""How long connectors were on offer: the opening hours of their stations, while each connector was there."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from slotwatch.analytics.scope import Period, Scope
from slotwatch.domain.opening_hours import OpeningHours
from slotwatch.storage.statements import Connection, Statement

__all__ = ["Offer", "overlap", "read_offers", "total_offered"]

_OFFERS = Statement(
    "SELECT s.id AS station_id, s.name, s.zone, s.opening_hours, c.id AS connector_id, c.label, c.created_at,"
    " coalesce(c.removed_at, s.removed_at) AS removed_at"
    " FROM station AS s LEFT JOIN connector AS c ON c.station_id = s.id"
    " AND (c.removed_at IS NULL OR c.removed_at > :since OR c.id = ANY (:connector_ids::bigint[]))"
    " WHERE s.vendor_id = :vendor_id AND (:station_id::bigint IS NULL OR s.id = :station_id)"
    " AND (s.removed_at IS NULL OR s.removed_at > :since OR s.id = ANY (:station_ids::bigint[])"
    " OR c.id = ANY (:connector_ids::bigint[]))"
    " ORDER BY s.name, s.id, c.label, c.id"
)


@dataclass(frozen=True)
class Offer:
    """A station's connectors, and how long each was open during the period."""

    station_id: int
    station_name: str
    connectors: tuple[tuple[int, str, timedelta], ...]  # id, label, offered time

    @property
    def offered(self) -> timedelta:
        """The time of all of its connectors together."""
        return sum((offered for _, _, offered in self.connectors), timedelta(0))


async def read_offers(
    conn: Connection, scope: Scope, *, stations_too: Iterable[int] = (), connectors_too: Iterable[int] = ()
) -> list[Offer]:
    """The vendor's stations by name, by their opening hours as they are now; of those that were removed before the
    period only the ones named, where bookings were kept."""
    stations: dict[int, list[dict[str, object]]] = {}
    for row in await _OFFERS.fetch(
        conn,
        vendor_id=scope.vendor_id,
        station_id=scope.station_id,
        since=scope.period.since,
        station_ids=list(stations_too),
        connector_ids=list(connectors_too),
    ):
        stations.setdefault(row["station_id"], []).append(row)
    return [_offer(rows, scope.period) for rows in stations.values()]


def total_offered(offers: Iterable[Offer]) -> timedelta:
    """The time of all of them together."""
    return sum((offer.offered for offer in offers), timedelta(0))


def overlap(spans: Iterable[tuple[datetime, datetime]], since: datetime, until: datetime) -> timedelta:
    """How much of the spans, which do not overlap each other, lies in `[since, until]`."""
    return sum(
        (min(ends, until) - max(begins, since) for begins, ends in spans if begins < until and ends > since),
        timedelta(0),
    )


def _offer(rows: list[dict[str, object]], period: Period) -> Offer:
    first = rows[0]
    hours = OpeningHours.from_list(first["opening_hours"])  # type: ignore[arg-type]  # rows have no types
    spans = hours.within(period.since, period.until, ZoneInfo(str(first["zone"])))
    connectors = []
    for row in rows:
        if row["connector_id"] is not None:
            since = max(period.since, row["created_at"])  # type: ignore[call-overload]
            until = min(period.until, row["removed_at"] or period.until)  # type: ignore[call-overload]
            offered = overlap(spans, since, until) if since < until else timedelta(0)
            connectors.append((row["connector_id"], row["label"], offered))
    return Offer(first["station_id"], str(first["name"]), tuple(connectors))  # type: ignore[arg-type]
