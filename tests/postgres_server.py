"""A throw-away PostgreSQL for the tests, made by the same code as the embedded one."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import Literal

from slotwatch.storage.embedded import EmbeddedPostgres, EmbeddedSettings, find_binaries

__all__ = ["has_postgres", "session_server"]

# The data need not survive anything, so nothing waits for the disk.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def has_postgres(kind: Literal["wheel", "path"]) -> bool:
    """Whether the PostgreSQL of that origin is here (the other one would be taken in its place)."""
    return find_binaries(prefer=kind).origin == kind


def session_server(kind: Literal["wheel", "path"]) -> EmbeddedPostgres:
    """A started server in a fresh folder; the caller stops it. The folder goes when the process ends."""
    binaries = find_binaries(prefer=kind)
    if binaries.origin != kind:
        raise LookupError(f"no PostgreSQL of origin {kind} here")
    folder = Path(tempfile.mkdtemp(prefix="slotwatch-tests-"))
    # Registered before the server's own hook, hence run after it.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return EmbeddedPostgres(EmbeddedSettings(data_dir=str(folder)), binaries=binaries, options=FAST).start()
