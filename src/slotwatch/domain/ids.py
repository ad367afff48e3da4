"""Ids: whole numbers inside, short opaque words with a prefix outside (`BK-0CJ4…`)."""

import secrets
from datetime import UTC, datetime
from functools import lru_cache
from typing import NewType

from slotwatch.domain.errors import NotFound

__all__ = [
    "BookingId",
    "ConnectorId",
    "DriverId",
    "StationId",
    "VendorId",
    "booking_ref",
    "new_booking_id",
    "parse_booking_ref",
    "parse_ref",
    "ref",
    "row_number",
]

BookingId = NewType("BookingId", int)
StationId = NewType("StationId", int)
ConnectorId = NewType("ConnectorId", int)
VendorId = NewType("VendorId", int)
DriverId = NewType("DriverId", int)

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: they are misread
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_RANDOM_BITS = 20


def new_booking_id(now: datetime) -> BookingId:
    """A new id: milliseconds since 2020 and 20 random bits, so ids sort by time and do not tell how many there are."""
    milliseconds = int((now - _EPOCH).total_seconds() * 1000)
    return BookingId((milliseconds << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS))


@lru_cache(4096)  # one page or mail names the same booking again and again
def booking_ref(booking_id: int) -> str:
    """The id as people and clients see it.

    >>> booking_ref(226_600_000_000 * 2**20)
    'BK-6K16K6G00000'
    """
    digits = []
    rest = int(booking_id)
    while rest:
        rest, digit = divmod(rest, 32)
        digits.append(_CROCKFORD[digit])
    return "BK-" + "".join(reversed(digits)).rjust(12, "0")


def parse_booking_ref(text: str) -> BookingId:
    """The id behind `BK-…`. Raises NotFound for anything else: what cannot exist is absent."""
    value = 0
    if not text.startswith("BK-") or not 3 < len(text) <= 16:
        raise NotFound
    for letter in text[3:]:
        digit = _CROCKFORD.find(letter)
        if digit < 0:
            raise NotFound
        value = value * 32 + digit
    if value >= 2**63:
        raise NotFound
    return BookingId(value)


def ref(prefix: str, number: int) -> str:
    """The outside form of a station, connector, vendor or driver id, such as `ST-12`."""
    return f"{prefix}-{number}"


def parse_ref(prefix: str, text: str) -> int:
    """The number behind `ref`. Raises NotFound for anything else."""
    head, _, tail = text.partition("-")
    if head != prefix or not (tail.isascii() and tail.isdigit()) or len(tail) > 18:
        raise NotFound
    return int(tail)


def row_number(number: int) -> int:
    """The number, if a row can have it. Raises NotFound for a larger one: what cannot exist is absent."""
    if not 0 < number < 2**63:
        raise NotFound
    return number
