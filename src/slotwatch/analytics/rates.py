"""Rates that know how sure they are: pure arithmetic, without any input or output."""

from dataclasses import dataclass
from datetime import timedelta
from math import sqrt

__all__ = ["Rate", "share", "wilson"]

_Z = 1.959963984540054  # the normal quantile of 97.5 %: two-sided 95 %


def wilson(part: int, whole: int, z: float = _Z) -> tuple[float, float]:
    """The Wilson score interval of `part` in `whole`, 95 % unless told otherwise; `whole` must be positive.

    >>> [round(bound, 4) for bound in wilson(0, 10)]
    [0.0, 0.2775]
    >>> [round(bound, 4) for bound in wilson(15, 100)]
    [0.0931, 0.2328]
    >>> wilson(7, 7)[1]
    1.0
    """
    if not 0 <= part <= whole or whole == 0:
        raise ValueError(f"{part} of {whole} is no share")
    rate, square = part / whole, z * z
    middle = rate + square / (2 * whole)
    reach = z * sqrt(rate * (1 - rate) / whole + square / (4 * whole * whole))
    scale = 1 + square / whole
    low = 0.0 if part == 0 else max(0.0, (middle - reach) / scale)
    high = 1.0 if part == whole else min(1.0, (middle + reach) / scale)
    return low, high


@dataclass(frozen=True)
class Rate:
    """So many out of so many. Nothing out of nothing is no rate at all, never 0.

    >>> Rate(3, 4).value, Rate(0, 0).value, Rate(0, 0).interval
    (0.75, None, None)
    """

    part: int
    whole: int

    def __post_init__(self) -> None:
        if not 0 <= self.part <= self.whole:
            raise ValueError(f"{self.part} of {self.whole} is no share")

    @property
    def value(self) -> float | None:
        """Between 0 and 1; None when there is nothing to divide by."""
        return self.part / self.whole if self.whole else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval; None when there is nothing to divide by."""
        return wilson(self.part, self.whole) if self.whole else None


def share(part: timedelta, whole: timedelta) -> float | None:
    """How much of a time another one is; None when the whole is nothing.

    >>> share(timedelta(minutes=15), timedelta(hours=1)), share(timedelta(0), timedelta(0))
    (0.25, None)
    """
    return part / whole if whole > timedelta(0) else None
