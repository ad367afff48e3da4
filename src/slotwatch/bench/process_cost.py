"""What a process costs, as the kernel counts it (Linux): memory and time of the processor."""

import os
from pathlib import Path

__all__ = ["MIB", "cpu_seconds", "resident"]

MIB = 1024 * 1024


def resident(pid: int) -> int:
    """Resident memory in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int, name: str) -> float | None:
    """How long it has run on a processor so far; None where there is no such process of that name."""
    try:
        before, _, after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:
        return None
    if before.partition("(")[2] != name:
        return None
    user, system = after.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
