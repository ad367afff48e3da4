"""Runs statements that the product ran once through PostgreSQL's own `pgbench`: the limit of a database call."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

from slotwatch.storage.database import DatabaseSettings, server_settings
from slotwatch.storage.embedded import find_binaries
from slotwatch.storage.statements import Connection

__all__ = ["Call", "PgbenchMissing", "Script", "latencies", "run_pgbench", "script_of"]

_SECONDS = 300
_WARM_UP = 10  # PostgreSQL decides after five
_PARAMETER = re.compile(r"\$(\d+)")


class PgbenchMissing(Exception):
    """There is no `pgbench` beside the PostgreSQL programs of this machine."""


@dataclass(frozen=True)
class Call:
    """One statement and what it was given, as asyncpg saw it."""

    sql: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Script:
    """The same statements for pgbench: `variables` are constant, `id` is another one for each transaction."""

    text: str
    variables: tuple[tuple[str, str], ...]


async def script_of(conn: Connection, calls: Sequence[Call], sample_id: int) -> Script:
    """The calls with the same parameters; where one was given `sample_id` it takes the variable `id`."""
    lines: list[str] = []
    variables: dict[str, str] = {}
    for call in calls:
        types = [kind.name for kind in (await conn.prepare(call.sql)).get_parameters()]
        values = [
            f"{_expression(value, kind, sample_id, variables)}::{kind}"
            for value, kind in zip(call.arguments, types, strict=True)
        ]
        lines.append(" ".join(_PARAMETER.sub(partial(_nth, values), call.sql).split()) + ";")
    return Script("\n".join(lines) + "\n", tuple(variables.items()))


def _nth(values: list[str], parameter: re.Match[str]) -> str:
    return values[int(parameter[1]) - 1]


def _expression(value: object, kind: str, sample_id: int, variables: dict[str, str]) -> str:
    """What stands for the value in the script: a variable of pgbench, which it passes as a parameter."""
    if value is None:
        return "NULL"  # pgbench has no variables without a value
    if value == sample_id:
        return ":id"
    if isinstance(value, list | tuple) and kind.endswith("[]"):
        return f"ARRAY[{', '.join(_expression(item, kind[:-2], sample_id, variables) for item in value)}]"
    name = f"p{len(variables)}"
    variables[name] = _as_text(value, kind)
    return f":{name}"


async def run_pgbench(url: str, script: Script, *, connections: int, each: int, after: int) -> float:
    """Transactions a second: each of the connections runs the script `each` times; ids count up from `after` + 1.

    Raises PgbenchMissing, or RuntimeError when pgbench fails.
    """
    counting = f"\\set i :i + 1\n\\set id {after} + :client_id * {each} + :i\n"
    with TemporaryDirectory(prefix="slotwatch-bench-") as folder:
        counted = replace(script, text=counting + script.text, variables=(("i", "0"), *script.variables))
        output = await _run(url, counted, Path(folder), f"--client={connections}", f"--transactions={each}")
    found = re.search(r"^tps = ([\d.]+)", output, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"pgbench told no rate: {output[-2000:]}")
    return float(found[1])


async def latencies(url: str, script: Script, *, connections: int, each: int, ids: tuple[int, int]) -> list[float]:
    """Milliseconds of every transaction of so many connections that never pause; ids are any of first to last.

    Each connection runs some more before, which are not counted: there PostgreSQL still makes up its mind about plans.

    Raises PgbenchMissing, or RuntimeError when pgbench fails.
    """
    choosing = f"\\set id random({ids[0]}, {ids[1]})\n"
    with TemporaryDirectory(prefix="slotwatch-bench-") as folder:
        chosen = replace(script, text=choosing + script.text)
        logging = ("--log", f"--log-prefix={folder}/log")
        count = f"--transactions={_WARM_UP + each}"
        await _run(url, chosen, Path(folder), f"--client={connections}", count, *logging)
        logs = [path.read_text() for path in Path(folder).glob("log.*")]  # noqa: ASYNC240  # nothing else runs
    # client, number of its transaction, microseconds, …
    told = [[int(word) for word in line.split()[:3]] for log in logs for line in log.splitlines()]
    return [microseconds / 1000 for _, number, microseconds in told if number >= _WARM_UP]


async def _run(url: str, script: Script, folder: Path, *options: str) -> str:
    """What pgbench prints."""
    program = find_binaries().bin_dir / "pgbench"
    if not program.exists():
        raise PgbenchMissing
    path = folder / "script.sql"
    await asyncio.to_thread(path.write_text, script.text)
    definitions = [f"--define={name}={value}" for name, value in script.variables]
    process = await asyncio.create_subprocess_exec(
        *(str(program), "--no-vacuum", "--protocol=prepared", "--jobs=2", f"--file={path}", *options, *definitions),
        env=_environment(url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        raise RuntimeError(f"pgbench failed: {errors.decode().strip()[-2000:]}")
    return output.decode()


def _environment(url: str) -> dict[str, str]:
    """How libpq is told where to go, with the product's session settings and the password out of sight."""
    parts = urlsplit(url)
    settings = server_settings(DatabaseSettings(), "pgbench") | {"statement_timeout": "0"}
    parameters = {
        "PGHOST": parts.hostname or "127.0.0.1",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.lstrip("/"),
        "PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }
    return {**os.environ, **{name: value for name, value in parameters.items() if value}}


def _as_text(value: object, kind: str) -> str:
    """A value as PostgreSQL reads it."""
    if kind == "jsonb":
        return json.dumps(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)
