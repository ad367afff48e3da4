"""SQL files say what they do, what guards their writes and which index they rely on."""

import re
from pathlib import Path

import pytest

from tests.tidy.tree import relative, sql_files


def header_faults(name: str, sql: str) -> list[str]:
    """What the leading comment lines do not say."""
    header = [line for line in re.split(r"\n(?!--)", sql, maxsplit=1)[0].splitlines() if line.startswith("--")]
    faults = []
    if not header or not re.match(rf"-- (name: )?{re.escape(name)}: \S", header[0]):
        faults.append(f"the first line is `-- name: {name}: what it does`")
    faults += [
        f"a line of the header is `-- {word}: …`"
        for word in ("guard", "index")
        if not any(re.match(rf"-- {word}: \S", line) for line in header)
    ]
    return faults


@pytest.mark.parametrize("path", sql_files(), ids=relative)
def test_a_sql_file_says_what_it_does_its_guard_and_its_index(path: Path) -> None:
    assert not header_faults(path.stem, path.read_text(encoding="utf-8"))


def test_a_header_without_a_guard_is_found() -> None:
    sql = "-- take: claims one row\n-- index: row_pkey\nSELECT 1"
    assert header_faults("take", sql) == ["a line of the header is `-- guard: …`"]
