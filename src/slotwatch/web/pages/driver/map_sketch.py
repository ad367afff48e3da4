"""A sketch of where stations lie, drawn by ourselves: no tiles, nobody else learns who looks where."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Pin", "Sketch", "Spot", "draw"]

WIDTH, HEIGHT = 400, 340
_MARGIN = 44
_RADIUS = 13
_LETTER, _LINE = 6.4, 26.0  # how wide a letter is, and how high two lines are
_LEAST_KM = 0.3
_KM_PER_DEGREE = 111.195
_LONGEST_NAME = 20
# Where a pin moves when its place is taken, in radii.
_ASIDE = [
    (0.0, 0.0),
    (2.2, 0.0),
    (-2.2, 0.0),
    (0.0, 2.2),
    (0.0, -2.2),
    (2.2, 2.2),
    (-2.2, 2.2),
    (2.2, -2.2),
    (-2.2, -2.2),
]

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Spot:
    """What is drawn: a place with a number, a name and a few words below it."""

    number: int
    latitude: float
    longitude: float
    name: str
    words: str
    href: str
    is_free: bool


@dataclass(frozen=True)
class Pin:
    """A spot on the paper. Without `label` only the number is drawn: the list beside the map has the name."""

    spot: Spot
    x: float
    y: float
    label: tuple[float, float, str] | None  # x, y of the first line, and where the text is anchored
    short_name: str


@dataclass(frozen=True)
class Sketch:
    """The drawing. `bar` is the length of the scale bar on the paper and what it stands for."""

    width: int
    height: int
    pins: tuple[Pin, ...]
    here: tuple[float, float] | None
    bar: tuple[float, str]


def draw(spots: Sequence[Spot], here: tuple[float, float] | None = None) -> Sketch:
    """The sketch of these spots, and of where the visitor is."""
    points = [(spot.latitude, spot.longitude) for spot in spots] + ([here] if here else [])
    middle = [(min(axis) + max(axis)) / 2 for axis in zip(*points, strict=True)] if points else [0.0, 0.0]
    shrink = max(math.cos(math.radians(middle[0])), 0.05)

    def in_km(latitude: float, longitude: float) -> tuple[float, float]:
        return (longitude - middle[1]) * shrink * _KM_PER_DEGREE, (middle[0] - latitude) * _KM_PER_DEGREE

    flat = [in_km(*point) for point in points]
    wide = max((2 * abs(x) for x, _ in flat), default=0.0)
    high = max((2 * abs(y) for _, y in flat), default=0.0)
    scale = min((WIDTH - 2 * _MARGIN) / max(wide, _LEAST_KM), (HEIGHT - 2 * _MARGIN) / max(high, _LEAST_KM))

    def on_paper(point: tuple[float, float]) -> tuple[float, float]:
        x, y = in_km(*point)
        return round(WIDTH / 2 + x * scale, 1), round(HEIGHT / 2 + y * scale, 1)

    placed = _apart([on_paper((spot.latitude, spot.longitude)) for spot in spots])
    return Sketch(WIDTH, HEIGHT, _labelled(spots, placed), on_paper(here) if here else None, _bar(scale))


def _apart(wanted: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same places, moved aside a little where two would cover each other."""
    placed: list[tuple[float, float]] = []
    for x, y in wanted:
        tries = [(x + dx * _RADIUS, y + dy * _RADIUS) for dx, dy in _ASIDE]
        free = (one for one in tries if all(math.dist(one, other) >= 2 * _RADIUS for other in placed))
        placed.append(next(free, (x, y)))
    return placed


def _labelled(spots: Sequence[Spot], placed: Sequence[tuple[float, float]]) -> tuple[Pin, ...]:
    taken: list[Box] = [(x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS) for x, y in placed]
    taken.append((0, HEIGHT - 30, 130, HEIGHT))  # the scale bar
    pins = []
    for spot, (x, y) in zip(spots, placed, strict=True):
        name = spot.name if len(spot.name) <= _LONGEST_NAME else spot.name[: _LONGEST_NAME - 1].rstrip() + "…"
        width = _LETTER * max(len(name), len(spot.words))
        label = None
        for left, top, anchor in (
            (x + _RADIUS + 5, y - _LINE / 2, "start"),
            (x - _RADIUS - 5 - width, y - _LINE / 2, "end"),
            (x - width / 2, y + _RADIUS + 3, "middle"),
            (x - width / 2, y - _RADIUS - 3 - _LINE, "middle"),
        ):
            box = (left, top, left + width, top + _LINE)
            if box[0] >= 4 and box[2] <= WIDTH - 4 and box[1] >= 2 and box[3] <= HEIGHT - 2 and not _hits(box, taken):
                taken.append(box)
                at = {"start": left, "end": left + width, "middle": x}[anchor]
                label = (round(at, 1), round(top + 11, 1), anchor)
                break
        pins.append(Pin(spot, round(x, 1), round(y, 1), label, name))
    return tuple(pins)


def _hits(box: Box, taken: Sequence[Box]) -> bool:
    return any(box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in taken)


def _bar(scale: float) -> tuple[float, str]:
    """The longest round distance that fits under 110 units.

    >>> _bar(100.0)
    (100.0, '1 km')
    >>> _bar(1000.0)
    (100.0, '100 m')
    """
    most = 110 / scale
    power = math.floor(math.log10(most))
    metres = max(int(step * 1000 * 10.0**power + 0.5) for step in (1, 2, 5) if step * 10.0**power <= most * 1.0001)
    words = f"{metres} m" if metres < 1000 else f"{metres // 1000} km"
    return round(metres / 1000 * scale, 1), words
