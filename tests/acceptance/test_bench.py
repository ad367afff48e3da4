"""Each benchmark runs, small, and prints the numbers that its page explains. No test looks at how fast it was."""

import json
import re
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from slotwatch.storage.embedded import EmbeddedPostgres
from tests.cli_runs import Done, run
from tests.tidy.tree import ROOT

pytestmark = pytest.mark.timeout(240)

PAGE = ROOT / "docs" / "how-to" / "measure.md"
TINY = {
    "boundary": ("--bookings", "200", "--workers", "2", "--rounds", "1"),
    "check-in": ("--connections", "3", "--each", "4", "--rounds", "2"),
    "outbox": ("--deliveries", "200", "--workers", "2", "--rounds", "1", "--batch-size", "30"),
    "lateness": ("--rate", "4", "--seconds", "2"),
    "notices": ("--bookings", "40", "--rounds", "1"),
    "memory": ("--bookings", "500", "--waiting", "400", "--seconds", "1"),
    "dashboard": (
        *("--bookings", "600", "--vendors", "3", "--days", "3"),
        *("--viewers", "2", "--answers", "3", "--rounds", "1"),
    ),
    "live": ("--viewers", "20", "--minutes", "0.05"),
}


def documented_keys(command: str) -> set[str]:
    """The keys in the table of the section that begins with the command's name."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n`bench {command}`:")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return {key for cell in cells for key in re.findall(r"`([a-z0-9_]+)`", cell)}


def result_of(done: Done) -> dict[str, Any]:
    """The one line of standard output."""
    assert done.status == 0, done.err
    assert done.out.count("\n") == 1
    result: dict[str, Any] = json.loads(done.out)
    return result


@pytest.mark.parametrize("command", TINY)
async def test_a_benchmark_prints_the_numbers_of_its_page_and_leaves_nothing_behind(
    command: str, server: EmbeddedPostgres, tmp_path: Path
) -> None:
    done = run("bench", command, *TINY[command], "--json", "--database-url", server.url, data_dir=tmp_path)
    result = result_of(done)
    assert set(result) == documented_keys(command)
    assert result["bench"] == command
    assert f"{command} 1/" in done.err
    assert f"{command} 2/" in done.err
    conn = await asyncpg.connect(server.url)
    assert not await conn.fetchval("SELECT count(*) FROM pg_database WHERE datname LIKE 'slotwatch_bench_%'")
    await conn.close()


def test_without_a_server_a_benchmark_brings_its_own_and_speaks_to_people(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    done = run("bench", "outbox", "--deliveries", "20", "--rounds", "1", data_dir=tmp_path, TMPDIR=str(folder))
    assert done.status == 0, done.err
    assert re.search(r"^deliveries per second +[\d,]+$", done.out, re.MULTILINE)
    assert not list(folder.iterdir())


def test_a_server_that_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    done = run("bench", "outbox", "--database-url", "postgresql://nobody@127.0.0.1:1/none", data_dir=tmp_path)
    assert done.status == 1
    assert "The database cannot be used" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("size", ["0", "-3", "many"])
def test_a_size_that_makes_no_sense_is_refused(size: str, tmp_path: Path) -> None:
    done = run("bench", "boundary", "--bookings", size, data_dir=tmp_path)
    assert done.status == 2
    assert not done.out.startswith("{")
