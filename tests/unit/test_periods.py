"""Periods by name: where months and days begin in a zone, and what makes no period."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from slotwatch.analytics.periods import PeriodName, period_of
from slotwatch.domain.errors import InvalidInput

VIENNA = ZoneInfo("Europe/Vienna")
NOW = datetime(2026, 4, 10, 22, 30, tzinfo=UTC)  # half past midnight of the 11th in Vienna
INSTANT = timedelta(microseconds=1)


@pytest.mark.parametrize(("name", "length"), [("24h", 1), ("7d", 7), ("30d", 30)])
def test_the_last_days_end_now(name: str, length: int) -> None:
    period = period_of(PeriodName(name), NOW, VIENNA)
    assert (period.until, period.length) == (NOW, timedelta(days=length))


def test_a_month_begins_at_its_zones_midnight_which_belongs_to_it() -> None:
    march = period_of(PeriodName.LAST_MONTH, NOW, VIENNA)
    begin, end = datetime(2026, 3, 1, tzinfo=VIENNA), datetime(2026, 4, 1, tzinfo=VIENNA)
    assert (march.since, march.until) == (begin - INSTANT, end - INSTANT)
    assert march.length == timedelta(days=31) - timedelta(hours=1), "clocks went forward"
    april = period_of(PeriodName.THIS_MONTH, NOW, VIENNA)
    assert (april.since, april.until) == (march.until, NOW), "nothing falls between two months"


def test_the_month_before_january_is_december() -> None:
    period = period_of(PeriodName.LAST_MONTH, datetime(2026, 1, 15, tzinfo=UTC), ZoneInfo("UTC"))
    assert period.since + INSTANT == datetime(2025, 12, 1, tzinfo=UTC)


def test_own_dates_hold_their_last_day_and_end_now_at_the_latest() -> None:
    past = period_of(PeriodName.CUSTOM, NOW, VIENNA, first=date(2026, 4, 8), last=date(2026, 4, 8))
    assert past.until - past.since == timedelta(days=1)
    present = period_of(PeriodName.CUSTOM, NOW, VIENNA, first=date(2026, 4, 11), last=date(2027, 1, 1))
    assert (present.since + INSTANT, present.until) == (datetime(2026, 4, 11, tzinfo=VIENNA), NOW)


@pytest.mark.parametrize(
    ("first", "last"),
    [(None, None), (date(2026, 4, 9), date(2026, 4, 8)), (date(2026, 5, 1), None), (date(2025, 4, 9), None)],
)
def test_dates_that_make_no_period_are_refused(first: date | None, last: date | None) -> None:
    with pytest.raises(InvalidInput):
        period_of(PeriodName.CUSTOM, NOW, VIENNA, first=first, last=last)
