"""Looks at this machine: settings, disk, time zone data, its clock beside the database's."""

import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from slotwatch.config import Settings, unknown_variables
from slotwatch.doctor.finding import Finding, fail, ok, warn
from slotwatch.storage.clock import DatabaseClock
from slotwatch.storage.statements import Connection

__all__ = ["check_clock", "check_disk", "check_settings", "check_time_zones"]

_MB = 1024 * 1024
_LITTLE_ROOM = 500 * _MB
_NO_ROOM = 60 * _MB
_KNOWN = (("Europe/Vienna", datetime(2026, 7, 1, tzinfo=UTC), timedelta(hours=2)),)
_CLOCK_OFF = timedelta(seconds=2)
_CLOCK_FAR_OFF = timedelta(seconds=60)


def check_settings(environ: Mapping[str, str]) -> list[Finding]:
    """Variables that nothing reads."""
    sentences = unknown_variables(environ)
    if not sentences:
        return [ok("settings", "Every SLOTWATCH_ variable that is set is a setting.")]
    return [warn("settings", sentence, "Correct the name, or remove it.") for sentence in sentences]


def check_disk(settings: Settings) -> list[Finding]:
    """Room for the embedded PostgreSQL; nothing where the database is somewhere else."""
    if settings.database.url is not None:
        return []
    folder = next(place for place in (settings.data_dir, *settings.data_dir.parents) if place.exists())
    free = shutil.disk_usage(folder).free
    says = f"{free // _MB:,} MB are free for {settings.data_dir}."
    if free < _NO_ROOM:
        return [fail("disk", says, "Free some space at once: PostgreSQL stops when the disk is full.")]
    if free < _LITTLE_ROOM:
        return [warn("disk", says, "Free some space, or set SLOTWATCH_DATA_DIR to a folder on another disk.")]
    return [ok("disk", says)]


def check_time_zones(zones: Iterable[str]) -> list[Finding]:
    """Whether local times can be worked out: the data is there, right, and knows the stations' zones."""
    advice = "Install the newest tzdata: .venv/bin/python -m pip install --upgrade tzdata"
    for name, instant, offset in _KNOWN:
        try:
            known = instant.astimezone(ZoneInfo(name)).utcoffset()
        except ZoneInfoNotFoundError:
            return [fail("time zones", "There is no time zone data on this machine.", advice)]
        if known != offset:
            return [fail("time zones", f"The time zone data is wrong: {name} is at {known} in July 2026.", advice)]
    missing = [name for name in sorted(set(zones)) if not _is_known(name)]
    if missing:
        listed = ", ".join(missing)
        return [fail("time zones", f"Stations are in zones that this machine does not know: {listed}.", advice)]
    return [ok("time zones", f"Time zone data works ({_data_version()}).")]


async def check_clock(conn: Connection) -> list[Finding]:
    """This machine's clock beside the database's, which decides."""
    before = _here()
    there = await DatabaseClock().now(conn)
    after = _here()
    off = there - (before + (after - before) / 2)
    seconds = off.total_seconds()
    if abs(off) < _CLOCK_OFF:
        return [ok("clocks", f"This machine's clock and the database's differ by {abs(seconds):.1f} s.")]
    direction = "ahead of" if seconds > 0 else "behind"
    says = f"The database's clock is {abs(seconds):.0f} s {direction} this machine's; the database's decides."
    advice = "Let both machines keep time by NTP; tokens and logs go by the machine's clock."
    return [(fail if abs(off) > _CLOCK_FAR_OFF else warn)("clocks", says, advice)]


def _here() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 -- this machine's clock is what is being looked at


def _is_known(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _data_version() -> str:
    try:
        packaged = f"tzdata {version('tzdata')}"
    except PackageNotFoundError:
        packaged = "no tzdata package"
    system = Path("/usr/share/zoneinfo")
    return f"{packaged}, and the system's own first" if system.is_dir() else packaged
