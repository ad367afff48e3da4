"""Posters on A4 sheets: four of A6, two of A5 or one of A4, with marks where to cut."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from slotwatch.web.posters.poster import HEIGHT, WIDTH, Poster, Shape, shapes_of

__all__ = ["Placed", "PosterSize", "Sheet", "sheets_of"]

_MARK = 5.0  # from the edge inwards: printers keep a margin, and the cut is seen from both ends


class PosterSize(StrEnum):
    """How large one poster is; all have the proportions of A paper."""

    A6 = "a6"
    A5 = "a5"
    A4 = "a4"


_ACROSS_DOWN = {PosterSize.A6: (2, 2), PosterSize.A5: (2, 1), PosterSize.A4: (1, 1)}
_PAGE = {PosterSize.A6: (210.0, 297.0), PosterSize.A5: (297.0, 210.0), PosterSize.A4: (210.0, 297.0)}


@dataclass(frozen=True)
class Placed:
    """A poster's shapes, to be drawn at that place, that much larger."""

    x: float
    y: float
    scale: float
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Sheet:
    """One page in millimetres; `marks` are lines to cut along: x1, y1, x2, y2."""

    width: float
    height: float
    posters: tuple[Placed, ...]
    marks: tuple[tuple[float, float, float, float], ...]


def sheets_of(posters: Sequence[Poster], size: PosterSize) -> list[Sheet]:
    """As many pages as needed, in the order of the posters."""
    across, down = _ACROSS_DOWN[size]
    width, height = _PAGE[size]
    on_one = across * down
    scale = min(width / across / WIDTH, height / down / HEIGHT)
    sheets = []
    for first in range(0, len(posters), on_one):
        placed = tuple(
            Placed((number % across) * width / across, (number // across) * height / down, scale, tuple(shapes_of(one)))
            for number, one in enumerate(posters[first : first + on_one])
        )
        sheets.append(Sheet(width, height, placed, _marks(width, height, across, down)))
    return sheets


def _marks(width: float, height: float, across: int, down: int) -> tuple[tuple[float, float, float, float], ...]:
    marks = []
    if across > 1:
        marks += [(width / 2, 0, width / 2, _MARK), (width / 2, height - _MARK, width / 2, height)]
    if down > 1:
        marks += [(0, height / 2, _MARK, height / 2), (width - _MARK, height / 2, width, height / 2)]
    if across > 1 and down > 1:
        marks += [
            (width / 2, height / 2 - _MARK, width / 2, height / 2 + _MARK),
            (width / 2 - _MARK, height / 2, width / 2 + _MARK, height / 2),
        ]
    return tuple(marks)
