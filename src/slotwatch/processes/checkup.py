"""The `doctor` command: prints a line for each finding and exits with 1 if something must be done."""

import msgspec
from rich.console import Console
from rich.text import Text

from slotwatch.doctor.examine import examine, without_database
from slotwatch.doctor.finding import Finding, Level, fail
from slotwatch.domain.errors import SlotwatchError
from slotwatch.processes.address import NoDatabase, database_url
from slotwatch.processes.session import read_settings, run_loop

__all__ = ["run_doctor"]

_MARKS = {Level.OK: ("ok  ", "green"), Level.WARN: ("warn", "yellow"), Level.FAIL: ("fail", "bold red")}


def run_doctor(*, json: bool) -> int:
    """Print the findings; 1 if one of them is a `fail`."""
    findings = _all_findings()
    is_well = all(finding.level is not Level.FAIL for finding in findings)
    if json:
        print(msgspec.json.encode({"ok": is_well, "findings": findings}).decode())  # noqa: T201
    else:
        _show(findings)
    return 0 if is_well else 1


def _all_findings() -> list[Finding]:
    try:
        settings = read_settings()
    except SlotwatchError as error:
        return [fail("settings", error.message)]
    try:
        with database_url(settings) as url:
            return run_loop(examine(settings, url))
    except NoDatabase as error:
        return [fail("database", error.message), *run_loop(without_database(settings))]


def _show(findings: list[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        mark, style = _MARKS[finding.level]
        line = Text.assemble((mark, style), "  ", (finding.check.ljust(width), "bold"), "  ", finding.says)
        if finding.advice:
            line.append(f"\n{' ' * (width + 8)}{finding.advice}", style="dim")
        console.print(line)
