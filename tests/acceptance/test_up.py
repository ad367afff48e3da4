"""A newcomer types `slotwatch up` on a bare machine, copies what it prints, and watches a booking live."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli_runs import Run, free_port, started

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[tuple[Run, str]]:
    """`slotwatch up` in an empty folder, and its address."""
    port = free_port()
    with started("up", "--port", str(port), data_dir=tmp_path / "data") as up:
        assert up.wait_for("Stop with Ctrl-C", 90), up.said
        yield up, f"http://127.0.0.1:{port}"


def printed_commands(said: str) -> list[str]:
    """The lines to copy."""
    return [line for line in said.splitlines() if line.startswith(("export ", "curl ", "BOOKING="))]


def in_a_shell(lines: list[str]) -> list[str]:
    """What these lines print, run one after the other in one shell."""
    script = "\n".join(lines)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return [line for line in done.stdout.splitlines() if line.strip()]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the printed commands are for curl")
def test_what_up_prints_works_by_copy_and_paste(town: tuple[Run, str]) -> None:
    up, _ = town
    token, check_in, book, pay, check_in_too, vendor_token = printed_commands(up.said)
    assert token.startswith("export TOKEN=")
    assert vendor_token.startswith("export VENDOR_TOKEN=")
    opens = re.search(r"Check in from (\S+) to \S+ UTC", up.said)
    assert opens is not None
    answers = [json.loads(line) for line in in_a_shell([token, book, pay, check_in_too])]
    assert [answer.get("status") for answer in answers] == ["confirmed", 409]
    assert answers[1]["code"] == "check_in_too_early"
    deadline = time.monotonic() + 40
    while (answer := json.loads(in_a_shell([token, check_in])[0])).get("code") == "check_in_too_early":
        assert time.monotonic() < deadline
        time.sleep(1)
    assert answer["status"] == "active"
    assert answer["slotStatus"]["checkInMethod"] == "app"


def test_the_pages_that_up_names_are_there_and_the_town_lives(town: tuple[Run, str]) -> None:
    up, url = town
    for path in ("/", "/town", "/town/board", "/inbox", "/docs", "/readyz", "/metrics"):
        assert httpx.get(url + path).status_code == 200, path
    assert "Grace is 2 minutes here" in httpx.get(f"{url}/town").text
    assert up.wait_for('"to": "grace"', 40)
    assert up.wait_for("checks in by", 60)
    deadline = time.monotonic() + 30
    while "slot has begun" not in httpx.get(f"{url}/town/board").text and time.monotonic() < deadline:
        time.sleep(0.5)
    assert "slot has begun" in httpx.get(f"{url}/town/board").text
    assert "Traceback" not in up.said


def test_it_stops_when_asked_within_ten_seconds_and_leaves_nothing_running(town: tuple[Run, str]) -> None:
    up, _ = town
    children = children_of(up.pid)
    assert children
    began = time.monotonic()
    up.send(signal.SIGTERM)
    assert up.wait(15) == 0
    assert time.monotonic() - began < 10
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def test_it_starts_again_on_the_same_folder_with_its_token_still_good(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    tokens = []
    for port in ports:
        with started("up", "--port", str(port), data_dir=tmp_path) as up:
            assert up.wait_for("Stop with Ctrl-C", 90), up.said
            tokens.append(printed_commands(up.said)[0].removeprefix("export TOKEN="))
            answer = httpx.get(
                f"http://127.0.0.1:{port}/api/users/bookings", headers={"Authorization": f"Bearer {tokens[0]}"}
            )
            assert answer.status_code == 200
            up.send(signal.SIGINT)
            assert up.wait(15) == 0
    assert len(answer.json()["items"]) == 2


def test_a_database_that_is_killed_under_it_comes_back(town: tuple[Run, str], tmp_path: Path) -> None:
    up, url = town
    postmaster = int((tmp_path / "data" / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    assert up.wait_for("PostgreSQL has ended and is started again", 20)
    deadline = time.monotonic() + 40
    while httpx.get(f"{url}/readyz", timeout=20).status_code != 200:
        assert time.monotonic() < deadline, up.said
        time.sleep(0.5)
    up.send(signal.SIGTERM)
    assert up.wait(15) == 0


def test_without_the_demo_there_is_no_town(tmp_path: Path) -> None:
    port = free_port()
    with started("up", "--no-demo", "--port", str(port), data_dir=tmp_path) as up:
        assert up.wait_for("Stop with Ctrl-C", 90), up.said
        url = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{url}/town").status_code == 404
        assert httpx.get(f"{url}/").status_code == 200
        assert "export TOKEN=" not in up.said


def children_of(pid: int) -> list[int]:
    """The processes that `pid` started, as long as there is /proc to look at."""
    if not Path("/proc/self").exists():
        pytest.skip("needs /proc")
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split() if entry.name.isdigit() else []
        except OSError:
            continue
        if fields and int(fields[1]) == pid:
            found.append(int(entry.name))
    return found
