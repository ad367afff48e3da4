"""Commands that do one thing at the desk of the use cases, on the database of the settings."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from slotwatch import wiring
from slotwatch.config import Settings
from slotwatch.doctor.database import require_reachable
from slotwatch.processes.address import database_url
from slotwatch.processes.session import read_settings, run_loop
from slotwatch.storage import migrate
from slotwatch.storage.clock import DatabaseClock
from slotwatch.usecases.desk import Desk

__all__ = ["at_desk"]

_T = TypeVar("_T")


def at_desk(work: Callable[[Desk], Awaitable[_T]]) -> _T:
    """What the work answers. Raises SlotwatchError."""
    settings = read_settings()
    with database_url(settings) as url:
        return run_loop(_worked(settings, url, work))


async def _worked(settings: Settings, url: str, work: Callable[[Desk], Awaitable[_T]]) -> _T:
    await require_reachable(url)
    await migrate.require_current(url)
    async with wiring.open_database(settings, url, name="command", connections=2) as database:
        return await work(wiring.build_desk(settings, database, DatabaseClock(), lambda due_at: None))
