"""The same on the PostgreSQL of this machine, if there is one: another major version than the embedded one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres_server import has_postgres

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
@pytest.mark.skipif(not has_postgres("path"), reason="no PostgreSQL on PATH")
def test_what_is_marked_any_postgres_passes_on_the_one_on_path() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/integration", "-m", "any_postgres", "-q", "--no-header"],
        cwd=ROOT,
        env={**os.environ, "SLOTWATCH_TEST_POSTGRES": "path"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert " passed" in run.stdout
