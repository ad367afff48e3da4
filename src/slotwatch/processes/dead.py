"""The `notices` commands for operators: list dead deliveries, try one again, put one away."""

from collections.abc import Awaitable, Callable

import msgspec
from rich.console import Console
from rich.table import Table

from slotwatch import wiring
from slotwatch.config import Settings
from slotwatch.doctor.database import require_reachable
from slotwatch.domain.ids import booking_ref
from slotwatch.processes.address import database_url
from slotwatch.processes.session import read_settings, run_loop
from slotwatch.storage.dead_deliveries import DeadDelivery, discard, list_dead, retry
from slotwatch.storage.statements import Connection

__all__ = ["run_dead", "run_discard", "run_retry"]

_out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)  # names may hold brackets
_COLUMNS = ("id", "booking", "kind", "state", "tries", "provider", "error")


def run_dead(*, limit: int, json: bool) -> None:
    """Print the newest dead deliveries. Raises SlotwatchError."""
    found: list[DeadDelivery] = []

    async def read(conn: Connection) -> None:
        found.extend(await list_dead(conn, limit=limit))

    _with_database(read)
    if json:
        print(msgspec.json.encode([{"id": one.key, **vars(one)} for one in found]).decode())  # noqa: T201
        return
    table = Table(*_COLUMNS, title=f"Dead deliveries: {len(found)}")
    for one in found:
        booking = None if one.booking_id is None else booking_ref(one.booking_id)
        cells = (one.key, booking, one.kind, one.state, one.attempts, one.provider, one.error)
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    _out.print(table if found else "No delivery is dead.")


def run_retry(key: str) -> None:
    """Make a dead delivery due again. Raises SlotwatchError."""
    _with_database(lambda conn: retry(conn, key, now=None))
    _out.print(f"{key} is due again.")


def run_discard(key: str) -> None:
    """Put a dead delivery away. Raises SlotwatchError."""
    _with_database(lambda conn: discard(conn, key))
    _out.print(f"{key} is put away.")


def _with_database(work: Callable[[Connection], Awaitable[None]]) -> None:
    settings = read_settings()
    with database_url(settings) as url:
        run_loop(_worked(settings, url, work))


async def _worked(settings: Settings, url: str, work: Callable[[Connection], Awaitable[None]]) -> None:
    await require_reachable(url)
    async with (
        wiring.open_database(settings, url, name="operator", connections=2) as database,
        database.connection() as conn,
    ):
        await work(conn)
