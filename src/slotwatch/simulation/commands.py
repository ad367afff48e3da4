"""The command `slotwatch simulate`: told stories, and whole towns."""

import logging
import signal
import sys
from typing import Annotated, Any

import structlog
from cyclopts import App, Parameter
from cyclopts.validators import Number

__all__ = ["app"]

app = App(name="simulate", help="Play bookings on a movable clock, with a real PostgreSQL and the real engine.")

Url = Annotated[
    str | None,
    Parameter(
        name="--database-url",
        help="A PostgreSQL to use in place of one started for this. A database of its own is made there and dropped.",
    ),
]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs.")]


@app.command
def scenarios(*only: str, database_url: Url = None, json: Json = False) -> int:
    """Play the told stories, or the named ones, and exit with 1 if one does not go as it should."""
    from slotwatch.simulation.scenarios import run_scenarios, titles

    unknown = sorted(set(only) - set(titles()))
    if unknown:
        known = "\n".join(f"  {name}: {title}" for name, title in titles().items())
        sys.stderr.write(f"There is no scenario {', '.join(unknown)}. There are:\n{known}\n")
        return 2
    return _run(run_scenarios(url=database_url, json=json, only=only))


@app.command
def town(
    *,
    bookings: Annotated[
        int, Parameter(help="How many, walk-ins among them.", validator=Number(gte=1, lte=5_000_000))
    ] = 5000,
    days: Annotated[int, Parameter(help="Over how many days their slots begin.", validator=Number(gte=1, lte=366))] = 7,
    no_show_rate: Annotated[float, Parameter(help="Share that never comes.", validator=Number(gte=0, lte=1))] = 0.15,
    workers: Annotated[int, Parameter(help="Engine workers at once.", validator=Number(gte=1, lte=8))] = 2,
    seed: Annotated[int, Parameter(help="Which of all such towns; the same one gives the same table.")] = 7,
    database_url: Url = None,
    json: Json = False,
) -> int:
    """Run a town for some days, print what came of it, and exit with 1 if one row breaks an invariant."""
    from slotwatch.simulation.town import TownWish
    from slotwatch.simulation.week import run_town

    wish = TownWish(bookings=bookings, days=days, no_show_rate=no_show_rate, workers=workers, seed=seed)
    return _run(run_town(wish, url=database_url, json=json))


def _run(main: Any) -> int:
    """Run to the end, with nothing but errors on standard error: the story tells the rest."""
    import asyncio

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # who is told to stop cleans up, too
    if sys.platform == "win32":
        return int(asyncio.run(main))
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return int(runner.run(main))
