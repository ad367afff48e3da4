"""`serve` and `work`: one kind of process each, as many copies as wanted over one database."""

import asyncio
from contextlib import AsyncExitStack

import structlog

from slotwatch.config import Settings, without_password
from slotwatch.doctor.database import require_reachable
from slotwatch.processes.address import database_url
from slotwatch.processes.crews import Place, hire_web, hire_workers, open_desk
from slotwatch.processes.http import Listener, listen
from slotwatch.processes.logs import set_up_logging
from slotwatch.processes.session import read_settings, run_loop, settle_in, warn_of_unknown_settings
from slotwatch.processes.supervise import Part, stop_on_signals, supervise
from slotwatch.storage import migrate
from slotwatch.storage.clock import DatabaseClock

__all__ = ["run_serve", "run_work"]

_log = structlog.get_logger(__name__)


def run_serve(*, host: str | None, port: int | None) -> None:
    """Answer HTTP until SIGTERM or SIGINT. Raises SlotwatchError when it cannot start."""
    set_up_logging()
    warn_of_unknown_settings()
    web = read_settings().web
    listener = listen(host or web.host, web.port if port is None else port)
    try:
        settings = read_settings({"FRONTEND_URL": listener.url})
        with database_url(settings) as url:
            run_loop(_serve(settings, url, listener))
    finally:
        listener.close()


def run_work() -> None:
    """Move bookings and send messages until SIGTERM or SIGINT. Raises SlotwatchError when it cannot start."""
    set_up_logging()
    warn_of_unknown_settings()
    settings = read_settings()
    with database_url(settings) as url:
        run_loop(_work(settings, url))


async def _serve(settings: Settings, url: str, listener: Listener) -> None:
    async with AsyncExitStack() as stack:
        place = await _ready(settings, url, stack)
        desk, parts = await open_desk(place)
        parts += hire_web(place, desk, listener)
        _log.info("serving", action="serve_started", url=listener.url, database=without_password(url))
        if not listener.is_local:
            _log.warning("other machines can reach this without encryption: put a TLS proxy before it", action="open")
        await _until_stopped(parts)


async def _work(settings: Settings, url: str) -> None:
    async with AsyncExitStack() as stack:
        parts = await hire_workers(await _ready(settings, url, stack))
        _log.info("working", action="work_started", database=without_password(url))
        await _until_stopped(parts)


async def _ready(settings: Settings, url: str, stack: AsyncExitStack) -> Place:
    await require_reachable(url)
    await migrate.require_current(url)
    return Place(settings, url, DatabaseClock(), stack)


async def _until_stopped(parts: list[Part]) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    settle_in()
    await supervise(parts, stop)
    _log.info("stopped", action="stopped")
