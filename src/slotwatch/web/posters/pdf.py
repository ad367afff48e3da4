"""Sheets of posters as PDF, all of it vectors, in Helvetica, which every PDF reader has.

Helvetica writes the languages of western Europe. Fonts for the others are megabytes, and shaping Devanagari needs more
than a font; who needs them prints the SVG page, in the letters of the browser.
"""

from collections.abc import Sequence
from datetime import datetime

from fpdf import FPDF

from slotwatch.web.posters.poster import Code, Patch, Shape, Words
from slotwatch.web.posters.sheet import Placed, Sheet

__all__ = ["can_write", "sheets_pdf"]

_POINTS = 72 / 25.4
_PLAIN = str.maketrans({"“": '"', "”": '"', "„": '"', "…": "...", "\u2019": "'"})
_ENCODING = "latin-1"


def can_write(text: str) -> bool:
    """Whether Helvetica has all of these letters."""
    try:
        text.translate(_PLAIN).encode(_ENCODING)
    except UnicodeEncodeError:
        return False
    return True


def sheets_pdf(sheets: Sequence[Sheet], *, title: str, made_at: datetime) -> bytes:
    """The document. Every text must pass `can_write`."""
    first = sheets[0]
    document = FPDF(unit="mm", format=(first.width, first.height))
    document.set_auto_page_break(auto=False)
    document.set_margin(0)
    document.c_margin = 0
    document.set_title(title)
    document.set_creator("slotwatch")
    document.set_creation_date(made_at)
    for sheet in sheets:
        document.add_page(format=(sheet.width, sheet.height))
        for placed in sheet.posters:
            for shape in placed.shapes:
                _draw(document, placed, shape)
        document.set_draw_color(138, 151, 162)
        document.set_line_width(0.2)
        for mark in sheet.marks:
            document.line(*mark)
    return bytes(document.output())


def _draw(document: FPDF, at: Placed, shape: Shape) -> None:
    red, green, blue = (int(shape.colour[place : place + 2], 16) for place in (1, 3, 5))
    match shape:
        case Patch(x, y, width, height):
            document.set_fill_color(red, green, blue)
            document.rect(*_placed(at, x, y), width * at.scale, height * at.scale, style="F")
        case Code():
            document.set_fill_color(red, green, blue)
            for x, y, width, height in shape.runs():
                document.rect(*_placed(at, x, y), width * at.scale, height * at.scale, style="F")
        case Words(x, y, size, text, _, bold):
            document.set_font("Helvetica", "B" if bold else "", size * at.scale * _POINTS)
            document.set_text_color(red, green, blue)
            plain = text.translate(_PLAIN)
            left, base = _placed(at, x, y)
            document.text(left - document.get_string_width(plain) / 2, base, plain)


def _placed(at: Placed, x: float, y: float) -> tuple[float, float]:
    return at.x + x * at.scale, at.y + y * at.scale
