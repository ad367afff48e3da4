"""Forms that come back: what was typed, read by the shapes of the API, and what was wrong said at its field."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import msgspec
from babel.numbers import get_currency_precision

from slotwatch.domain.money import Money
from slotwatch.web.contract import field_error
from slotwatch.web.pages.forms import typed_fields
from slotwatch.web.problems import FieldError, FieldsRefused
from slotwatch.web.visitors import PageRequest

__all__ = ["Filled", "amount_text", "as_number", "minor_units", "read_filled", "read_shape"]

_T = TypeVar("_T")
_LONGEST = 10_000
_SAYINGS = (
    (re.compile(r"length >= \d+"), "This is needed."),
    (re.compile(r"length <= (\d+)"), "At most {0} characters."),
    (re.compile(r"(?:>=|>) ([\d.-]+)"), "At least {0}."),
    (re.compile(r"<= ([\d.-]+)"), "At most {0}."),
    (re.compile(r"Expected `(?:int|float)[^`]*`, got"), "A number is needed."),
    (re.compile(r"missing required field"), "This is needed."),
    (re.compile(r"matching regex"), "This is not in the form that is needed."),
)


@dataclass(frozen=True)
class Filled:
    """A form as it was filled in, and by field what is wrong with it; `""` stands for the whole form."""

    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        """What stands in that field; empty where nothing does."""
        return self.values.get(name, "")

    def refused(self, error: FieldsRefused) -> "Filled":
        """The same form with what was refused said at its field."""
        said = {one.path.partition(".")[0].partition("[")[0]: _said(one.message) for one in error.refused}
        return Filled(self.values, said)


async def read_filled(request: PageRequest) -> Filled:
    """What was typed, as `typed_fields` reads it."""
    given = await typed_fields(request)
    return Filled({name: value[:_LONGEST] for name, value in given.items() if name != "csrf"})


def read_shape(given: Mapping[str, object], shape: type[_T]) -> _T:
    """The values as that shape. Raises FieldsRefused."""
    try:
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        raise FieldsRefused(field_error(error)) from error


def as_number(text: str) -> str:
    """A number as programs write it, whether it was typed with a point or a comma."""
    return text.replace(" ", "").replace(",", ".") if text.count(",") <= 1 else text


def minor_units(name: str, text: str, currency: str) -> int:
    """`12,50` EUR as 1250. Raises FieldsRefused that names the field."""
    try:
        amount = Decimal(as_number(text)).scaleb(get_currency_precision(currency))
    except InvalidOperation as error:
        raise FieldsRefused(FieldError(name, "An amount is needed, such as 12.50.")) from error
    if not amount.is_finite() or amount != amount.to_integral_value() or not 0 <= amount <= 1_000_000_000:
        raise FieldsRefused(FieldError(name, "An amount is needed that can be paid, such as 12.50."))
    return int(amount)


def amount_text(money: Money) -> str:
    """1250 EUR as `12.50`, for a field to be changed."""
    precision = get_currency_precision(money.currency)
    return f"{Decimal(money.amount).scaleb(-precision):.{precision}f}"


def _said(message: str) -> str:
    for pattern, saying in _SAYINGS:
        found = pattern.search(message)
        if found:
            return saying.format(*(limit.removesuffix(".0") for limit in found.groups()))
    return message[:1].upper() + message[1:]
