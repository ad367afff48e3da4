"""What every command begins with: settings from the environment, warnings about unknown ones, an event loop."""

import asyncio
import gc
import os
import sys
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import structlog

from slotwatch.config import Settings, load_settings, unknown_variables

__all__ = ["read_settings", "run_loop", "settle_in", "warn_of_unknown_settings"]

_log = structlog.get_logger(__name__)

_T = TypeVar("_T")
_GARBAGE_FROM = 10_000  # objects more than before; Python's own 700 is reached many times a second


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


def settle_in() -> None:
    """Called when everything is built: templates, catalogues and routes live as long as the process, so that looking
    through them for garbage again and again, tens of milliseconds each time, finds nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_FROM)
