"""The command `simulate town`: a database, a town, a progress bar, the closing table and the exit status."""

from datetime import datetime

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from slotwatch.simulation.closing import close_town
from slotwatch.simulation.throwaway import throwaway_database
from slotwatch.simulation.town import Town, TownWish, build_town
from slotwatch.storage.clock import monotonic
from slotwatch.storage.database import Database

__all__ = ["play_town", "run_town"]


async def run_town(wish: TownWish, *, url: str | None, json: bool) -> int:
    """Run it on a database of its own; the exit status is 1 if anything is broken."""
    async with throwaway_database(url) as database:
        return await play_town(database, wish, json=json)


async def play_town(database: Database, wish: TownWish, *, json: bool) -> int:
    """Run it in this empty database, and print; progress and speed go to standard error."""
    out, err = Console(highlight=False), Console(stderr=True, highlight=False)
    began = monotonic()
    town = build_town(database, wish)
    await _with_progress(town, wish, err)
    ran = monotonic() - began
    closing = await close_town(town)
    if json:
        out.file.write(msgspec.json.encode(closing.as_dict()).decode() + "\n")
    else:
        closing.print(out)
    err.print(
        f"{wish.bookings:,} bookings over {wish.days} days in {ran:.0f} s ({wish.bookings / ran:.0f} bookings/s);"
        f" the closing table took {monotonic() - began - ran:.0f} s more.",
        soft_wrap=True,
    )
    return 0 if closing.is_good else 1


async def _with_progress(town: Town, wish: TownWish, console: Console) -> None:
    began = monotonic()
    columns = (
        TextColumn("{task.fields[day]}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:,} bookings, {task.fields[rate]:.0f}/s"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("town", total=wish.bookings, day=_day(town.now), rate=0.0)

        def on_tick(town: Town) -> None:
            rate = town.made / max(monotonic() - began, 0.001)
            progress.update(bar, completed=town.made, day=_day(town.now), rate=rate)

        await town.run(on_tick)


def _day(instant: datetime) -> str:
    return f"{instant:%a %d %b %H:%M}"
