"""`slotwatch report`, run as a person runs it, and what it refuses. Its numbers: web/test_vendor_report.py."""

import asyncio
from datetime import date
from pathlib import Path
from typing import Any, get_args

import pytest

from slotwatch.analytics.report import TABLES
from slotwatch.cli import ReportTable
from slotwatch.domain.errors import SlotwatchError
from slotwatch.domain.ids import ref
from slotwatch.processes.report import ReportWish, read_wish
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database
from tests.cli_runs import run
from tests.conftest import Town


async def test_a_report_is_printed_and_an_unknown_vendor_is_a_sentence(
    database_url: str, town: Town, tmp_path: Path
) -> None:
    said, refused = await asyncio.gather(
        *(
            asyncio.to_thread(run, "report", "--vendor", vendor, data_dir=tmp_path, DATABASE_URL=database_url)
            for vendor in (ref("VN", town.vendor), "VN-999")
        )
    )
    assert said.status == 0
    assert "Volt" in said.out and "no-show rate" in said.out and "Harbour" in said.out
    assert (refused.status, refused.err.strip()) == (1, "There is no such vendor.")


def test_every_table_can_be_asked_for() -> None:
    assert get_args(ReportTable) == TABLES


async def test_names_with_brackets_are_printed_as_they_are(
    database: Database, database_url: str, town: Town, tmp_path: Path
) -> None:
    names = ("[/Dock] :car: [red]1", "Volt [/bold] [A]")
    async with database.connection() as conn:
        await conn.execute("UPDATE station SET name = $2 WHERE id = $1", town.station, names[0])
        await conn.execute("UPDATE vendor SET name = $2 WHERE id = $1", town.vendor, names[1])
    commands = (("report", "--vendor", ref("VN", town.vendor)), ("vendor", "list"))
    report, vendors = [
        await asyncio.to_thread(run, *words, data_dir=tmp_path, DATABASE_URL=database_url) for words in commands
    ]
    assert (report.status, vendors.status) == (0, 0)
    assert names[0] in report.out and names[1] in report.out and names[1] in vendors.out


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"vendor": "Volt"}, "Vendors look like VN-1, stations like ST-1."),
        ({"vendor": "VN-1", "station": "ST-3"}, "There is no such station."),
        ({"vendor": "VN-1", "period": "custom"}, "Say from which day on."),
        (
            {"vendor": "VN-1", "period": "custom", "first": date(2026, 3, 3)},
            "The first day must not be after the last day, nor after today.",
        ),
    ],
)
async def test_what_cannot_be_reported_is_a_sentence(
    database: Database, town: Town, clock: MovableClock, wish: dict[str, Any], sentence: str
) -> None:
    async with database.connection() as conn:
        with pytest.raises(SlotwatchError) as refused:
            await read_wish(conn, clock, ReportWish(**wish))
    assert refused.value.message == sentence
