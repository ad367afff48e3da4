"""What came of a town: bookings by state, notices by kind and outcome, money by entry, and every invariant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.table import Table

from slotwatch.analytics.invariants import Broken, Invariant, invariants, verify
from slotwatch.simulation.town import Town
from slotwatch.storage.statements import Statement

__all__ = ["Closing", "close_town"]

LATEST = timedelta(seconds=60)

_BOOKINGS = Statement(
    "SELECT state, coalesce(end_reason, 'live') AS reason, count(*) AS bookings FROM booking"
    " GROUP BY 1, 2 ORDER BY 1, 2"
)
_NOTICES = Statement(
    "SELECT n.kind, d.channel, d.state, count(*) AS deliveries"
    " FROM notice AS n JOIN delivery AS d ON d.notice_id = n.id GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
)
_MONEY = Statement(
    "SELECT currency, entry, count(*) AS entries, sum(amount)::bigint AS amount FROM ledger GROUP BY 1, 2 ORDER BY 1, 2"
)
_MOVES = Statement("SELECT cause, to_state, count(*) AS moves FROM transition GROUP BY 1, 2 ORDER BY 1, 2")
_OUTAGES = Statement("SELECT component, ended_at - began_at AS lasted FROM outage ORDER BY id")
_REPEATED = Statement(
    "SELECT count(*) FROM (SELECT FROM attempt WHERE outcome = 'accepted' GROUP BY notice_id, channel"
    " HAVING count(*) > 1) AS again"
)


@dataclass(frozen=True)
class Closing:
    """The closing table. Nothing in it depends on the machine, so the same seed gives the same."""

    tables: dict[str, list[dict[str, Any]]]
    refused: dict[str, int]
    complaints: tuple[str, ...]
    held: tuple[Invariant, ...]
    broken: tuple[Broken, ...]

    @property
    def is_good(self) -> bool:
        """Whether every invariant held and nothing had to be repaired."""
        return not self.broken and not self.complaints

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        faults = {fault.name: {"count": fault.count, "examples": list(fault.examples)} for fault in self.broken}
        claims = sorted([*((i.name, i.claim) for i in self.held), *((b.name, b.claim) for b in self.broken)])
        return {
            "ok": self.is_good,
            **self.tables,
            "refused": self.refused,
            "complaints": list(self.complaints),
            "invariants": [
                {"name": name, "claim": claim, "ok": name not in faults, **faults.get(name, {})}
                for name, claim in claims
            ],
        }

    def print(self, console: Console) -> None:
        """For people."""
        for name, rows in self.tables.items():
            if rows:
                console.print(_table(name, rows))
        if self.refused:
            console.print(_table("refused", [{"what": what, "times": n} for what, n in self.refused.items()]))
        for invariant in self.held:
            console.print(f"[green]ok     [/green] {invariant.claim}", soft_wrap=True)
        for fault in self.broken:
            console.print(f"[bold red]BROKEN [/bold red] {fault.claim}: {fault.count} rows", soft_wrap=True)
            for example in fault.examples:
                console.print(f"        {example}", soft_wrap=True, markup=False)
        for complaint in self.complaints:
            console.print(f"[bold red]WRONG  [/bold red] {complaint}", soft_wrap=True)


async def close_town(town: Town) -> Closing:
    """Count everything and verify every invariant, lateness included."""
    held: list[Invariant] = []
    broken: list[Broken] = []
    async with town.desk.database.connection() as conn:
        await conn.execute("ANALYZE")
        tables = {
            "bookings": [dict(row) for row in await _BOOKINGS.fetch(conn)],
            "notices": [dict(row) for row in await _NOTICES.fetch(conn)],
            "money": [dict(row) for row in await _MONEY.fetch(conn)],
            "moves": [dict(row) for row in await _MOVES.fetch(conn)],
            "outages": [
                {"component": row["component"], "seconds": int(row["lasted"].total_seconds())}
                for row in await _OUTAGES.fetch(conn)
            ],
        }
        for invariant in invariants():
            fault = await verify(conn, invariant, town.now, latest=LATEST)
            held, broken = ([*held, invariant], broken) if fault is None else (held, [*broken, fault])
        complaints = await _complaints(town, await _REPEATED.fetchval(conn))
    return Closing(tables, dict(sorted(town.refused.items())), tuple(complaints), tuple(held), tuple(broken))


async def _complaints(town: Town, repeated: int) -> list[str]:
    """What no invariant says, but what must not happen in a town where no process ever dies."""
    told = {
        "rows could not be moved by the engine": town.failed,
        "steps were off their timeline": town.audits["stray"],
        "notices had not been written": town.audits["untold"],
        "bookings were set aside": town.audits["set_aside"],
        "steps were overdue when the audit looked": town.audits["overdue"],
        "deliveries were accepted more than once": repeated,
    }
    return [f"{count} {what}" for what, count in told.items() if count]


def _table(name: str, rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(title=name.capitalize(), title_justify="left", title_style="bold", expand=False)
    for column, value in rows[0].items():
        table.add_column(column, justify="right" if isinstance(value, int) else "left")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
    return table
