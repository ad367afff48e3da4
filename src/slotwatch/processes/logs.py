"""How a process logs: readable lines on a terminal, one JSON object a line elsewhere, always on standard error."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

__all__ = ["set_up_logging"]

_QUIET = ("alembic", "aiosqlite", "asyncio", "httpx", "httpcore", "litestar", "uvicorn")


def set_up_logging(*, pretty: bool | None = None) -> None:
    """Send structlog and the standard library's loggers the same way; `pretty` None asks the terminal."""
    pretty = sys.stderr.isatty() if pretty is None else pretty
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if pretty else "iso", utc=not pretty),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    # Tracebacks without local variables: those hold tokens and addresses.
    renderers: list[Any] = (
        [_without_action, _console()]
        if pretty
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("asyncpg").setLevel(logging.ERROR)  # a lost connection is told by whoever needed it


def _without_action(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """`action` is for programs; a person reads the sentence."""
    if event.get("level") == "info":
        event.pop("action", None)
    return event


def _console() -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(pad_event_to=0, exception_formatter=structlog.dev.plain_traceback)
