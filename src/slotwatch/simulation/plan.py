"""What will happen in a simulated town: who books what, pays, comes, cancels, leaves or never comes, minute by minute.

Pure and seeded: chance is drawn for each booking from the seed and its number, so that what happens to one booking
depends on nothing that runs at the same time.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from random import Random

from slotwatch.domain.errors import SlotNotBookable
from slotwatch.domain.slot import Slot
from slotwatch.simulation.places import Connector, Driver, Places

__all__ = ["BEGINS_AT", "Act", "Doing", "Outage", "Plan", "Planned", "make_plan"]

BEGINS_AT = datetime(2026, 3, 23, tzinfo=UTC)
"""Monday; on the Sunday of that week Europe's clocks go forward."""

MINUTE = timedelta(minutes=1)
QUARTER = timedelta(minutes=15)

# Demand by local hour: two peaks on working days, one broad hill at weekends.
_WORKDAY = (1, 1, 1, 1, 1, 2, 5, 9, 10, 7, 5, 5, 7, 7, 5, 5, 7, 10, 12, 11, 8, 5, 3, 2)
_WEEKEND = (1, 1, 1, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 10, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1)
_LENGTHS = (30, 45, 60, 60, 60, 90, 120, 180)
_LEADS = (25, 45, 90, 180, 360, 720, 1500, 2900)  # minutes between booking and start
_NEVER_PAYS = 0.03
_CANCELS = 0.09
_LEAVES_EARLY = 0.2


class Act(StrEnum):
    """What a driver does."""

    PAY = "pay"
    CANCEL = "cancel"
    CHECK_IN = "check_in"
    FINISH = "finish"


@dataclass(frozen=True)
class Outage:
    """Slotwatch is down in `[begins_at, ends_at)`: engine, API and senders."""

    begins_at: datetime
    ends_at: datetime

    def shifted(self, instant: datetime, number: int) -> datetime:
        """When somebody who tries at `instant` gets through: they try again shortly after the outage."""
        if not self.begins_at - MINUTE < instant <= self.ends_at:
            return instant
        return self.ends_at + MINUTE * (1 + number % 5)


@dataclass(frozen=True)
class Planned:
    """One booking to come. A walk-in takes what another booking is meant to have left free, and may find it taken."""

    number: int
    driver: Driver
    connector: Connector
    slot: Slot
    made_at: datetime
    is_walk_in: bool
    doings: tuple["Doing", ...]


@dataclass(frozen=True)
class Doing:
    """Somebody does something about a booking, in a whole minute."""

    at: datetime
    number: int
    act: Act


@dataclass
class Plan:
    """All of it: bookings by number, and what happens in which minute."""

    outage: Outage
    ends_at: datetime
    bookings: list[Planned] = field(default_factory=list)
    made: dict[datetime, list[Planned]] = field(default_factory=lambda: defaultdict(list))
    doings: dict[datetime, list[Doing]] = field(default_factory=lambda: defaultdict(list))

    def add(self, planned: Planned) -> None:
        """One more booking."""
        self.bookings.append(planned)
        self.made[planned.made_at].append(planned)
        for doing in planned.doings:
            self.doings[doing.at].append(doing)


def make_plan(places: Places, *, bookings: int, days: int, no_show_rate: float, seed: int) -> Plan:
    """That many bookings, walk-ins among them, whose slots begin within that many days."""
    down_at = BEGINS_AT + timedelta(days=days // 2, hours=17, minutes=40)
    plan = Plan(Outage(down_at, down_at + timedelta(minutes=50)), BEGINS_AT + timedelta(days=days))
    drawer = _Drawer(places, plan, days, no_show_rate, seed)
    while len(plan.bookings) < bookings:
        number = len(plan.bookings)
        planned = drawer.draw(number, Random(f"{seed} booking {number}"))  # noqa: S311  # a plan, not a secret
        plan.add(planned)
        if len(plan.bookings) < bookings and (walk_in := drawer.walk_in(planned)) is not None:
            plan.add(walk_in)
    return plan


class _Drawer:
    """Draws bookings and remembers which connector is taken when."""

    def __init__(self, places: Places, plan: Plan, days: int, no_show_rate: float, seed: int) -> None:
        self._places = places
        self._outage = plan.outage
        self._days = days
        self._no_show_rate = no_show_rate
        self._seed = seed
        self._taken: dict[int, set[int]] = defaultdict(set)  # connector: quarters of an hour since the beginning

    def draw(self, number: int, chance: Random) -> Planned:
        """A booking on a connector that is free then."""
        while True:
            connectors = chance.choice(self._places.stations)
            slot = self._slot(connectors[0], chance)
            made_at = max(slot.starts_at - MINUTE * (chance.choice(_LEADS) + chance.randint(0, 14)), BEGINS_AT + MINUTE)
            if self._outage.shifted(made_at, 0) != made_at:
                made_at = max(self._outage.begins_at - MINUTE * 5, BEGINS_AT)
            if slot.starts_at - made_at < 20 * MINUTE or not _is_open(connectors[0], slot, made_at):
                continue
            connector = self._free(connectors, slot, chance)
            if connector is not None:
                driver = self._places.drivers[number % len(self._places.drivers)]
                doings = self._doings(number, connector, slot, made_at, chance)
                return Planned(number, driver, connector, slot, made_at, False, doings)

    def walk_in(self, before: Planned) -> Planned | None:
        """Every other booking that is meant to leave something free has somebody who takes it, by the front door."""
        number = before.number + 1
        chance = Random(f"{self._seed} walk-in {number}")  # noqa: S311
        acts = {doing.act: doing.at for doing in before.doings}
        slot, made_at = before.slot, None
        if Act.PAY not in acts:
            made_at = before.made_at + 11 * MINUTE  # the hold has run out
        elif Act.CANCEL in acts:
            made_at = acts[Act.CANCEL] + MINUTE
        elif Act.CHECK_IN not in acts and slot.length >= 6 * QUARTER:
            made_at = slot.starts_at + 47 * MINUTE  # the longest grace of the town is over
            slot = Slot(slot.starts_at + 4 * QUARTER, slot.ends_at)
        if made_at is None or chance.random() < 0.5 or slot.starts_at - made_at < 10 * MINUTE:
            return None
        made_at = self._outage.shifted(made_at, number)
        if made_at >= slot.starts_at:
            return None
        driver = self._places.drivers[number % len(self._places.drivers)]
        doings = self._doings(number, before.connector, slot, made_at, chance)
        return Planned(number, driver, before.connector, slot, made_at, True, doings)

    def _slot(self, connector: Connector, chance: Random) -> Slot:
        day = chance.randrange(self._days)
        weekday = (BEGINS_AT + timedelta(days=day)).weekday()
        hour = chance.choices(range(24), weights=_WEEKEND if weekday >= 5 else _WORKDAY)[0]
        starts_at = BEGINS_AT + timedelta(days=day, hours=hour) + QUARTER * chance.randrange(4)
        local = starts_at.astimezone(connector.station.zone)
        starts_at -= local.utcoffset() or timedelta(0)  # the hour that was drawn is the station's
        starts_at = BEGINS_AT + (starts_at - BEGINS_AT) % timedelta(days=self._days)  # within the days
        starts_at -= (starts_at - BEGINS_AT) % QUARTER
        return Slot(starts_at, starts_at + MINUTE * chance.choice(_LENGTHS))

    def _free(self, connectors: tuple[Connector, ...], slot: Slot, chance: Random) -> Connector | None:
        first = (slot.starts_at - BEGINS_AT) // QUARTER
        quarters = range(first, first + slot.length // QUARTER)
        offset = chance.randrange(len(connectors))
        for connector in (*connectors[offset:], *connectors[:offset]):
            taken = self._taken[connector.id]
            if not any(quarter in taken for quarter in quarters):
                taken.update(quarters)
                return connector
        return None

    def _doings(
        self, number: int, connector: Connector, slot: Slot, made_at: datetime, chance: Random
    ) -> tuple[Doing, ...]:
        wanted = _wanted(connector, slot, made_at, self._no_show_rate, chance)
        doings: list[Doing] = []
        last = made_at
        for act, at in wanted:
            last = max(self._outage.shifted(at, number), last + MINUTE)
            doings.append(Doing(last, number, act))
        return tuple(doings)


def _is_open(connector: Connector, slot: Slot, made_at: datetime) -> bool:
    station = connector.station
    try:
        slot.check_bookable(now=made_at, hours=station.hours, zone=station.zone)
    except SlotNotBookable:
        return False
    return True


def _wanted(
    connector: Connector, slot: Slot, made_at: datetime, no_show_rate: float, chance: Random
) -> list[tuple[Act, datetime]]:
    """What this driver does and when, were there no outage; the draws are always the same number."""
    fate, other, moment = chance.random(), chance.random(), chance.random()
    if fate < _NEVER_PAYS:
        return []
    paid_at = made_at + MINUTE * (1 + int(moment * 9))
    wanted = [(Act.PAY, paid_at)]
    if fate < _NEVER_PAYS + _CANCELS:
        ahead = slot.starts_at - paid_at
        return [*wanted, (Act.CANCEL, _whole(paid_at + ahead * (0.02 + other)))]  # the last 2 % cancel in grace
    if other < no_show_rate:
        return wanted
    came_at = _comes_at(connector, slot, (other - no_show_rate) / max(1 - no_show_rate, 1e-9), moment)
    wanted.append((Act.CHECK_IN, came_at))
    if (moment * 1000) % 1 < _LEAVES_EARLY:
        wanted.append((Act.FINISH, _whole(came_at + (slot.ends_at - came_at) * 0.7)))
    return wanted


def _comes_at(connector: Connector, slot: Slot, kind: float, moment: float) -> datetime:
    """A third comes early, most in grace, one in twenty in the last minute; one in fifty too early at first."""
    terms = connector.station.vendor.agreed
    grace = min(terms.grace, slot.length)
    if kind < 0.32:
        return _whole(slot.starts_at - terms.early_check_in * (1 - moment))
    if kind < 0.93:
        return _whole(slot.starts_at + grace * 0.9 * moment)
    if kind < 0.98:
        return slot.starts_at + grace
    return slot.starts_at + grace + MINUTE  # a minute too late


def _whole(instant: datetime) -> datetime:
    """The whole minute before."""
    return instant.replace(second=0, microsecond=0)
