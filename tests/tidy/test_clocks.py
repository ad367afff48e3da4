"""Time is an argument: nothing in the product reads a wall clock or sleeps, but the few places that say why."""

import ast
import re
from pathlib import Path

import pytest

from tests.tidy.tree import SRC, parse, python_files, relative, strings_that_are_not_docstrings

BANNED_CALLS = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "date.today",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
    "time.sleep",
    "time.localtime",
    "time.gmtime",
    "asyncio.sleep",
    "func.now",
    "func.current_timestamp",
    "func.clock_timestamp",
}
REASON = re.compile(r"# noqa: TID251\W+\w+(\W+\w+){2,}")

# The database's clock is what `now` comes from; reading it is the business of one module, or of a statement that
# was given no `now`.
BANNED_SQL = re.compile(
    r"\b(now|transaction_timestamp|statement_timestamp|timeofday)\s*\(\s*\)"
    r"|\b(current_timestamp|current_date|current_time|localtimestamp|localtime)\b",
    re.IGNORECASE,
)
DATABASE_CLOCK = re.compile(r"clock_timestamp\s*\(\s*\)", re.IGNORECASE)
GIVEN_OR_CLOCK = re.compile(
    r"coalesce\s*\(\s*(CAST\s*\(\s*)?:now\b[^,]*,\s*clock_timestamp\s*\(\s*\)\s*\)", re.IGNORECASE
)
CLOCK_MODULE = SRC / "storage" / "clock.py"


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """What a local name stands for: `from time import time as t` makes `t` mean `time.time`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module in ("time", "asyncio", "datetime"):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def wall_clock_uses(source: str, tree: ast.Module) -> list[str]:
    """Every use of a banned call, called or handed on, without a reason on its line."""
    imported, lines, found = _imported_names(tree), source.splitlines(), []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute | ast.Name):
            continue
        dotted = ast.unparse(node)
        first, _, rest = dotted.partition(".")
        full = ".".join(part for part in (imported.get(first, first), rest) if part)
        if full in BANNED_CALLS and not REASON.search(lines[node.lineno - 1]):
            found.append(f"line {node.lineno}: {dotted}")
    return found


def sql_clock_uses(sql: str) -> list[str]:
    """Every clock that a statement reads by itself."""
    bare = re.sub(r"--[^\n]*", "", sql)
    found = [match.group(0) for match in BANNED_SQL.finditer(bare)]
    return found + DATABASE_CLOCK.findall(GIVEN_OR_CLOCK.sub("", bare))


@pytest.mark.parametrize("path", python_files("src"), ids=relative)
def test_no_python_reads_a_wall_clock_or_sleeps(path: Path) -> None:
    assert not wall_clock_uses(path.read_text(encoding="utf-8"), parse(path)), "take `now`, or wait through the Clock"


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.sql")), ids=relative)
def test_no_sql_file_reads_a_clock(path: Path) -> None:
    assert not sql_clock_uses(path.read_text(encoding="utf-8")), "SQL takes :now"


@pytest.mark.parametrize("path", [p for p in python_files("src") if p != CLOCK_MODULE], ids=relative)
def test_no_sql_in_python_reads_a_clock(path: Path) -> None:
    found = [
        f"line {line}: {use}"
        for line, text in strings_that_are_not_docstrings(parse(path))
        if "(" in text or "_" in text
        for use in sql_clock_uses(text)
    ]
    assert not found, "SQL takes :now"


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.sleep(1)",
        "from time import time as t\nt()",
        "from datetime import datetime\nread = datetime.now",
        "import datetime as d\nd.datetime.now()",
        "import asyncio\nasync def f():\n    await asyncio.sleep(1)",
        "import time\ntime.sleep(1)  # noqa: TID251",
    ],
)
def test_the_scan_finds_what_it_should(source: str) -> None:
    assert wall_clock_uses(source, ast.parse(source))


@pytest.mark.parametrize(
    ("sql", "uses"),
    [
        ("SELECT now()", 1),
        ("SELECT CURRENT_TIMESTAMP", 1),
        ("SELECT coalesce(:now, clock_timestamp())", 0),
        ("SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp())", 0),
        ("SELECT clock_timestamp()", 1),
        ("-- never now()\nSELECT :now", 0),
    ],
)
def test_the_sql_scan_finds_what_it_should(sql: str, uses: int) -> None:
    assert len(sql_clock_uses(sql)) == uses
