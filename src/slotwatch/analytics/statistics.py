"""The read service: a vendor's numbers for the API, the pages, the command line and the metrics, so that none disagree.

What each number means, with its denominator: docs/reference/metrics.md. Read several things inside one
repeatable-read transaction, and they are of one instant.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from slotwatch.analytics.deliveries import NO_DELIVERIES, DeliveryFigures, read_deliveries
from slotwatch.analytics.figures import NO_FIGURES, Figures, added_up, read_figures
from slotwatch.analytics.offered import Offer, read_offers, total_offered
from slotwatch.analytics.scope import GroupBy, Scope
from slotwatch.domain.errors import NotFound
from slotwatch.domain.notices import Channel
from slotwatch.storage.statements import Connection, Statement, load_sql

__all__ = [
    "Group",
    "Insights",
    "Statistics",
    "fold",
    "read_breakdown",
    "read_insights",
    "read_statistics",
    "require_station",
]

_HAS_STATION = Statement("SELECT EXISTS (SELECT FROM station WHERE id = :station_id AND vendor_id = :vendor_id)")
_CURVE = load_sql(__package__, "grace_curve.sql")
_RELET = load_sql(__package__, "relet.sql")
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Statistics:
    """The numbers of one scope. `offered` is how long its connectors were open, all together."""

    scope: Scope
    figures: Figures
    deliveries: Mapping[Channel, DeliveryFigures]
    offered: timedelta

    @property
    def utilisation(self) -> float | None:
        """Used time as a share of the offered time."""
        return self.figures.utilisation(self.offered)


@dataclass(frozen=True)
class Insights:
    """The numbers of a scope beside those of the period before, check-ins by minute of grace, and slots let again:
    how many of the no-shows, by station and by connector."""

    current: Statistics
    previous: Statistics
    grace_curve: Mapping[int, int]
    let_again: Mapping[GroupBy, Mapping[int, int]]

    @property
    def relet_after_no_show(self) -> int:
        """How many of all no-shows."""
        return sum(self.let_again[GroupBy.STATION].values())


@dataclass(frozen=True)
class Group:
    """The numbers of one station, connector, hour or the like; None where such a group has no number of that kind."""

    key: int
    label: str
    figures: Figures
    deliveries: Mapping[Channel, DeliveryFigures] | None = None
    offered: timedelta | None = None


async def require_station(conn: Connection, scope: Scope) -> None:
    """Raise NotFound where the scope names a station that is not the vendor's."""
    if scope.station_id is not None and not await _HAS_STATION.fetchval(
        conn, station_id=scope.station_id, vendor_id=scope.vendor_id
    ):
        raise NotFound("There is no such station.")


async def read_statistics(conn: Connection, scope: Scope) -> Statistics:
    """The numbers of the scope as a whole. Raises NotFound for a station of somebody else."""
    await require_station(conn, scope)
    return await _statistics(conn, scope)


async def read_insights(conn: Connection, scope: Scope) -> Insights:
    """The numbers with all that explains them. Raises NotFound for a station of somebody else."""
    await require_station(conn, scope)
    period = {"since": scope.period.since, "until": scope.period.until}
    whose = {"vendor_id": scope.vendor_id, "station_id": scope.station_id}
    curve = await _CURVE.fetch(conn, **whose, **period, with_live=scope.with_live)
    return Insights(
        current=await _statistics(conn, scope),
        previous=await _statistics(conn, scope.previous),
        grace_curve={row["minute"]: row["check_ins"] for row in curve},
        let_again=_let_again(await _RELET.fetch(conn, **whose, **period)),
    )


async def read_breakdown(conn: Connection, scope: Scope, by: GroupBy, *, with_deliveries: bool = True) -> list[Group]:
    """The numbers by station, connector, hour or the like; groups without any booking are there with zeros.

    Days without a booking are left out, and so are removed places without one. Raises NotFound for a station of
    somebody else.
    """
    await require_station(conn, scope)
    with_deliveries = with_deliveries and by is not GroupBy.CONNECTOR
    figures = await read_figures(conn, scope, by)
    deliveries = await read_deliveries(conn, scope, by) if with_deliveries else {}
    labels: Mapping[int, tuple[str, timedelta | None]]
    if by is GroupBy.STATION:
        labels = dict(_places(await read_offers(conn, scope, stations_too={*figures, *deliveries}), by))
    elif by is GroupBy.CONNECTOR:
        labels = dict(_places(await read_offers(conn, scope, connectors_too=figures), by))
    else:
        labels = {key: (label, None) for key, label in _times(by, {*figures, *deliveries})}
    return [
        Group(
            key,
            label,
            figures.get(key, NO_FIGURES),
            deliveries.get(key, NO_DELIVERIES) if with_deliveries else None,
            offered,
        )
        for key, (label, offered) in labels.items()
    ]


def fold(hours_of_week: Iterable[Group], by: GroupBy) -> list[Group]:
    """Groups by HOUR_OF_WEEK put together by HOUR or WEEKDAY; without medians, which cannot be added."""
    found: dict[int, list[Figures]] = {}
    for group in hours_of_week:
        found.setdefault(group.key % 24 if by is GroupBy.HOUR else group.key // 24, []).append(group.figures)
    return [Group(key, label, added_up(found.get(key, ()))) for key, label in _times(by, set())]


async def _statistics(conn: Connection, scope: Scope) -> Statistics:
    figures = await read_figures(conn, scope)
    deliveries = await read_deliveries(conn, scope)
    return Statistics(scope, figures[0], deliveries[0], total_offered(await read_offers(conn, scope)))


def _let_again(rows: Iterable[Any]) -> dict[GroupBy, dict[int, int]]:
    by_station: dict[int, int] = {}
    by_connector: dict[int, int] = {}
    for row in rows:
        by_station[row["station_id"]] = by_station.get(row["station_id"], 0) + row["let_again"]
        by_connector[row["connector_id"]] = row["let_again"]
    return {GroupBy.STATION: by_station, GroupBy.CONNECTOR: by_connector}


def _places(offers: list[Offer], by: GroupBy) -> Iterator[tuple[int, tuple[str, timedelta]]]:
    for offer in offers:
        if by is GroupBy.STATION:
            yield offer.station_id, (offer.station_name, offer.offered)
        else:
            for connector_id, label, offered in offer.connectors:
                yield connector_id, (f"{offer.station_name} {label}", offered)


def _times(by: GroupBy, found: set[int]) -> Iterator[tuple[int, str]]:
    if by is GroupBy.HOUR:
        yield from ((hour, f"{hour:02}:00") for hour in range(24))
    elif by is GroupBy.WEEKDAY:
        yield from enumerate(_WEEKDAYS)
    elif by is GroupBy.HOUR_OF_WEEK:
        yield from ((hour, f"{_WEEKDAYS[hour // 24]} {hour % 24:02}:00") for hour in range(7 * 24))
    elif by is GroupBy.DAY:
        yield from ((day, (date(1970, 1, 1) + timedelta(days=day)).isoformat()) for day in sorted(found))
    else:
        yield 0, "all"
