"""Ready commands for the person who tries slotwatch: plain curl, for Linux and macOS, with times worked out."""

from datetime import datetime, timedelta

from slotwatch.demo.seed import DemoTown
from slotwatch.domain.booking import Booking
from slotwatch.domain.ids import ref

__all__ = ["commands"]

_LEAD = timedelta(minutes=2)
_LENGTH = timedelta(minutes=30)
_AUTHORIZATION = '-H "Authorization: Bearer $TOKEN"'
_JSON = '-H "Content-Type: application/json"'


def commands(url: str, town: DemoTown, ready: Booking | None, now: datetime) -> list[tuple[str, str]]:
    """What each command does, and the command; they need the driver's token in $TOKEN.

    The times in it are good for two minutes from `now`.
    """
    listed = []
    if ready is not None:
        opens, closes = ready.timeline.check_in_opens_at, ready.timeline.grace_ends_at
        listed.append(
            (
                f"A booking is ready for you: {ready.ref}. Check in from {opens:%H:%M:%S} to {closes:%H:%M:%S} UTC",
                _check_in(url, ready.ref),
            )
        )
    bay = town.kept_free[0]
    starts_at = _round(now + _LEAD)
    slot = f'"startTime":"{_rfc3339(starts_at)}","endTime":"{_rfc3339(starts_at + _LENGTH)}"'
    listed += [
        (
            f"Book {bay.label} at {bay.station} from {starts_at:%H:%M:%S} UTC (works until then)",
            f"BOOKING=$(curl -s -X POST {url}/api/users/bookings {_AUTHORIZATION} {_JSON}"
            f""" -d '{{"connectorId":"{ref("CN", bay.connector_id)}",{slot}}}'"""
            """ | tee /dev/stderr | grep -o '"bookingId":"[^"]*"' | head -n 1 | cut -d '"' -f 4)""",
        ),
        (
            "Pay for it: the slot is held for a minute",
            f'curl -s -X POST "{url}/api/users/bookings/$BOOKING/payment" {_AUTHORIZATION}; echo',
        ),
        (
            f"Check in, from {starts_at - timedelta(minutes=1):%H:%M:%S}"
            f" to {starts_at + timedelta(minutes=town.grace_minutes):%H:%M:%S} UTC; or stay away and lose it",
            _check_in(url, "$BOOKING"),
        ),
    ]
    return listed


def _check_in(url: str, booking: str) -> str:
    return (
        f'curl -s -X PUT "{url}/api/users/bookings/{booking}/checkin" {_AUTHORIZATION} {_JSON}'
        """ -d '{"method":"app"}'; echo"""
    )


def _round(instant: datetime) -> datetime:
    """The next full ten seconds, so that people can read it."""
    whole = instant.replace(microsecond=0) + timedelta(seconds=1)
    return whole + timedelta(seconds=-whole.second % 10)


def _rfc3339(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
