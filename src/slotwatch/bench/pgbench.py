"""Runs statements that the product ran once through PostgreSQL's own `pgbench`: the limit of a database call."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

from slotwatch.storage.database import DatabaseSettings, server_settings
from slotwatch.storage.embedded import find_binaries
from slotwatch.storage.statements import Connection

__all__ = ["Call", "PgbenchMissing", "Script", "run_pgbench", "script_of"]

_SECONDS = 300
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
    program = find_binaries().bin_dir / "pgbench"
    if not program.exists():
        raise PgbenchMissing
    with TemporaryDirectory(prefix="slotwatch-bench-") as folder:
        path = Path(folder) / "script.sql"
        counting = f"\\set i :i + 1\n\\set id {after} + :client_id * {each} + :i\n"
        await asyncio.to_thread(path.write_text, counting + script.text)
        definitions = [f"--define={name}={value}" for name, value in (("i", "0"), *script.variables)]
        process = await asyncio.create_subprocess_exec(
            *(program, "--no-vacuum", "--protocol=prepared", f"--client={connections}", "--jobs=2"),
            *(f"--transactions={each}", f"--file={path}", *definitions),
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
    found = re.search(r"^tps = ([\d.]+)", output.decode(), re.MULTILINE)
    if process.returncode != 0 or found is None:
        raise RuntimeError(f"pgbench failed: {errors.decode().strip()[-2000:]}")
    return float(found[1])


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
