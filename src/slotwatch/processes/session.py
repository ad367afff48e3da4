"""What every command begins with: settings from the environment, warnings about unknown ones, an event loop."""

import asyncio
import os
import sys
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import asyncpg
import structlog

from slotwatch.config import Settings, load_settings, unknown_variables
from slotwatch.domain.errors import Unavailable
from slotwatch.storage.database import CONNECTION_ERRORS

__all__ = ["read_settings", "require_reachable", "run_loop", "warn_of_unknown_settings"]

_log = structlog.get_logger(__name__)

_T = TypeVar("_T")
_OLDEST_POSTGRESQL = 15


def read_settings(defaults: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process; `defaults` stand in for variables that are not set. Raises BadSetting."""
    given = {name: value for name, value in os.environ.items() if value.strip()}
    return load_settings({**(defaults or {}), **given})


def warn_of_unknown_settings() -> None:
    """Log each SLOTWATCH_ variable that nothing reads."""
    for sentence in unknown_variables(os.environ):
        _log.warning(sentence, action="unknown_setting")


def run_loop(main: Coroutine[Any, Any, _T]) -> _T:
    """Run on uvloop where there is one."""
    if sys.platform == "win32":
        return asyncio.run(main)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


async def require_reachable(url: str) -> None:
    """Connect once. Raises Unavailable with a sentence: not there, not let in, no such database, too old."""
    try:
        conn = await asyncpg.connect(url, timeout=10)
    except (*CONNECTION_ERRORS, asyncpg.PostgresError, ValueError) as error:
        raise Unavailable(f"The database cannot be used: {_why(error)}.") from error
    try:
        version = conn.get_server_version()
    finally:
        await conn.close()
    if version.major < _OLDEST_POSTGRESQL:
        raise Unavailable(f"The database is PostgreSQL {version.major}; {_OLDEST_POSTGRESQL} or newer is needed.")


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer within 10 s"
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
