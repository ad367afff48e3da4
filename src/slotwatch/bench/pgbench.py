"""Runs statements that the product ran once through PostgreSQL's own `pgbench`: the limit of a database call."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg

from slotwatch.storage.database import DatabaseSettings, server_settings
from slotwatch.storage.embedded import find_binaries
from slotwatch.storage.statements import Connection

__all__ = ["Call", "PgbenchMissing", "Script", "run_pgbench", "script_of"]

_SECONDS = 300


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
    variables: list[tuple[str, str]] = []
    for number, call in enumerate(calls):
        types = [_type_name(kind) for kind in (await conn.prepare(call.sql)).get_parameters()]
        names = []
        for position, value in enumerate(call.arguments):
            name = f"p{number}_{position}"
            if value is None:
                names.append("NULL")  # pgbench has no variables without a value
            elif value == sample_id:
                names.append(":id")
            else:
                names.append(f":{name}")
                variables.append((name, _as_text(value, types[position])))
        replaced = re.sub(r"\$(\d+)", lambda m: f"{names[int(m[1]) - 1]}::{types[int(m[1]) - 1]}", call.sql)  # noqa: B023  # used at once
        lines.append(" ".join(replaced.split()) + ";")
    return Script("\n".join(lines) + "\n", tuple(variables))


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


def _type_name(kind: asyncpg.Type) -> str:
    name: str = kind.name
    return name


def _as_text(value: object, kind: str) -> str:
    """A value as PostgreSQL reads it."""
    if kind == "jsonb":
        return json.dumps(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return "{" + ",".join(_as_text(item, kind) for item in value) + "}"
    return str(value)
