"""The `db` commands: bring the schema up to date, say which version it has, compare it with the declared one."""

import asyncio

import msgspec
from rich.console import Console

from slotwatch.config import without_password
from slotwatch.doctor.database import require_reachable
from slotwatch.processes.address import database_url, scratch_database
from slotwatch.processes.session import read_settings, run_loop
from slotwatch.storage import migrate

__all__ = ["run_check", "run_status", "run_upgrade"]

_out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)  # names may hold brackets


def run_upgrade(*, json: bool) -> None:
    """Run the missing migrations. Raises SchemaMismatch for a schema that is newer than this program."""
    with database_url(read_settings(), may_start=True) as url:
        run_loop(require_reachable(url))
        before = run_loop(migrate.schema_status(url))
        after = run_loop(migrate.upgrade(url))
    if json:
        print(msgspec.json.encode({"before": before.current, "current": after.current}).decode())  # noqa: T201
    elif before.is_current:
        _out.print(f"The schema is at version {after.current} already.")
    else:
        _out.print(f"The schema is now at version {after.current} (it was {before.current or 'empty'}).")


def run_status(*, json: bool) -> int:
    """Print version and need; the exit status is 1 unless they agree."""
    with database_url(read_settings(), may_start=True) as url:
        run_loop(require_reachable(url))
        status = run_loop(migrate.schema_status(url))
        shown = without_password(url)
    if json:
        fields = {"current": status.current, "needed": status.needed, "isCurrent": status.is_current}
        print(msgspec.json.encode(fields).decode())  # noqa: T201
    elif status.is_current:
        _out.print(f"The schema of {shown} is at version {status.current}, as needed.")
    else:
        has = f"at version {status.current}" if status.current else "empty"
        _out.print(f"The schema of {shown} is {has}; version {status.needed} is needed. Run: slotwatch db upgrade")
    return 0 if status.is_current else 1


def run_check() -> int:
    """Print what differs from `storage/schema.py`; the exit status is 1 if anything does."""
    settings = read_settings()
    if settings.database.url is not None:
        found = asyncio.run(migrate.differences(settings.database.url))
    else:
        with scratch_database() as url:
            asyncio.run(migrate.upgrade(url))
            found = asyncio.run(migrate.differences(url))
    for difference in found:
        _out.print(difference)
    _out.print("The schema differs from the declared one." if found else "The schema is as declared.")
    return 1 if found else 0
