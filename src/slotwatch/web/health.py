"""Is the process alive, and should it get traffic?"""

from datetime import timedelta
from typing import Literal

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State

from slotwatch.domain.errors import Unavailable
from slotwatch.storage.migrate import schema_status
from slotwatch.storage.vital_signs import Readiness, readiness
from slotwatch.usecases.desk import Desk
from slotwatch.web.contract import Operation, declared, reply
from slotwatch.web.problems import as_slotwatch_error

__all__ = ["Health", "Ready", "show_health", "show_ready"]

_LONGEST_SILENCE = timedelta(seconds=15)

Verdict = Literal["ok", "failed", "unknown"]


class Health(msgspec.Struct):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(msgspec.Struct, rename="camel"):
    """Whether to send traffic here; `detail` says in words what is wrong."""

    status: Literal["ok", "failed"]
    database: Verdict
    schema: Verdict
    engine: Verdict
    detail: list[str]


@get("/healthz", opt=declared(Operation("Is the process alive?", Health, "Operators", is_public=True)))
async def show_health() -> Response[bytes]:
    """GET /healthz: asks nobody else."""
    return reply(Health())


@get(
    "/readyz",
    opt=declared(
        Operation(
            "Should it get traffic?",
            Ready,
            "Operators",
            is_public=True,
            description="200 when the database is reachable, its schema current and the engine ticking; else 503"
            " with the same body, which says what is wrong.",
        )
    ),
)
async def show_ready(request: Request[None, None, State]) -> Response[bytes]:
    """GET /readyz."""
    ready = await _judge(request.app.state)
    headers = {} if ready.status == "ok" else {"Retry-After": "5"}
    return reply(ready, 200 if ready.status == "ok" else 503, headers=headers)


async def _judge(state: State) -> Ready:
    desk: Desk = state.desk
    try:
        if state.needed_schema is None:
            state.needed_schema = (await schema_status(desk.database.url)).needed
        async with desk.database.connection() as conn:
            found = await readiness(conn, now=desk.clock.fixed)
    except Exception as error:  # whatever it is: not ready, and the words say why
        reason = Unavailable() if isinstance(error, OSError | TimeoutError) else as_slotwatch_error(error)
        sentence = "The database cannot be reached." if isinstance(reason, Unavailable) else reason.message
        return Ready("failed", "failed", "unknown", "unknown", [sentence])
    of_schema, of_engine = _about_schema(found, state.needed_schema), _about_engine(found)
    detail = [sentence for sentence in (of_schema, of_engine) if sentence is not None]
    return Ready(
        status="failed" if detail else "ok",
        database="ok",
        schema="ok" if of_schema is None else "failed",
        engine="ok" if of_engine is None else "failed",
        detail=detail,
    )


def _about_schema(found: Readiness, needed: str) -> str | None:
    if found.schema == needed:
        return None
    return f"The database schema is {found.schema or 'missing'}, this program needs {needed}. Run: slotwatch db upgrade"


def _about_engine(found: Readiness) -> str | None:
    silence = found.engine_silent_for
    if silence is None:
        return "No engine has run on this database yet. Start: slotwatch work"
    if silence <= _LONGEST_SILENCE:
        return None
    return f"The engine has been silent for {int(silence.total_seconds())} seconds. Is a worker running?"
