"""The command `slotwatch simulate`: told stories, and whole towns."""

import logging
import sys
from typing import Annotated, Any

import structlog
from cyclopts import App, Parameter

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


def _run(main: Any) -> int:
    """Run to the end, with nothing but errors on standard error: the story tells the rest."""
    import asyncio

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if sys.platform == "win32":
        return int(asyncio.run(main))
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return int(runner.run(main))
