"""What a benchmark shows: steps while it runs (stderr), and its numbers at the end (stdout, JSON for programs)."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["Steps", "medians", "percentile", "show", "spread"]


class Steps:
    """Progress through a known number of steps; a line per step where nobody watches a terminal."""

    def __init__(self, name: str, total: int) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._name = name
        self._total = total
        self._begun = 0
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task(name, total=total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, what: str) -> None:
        """The step before is done; `what` says in a few words what happens now."""
        self._progress.update(self._task, completed=self._begun, description=f"{self._name}: {what}")
        self._begun += 1
        if not self._console.is_terminal:
            self._console.print(f"{self._name} {self._begun}/{self._total}: {what}", soft_wrap=True)


def show(result: Mapping[str, Any], *, as_json: bool) -> None:
    """One JSON object on one line, or the same for a person."""
    console = Console(highlight=False, soft_wrap=True)
    if as_json:
        console.out(json.dumps(result), highlight=False)
        return
    for name, value in result.items():
        for line in _lines(name.replace("_", " "), value):
            console.print(line, markup=False)


def _lines(name: str, value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{name:28} {_inline(value)}"]
    if isinstance(value, list):
        return [f"{f'{name} {number}':28} {_inline(item)}" for number, item in enumerate(value, 1)]
    return [f"{name:28} {_inline(value)}"]


def _inline(value: object) -> str:
    if isinstance(value, Mapping):
        return "  ".join(f"{key.replace('_', ' ')} {_inline(item)}" for key, item in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}"
    return "-" if value is None else str(value)


def medians(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each number of the rounds; the rounds themselves are rounded to what can be read.

    >>> medians([{"a_second": 10.4}, {"a_second": 30.1}, {"a_second": 20.0}])
    {'a_second': 20}
    """
    result: dict[str, Any] = {}
    for name, first in rounds[0].items():
        values = [each[name] for each in rounds]
        result[name] = medians(values) if isinstance(first, dict) else _readable(name, statistics.median(values))
    for each in rounds:
        each.update({name: _readable(name, value) for name, value in each.items() if not isinstance(value, dict)})
    return result


def _readable(name: str, value: float) -> float:
    if name.endswith(("_second", "batches")):
        return round(value)
    return round(value, 3 if name.startswith("ratio") else 2)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least `share` of them do not exceed (nearest rank).

    >>> percentile([30, 10, 20], 0.5), percentile([30, 10, 20], 0.99)
    (20, 30)
    """
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def spread(milliseconds: Sequence[float]) -> dict[str, float]:
    """The usual three numbers of lateness."""
    return {
        "p50": percentile(milliseconds, 0.5),
        "p99": percentile(milliseconds, 0.99),
        "max": max(milliseconds),
    }
