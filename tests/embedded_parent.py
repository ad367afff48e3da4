"""What the tests of the embedded PostgreSQL share: a process that owns a server and can be killed, and waiting."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import asyncpg
import pytest

from slotwatch.storage.embedded import EmbeddedPostgres, EmbeddedSettings, find_binaries
from tests.postgres_server import FAST, has_postgres

__all__ = [
    "ENVIRONMENT",
    "KINDS",
    "PARENT",
    "SRC",
    "Kind",
    "Parent",
    "alive",
    "ask",
    "ended",
    "eventually",
    "needs_linux",
    "needs_root",
    "new_server",
    "parent_of_a_server",
]

Kind = Literal["wheel", "path"]
SRC = Path(__file__).parents[1] / "src"
KINDS = [
    pytest.param("wheel", marks=pytest.mark.skipif(not has_postgres("wheel"), reason="no wheel")),
    pytest.param("path", marks=pytest.mark.skipif(not has_postgres("path"), reason="no PostgreSQL on PATH")),
]
ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join([str(SRC), str(SRC.parent), str(Path(asyncpg.__file__).parents[1])]),
    "PYTHONDONTWRITEBYTECODE": "1",
    "PATH": os.environ["PATH"],
}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

PARENT = """
import sys
from slotwatch.storage.embedded import EmbeddedPostgres, EmbeddedPostgresError, EmbeddedSettings
from tests.postgres_server import FAST
try:
    with EmbeddedPostgres(EmbeddedSettings(data_dir=sys.argv[1]), options=FAST) as server:
        print(server.pid, server.url, flush=True)
        sys.stdin.read()
except EmbeddedPostgresError as error:
    print(error.code, error, flush=True)
"""


@dataclass
class Parent:
    process: subprocess.Popen[str]
    said: list[str]

    @property
    def server_pid(self) -> int:
        return int(self.said[0])

    @property
    def url(self) -> str:
        return self.said[1]


@contextlib.contextmanager
def parent_of_a_server(
    folder: Path, script: str = PARENT, *, python: str = sys.executable, **options: Any
) -> Iterator[Parent]:
    process = subprocess.Popen(
        [python, "-c", script, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        **options,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield Parent(process, process.stdout.readline().split(maxsplit=1))
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


def eventually(claim: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.01)
    return True


def ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] == "Z"  # nobody collects it here
    except (ProcessLookupError, FileNotFoundError):
        return not alive(pid)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def new_server(folder: Path, kind: Kind = "wheel", port: int | None = None) -> EmbeddedPostgres:
    settings = EmbeddedSettings(data_dir=str(folder), port=port)
    return EmbeddedPostgres(settings, binaries=find_binaries(prefer=kind), options=FAST)


async def ask(url: str, question: str) -> Any:
    connection = await asyncpg.connect(url.strip())
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()
