"""The numbers of a set of bookings: what was counted and added up, and the rates that follow."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from slotwatch.analytics.rates import Rate, share
from slotwatch.analytics.scope import GroupBy, Scope
from slotwatch.domain.lifecycle import FINAL_STATES, State
from slotwatch.domain.slot import LONGEST
from slotwatch.storage.statements import Connection, load_sql

__all__ = ["NO_FIGURES", "SHOWN_STATES", "Figures", "Revenue", "added_up", "read_figures"]

_FIGURES = load_sql(__package__, "figures.sql")
_FIGURES_BY = load_sql(__package__, "figures_by.sql")
_EARLIEST_CHECK_IN = timedelta(minutes=240)  # the most that terms allow
_NONE = timedelta(0)

SHOWN_STATES = (State.ACTIVE, State.COMPLETED, State.REINSTATED)
"""States of a booking whose driver showed up: exactly those with a check-in."""

Amounts = Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Revenue:
    """Minor units by currency; a currency without money is left out. Formulas: docs/reference/metrics.md."""

    earned: Amounts = field(default_factory=dict)
    forfeited: Amounts = field(default_factory=dict)
    lost_to_no_shows: Amounts = field(default_factory=dict)
    refunded: Amounts = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Counts of bookings, and durations on connectors cut to the period.

    `begun` are those whose slot began in the period, without what is live besides: only these can be compared with
    another period's. `never_paid` are cancelled ones whose payment never came; `held` is how long bookings kept
    connectors from others, `used` how long a driver who checked in had one.
    """

    by_state: Mapping[State, int]
    begun: int = 0
    never_paid: int = 0
    checked_in: int = 0
    checked_in_during_grace: int = 0
    median_into_grace: timedelta | None = None
    held: timedelta = _NONE
    used: timedelta = _NONE
    revenue: Revenue = field(default_factory=Revenue)

    @property
    def total(self) -> int:
        """How many bookings."""
        return sum(self.by_state.values())

    @property
    def no_shows(self) -> Rate:
        """Expired ones among those that expired or whose driver showed up; reinstated ones showed up."""
        expired = self.by_state[State.EXPIRED]
        return Rate(expired, expired + sum(self.by_state[state] for state in SHOWN_STATES))

    @property
    def completion(self) -> Rate:
        """Completed ones among those that ended, without those that were never paid."""
        ended = sum(self.by_state[state] for state in FINAL_STATES) - self.never_paid
        return Rate(self.by_state[State.COMPLETED], ended)

    @property
    def grace_use(self) -> Rate:
        """Check-ins that came after the slot had begun, among all."""
        return Rate(self.checked_in_during_grace, self.checked_in)

    def utilisation(self, offered: timedelta) -> float | None:
        """Used time as a share of the offered time."""
        return share(self.used, offered)


NO_FIGURES = Figures(by_state=dict.fromkeys(State, 0))


def added_up(parts: Iterable[Figures]) -> Figures:
    """The figures of bookings that are counted in parts, without their median, which cannot be added."""
    parts = list(parts)
    names = ("earned", "forfeited", "lost_to_no_shows", "refunded")
    return Figures(
        by_state={state: sum(part.by_state[state] for part in parts) for state in State},
        begun=sum(part.begun for part in parts),
        never_paid=sum(part.never_paid for part in parts),
        checked_in=sum(part.checked_in for part in parts),
        checked_in_during_grace=sum(part.checked_in_during_grace for part in parts),
        held=sum((part.held for part in parts), _NONE),
        used=sum((part.used for part in parts), _NONE),
        revenue=Revenue(**{name: _together([getattr(part.revenue, name) for part in parts]) for name in names}),
    )


async def read_figures(conn: Connection, scope: Scope, by: GroupBy = GroupBy.ALL) -> dict[int, Figures]:
    """The figures by key: 0 for ALL, else the id, hour, weekday or day. Keys without bookings are left out."""
    wanted = {
        "vendor_id": scope.vendor_id,
        "station_id": scope.station_id,
        "since": scope.period.since,
        "until": scope.period.until,
        "with_live": scope.with_live,
        "longest": LONGEST,
        "earliest": _EARLIEST_CHECK_IN,
    }
    if by is GroupBy.ALL:
        rows = await _FIGURES.fetch(conn, **wanted)
    else:
        rows = await _FIGURES_BY.fetch(conn, **wanted, by=by)
    by_key: dict[int, list[Any]] = {}
    for row in rows:
        by_key.setdefault(row["key"], []).append(row)
    found = {key: _figures(of_key) for key, of_key in sorted(by_key.items())}
    if by is GroupBy.ALL:
        return {0: found.get(0, NO_FIGURES)}
    return {key: figures for key, figures in found.items() if figures.total or figures.held}


def _figures(rows: Iterable[Any]) -> Figures:
    rows = list(rows)
    by_state = dict.fromkeys(State, 0)
    for row in rows:
        if row["state"] is not None:
            by_state[State(row["state"])] += row["bookings"]
    return Figures(
        by_state=by_state,
        begun=sum(row["begun"] for row in rows),
        never_paid=sum(row["never_paid"] for row in rows),
        checked_in=sum(row["checked_in"] for row in rows),
        checked_in_during_grace=sum(row["in_grace"] for row in rows),
        median_into_grace=next((row["median"] for row in rows if row["median"] is not None), None),
        held=sum((row["held"] for row in rows if row["held"]), _NONE),
        used=sum((row["used"] for row in rows if row["used"]), _NONE),
        revenue=Revenue(
            earned=_added(rows, "earned", "kept"),
            forfeited=_added(rows, "forfeited"),
            lost_to_no_shows=_added(rows, "lost"),
            refunded=_added(rows, "refunded"),
        ),
    )


def _together(amounts: Sequence[Amounts]) -> dict[str, int]:
    currencies = sorted({currency for one in amounts for currency in one})
    return {currency: sum(one.get(currency, 0) for one in amounts) for currency in currencies}


def _added(rows: Iterable[Any], *columns: str) -> dict[str, int]:
    amounts: dict[str, int] = {}
    for row in rows:
        amount = sum(int(row[column] or 0) for column in columns)
        if amount:
            amounts[row["currency"]] = amounts.get(row["currency"], 0) + amount
    return dict(sorted(amounts.items()))
