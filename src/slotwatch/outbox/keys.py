"""A delivery's key: the same on every try, providers' idempotency key, and given back with their reports.

The number of a notice is a counter, which another house has, too, and which goes back with a backup. With the instant
at which the notice was written, to the microsecond, the key names our delivery and no other.
"""

import re
from datetime import UTC, datetime, timedelta

from slotwatch.domain.notices import Channel

__all__ = ["delivery_key", "notice_named_by"]

_KEY = re.compile(r"([0-9]{1,18})-([0-9a-f]{1,14})-[a-z]{1,20}\Z")
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def delivery_key(notice_id: int, written_at: datetime, channel: Channel) -> str:
    """The key of that notice's delivery.

    >>> delivery_key(7, datetime(2026, 3, 2, 12, tzinfo=UTC), Channel.EMAIL)
    '7-64c0953867000-email'
    """
    return f"{notice_id}-{(written_at - _BEGIN) // _MICROSECOND:x}-{channel}"


def notice_named_by(key: str | None) -> tuple[int, datetime] | None:
    """The number of the notice and when it was written; None for what is no key of this form."""
    found = _KEY.match(key or "")
    return (int(found[1]), _BEGIN + int(found[2], 16) * _MICROSECOND) if found else None
