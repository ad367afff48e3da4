"""One poster as shapes on an A6 page, in millimetres; who draws them knows nothing of stations."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import segno

from slotwatch.web.posters.words import WORDS, PosterWords

__all__ = ["HEIGHT", "WIDTH", "Code", "Patch", "Poster", "Shape", "Words", "shapes_of"]

WIDTH, HEIGHT = 105.0, 148.5
_MIDDLE = WIDTH / 2
_INSIDE = WIDTH - 16.0
_CODE = 56.0
_INK, _QUIET, _ACCENT, _PAPER = "#17212b", "#51606c", "#12684a", "#ffffff"
_WIDE = 0.56  # of the size, a letter on average: a little too much, so that nothing sticks out
_WIDE_BOLD = 0.62


@dataclass(frozen=True)
class Words:
    """One line, centred on `x`; `y` is its base line."""

    x: float
    y: float
    size: float
    text: str
    colour: str = _INK
    bold: bool = False


@dataclass(frozen=True)
class Patch:
    """A rectangle of one colour."""

    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True)
class Code:
    """A QR code without its margin: `rows` of dark modules."""

    x: float
    y: float
    size: float
    rows: tuple[tuple[bool, ...], ...]
    colour: str = _INK

    def runs(self) -> Iterator[tuple[float, float, float, float]]:
        """Rectangles of dark modules side by side: x, y, width, height."""
        module = self.size / len(self.rows)
        for number, row in enumerate(self.rows):
            start = None
            for column, is_dark in enumerate((*row, False)):
                if is_dark and start is None:
                    start = column
                if not is_dark and start is not None:
                    yield self.x + start * module, self.y + number * module, (column - start) * module, module
                    start = None


Shape: TypeAlias = Words | Patch | Code


@dataclass(frozen=True)
class Poster:
    """What stands on one: `code_url` is in the code, `language` is spoken beside English."""

    station: str
    address: str
    label: str
    connector_ref: str
    code_url: str
    language: str


def shapes_of(poster: Poster) -> list[Shape]:
    """From the back to the front."""
    spoken, english = WORDS[poster.language], WORDS["en"]
    return [
        Patch(0, 0, WIDTH, HEIGHT, _PAPER),
        Patch(0, 0, WIDTH, 21, _ACCENT),
        *_headline(spoken, english),
        _code(poster.code_url),
        *_place(poster, spoken),
        *_steps(spoken, english),
        Words(_MIDDLE, HEIGHT - 5.0, 2.4, _cut(poster.code_url, 2.4, _INSIDE), _QUIET),
    ]


def _headline(spoken: PosterWords, english: PosterWords) -> Iterator[Shape]:
    size = _fitting(spoken.headline, 7.4, _INSIDE)
    yield Words(_MIDDLE, 13.2 if spoken is english else 11.2, size, spoken.headline, _PAPER, bold=True)
    if spoken is not english:
        yield Words(_MIDDLE, 17.4, 4.0, english.headline, _PAPER)


def _code(url: str) -> Code:
    # Level Q: a quarter of it may be scratched or covered with dirt.
    matrix = segno.make(url, error="q", micro=False).matrix
    return Code((WIDTH - _CODE) / 2, 26.5, _CODE, tuple(tuple(bool(module) for module in row) for row in matrix))


def _place(poster: Poster, spoken: PosterWords) -> Iterator[Shape]:
    size = _fitting(poster.label, 15.0, _INSIDE * 0.9)
    yield Words(_MIDDLE, 98.5, size, poster.label, _INK, bold=True)
    size = max(_fitting(poster.station, 4.4, _INSIDE), 2.8)
    yield Words(_MIDDLE, 105.2, size, _cut(poster.station, size, _INSIDE, bold=True), _INK, bold=True)
    yield Words(
        _MIDDLE, 110.0, 3.0, _cut(f"{poster.address} · {spoken.connector} {poster.connector_ref}", 3.0, _INSIDE), _QUIET
    )


def _steps(spoken: PosterWords, english: PosterWords) -> Iterator[Shape]:
    yield Patch(8, 113.0, _INSIDE, 0.25, "#d9dfe5")
    if spoken is english:
        yield from _numbered(english, 120.6, 4.0, 5.8, _INK)
    else:
        yield from _numbered(spoken, 118.2, 3.4, 4.4, _INK)
        yield from _numbered(english, 131.6, 2.5, 3.3, _QUIET)


def _numbered(words: PosterWords, top: float, size: float, apart: float, colour: str) -> Iterator[Shape]:
    """The steps below each other, all of one size."""
    lines = [f"{number}. {step}" for number, step in enumerate(words.steps, 1)]
    fitting = min(_fitting(line, size, _INSIDE) for line in lines)
    for number, line in enumerate(lines):
        yield Words(_MIDDLE, top + apart * number, fitting, line, colour)


def _fitting(text: str, size: float, width: float) -> float:
    """The size, or a smaller one with which the text is no wider."""
    return round(min(size, width / max(len(text) * _WIDE_BOLD, 0.1)), 2)


def _cut(text: str, size: float, width: float, *, bold: bool = False) -> str:
    """The text, cut where it would be wider."""
    most = int(width / (size * (_WIDE_BOLD if bold else _WIDE)))
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
