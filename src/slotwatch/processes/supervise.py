"""Keeps the parts of a process alive: a part that dies is restarted, and one that keeps dying ends the process."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from slotwatch.domain.errors import SlotwatchError, Unavailable

__all__ = ["KeepsDying", "Part", "Patience", "stop_on_signals", "supervise"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Part:
    """Something that runs until `stop` is set. Returning earlier, or raising, is dying."""

    name: str
    run: Callable[[asyncio.Event], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How often and how fast a dead part is restarted, and how long a stop may take; all in seconds."""

    most_deaths: int = 8  # in a row; a part that lived for `healthy_after` starts counting anew
    healthy_after: float = 60
    first_pause: float = 0.5
    longest_pause: float = 15
    stop_within: float = 9


class KeepsDying(SlotwatchError):
    """A part of this process died too often in a row, so the process stops. Its log says why."""

    code = "keeps_dying"


async def supervise(parts: Sequence[Part], stop: asyncio.Event, patience: Patience | None = None) -> None:
    """Run all parts until `stop`; then they have `stop_within` to finish. Raises KeepsDying."""
    patience = patience or Patience()
    tasks = [asyncio.create_task(_keep_alive(part, stop, patience), name=part.name) for part in parts]
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        stopped.cancel()
        await _finish(tasks, patience.stop_within)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


def stop_on_signals(stop: asyncio.Event) -> None:
    """SIGTERM and SIGINT set `stop`; the same signal again ends the process at once."""
    loop = asyncio.get_running_loop()

    def asked(number: signal.Signals) -> None:
        _log.info("stopping; what is under way is finished first", action="stop_asked", signal=number.name)
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked, number)


async def _keep_alive(part: Part, stop: asyncio.Event, patience: Patience) -> None:
    deaths = 0
    while not stop.is_set():
        began = time.monotonic()
        try:
            await part.run(stop)
            if stop.is_set():
                return
            _log.error("a part ended by itself", action="part_died", part=part.name)
        except Unavailable as error:  # the database's fault, not the part's: it will come back
            deaths = min(deaths, patience.most_deaths - 2)
            _log.warning("a part waits for the database", action="part_waits", part=part.name, error=error.message)
        except Exception:
            if stop.is_set():
                raise
            _log.exception("a part died", action="part_died", part=part.name)
        deaths = 1 if time.monotonic() - began > patience.healthy_after else deaths + 1
        if deaths >= patience.most_deaths:
            raise KeepsDying(f"The {part.name} died {deaths} times in a row, so this process stops. Its log says why.")
        await _pause(stop, min(patience.first_pause * 2 ** (deaths - 1), patience.longest_pause))


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, with jitter so that processes do not come back in step, but not beyond `stop`."""
    try:
        async with asyncio.timeout(seconds * random.uniform(0.5, 1.0)):  # noqa: S311  # no secret
            await stop.wait()
    except TimeoutError:
        return


async def _finish(tasks: Sequence[asyncio.Task[None]], seconds: float) -> None:
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        _log.warning("a part did not stop in time and is cut off", action="part_cut_off", part=task.get_name())
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
