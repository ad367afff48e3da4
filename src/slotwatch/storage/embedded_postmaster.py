"""Reads postmaster.pid: whether a server serves a data folder, how far it is, and whether the file is a leftover."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from slotwatch.storage.embedded_errors import EmbeddedPostgresError

__all__ = ["Postmaster", "free_the_folder", "read_postmaster"]

_LOCK_FILE = "postmaster.pid"
_STATUS_LINE = 7
_PORT_LINE = 3
# A server whose starter was killed a moment ago still says "ready" until it has seen its signal.
_SECONDS_TO_SEE_A_SIGNAL = 1.0
_SECONDS_TO_SHUT_DOWN = 60.0


@dataclass(frozen=True)
class Postmaster:
    """What the lock file of a data folder says. `status` is starting, ready, stopping, standby or empty."""

    pid: int
    port: int | None
    status: str


def read_postmaster(data: Path) -> Postmaster | None:
    """The content of the lock file, or None if there is none (or it is just being written)."""
    try:
        lines = (data / _LOCK_FILE).read_text().splitlines()
        pid = abs(int(lines[0]))
    except (FileNotFoundError, IndexError, ValueError):
        return None
    port = lines[_PORT_LINE] if len(lines) > _PORT_LINE else ""
    status = lines[_STATUS_LINE].strip() if len(lines) > _STATUS_LINE else ""
    return Postmaster(pid, int(port) if port.isdigit() else None, status)


def free_the_folder(data: Path) -> None:
    """Return when no server uses `data`; waits for one that is shutting down and removes a leftover lock file.

    Raises EmbeddedPostgresError (`already_running`) if a server goes on serving it, (`still_stopping`) if one takes
    more than 60 s to stop.
    """
    pause = threading.Event()
    begin = time.monotonic()
    while True:
        postmaster = read_postmaster(data)
        if postmaster is None or not _alive(postmaster.pid):
            return  # PostgreSQL itself deals with the lock file of a dead server, and looks for its orphans
        if not _serves(postmaster.pid, data):
            # PostgreSQL would take any living process of the same user with this number for its predecessor.
            (data / _LOCK_FILE).unlink(missing_ok=True)
            return
        waited = time.monotonic() - begin
        if postmaster.status != "stopping" and waited > _SECONDS_TO_SEE_A_SIGNAL:
            raise EmbeddedPostgresError(
                "already_running",
                f"The PostgreSQL with pid {postmaster.pid} already serves {data} on port {postmaster.port}: "
                "use the slotwatch that started it, or stop that first, or set SLOTWATCH_DATA_DIR to another folder.",
            )
        if waited > _SECONDS_TO_SHUT_DOWN:
            raise EmbeddedPostgresError(
                "still_stopping",
                f"The PostgreSQL with pid {postmaster.pid} has not finished its shutdown of {data}: "
                "wait until it has, then start again.",
            )
        pause.wait(0.02)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _serves(pid: int, data: Path) -> bool:
    """Whether the living `pid` is a PostgreSQL on `data`; in doubt yes, because two servers would destroy the data."""
    processes = Path("/proc")
    if (processes / "self").exists():
        try:
            if (processes / str(pid) / "comm").read_text().strip() not in ("postgres", "postmaster"):
                return False
            return (processes / str(pid) / "cwd").samefile(data)
        except FileNotFoundError:  # it has ended, though perhaps nobody has collected it yet
            return False
        except OSError:
            return True
    shown = subprocess.run(["/bin/ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "postgres" in shown.stdout
