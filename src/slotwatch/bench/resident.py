"""How much memory a process has, as the kernel counts it (Linux)."""

import os
from pathlib import Path

__all__ = ["MIB", "resident"]

MIB = 1024 * 1024


def resident(pid: int) -> int:
    """Resident memory in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
