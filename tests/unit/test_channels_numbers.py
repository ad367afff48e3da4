"""Which phone numbers may be written to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwatch.channels.numbers import NumberRules, NumberSettings

ANYWHERE = NumberRules(NumberSettings())


@pytest.mark.parametrize("number", ["+4915123456789", "+41791234567", "+9779812345678", "+12025550123"])
def test_an_ordinary_phone_may_be_written_to(number: str) -> None:
    assert ANYWHERE.why_not(number) is None


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("+19005550123", "premium-rate"),
        ("+41900123456", "premium-rate"),
        ("+33899123456", "premium-rate"),
        ("+491805123456", "shared-cost"),
        ("+447012345678", "personal number"),
        ("+881612345678", "no country"),
        ("+8821612345678", "no country"),
        ("+15551234567", "no phone"),
        ("+3912", "no phone"),
        ("not a number", "not a phone number"),
    ],
)
def test_costly_and_impossible_numbers_are_not(number: str, words: str) -> None:
    assert words in (ANYWHERE.why_not(number) or "")


def test_only_countries_on_the_list_are_written_to_when_there_is_one() -> None:
    rules = NumberRules(NumberSettings(countries="de, AT"))

    assert rules.why_not("+4915123456789") is None
    assert rules.why_not("+41791234567") == "no messages go to phones of CH"


@pytest.mark.parametrize("countries", ["Germany", "XX", "DE,,A1", "001"])
def test_what_is_no_country_is_refused_by_name(countries: str) -> None:
    with pytest.raises(ValueError, match="SLOTWATCH_PHONE_COUNTRIES"):
        NumberSettings(countries=countries)


@given(st.text(max_size=40) | st.integers(0, 10**16).map(lambda number: f"+{number}"))
def test_whatever_is_asked_the_answer_is_a_value(number: str) -> None:
    assert isinstance(ANYWHERE.why_not(number), str | None)
