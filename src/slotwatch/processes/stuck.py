"""The `bookings` commands for operators: what could not be moved, and back on the timeline with it."""

import msgspec
from rich.console import Console
from rich.table import Table

from slotwatch.domain.ids import booking_ref, parse_booking_ref
from slotwatch.processes.at_desk import at_desk
from slotwatch.storage.set_aside import SetAside, list_set_aside, put_back
from slotwatch.usecases.desk import Desk

__all__ = ["run_put_back", "run_set_aside"]

_out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)  # names may hold brackets


def run_set_aside(*, limit: int, json: bool) -> None:
    """Print the bookings that were set aside. Raises SlotwatchError."""

    async def read(desk: Desk) -> list[SetAside]:
        async with desk.database.connection() as conn:
            return await list_set_aside(conn, limit=limit)

    found = at_desk(read)
    if json:
        print(msgspec.json.encode([{**vars(one), "id": booking_ref(one.id)} for one in found]).decode())  # noqa: T201
        return
    table = Table("booking", "station", "state", "before", "due since", title=f"Set aside: {len(found)}")
    for one in found:
        table.add_row(booking_ref(one.id), one.station_name, one.state, one.step, f"{one.due_at:%Y-%m-%d %H:%M:%S} UTC")
    _out.print(table if found else "No booking is set aside.")


def run_put_back(booking: str) -> None:
    """Back on its timeline: the engine tries at once. Raises SlotwatchError."""
    number = parse_booking_ref(booking)

    async def work(desk: Desk) -> None:
        async with desk.database.connection() as conn:
            await put_back(conn, number)

    at_desk(work)
    _out.print(f"{booking_ref(number)} is on its timeline again.")
