"""Charts as places and sizes that the templates draw in SVG or as cells: nothing here knows colours."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from slotwatch.analytics.deliveries import DeliveryFigures
from slotwatch.analytics.statistics import Group
from slotwatch.domain.notices import Channel

__all__ = ["Bar", "Heat", "bars", "health", "heat_map", "shares"]

_LEVELS = (0.02, 0.08, 0.16, 0.28, 0.45)


@dataclass(frozen=True)
class Heat:
    """One hour of the week: `level` 0 to 5, or None where nobody was expected."""

    label: str
    level: int | None
    text: str
    about: str


@dataclass(frozen=True)
class Bar:
    """One bar, places and sizes in percent of the chart."""

    label: str
    x: str
    width: str
    y: str
    height: str
    about: str


def heat_map(hours: Sequence[Group]) -> list[tuple[str, list[Heat]]]:
    """Seven weekdays with 24 hours each; the text of a cell is its rate in percent."""
    days: dict[str, list[Heat]] = {}
    for group in hours:
        weekday, hour = group.label.split(" ")
        rate = group.figures.no_shows
        level = None if rate.value is None else sum(rate.value >= bound for bound in _LEVELS)
        text = "" if rate.value is None else f"{100 * rate.value:.0f}"
        about = f"{weekday} {hour}: {rate.part} of {rate.whole} did not come"
        days.setdefault(weekday, []).append(Heat(hour[:2], level, text, about))
    return list(days.items())


def bars(rows: Sequence[tuple[object, ...]]) -> list[Bar]:
    """Check-ins by minute, from the rows of the table `grace`."""
    counts = [int(str(row[1])) for row in rows]
    most, width = max(counts, default=0) or 1, 100 / max(len(counts), 1)
    return [
        Bar(
            str(minute),
            f"{minute * width:.3f}%",
            f"{width * 0.8:.3f}%",
            f"{100 - 100 * count / most:.2f}%",
            f"{100 * count / most:.2f}%",
            f"minute {minute}: {count}",
        )
        for minute, count in enumerate(counts)
    ]


def health(deliveries: Mapping[Channel, DeliveryFigures]) -> list[tuple[str, list[Bar]]]:
    """For each channel that was used the shares of delivered, unknown and failed, one after the other."""
    charts = []
    for channel, told in deliveries.items():
        whole = told.sent + told.failed
        if not whole:
            continue
        at, parts = 0.0, []
        for name, count in (("delivered", told.delivered), ("unknown", told.unknown), ("failed", told.failed)):
            part = 100 * count / whole
            parts.append(Bar(name, f"{at:.2f}%", f"{part:.2f}%", "0", "100%", f"{name}: {count} of {whole}"))
            at += part
        charts.append((channel.value, parts))
    return charts


def shares(named: Iterable[tuple[str, float | None]]) -> list[tuple[str, str, float | None]]:
    """A label, a width in percent and the share itself."""
    return [(label, f"{100 * (share or 0):.2f}%", share) for label, share in named]
