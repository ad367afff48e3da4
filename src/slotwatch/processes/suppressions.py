"""The `suppressions` commands for operators: which addresses get nothing any more, and lift that."""

import msgspec
from rich.console import Console
from rich.table import Table

from slotwatch.processes.at_desk import at_desk
from slotwatch.processes.logs import set_up_logging
from slotwatch.storage.suppressions import Suppression, list_suppressions
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.lift_suppression import lift_suppression

__all__ = ["run_suppressions", "run_suppressions_lift"]

_out = Console(highlight=False, soft_wrap=True, markup=False)


def run_suppressions(*, channel: str | None, address: str | None, limit: int, json: bool) -> None:
    """Print the newest ones. Raises SlotwatchError."""

    async def read(desk: Desk) -> list[Suppression]:
        async with desk.database.connection() as conn:
            return await list_suppressions(conn, limit=limit, channel=channel, address=address)

    found = at_desk(read)
    if json:
        print(msgspec.json.encode(found).decode())  # noqa: T201
        return
    table = Table("channel", "address", "since", "reason", title=f"Suppressed addresses: {len(found)}")
    for one in found:
        table.add_row(one.channel, one.address, f"{one.at:%Y-%m-%d %H:%M}", one.reason)
    _out.print(table if found else "No address is suppressed.")


def run_suppressions_lift(address: str, channel: str | None) -> None:
    """Let it be written to again. Raises SlotwatchError."""

    async def lift(desk: Desk) -> list[Suppression]:
        async with desk.database.connection() as conn:
            return await lift_suppression(conn, address, channel, actor="operator:command-line")

    set_up_logging()  # who lifted what is a record of the log
    for one in at_desk(lift):
        _out.print(f"{one.address} may be written to again by {one.channel}.")
