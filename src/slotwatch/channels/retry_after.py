"""Reads the HTTP header `Retry-After`, without a clock of our own."""

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["retry_after"]

_LONGEST_WAIT: Final = timedelta(hours=1)


def retry_after(value: str | None, date: str | None) -> timedelta | None:
    """How long to wait, at most an hour: seconds, or a date compared with the answer's own `Date`.

    >>> retry_after("7", None), retry_after("soon", None)
    (datetime.timedelta(seconds=7), None)
    """
    said = (value or "").strip()
    if said.isascii() and said.isdigit():
        return min(timedelta(seconds=int(said[:9])), _LONGEST_WAIT)
    until, now = _date(said), _date(date or "")
    if until is None or now is None:
        return None
    return min(max(until - now, timedelta()), _LONGEST_WAIT)


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None
