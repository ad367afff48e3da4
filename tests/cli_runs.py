"""Runs the command line in processes of its own, with a clean environment."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Done", "Run", "free_port", "run", "started"]

_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    status: int
    out: str
    err: str


def run(*words: str, data_dir: Path, **environment: str) -> Done:
    """Run a command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "slotwatch", *words],
        env=_environment(data_dir, environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


class Run:
    """A command that is running; what it says is collected as it comes."""

    def __init__(self, words: tuple[str, ...], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "slotwatch", *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._said: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def said(self) -> str:
        """Everything so far, both streams."""
        with self._news:
            return "".join(self._said)

    def wait_for(self, text: str, seconds: float = 30) -> bool:
        """Whether it says that in time."""
        deadline = time.monotonic() + seconds
        with self._news:
            while text not in "".join(self._said):
                if not self._news.wait(deadline - time.monotonic()) or self._process.poll() is not None:
                    return text in "".join(self._said)
        return True

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """The exit status; raises TimeoutExpired."""
        status = self._process.wait(seconds)
        self._reader.join(5)
        return status

    def end(self) -> None:
        """End it whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
        self._reader.join(5)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self._said.append(line)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()


@contextmanager
def started(*words: str, data_dir: Path, **environment: str) -> Iterator[Run]:
    """A running command, ended afterwards."""
    running = Run(words, _environment(data_dir, environment))
    try:
        yield running
    finally:
        running.end()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def _environment(data_dir: Path, more: dict[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "SLOTWATCH_DATA_DIR": str(data_dir), "COLUMNS": "200", **more}
