"""SQL statements with `:name` parameters, in `.sql` files or as short constants, run by asyncpg."""

import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

import asyncpg

__all__ = ["Connection", "Statement", "load_sql"]

Connection: TypeAlias = Any
"""What a statement runs on: an asyncpg connection, pooled or not (asyncpg ships no types)."""

# A parameter is :name; not part of a cast (::text), a quoted string or a comment.
_TOKENS = re.compile(r"'(?:[^']|'')*'|--[^\n]*|::|:([a-z_][a-z0-9_]*)")


@dataclass(frozen=True)
class Statement:
    """One statement. Parameters are passed by name; a missing or unknown name is a TypeError."""

    sql: str
    names: tuple[str, ...] = field(init=False)
    text: str = field(init=False)

    def __post_init__(self) -> None:
        names: list[str] = []

        def number(match: re.Match[str]) -> str:
            name = match.group(1)
            if name is None:
                return "" if match.group(0).startswith("--") else match.group(0)
            if name not in names:
                names.append(name)
            return f"${names.index(name) + 1}"

        text = _TOKENS.sub(number, self.sql)
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "names", tuple(names))

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """The values in the order of the numbered parameters."""
        if len(values) != len(self.names):
            unknown = set(values) ^ set(self.names)
            raise TypeError(f"parameters do not fit the statement: {', '.join(sorted(unknown))}")
        return [values[name] for name in self.names]

    async def fetch(self, conn: Connection, **values: Any) -> list[asyncpg.Record]:
        """All rows."""
        return await conn.fetch(self.text, *self.arguments(values))  # type: ignore[no-any-return]

    async def fetchrow(self, conn: Connection, **values: Any) -> asyncpg.Record | None:
        """The first row, or None."""
        return await conn.fetchrow(self.text, *self.arguments(values))

    async def fetchval(self, conn: Connection, **values: Any) -> Any:
        """The first column of the first row, or None."""
        return await conn.fetchval(self.text, *self.arguments(values))

    async def execute(self, conn: Connection, **values: Any) -> int:
        """How many rows were touched."""
        status: str = await conn.execute(self.text, *self.arguments(values))
        return int(status.rsplit(" ", 1)[-1])


@cache
def load_sql(package: str, name: str) -> Statement:
    """The statement in file `name` beside the modules of `package`."""
    return Statement((files(package) / name).read_text(encoding="utf-8"))
