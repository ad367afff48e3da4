"""Opening hours as a form that works without scripts: some from-to pairs a weekday, and a box for always open."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slotwatch.domain.opening_hours import OpeningHours
from slotwatch.web.problems import FieldError, FieldsRefused

__all__ = ["DAYS", "DayRow", "day_rows", "hours_fields", "hours_words", "read_hours"]

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LEAST_PAIRS = 2
_MOST_PAIRS = 7


@dataclass(frozen=True)
class DayRow:
    """One weekday with the names and values of its pairs of fields."""

    name: str
    number: int
    pairs: tuple[tuple[str, str, str, str], ...]  # name of from, its value, name of to, its value


def hours_fields(hours: OpeningHours) -> dict[str, str]:
    """The hours as the values of the form's fields."""
    fields = {} if hours.shifts else {"always": "true"}
    for day in range(7):
        shifts = sorted((shift.opens, shift.closes) for shift in hours.shifts if day in shift.days)
        for number, (opens, closes) in enumerate(shifts[:_MOST_PAIRS]):
            fields |= {f"opens-{day}-{number}": f"{opens:%H:%M}", f"closes-{day}-{number}": f"{closes:%H:%M}"}
    return fields


def day_rows(values: Mapping[str, str]) -> list[DayRow]:
    """The rows to show: at least two pairs a day, and one free pair where all are used."""
    rows = []
    for day, name in enumerate(DAYS):
        used = [n for n in range(_MOST_PAIRS) if values.get(f"opens-{day}-{n}") or values.get(f"closes-{day}-{n}")]
        shown = min(max(_LEAST_PAIRS, (used[-1] + 2) if used else 0), _MOST_PAIRS)
        names = [(f"opens-{day}-{n}", f"closes-{day}-{n}") for n in range(shown)]
        rows.append(
            DayRow(
                name,
                day,
                tuple((opens, values.get(opens, ""), closes, values.get(closes, "")) for opens, closes in names),
            )
        )
    return rows


def read_hours(values: Mapping[str, str]) -> list[dict[str, Any]]:
    """The shifts that were typed, days with the same times together. Raises FieldsRefused that names the day."""
    if values.get("always"):
        return []
    by_time: dict[tuple[str, str], list[int]] = {}
    for day, name in enumerate(DAYS):
        for number in range(_MOST_PAIRS):
            opens, closes = values.get(f"opens-{day}-{number}", ""), values.get(f"closes-{day}-{number}", "")
            if not opens and not closes:
                continue
            if not opens or not closes:
                raise FieldsRefused(FieldError("openingHours", f"{name}: say from when and until when."))
            by_time.setdefault((opens[:5], closes[:5]), []).append(day)
    if not by_time:
        raise FieldsRefused(FieldError("openingHours", "Say when it is open, or tick “always open”."))
    return [{"days": days, "opens": opens, "closes": closes} for (opens, closes), days in by_time.items()]


def hours_words(hours: OpeningHours) -> str:
    """In one line: `always open`, or `Mon to Fri 08:00 to 22:00`."""
    if not hours.shifts:
        return "always open"
    return "; ".join(f"{_days(shift.days)} {shift.opens:%H:%M} to {shift.closes:%H:%M}" for shift in hours.shifts)


def _days(days: tuple[int, ...]) -> str:
    inside = sorted(set(days))
    if len(inside) == 7:
        return "every day"
    if len(inside) > 2 and inside == list(range(inside[0], inside[-1] + 1)):
        return f"{DAYS[inside[0]][:3]} to {DAYS[inside[-1]][:3]}"
    return ", ".join(DAYS[day][:3] for day in inside)
