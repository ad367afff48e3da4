"""The product's own `slotwatch work` in a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

__all__ = ["working"]

_SECONDS_TO_END = 15


@asynccontextmanager
async def working(url: str, env: Mapping[str, str] | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
    """One worker on that database, with more environment if given; ended when done with."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "slotwatch", "work"),
        env={**os.environ, "DATABASE_URL": url, **(env or {})},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(_SECONDS_TO_END):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
