"""`slotwatch bench`: each command measures one thing on a database of its own, beside the limit of the same machine."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from cyclopts.validators import Number

if TYPE_CHECKING:
    from slotwatch.bench.report import Steps

__all__ = ["app"]

app = App(name="bench", help="Measure speed and memory against their limits.")

Count = Annotated[int, Parameter(validator=Number(gte=1))]
Minutes = Annotated[float, Parameter(validator=Number(gt=0))]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON object for programs.")]
Server = Annotated[
    str | None,
    Parameter(
        name="--database-url",
        help="Measure on this server, in a database that is made for it and dropped; default: an embedded one.",
    ),
]


@app.command
def boundary(
    *, bookings: Count = 50_000, workers: Count = 2, rounds: Count = 3, json: Json = False, database_url: Server = None
) -> None:
    """Many bookings due at one instant: moved per second and how late, beside one unguarded statement."""
    from slotwatch.bench.boundary import BoundarySize, measure_boundary

    size = BoundarySize(bookings, workers, rounds)
    _measure("boundary", 2 * rounds, lambda url, steps: measure_boundary(url, size, steps), json, database_url)


@app.command(name="check-in")
def check_in(
    *, connections: Count = 32, each: Count = 100, rounds: Count = 9, json: Json = False, database_url: Server = None
) -> None:
    """Check-ins from many connections at once, beside `pgbench` with the same prepared statements, and over HTTP."""
    from slotwatch.bench.check_in import CheckInSize, measure_check_in

    size = CheckInSize(connections, each, rounds)
    _measure("check-in", 1 + rounds, lambda url, steps: measure_check_in(url, size, steps), json, database_url)


@app.command
def lateness(*, rate: Count = 2, seconds: Count = 20, json: Json = False, database_url: Server = None) -> None:
    """A quiet system, some bookings due a second at random instants: from due time to commit."""
    from slotwatch.bench.lateness import measure_lateness

    _measure("lateness", 2, lambda url, steps: measure_lateness(url, rate, seconds, steps), json, database_url)


@app.command
def outbox(
    *,
    deliveries: Count = 50_000,
    workers: Count = 2,
    batch_size: Count = 1000,
    rounds: Count = 3,
    json: Json = False,
    database_url: Server = None,
) -> None:
    """Claim deliveries and record them as sent, without sending: deliveries a second."""
    from slotwatch.bench.outbox import OutboxSize, measure_outbox

    size = OutboxSize(deliveries, workers, batch_size, rounds)
    _measure("outbox", rounds, lambda url, steps: measure_outbox(url, size, steps), json, database_url)


@app.command
def memory(
    *,
    bookings: Count = 1_000_000,
    waiting: Count = 100_000,
    seconds: Count = 20,
    json: Json = False,
    database_url: Server = None,
) -> None:
    """A worker process's memory: with nothing to do, with very many bookings, while very many deliveries wait."""
    from slotwatch.bench.memory import MemorySize, measure_memory

    size = MemorySize(bookings, waiting, seconds)
    _measure("memory", size.steps, lambda url, steps: measure_memory(url, size, steps), json, database_url)


@app.command
def notices(
    *, bookings: Count = 20_000, workers: Count = 1, rounds: Count = 3, json: Json = False, database_url: Server = None
) -> None:
    """Many bookings begin at once: e-mail and SMS of each, rendered and sent, beside sending a ready message."""
    from slotwatch.bench.notices import NoticesSize, measure_notices

    size = NoticesSize(bookings, workers, rounds)
    _measure("notices", 1 + 2 * rounds, lambda url, steps: measure_notices(url, size, steps), json, database_url)


@app.command
def dashboard(
    *,
    bookings: Count = 1_000_000,
    vendors: Count = 50,
    days: Count = 30,
    viewers: Count = 8,
    answers: Count = 200,
    rounds: Count = 3,
    json: Json = False,
    database_url: Server = None,
) -> None:
    """A vendor's numbers over a big archive: database time of one answer, with several viewers who never pause."""
    from slotwatch.bench.dashboard import DashboardSize, measure_dashboard

    size = DashboardSize(bookings, vendors, days, viewers, answers, rounds)
    _measure("dashboard", size.steps, lambda url, steps: measure_dashboard(url, size, steps), json, database_url)


@app.command
def live(*, viewers: Count = 1000, minutes: Minutes = 10, json: Json = False, database_url: Server = None) -> None:
    """Very many viewers of one board on one web process: how soon a change reaches all, and the process's memory."""
    from slotwatch.bench.live import LiveSize, measure_live

    size = LiveSize(viewers, minutes)
    _measure("live", 1 + len(size.parts), lambda url, steps: measure_live(url, size, steps), json, database_url)


def _measure(
    name: str,
    steps_to_go: int,
    measure: Callable[[str, Steps], Coroutine[Any, Any, dict[str, Any]]],
    as_json: bool,
    server_url: str | None,
) -> None:
    import uvloop

    from slotwatch.bench.report import Steps, show
    from slotwatch.bench.scratch import scratch_database

    with Steps(name, 1 + steps_to_go) as steps:
        steps.begin("starting PostgreSQL")
        with scratch_database(server_url) as url:
            result = uvloop.run(measure(url, steps))
    show(result, as_json=as_json)
