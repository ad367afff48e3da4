"""The embedded PostgreSQL serves what we need, keeps its data and its passwords, and minds its port and version."""

from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import asyncpg
import pytest

from slotwatch.storage.embedded import EmbeddedPostgres, EmbeddedPostgresError, EmbeddedSettings, find_binaries
from tests.embedded_parent import KINDS, Kind, alive, ask, needs_linux, new_server
from tests.postgres_server import FAST, has_postgres, session_server


@pytest.fixture(scope="module", params=KINDS)
def shared(request: pytest.FixtureRequest) -> Iterator[EmbeddedPostgres]:
    server = session_server(request.param)
    yield server
    server.stop()


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


def test_a_second_start_on_a_served_folder_names_the_pid(tmp_path: Path) -> None:
    with new_server(tmp_path) as server, pytest.raises(EmbeddedPostgresError, match=str(server.pid)) as caught:
        new_server(tmp_path).start()
    assert caught.value.code == "already_running"


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
