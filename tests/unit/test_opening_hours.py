"""Opening hours are local, their answers are instants: over every change of every zone's clock until 2040."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwatch.domain.errors import InvalidInput
from slotwatch.domain.opening_hours import ALWAYS_OPEN, OpeningHours, Shift

EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY_SHIFT = OpeningHours((Shift(EVERY_DAY, time(8), time(22)),))
NIGHT_SHIFT = OpeningHours((Shift(EVERY_DAY, time(22), time(6)),))
WHOLE_DAY = OpeningHours((Shift(EVERY_DAY, time(0), time(0)),))
SMALL_HOURS = OpeningHours((Shift(EVERY_DAY, time(1, 30), time(2, 30)),))


@cache
def _changes(name: str) -> tuple[datetime, ...]:
    """The instants, to the minute, at which that zone's clock is changed from 2020 to 2040."""
    zone, found = ZoneInfo(name), []
    here = datetime(2020, 1, 1, tzinfo=UTC)
    offset = here.astimezone(zone).utcoffset()
    while here.year < 2040:
        there = here + timedelta(days=7)
        after = there.astimezone(zone).utcoffset()
        if after != offset:
            low, high = here, there
            while high - low > MINUTE:
                middle = low + (high - low) / 2
                low, high = (middle, high) if middle.astimezone(zone).utcoffset() == offset else (low, middle)
            found.append(high.replace(second=0, microsecond=0))
        here, offset = there, after
    return tuple(found)


@cache
def _sampled_changes() -> tuple[tuple[str, datetime], ...]:
    """One change or two of every zone, others for each zone, so that every kind of change of twenty years is seen."""
    sampled = []
    for number, name in enumerate(sorted(available_timezones())):
        changes = _changes(name)
        sampled += [(name, change) for change in changes[number % 5 :: 23]]
    return tuple(sampled)


def test_a_station_open_all_day_is_never_shut_by_a_change_of_the_clock() -> None:
    for name, change in _sampled_changes():
        zone = ZoneInfo(name)
        (span,) = WHOLE_DAY.within(change - 2 * HOUR, change + 2 * HOUR, zone)
        assert span[0] <= change - 2 * HOUR, (name, change)
        assert span[1] >= change + 2 * HOUR, (name, change)


def test_open_means_that_the_clock_on_the_wall_says_so() -> None:
    """Quarter hour by quarter hour around the changes, against the wall clock itself."""
    for name, change in _sampled_changes()[::4]:
        zone = ZoneInfo(name)
        spans = DAY_SHIFT.within(change - 13 * HOUR, change + 13 * HOUR, zone)
        for quarter in range(-48, 48, 3):
            now = change + quarter * 15 * MINUTE
            says_wall = time(8) <= now.astimezone(zone).time() < time(22)
            assert any(opens <= now < closes for opens, closes in spans) is says_wall, (name, now)


def test_spans_are_in_order_apart_and_never_turned_round() -> None:
    for hours in (DAY_SHIFT, NIGHT_SHIFT, SMALL_HOURS, WHOLE_DAY):
        for name, change in _sampled_changes()[::8]:
            spans = hours.within(change - timedelta(days=2), change + timedelta(days=2), ZoneInfo(name))
            assert all(opens < closes for opens, closes in spans), (name, change)
            assert all(before[1] < after[0] for before, after in itertools.pairwise(spans)), (name, change)


def test_a_night_is_as_long_as_it_really_is() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    lengths = {}
    for day in (date(2026, 3, 28), date(2026, 6, 1), date(2026, 10, 24)):
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        (span,) = NIGHT_SHIFT.within(noon, noon + timedelta(hours=16), berlin)
        lengths[day] = span[1] - span[0]
    assert list(lengths.values()) == [7 * HOUR, 8 * HOUR, 9 * HOUR]


def test_an_opening_that_the_clock_skips_begins_with_the_change() -> None:
    """Berlin, 29 March 2026: 02:00 becomes 03:00, so 01:30-02:30 lasts half an hour."""
    berlin, change = ZoneInfo("Europe/Berlin"), datetime(2026, 3, 29, 1, tzinfo=UTC)
    (span,) = SMALL_HOURS.within(change - HOUR, change + HOUR, berlin)
    assert span == (change - 30 * MINUTE, change)
    late = OpeningHours((Shift(EVERY_DAY, time(2, 15), time(5)),))
    assert late.within(change - HOUR, change + HOUR, berlin) == [(change, change + 2 * HOUR)]
    gone = OpeningHours((Shift(EVERY_DAY, time(2, 10), time(2, 50)),))
    assert gone.within(change - HOUR, change + HOUR, berlin) == []


def test_an_hour_that_comes_twice_is_open_twice() -> None:
    """Berlin, 25 October 2026: 03:00 becomes 02:00, so 01:30-02:30 lasts two hours."""
    berlin, change = ZoneInfo("Europe/Berlin"), datetime(2026, 10, 25, 1, tzinfo=UTC)
    (span,) = SMALL_HOURS.within(change - 2 * HOUR, change + 2 * HOUR, berlin)
    assert span == (change - 90 * MINUTE, change + 30 * MINUTE)


@pytest.mark.parametrize(
    ("opens_in", "closes_in", "covered"),
    [
        (timedelta(0), timedelta(0), True),
        (-timedelta(microseconds=1), timedelta(0), False),
        (timedelta(0), timedelta(microseconds=1), False),
    ],
)
def test_a_slot_may_fill_the_opening_and_not_exceed_it(
    opens_in: timedelta, closes_in: timedelta, covered: bool
) -> None:
    kathmandu = ZoneInfo("Asia/Kathmandu")
    opens, closes = datetime(2026, 3, 2, 2, 15, tzinfo=UTC), datetime(2026, 3, 2, 16, 15, tzinfo=UTC)
    assert DAY_SHIFT.cover(opens + opens_in, closes + closes_in, kathmandu) is covered


def test_shifts_that_meet_or_overlap_are_one_opening() -> None:
    hours = OpeningHours(
        (Shift((0,), time(8), time(12)), Shift((0,), time(12), time(14)), Shift((0,), time(13), time(15)))
    )
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    assert hours.within(monday, monday + timedelta(days=1), ZoneInfo("UTC")) == [
        (monday + 8 * HOUR, monday + 15 * HOUR)
    ]
    assert hours.within(monday + timedelta(days=1), monday + timedelta(days=2), ZoneInfo("UTC")) == []


SHIFTS = st.builds(
    Shift,
    st.lists(st.integers(0, 6), unique=True, max_size=7).map(tuple),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
)


@given(st.lists(SHIFTS, max_size=4).map(tuple))
def test_hours_survive_being_stored(shifts: tuple[Shift, ...]) -> None:
    assert OpeningHours.from_list(OpeningHours(shifts).as_list()) == OpeningHours(shifts)


@given(
    st.lists(SHIFTS, min_size=1, max_size=3).map(tuple),
    st.sampled_from(
        ["Europe/Berlin", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]
    ),
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001  # made UTC below
    st.integers(1, 96),
)
def test_what_is_covered_is_open_at_every_minute_of_it(
    shifts: tuple[Shift, ...], zone: str, start: datetime, quarters: int
) -> None:
    hours, starts_at = OpeningHours(shifts), start.replace(tzinfo=UTC, second=0, microsecond=0)
    ends_at = starts_at + quarters * 5 * MINUTE
    spans = hours.within(starts_at, ends_at, ZoneInfo(zone))
    covered = hours.cover(starts_at, ends_at, ZoneInfo(zone))
    open_minutes = sum((min(closes, ends_at) - max(opens, starts_at) for opens, closes in spans), start=timedelta(0))
    assert covered is (open_minutes == ends_at - starts_at)


def test_without_shifts_a_station_is_always_open() -> None:
    start = datetime(2026, 3, 2, tzinfo=UTC)
    assert ALWAYS_OPEN.cover(start, start + timedelta(days=400), ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    "stored",
    [
        [{"days": [7], "opens": "08:00", "closes": "22:00"}],
        [{"days": [-1], "opens": "08:00", "closes": "22:00"}],
        [{"days": [0], "opens": "8", "closes": "22:00"}],
        [{"days": [0], "opens": "08:00"}],
        [{"days": 3, "opens": "08:00", "closes": "22:00"}],
        [{"days": [0], "opens": None, "closes": "22:00"}],
        ["always"],
    ],
)
def test_hours_that_make_no_sense_are_refused(stored: list[dict[str, object]]) -> None:
    with pytest.raises(InvalidInput):
        OpeningHours.from_list(stored)
