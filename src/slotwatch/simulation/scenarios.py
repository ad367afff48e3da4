"""Plays the told stories one after the other, each on an empty stage, and prints them like a short screenplay."""

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from slotwatch.analytics.invariants import broken
from slotwatch.simulation.stage import Expectation, Line, Stage, set_up
from slotwatch.simulation.stories import drivers, trouble
from slotwatch.simulation.throwaway import throwaway_database
from slotwatch.storage.database import Database

__all__ = ["Played", "play_all", "run_scenarios", "titles"]

Story = Callable[[Stage], Awaitable[None]]

# When a story begins, and in which zone its station stands, where that matters to it.
_BERLIN = "Europe/Berlin"
_BEGINNINGS: dict[Story, tuple[datetime, str]] = {
    trouble.spring_forward: (trouble.SPRING - timedelta(hours=4), _BERLIN),
    trouble.autumn_back: (trouble.AUTUMN - timedelta(hours=4), _BERLIN),
}
_USUALLY = (drivers.SIX - timedelta(hours=4), "UTC")

STORIES: tuple[Story, ...] = (*drivers.STORIES, *trouble.STORIES)

_COLOURS = {"engine": "cyan", "e-mail": "green", "SMS": "green", "slotwatch": "red", "audit": "yellow"}


@dataclass(frozen=True)
class Played:
    """One story as it went."""

    name: str
    title: str
    lines: tuple[Line, ...]
    expectations: tuple[Expectation, ...]

    @property
    def is_good(self) -> bool:
        """Whether everything was as it should be."""
        return all(expectation.holds for expectation in self.expectations)

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "name": self.name,
            "title": self.title,
            "ok": self.is_good,
            "lines": [{"at": line.at, "who": line.who, "what": line.what} for line in self.lines],
            "expectations": [
                {"claim": expectation.claim, "ok": expectation.holds, "seen": expectation.seen}
                for expectation in self.expectations
            ],
        }


def titles() -> dict[str, str]:
    """The claim of each story, by its name."""
    return {_name(story): _title(story) for story in STORIES}


async def play_all(database: Database, only: Collection[str] = ()) -> AsyncGenerator[Played, None]:
    """Play the stories (or the named ones), each on an empty stage in this database."""
    for story in STORIES:
        if not only or _name(story) in only:
            yield await _play(database, story)


async def run_scenarios(*, url: str | None, json: bool, only: Collection[str] = ()) -> int:
    """Play and print; the exit status is 1 if anything was not as it should be."""
    console, played = Console(highlight=False), []
    async with throwaway_database(url) as database, contextlib.aclosing(play_all(database, only)) as stories:
        async for story in stories:
            played.append(story)
            if not json:
                _print(console, story)
    bad = [story for story in played if not story.is_good]
    if json:
        answer = {"ok": not bad, "scenarios": [story.as_dict() for story in played]}
        console.file.write(msgspec.json.encode(answer).decode() + "\n")
    else:
        good = f"{len(played) - len(bad)} of {len(played)} scenarios went as they should."
        console.print(Text(good, style="bold red" if bad else "bold green"))
        for story in bad:
            for expectation in story.expectations:
                if not expectation.holds:
                    console.print(
                        Text(f"{story.name}: {expectation.claim}: {expectation.seen}", style="red"), soft_wrap=True
                    )
    return 1 if bad or not played else 0


async def _play(database: Database, story: Story) -> Played:
    starts_at, zone = _BEGINNINGS.get(story, _USUALLY)
    stage = await set_up(database, starts_at, zone=zone)
    try:
        await story(stage)
    except Exception as error:  # a story that breaks off has failed; the others still play
        stage.expect("the story plays to its end", False, f"{type(error).__name__}: {error}")
    async with database.connection() as conn:
        for claim in await broken(conn, stage.now):
            stage.expect(claim.claim, False, f"{claim.count} rows, such as {claim.examples[0]}")
    return Played(_name(story), _title(story), tuple(stage.lines), tuple(stage.expectations))


def _name(story: Story) -> str:
    return str(getattr(story, "__name__", "")).replace("_", "-")


def _title(story: Story) -> str:
    return " ".join((story.__doc__ or "").split())


def _print(console: Console, story: Played) -> None:
    console.print(Text(f"{story.name}: {story.title}", style="bold"), soft_wrap=True)
    day = None
    for line in story.lines:
        if line.at.date() != day:
            day = line.at.date()
            console.print(Text(f"  {day:%A} {day.day} {day:%B %Y}, UTC", style="dim"))
        seconds = f"{line.at:%H:%M:%S}" if line.at.second else f"{line.at:%H:%M}   "
        console.print(
            Text.assemble((f"  {seconds}  ", "dim"), (f"{line.who:<10}", _COLOURS.get(line.who, "magenta")), line.what),
            soft_wrap=True,
        )
    for expectation in story.expectations:
        mark, style = ("ok   ", "green") if expectation.holds else ("WRONG", "bold red")
        seen = "" if expectation.holds else f": {expectation.seen}"
        console.print(Text.assemble(("  ", ""), (mark, style), f" {expectation.claim}{seen}"), soft_wrap=True)
    console.print()
