"""Where a simulated town lies: vendors with terms of their own, stations in several zones, connectors, drivers."""

from dataclasses import dataclass
from datetime import time
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from slotwatch.domain.money import Money
from slotwatch.domain.opening_hours import ALWAYS_OPEN, OpeningHours, Shift
from slotwatch.domain.terms import Terms
from slotwatch.usecases.book import vendor_terms
from slotwatch.usecases.desk import BookingSettings

__all__ = ["Connector", "Driver", "Places", "Station", "Vendor", "build_places"]

ZONES = ("Europe/Berlin", "Europe/London", "Asia/Kathmandu", "America/New_York", "Australia/Sydney", "Asia/Tokyo")

# What each vendor agreed on with its drivers; empty means as the house has it.
_TERMS: tuple[dict[str, Any], ...] = (
    {},
    {"gracePeriodMinutes": 20, "reminderMinutes": 120},
    {"gracePeriodMinutes": 45, "cancelRefund": [{"untilMinutesBefore": 120, "percent": 80}]},
    {"gracePeriodMinutes": 30, "earlyCheckInMinutes": 30, "reminderMinutes": 0},
)
_CURRENCIES = ("EUR", "GBP", "USD", "EUR")
_PRICES = (900, 1250, 1999, 0)
_BY_DAY = OpeningHours((Shift(tuple(range(7)), time(6), time(23)),))
_CONNECTORS_A_STATION = 4
_BOOKINGS_A_CONNECTOR_AND_DAY = 6
_BOOKINGS_A_DRIVER = 3  # below the limit of live bookings, whenever they are


@dataclass(frozen=True)
class Vendor:
    """Who owns stations; `terms` is what they set themselves, `agreed` what a booking freezes."""

    id: int
    terms: dict[str, Any]
    agreed: Terms


@dataclass(frozen=True)
class Station:
    """A place with a zone and hours."""

    id: int
    vendor: Vendor
    zone: ZoneInfo
    hours: OpeningHours


@dataclass(frozen=True)
class Connector:
    """What is booked."""

    id: int
    station: Station
    price_per_hour: Money


@dataclass(frozen=True)
class Driver:
    """Who books. The addresses say how the providers will treat them; see `answer` in town.py."""

    id: int
    email: str | None
    phone: str | None
    wants_sms: bool


@dataclass(frozen=True)
class Places:
    """Everything and everybody that stands in a town before the first booking."""

    vendors: tuple[Vendor, ...]
    stations: tuple[tuple[Connector, ...], ...]  # the connectors of each
    drivers: tuple[Driver, ...]


def build_places(bookings: int, days: int, seed: int) -> Places:
    """A town in which that many bookings fit into that many days."""
    house = BookingSettings()
    vendors = tuple(Vendor(n, terms, vendor_terms(terms, house)) for n, terms in enumerate(_TERMS, start=1))
    connectors = -(-bookings // (days * _BOOKINGS_A_CONNECTOR_AND_DAY))
    stations = tuple(
        _station(number, vendors, Random(f"{seed} station {number}"))  # noqa: S311  # a plan, not a secret
        for number in range(1, max(len(ZONES), -(-connectors // _CONNECTORS_A_STATION)) + 1)
    )
    drivers = tuple(
        _driver(number, Random(f"{seed} driver {number}"))  # noqa: S311
        for number in range(1, -(-bookings // _BOOKINGS_A_DRIVER) + 1)
    )
    return Places(vendors, stations, drivers)


def _station(number: int, vendors: tuple[Vendor, ...], chance: Random) -> tuple[Connector, ...]:
    vendor = vendors[number % len(vendors)]
    hours = _BY_DAY if chance.random() < 0.5 else ALWAYS_OPEN
    station = Station(number, vendor, ZoneInfo(ZONES[number % len(ZONES)]), hours)
    first = (number - 1) * _CONNECTORS_A_STATION + 1
    return tuple(
        Connector(first + n, station, Money(chance.choice(_PRICES), _CURRENCIES[number % len(_CURRENCIES)]))
        for n in range(_CONNECTORS_A_STATION)
    )


def _driver(number: int, chance: Random) -> Driver:
    email: str | None = f"driver{number}@{_fate(chance)}.example"
    phone: str | None = f"+1555{number:07d}{_digit(_fate(chance))}"
    missing = chance.random()
    if missing < 0.04:
        phone = None
    elif missing < 0.06:
        email = None
    return Driver(number, email, phone, wants_sms=missing < 0.95)


def _fate(chance: Random) -> str:
    """`gone` addresses are refused for good, `flaky3` ones fail three times before each success."""
    drawn = chance.random()
    if drawn < 0.02:
        return "gone"
    return f"flaky{chance.randint(1, 4)}" if drawn < 0.06 else "fine"


def _digit(fate: str) -> str:
    """The fate of a phone number is its last digit: 9 is gone, 1 to 4 fail as often, 0 is fine."""
    return {"gone": "9", "fine": "0"}.get(fate, fate[-1])
