"""A sheet of posters as SVG, to be shown and printed by the browser in whatever letters it has."""

from markupsafe import Markup, escape

from slotwatch.web.posters.poster import Code, Patch, Shape, Words
from slotwatch.web.posters.sheet import Sheet

__all__ = ["sheet_svg"]

_FONT = "system-ui, 'Helvetica Neue', Arial, 'Noto Sans', 'Noto Sans Devanagari', sans-serif"
_MARK_COLOUR = "#8a97a2"


def sheet_svg(sheet: Sheet, title: str) -> Markup:
    """The page as one element; without style attributes, which our pages forbid."""
    placed = "".join(
        f'<g transform="translate({one.x:g} {one.y:g}) scale({one.scale:.6g})">'
        f"{''.join(_drawn(shape) for shape in one.shapes)}</g>"
        for one in sheet.posters
    )
    marks = "".join(
        f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{_MARK_COLOUR}" stroke-width="0.2"/>'
        for x1, y1, x2, y2 in sheet.marks
    )
    return Markup(  # noqa: S704  # numbers of ours, and words that are escaped
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {sheet.width:g} {sheet.height:g}" role="img"'
        f' aria-label="{escape(title)}" font-family="{escape(_FONT)}">{placed}{marks}</svg>'
    )


def _drawn(shape: Shape) -> str:
    match shape:
        case Patch(x, y, width, height, colour):
            return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{colour}"/>'
        case Words(x, y, size, text, colour, bold):
            weight = ' font-weight="700"' if bold else ""
            return (
                f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="middle" fill="{colour}"{weight}>'
                f"{escape(text)}</text>"
            )
        case Code():
            path = "".join(
                f"M{x:.4f} {y:.4f}h{width:.4f}v{height:.4f}h-{width:.4f}z" for x, y, width, height in shape.runs()
            )
            return f'<path fill="{shape.colour}" shape-rendering="crispEdges" d="{path}"/>'
