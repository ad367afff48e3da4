"""How deliveries ended, by channel: which share of what was to be told was told."""

from collections.abc import Mapping
from dataclasses import dataclass

from slotwatch.analytics.rates import Rate
from slotwatch.analytics.scope import GroupBy, Scope
from slotwatch.domain.notices import USUAL_CHANNELS, Channel, DeliveryState
from slotwatch.storage.statements import Connection, load_sql

__all__ = ["NO_DELIVERIES", "DeliveryFigures", "read_deliveries"]

_DELIVERIES = load_sql(__package__, "deliveries.sql")
_DELIVERIES_BY = load_sql(__package__, "deliveries_by.sql")


@dataclass(frozen=True, kw_only=True)
class DeliveryFigures:
    """Deliveries of one channel that are no longer waiting.

    `unknown` were accepted by the provider, which has not said that they arrived; `refused` were refused, used up
    every try or failed on our side; `missed` were too late to be sent; `suppressed` were not to be sent any more.
    """

    delivered: int = 0
    unknown: int = 0
    refused: int = 0
    missed: int = 0
    suppressed: int = 0

    @property
    def sent(self) -> int:
        """Accepted by the provider, whether known to have arrived or not."""
        return self.delivered + self.unknown

    @property
    def failed(self) -> int:
        """Never got out, though they should have: refused and missed ones."""
        return self.refused + self.missed

    @property
    def rate(self) -> Rate:
        """Sent ones among those sent and failed."""
        return Rate(self.sent, self.sent + self.failed)


NO_DELIVERIES: Mapping[Channel, DeliveryFigures] = dict.fromkeys(Channel, DeliveryFigures())

_FIELDS = {
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.SENT: "unknown",
    DeliveryState.UNKNOWN: "unknown",
    DeliveryState.FAILED: "refused",
    DeliveryState.SET_ASIDE: "refused",
    DeliveryState.MISSED: "missed",
    DeliveryState.SUPPRESSED: "suppressed",
}


async def read_deliveries(
    conn: Connection, scope: Scope, by: GroupBy = GroupBy.ALL
) -> dict[int, Mapping[Channel, DeliveryFigures]]:
    """The deliveries about slots that began in the scope's period, by key as in `read_figures`: the usual channels,
    and any other that was used.

    Raises ValueError for CONNECTOR: nobody is told about a connector by itself.
    """
    if by is GroupBy.CONNECTOR:
        raise ValueError("deliveries are not told apart by connector")
    wanted = {
        "vendor_id": scope.vendor_id,
        "station_id": scope.station_id,
        "since": scope.period.since,
        "until": scope.period.until,
        "channels": [channel.value for channel in Channel],
        "states": [state.value for state in _FIELDS],
    }
    if by is GroupBy.ALL:
        rows = await _DELIVERIES.fetch(conn, **wanted)
    else:
        rows = await _DELIVERIES_BY.fetch(conn, **wanted, by=by)
    counts: dict[int, dict[Channel, dict[str, int]]] = {0: {}} if by is GroupBy.ALL else {}
    for row in rows:
        of_channel = counts.setdefault(row["key"], {}).setdefault(Channel(row["channel"]), {})
        field = _FIELDS[DeliveryState(row["state"])]
        of_channel[field] = of_channel.get(field, 0) + row["deliveries"]
    return {
        key: {
            channel: DeliveryFigures(**of_key.get(channel, {}))
            for channel in Channel
            if channel in USUAL_CHANNELS or channel in of_key
        }
        for key, of_key in sorted(counts.items())
    }
