"""The command line, run as a person runs it: exit status, sentences, and what a program can read."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from slotwatch.processes.http import CannotListen, listen
from slotwatch.storage.embedded import EmbeddedPostgres
from tests.cli_runs import Run, free_port, run, started

_HEAVY = ("asyncpg", "litestar", "sqlalchemy", "msgspec", "httpx", "uvicorn", "structlog")


@pytest.fixture
def empty_database_url(server: EmbeddedPostgres) -> str:
    """A database without our schema."""
    return server.create_database(f"empty_{time.monotonic_ns()}")


def test_help_imports_nothing_heavy() -> None:
    code = f"import slotwatch.cli, sys; print([name for name in {_HEAVY!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_help_names_every_command(tmp_path: Path) -> None:
    said = run("--help", data_dir=tmp_path)
    assert said.status == 0
    for command in ("up", "serve", "work", "db", "token", "doctor", "simulate", "bench"):
        assert command in said.out


@pytest.mark.parametrize("words", [("up", "--hots", "x"), ("token",), ("fly",)])
def test_what_is_not_understood_exits_with_2(words: tuple[str, ...], tmp_path: Path) -> None:
    assert run(*words, data_dir=tmp_path).status == 2


def test_a_bad_setting_is_a_sentence_and_no_traceback(tmp_path: Path) -> None:
    said = run("work", data_dir=tmp_path, GRACE_PERIOD_MINUTES="soon")
    assert said.status == 2
    assert said.err.strip() == "GRACE_PERIOD_MINUTES must be a whole number, but is 'soon'."


def test_without_a_database_work_says_what_to_do(tmp_path: Path) -> None:
    said = run("work", data_dir=tmp_path)
    assert said.status == 1
    assert said.err.strip() == (
        "There is no database to work on: set DATABASE_URL, or start `slotwatch up` on this machine."
    )


def test_a_database_that_does_not_answer_is_a_sentence(tmp_path: Path) -> None:
    url = f"postgresql://nobody:secret-word@127.0.0.1:{free_port()}/nothing"
    said = run("db", "status", data_dir=tmp_path, DATABASE_URL=url)
    assert said.status == 1
    assert said.err.startswith("The database cannot be used: ")
    assert "Traceback" not in said.err
    assert "secret-word" not in said.err


def test_status_upgrade_status(empty_database_url: str, tmp_path: Path) -> None:
    before = run("db", "status", data_dir=tmp_path, DATABASE_URL=empty_database_url)
    assert before.status == 1
    assert "Run: slotwatch db upgrade" in before.out
    assert run("db", "upgrade", data_dir=tmp_path, DATABASE_URL=empty_database_url).status == 0
    after = run("db", "status", "--json", data_dir=tmp_path, DATABASE_URL=empty_database_url)
    assert after.status == 0
    assert json.loads(after.out)["isCurrent"] is True
    again = run("db", "upgrade", data_dir=tmp_path, DATABASE_URL=empty_database_url)
    assert again.status == 0
    assert "already" in again.out


def test_work_and_serve_refuse_a_schema_that_is_not_theirs(empty_database_url: str, tmp_path: Path) -> None:
    for words in (("work",), ("serve", "--port", "0")):
        said = run(*words, data_dir=tmp_path, DATABASE_URL=empty_database_url)
        assert said.status == 1
        assert said.err.strip().endswith("The database has no slotwatch schema yet. Run: slotwatch db upgrade")


def test_the_schema_is_as_declared(tmp_path: Path, database_url: str) -> None:
    said = run("db", "check", data_dir=tmp_path, DATABASE_URL=database_url)
    assert (said.status, said.out.strip()) == (0, "The schema is as declared.")


def test_a_token_is_one_line_and_a_vendors_names_the_vendor(tmp_path: Path) -> None:
    token = run("token", "--role", "driver", "--sub", "anna", "--email", "anna@example.org", data_dir=tmp_path)
    assert token.status == 0
    assert len(token.out.split()) == 1
    assert token.out.count(".") == 2
    refused = run("token", "--role", "vendor", "--sub", "v", data_dir=tmp_path)
    assert refused.status == 1
    assert "names the vendor" in refused.err
    assert run("token", "--role", "vendor", "--sub", "v", "--vendor-id", "VN-1", data_dir=tmp_path).status == 0


def test_the_signing_key_is_nobody_elses_to_read(tmp_path: Path) -> None:
    run("token", "--role", "driver", "--sub", "anna", data_dir=tmp_path)
    keys = [path for path in tmp_path.iterdir() if "key" in path.name]
    assert [path.stat().st_mode & 0o777 for path in keys] == [0o600]


def test_a_busy_port_is_a_sentence_and_up_takes_the_next() -> None:
    taken = listen("127.0.0.1", 0)
    try:
        with pytest.raises(CannotListen, match=f"Port {taken.port} of 127.0.0.1 is in use by another program"):
            listen("127.0.0.1", taken.port)
        other = listen("127.0.0.1", taken.port, or_next=True)
        other.close()
        assert other.port != taken.port
    finally:
        taken.close()


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 65_536), ("no.such.host.invalid", 8080), ("192.0.2.1", 0)])
def test_an_address_that_cannot_be_listened_on_is_a_sentence(host: str, port: int) -> None:
    with pytest.raises(CannotListen):
        listen(host, port)


@pytest.fixture
def both(database_url: str, tmp_path: Path) -> Iterator[tuple[Run, Run, str]]:
    """`work` and `serve` on one database, and the address of the latter."""
    port = free_port()
    with (
        started("work", data_dir=tmp_path, DATABASE_URL=database_url) as work,
        started("serve", "--port", str(port), data_dir=tmp_path, DATABASE_URL=database_url) as serve,
    ):
        yield work, serve, f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_work_and_serve_live_side_by_side_and_stop_when_asked(
    both: tuple[Run, Run, str], number: signal.Signals
) -> None:
    work, serve, url = both
    assert work.wait_for("work_started")
    assert serve.wait_for("serve_started")
    deadline = time.monotonic() + 20
    while httpx.get(f"{url}/readyz").status_code != 200 and time.monotonic() < deadline:
        os.sched_yield()
    assert httpx.get(f"{url}/readyz").json()["status"] == "ok"
    for process in (work, serve):
        began = time.monotonic()
        process.send(number)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 10
