"""Starts the worker processes of a benchmark, hears what they tell, and ends them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

__all__ = ["Child", "crew"]

_SECONDS_TO_START = 30
_SECONDS_TO_END = 15


class Child:
    """One process that runs a module of the benchmarks; it hears and tells lines of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.greeting: dict[str, Any] = {}  # what it told when it was ready

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def tell(self, line: dict[str, Any]) -> None:
        """Send one line."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line).encode() + b"\n")
        await self._process.stdin.drain()

    async def hear(self) -> dict[str, Any]:
        """The next line. Raises RuntimeError when the process has ended, with what it said last."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("a worker process of the benchmark ended early; what it said is above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def end(self) -> None:
        """Close its input, which ends it; kill it if that takes too long."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(_SECONDS_TO_END):
                await self._process.communicate()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def crew(
    size: int, order: dict[str, Any], *, module: str = "slotwatch.bench.child"
) -> AsyncIterator[list[Child]]:
    """That many processes of that module with the same order, all of them ready."""
    async with AsyncExitStack() as stack:
        children = []
        for _ in range(size):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            child = Child(process)
            stack.push_async_callback(child.end)
            await child.tell(order)
            children.append(child)
        async with asyncio.timeout(_SECONDS_TO_START):
            for child in children:
                child.greeting = await child.hear()
                assert child.greeting.get("ready")
        yield children
