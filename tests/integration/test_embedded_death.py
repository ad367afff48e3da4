"""The embedded PostgreSQL ends with its parent, however that ends, and comes back after any death."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import asyncpg
import pytest

from slotwatch.storage.embedded import EmbeddedPostgresError
from tests.embedded_parent import ENVIRONMENT, PARENT, alive, ask, ended, eventually, new_server, parent_of_a_server


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM])
async def test_no_server_outlives_its_parent(tmp_path: Path, blow: signal.Signals) -> None:
    with parent_of_a_server(tmp_path) as parent:
        await ask(parent.url, "CREATE TABLE kept AS SELECT 7 AS seven")
        parent.process.send_signal(blow)
        parent.process.wait(20)
        # At once: the old server may still be on its way out, and the start waits for it.
        with new_server(tmp_path) as server:
            assert ended(parent.server_pid)
            assert await ask(server.url, "SELECT seven FROM kept") == 7


async def test_a_parent_killed_while_a_session_works_leaves_nothing(tmp_path: Path) -> None:
    with parent_of_a_server(tmp_path) as parent:
        connection = await asyncpg.connect(parent.url.strip())
        session = await connection.fetchval("SELECT pg_backend_pid()")
        parent.process.kill()
        assert eventually(lambda: ended(parent.server_pid) and ended(session))
        connection.terminate()


def test_a_parent_that_ends_in_order_stops_its_server(tmp_path: Path) -> None:
    forgets_to_stop = PARENT.replace("with EmbeddedPostgres", "if server := EmbeddedPostgres").replace(
        "=FAST) as server", "=FAST).start()"
    )
    with parent_of_a_server(tmp_path, forgets_to_stop) as parent:
        pass
    assert not alive(parent.server_pid)


def test_a_forked_child_does_not_stop_the_server_of_its_parent(tmp_path: Path) -> None:
    forks = PARENT.replace(
        "sys.stdin.read()",
        "import os; child = os.fork(); child or sys.exit(); os.waitpid(child, 0); print(server.pid, 'x', flush=True); "
        "sys.stdin.read()",
    )
    with parent_of_a_server(tmp_path, forks) as parent:
        assert parent.process.stdout is not None
        assert parent.process.stdout.readline() == f"{parent.server_pid} x\n"


async def test_the_end_of_the_thread_that_started_it_does_not_stop_it(tmp_path: Path) -> None:
    server = new_server(tmp_path)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    try:
        assert await ask(server.url, "SELECT 1") == 1
    finally:
        server.stop()


async def test_a_crashed_server_is_followed_by_a_new_one(tmp_path: Path) -> None:
    server = new_server(tmp_path).start()
    pid = server.pid
    await ask(server.url, "CREATE TABLE kept AS SELECT 7 AS seven")
    await ask(server.superuser_url, "CHECKPOINT")
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not alive(pid))
    with server.start():
        assert server.pid != pid
        assert await ask(server.url, "SELECT seven FROM kept") == 7


async def test_a_parent_killed_during_its_first_start_does_no_harm(tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    says_so_first = "print('0 x', flush=True)\n" + PARENT
    with parent_of_a_server(tmp_path, says_so_first) as parent:
        assert eventually(lambda: any(home.glob("new-*/base/1")))
        parent.process.kill()
        parent.process.wait(20)
        assert not (home / "data").exists()
        with new_server(tmp_path) as server:
            assert await ask(server.url, "SELECT 1") == 1


async def test_a_start_waits_for_the_sessions_of_a_killed_server(tmp_path: Path) -> None:
    """PostgreSQL's own programs notice the death of their server only when they wait for something."""
    server = new_server(tmp_path).start()
    connection = await asyncpg.connect(server.url)
    session = await connection.fetchval("SELECT pg_backend_pid()")
    work = asyncio.create_task(connection.fetchval("SELECT count(*) FROM generate_series(1, 8000000)"))
    lock = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%series(1, 8000000)%'"
    while await ask(server.superuser_url, lock) < 2:  # the question finds itself, too
        pass
    os.kill(server.pid, signal.SIGKILL)
    assert await asyncio.to_thread(eventually, lambda: not server.running)
    await asyncio.to_thread(server.start)
    assert ended(session)
    with server, contextlib.suppress(asyncpg.PostgresError, OSError):
        await work
    connection.terminate()


def test_two_starts_at_the_same_time_leave_one_server(tmp_path: Path) -> None:
    with parent_of_a_server(tmp_path / "x", "print('ready', flush=True)\n" + PARENT) as first:
        outcomes = []
        with contextlib.suppress(EmbeddedPostgresError), new_server(tmp_path / "x") as server:
            outcomes.append(server.pid)
        assert first.process.stdout is not None and first.process.stdin is not None
        answer = first.process.stdout.readline().split()
        assert answer[0] in ("start_under_way", "already_running") if outcomes else answer[0].isdigit()


LAST_MOMENT = """
import os, signal, sys
from slotwatch.storage import embedded_launcher
def execv(*_):
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        os._exit(7)  # what would have been PostgreSQL
os.execv = execv
embedded_launcher.main([str(os.getppid()), "-1", "-1", str(int(signal.SIGINT)), "-1", "/bin/true"])
"""


def test_a_parent_that_ends_in_the_last_moment_before_the_server_runs_still_ends_it() -> None:
    """A handler of Python would take the kernel's signal and be gone with it."""
    done = subprocess.run([sys.executable, "-c", LAST_MOMENT], env=ENVIRONMENT, timeout=60, check=False)
    assert done.returncode == -signal.SIGINT


WATCHED_BY_A_PIPE = """
import sys
from pathlib import Path
from slotwatch.storage.embedded_process import Identity, ServerProcess
server = ServerProcess(Identity(), ["/bin/sleep", sys.argv[2]], log_path=Path(sys.argv[1]) / "log", watch="pipe")
print(server.pid, "x", flush=True)
sys.stdin.read()
"""


def launchers(marker: str) -> list[int]:
    shown = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in shown.splitlines() if "embedded_launcher" in line and marker in line]


@pytest.mark.parametrize("how", ["parent killed", "server ends by itself"])
def test_where_the_kernel_does_not_watch_a_watchdog_does_and_leaves_too(tmp_path: Path, how: str) -> None:
    seconds = f"1000.{os.getpid()}"
    script = WATCHED_BY_A_PIPE.replace("sys.argv[2]", repr(seconds))
    with parent_of_a_server(tmp_path, script) as parent:
        assert eventually(lambda: len(launchers(seconds)) == 1)
        if how == "parent killed":
            parent.process.kill()
        else:
            os.kill(parent.server_pid, signal.SIGTERM)
        assert eventually(lambda: ended(parent.server_pid) and not launchers(seconds))
