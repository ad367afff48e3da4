"""Callers who want the same statement at the same moment share one run of it: fewer round trips, fewer commits."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

__all__ = ["Grouped"]

_RUNS_AT_ONCE = 2
_MOST_IN_A_RUN = 100

Run = Callable[[dict[str, Any]], Awaitable[list[asyncpg.Record]]]


@dataclass(frozen=True)
class _Caller:
    shared: Mapping[str, Any]
    own: Mapping[str, Any]
    answer: "asyncio.Future[asyncpg.Record | None]"


class Grouped:
    """One statement of one database, written for many callers at once; `run` runs it with the values by name.

    Each of a caller's own values goes into an array, at the caller's place; shared values are the same for all of a
    run. The result has a column `place`, counted from 1: whose row it is. Nobody waits for company: the first caller
    is served at once, and whoever comes while all runs are under way shares the next one.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._waiting: deque[_Caller] = deque()
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself holds no task

    async def fetchrow(self, shared: Mapping[str, Any], own: Mapping[str, Any]) -> asyncpg.Record | None:
        """The caller's row, or None. An error of the run is everybody's, but for a value that PostgreSQL refuses."""
        answer: asyncio.Future[asyncpg.Record | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Caller(shared, own, answer))
        if self._running < _RUNS_AT_ONCE:
            self._running += 1
            task = asyncio.create_task(self._serve())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def _serve(self) -> None:
        try:
            while self._waiting:
                await self._serve_some(self._next())
        finally:  # in the same breath as the look at who waits: else somebody could wait for a run that has ended
            self._running -= 1

    async def _serve_some(self, callers: list[_Caller]) -> None:
        own = {name: [caller.own[name] for caller in callers] for name in callers[0].own}
        try:
            rows = await self._run({**callers[0].shared, **own})
        except BaseException as error:
            if isinstance(error, asyncpg.DataError) and len(callers) > 1:
                for caller in callers:  # nothing was written; a bad value is the matter of who brought it
                    await self._serve_some([caller])
                return
            for caller in callers:
                if not caller.answer.done():
                    caller.answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        by_place = {row["place"]: row for row in rows}
        for place, caller in enumerate(callers, 1):
            if not caller.answer.done():  # the caller may have gone away
                caller.answer.set_result(by_place.get(place))

    def _next(self) -> list[_Caller]:
        """Those at the front that may share a run."""
        callers = [self._waiting.popleft()]
        while self._waiting and len(callers) < _MOST_IN_A_RUN and self._waiting[0].shared == callers[0].shared:
            callers.append(self._waiting.popleft())
        return callers
