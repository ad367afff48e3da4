"""Rates and their intervals, for every count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwatch.analytics.rates import Rate, wilson

COUNTS = st.integers(0, 10**6).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole)))


@given(COUNTS)
def test_the_interval_holds_the_rate_and_stays_between_nothing_and_all(counts: tuple[int, int]) -> None:
    rate = Rate(*counts)
    assert (rate.value is None) == (rate.interval is None) == (rate.whole == 0)
    if rate.value is not None and rate.interval is not None:
        low, high = rate.interval
        assert 0 <= low <= rate.value <= high <= 1
        assert low < high


@given(COUNTS)
def test_the_interval_of_the_opposite_is_the_mirror_image(counts: tuple[int, int]) -> None:
    part, whole = counts
    if whole:
        low, high = wilson(part, whole)
        assert wilson(whole - part, whole) == pytest.approx((1 - high, 1 - low))


@given(st.integers(1, 1000), st.integers(2, 50))
def test_more_of_the_same_makes_surer(part: int, times: int) -> None:
    narrow, wide = wilson(part * times, 3 * part * times), wilson(part, 3 * part)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize(("part", "whole"), [(-1, 4), (5, 4), (0, 0)])
def test_no_share_has_no_interval(part: int, whole: int) -> None:
    with pytest.raises(ValueError, match="is no share"):
        wilson(part, whole)
