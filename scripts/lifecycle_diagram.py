"""Writes the lifecycle diagram and tables in the docs from `slotwatch.domain.lifecycle`.

Usage: .venv/bin/python scripts/lifecycle_diagram.py. The tidy tests fail when the written files are stale. The picture
is a plain SVG, so the docs load nothing from elsewhere.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from slotwatch.domain.lifecycle import FINAL_STATES, STEP_RULES, TRANSITIONS, Cause, State

ROOT = Path(__file__).resolve().parent.parent
SVG = ROOT / "docs" / "assets" / "lifecycle.svg"
PAGE = ROOT / "docs" / "how-it-works" / "lifecycle.md"

WIDTH, HEIGHT = 1060, 520
BOX_WIDTH, BOX_HEIGHT = 118, 44

# Where each state stands: the life that goes well on the first line, the ends below.
CENTRES = {
    State.PENDING: (90, 150),
    State.CONFIRMED: (310, 150),
    State.GRACE: (530, 150),
    State.ACTIVE: (750, 150),
    State.COMPLETED: (970, 150),
    State.CANCELLED: (310, 320),
    State.EXPIRED: (530, 320),
    State.VOIDED: (750, 320),
    State.REINSTATED: (530, 460),
}

CAUSE_WORDS = {
    Cause.BOOKED: "booked",
    Cause.TIME: "its time came",
    Cause.PAID: "paid",
    Cause.CHECKED_IN: "checked in",
    Cause.CANCELLED: "cancelled",
    Cause.LEFT: "driver left",
    Cause.EXTENDED: "lengthened by our outage",
    Cause.NO_FAULT: "nobody's fault",
    Cause.PROVEN: "proven later",
    Cause.DISPUTE_WON: "dispute won",
}


@dataclass(frozen=True)
class Edge:
    """One arrow: all causes that lead from one state to another."""

    source: State
    target: State
    causes: tuple[Cause, ...]

    @property
    def words(self) -> str:
        """The label, one line for each cause."""
        return "\n".join(CAUSE_WORDS[cause] for cause in self.causes)

    @property
    def by_clock_only(self) -> bool:
        """Whether nobody needs to do anything for it."""
        return self.causes == (Cause.TIME,)


def edges() -> list[Edge]:
    """The arrows of the diagram, in the order of the table."""
    grouped: dict[tuple[State, State], list[Cause]] = defaultdict(list)
    for (source, cause), target in TRANSITIONS.items():
        grouped[source, target].append(cause)
    return [Edge(source, target, tuple(causes)) for (source, target), causes in grouped.items()]


def svg() -> str:
    """The diagram."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-labelledby="title" font-family="system-ui, sans-serif" font-size="13">',
        '<title id="title">The states of a booking and what moves it from one to the next</title>',
        '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 L10 5 L0 10 z" fill="#44546a"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="12" fill="#ffffff"/>',
    ]
    parts += [_arrow(edge) for edge in edges()]
    parts += [_box(state) for state in State]
    parts.append(_legend())
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _box(state: State) -> str:
    x, y = CENTRES[state]
    final = state in FINAL_STATES
    fill, stroke, radius = ("#eef1f5", "#7b8794", 22) if final else ("#e3f1ff", "#1769aa", 6)
    return (
        f'<rect x="{x - BOX_WIDTH / 2:g}" y="{y - BOX_HEIGHT / 2:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" '
        f'rx="{radius}" fill="{fill}" stroke="{stroke}" stroke-width="1.5"/>'
        f'<text x="{x}" y="{y + 5}" text-anchor="middle" font-weight="600" fill="#1b2733">{state.value}</text>'
    )


def _arrow(edge: Edge) -> str:
    path, (x, y), anchor = _route(edge)
    dash = ' stroke-dasharray="5 4"' if edge.by_clock_only else ""
    lines = edge.words.split("\n")
    texts = "".join(
        f'<text x="{x:g}" y="{y + 16 * number:g}" text-anchor="{anchor}" fill="#33414e" '
        f'stroke="#ffffff" stroke-width="4" paint-order="stroke">{escape(line)}</text>'
        for number, line in enumerate(lines)
    )
    return f'<path d="{path}" fill="none" stroke="#44546a" stroke-width="1.5" marker-end="url(#head)"{dash}/>{texts}'


def _route(edge: Edge) -> tuple[str, tuple[float, float], str]:
    """The path of an arrow, where its label begins, and how the label is aligned to that point."""
    (x1, y1), (x2, y2) = CENTRES[edge.source], CENTRES[edge.target]
    half_w, half_h = BOX_WIDTH / 2, BOX_HEIGHT / 2
    extra_lines = edge.words.count("\n")
    if edge.source == edge.target:
        top = y1 - half_h
        path = f"M{x1 - 24} {top:g} C{x1 - 44} {top - 46:g} {x1 + 44} {top - 46:g} {x1 + 24} {top:g}"
        return path, (x1, top - 42), "middle"
    if y1 == y2:
        between = [x for x, y in CENTRES.values() if y == y1 and min(x1, x2) < x < max(x1, x2)]
        if between:  # goes over the states that stand between
            top = y1 - half_h
            path = f"M{x1} {top:g} C{x1} {top - 124:g} {x2} {top - 124:g} {x2} {top:g}"
            return path, ((x1 + x2) / 2, top - 99), "middle"
        path = f"M{x1 + half_w:g} {y1} L{x2 - half_w:g} {y2}"
        return path, ((x1 + x2) / 2, y1 - 8 - 16 * extra_lines), "middle"
    if x1 == x2:
        return f"M{x1} {y1 + half_h:g} L{x2} {y2 - half_h:g}", (x1 + 8, (y1 + y2) / 2 - 8 * extra_lines), "start"
    side = 1 if x2 > x1 else -1
    start, end = (x1 + side * 36, y1 + half_h), (x2 - side * 36, y2 - half_h)
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    label = (middle[0] + 10, middle[1] - 8 if side > 0 else middle[1] + 16)  # right of the line: free either way
    return f"M{start[0]} {start[1]:g} L{end[0]} {end[1]:g}", label, "start"


def _legend() -> str:
    lines = ("blue: live, holds the slot", "grey: final, the slot is free", "dashed: the clock alone does it")
    return "".join(
        f'<text x="820" y="{430 + 20 * number}" fill="#52606d" font-size="12">{line}</text>'
        for number, line in enumerate(lines)
    )


def transition_table() -> str:
    """Every allowed move as Markdown."""
    rows = [
        f"| `{source.value}` | `{cause.value}` | {CAUSE_WORDS[cause]} | `{target.value}` |"
        for (source, cause), target in TRANSITIONS.items()
    ]
    return _table("| from | cause | in words | to |", rows)


def step_table() -> str:
    """What happens when a step is due as Markdown."""
    rows = [
        f"| `{rule.step.value}` | `{rule.state.value}` | `{rule.cause.value}` | `{rule.to_state.value}` "
        f"| {_code(rule.next_step and rule.next_step.value)} | {_code(rule.notice)} |"
        for rule in STEP_RULES
    ]
    return _table("| step | in state | cause | state after | next step | notice |", rows)


def _code(word: str | None) -> str:
    return f"`{word}`" if word else "none"


def _table(head: str, rows: Iterable[str]) -> str:
    ruler = "|" + "---|" * (head.count("|") - 1)
    return "\n".join([head, ruler, *rows])


def page(current: str) -> str:
    """The lifecycle page with both tables put between their markers."""
    for name, table in (("transitions", transition_table()), ("steps", step_table())):
        begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        if not pattern.search(current):
            raise SystemExit(f"{PAGE.relative_to(ROOT)}: the markers {begin} and {end} are missing")
        current = pattern.sub(lambda _, body=f"{begin}\n{table}\n{end}": body, current)  # type: ignore[misc]
    return current


def main() -> None:
    """Writes both files."""
    SVG.write_text(svg(), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote {SVG.relative_to(ROOT)} and {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
