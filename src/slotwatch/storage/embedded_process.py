"""Runs PostgreSQL programs as the right user and lets none of them outlive this process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Identity", "ServerProcess", "Watch", "run_program"]

# Who notices our death: the Linux kernel, or a small process that reads a pipe from us.
Watch = Literal["kernel", "pipe"]

_LAUNCHER = Path(__file__).with_name("embedded_launcher.py")
# Nothing of the caller's PG* variables; untranslated messages.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}


@dataclass(frozen=True)
class Identity:
    """The user and group a program runs as; -1 stays what we are."""

    uid: int = -1
    gid: int = -1


def run_program(
    identity: Identity, command: Sequence[str], *, script: str = "", pass_fds: Sequence[int] = (), seconds: float = 120
) -> tuple[int, str]:
    """Run a program to its end with `script` as its input; returns exit code and everything it printed.

    Raises subprocess.TimeoutExpired after `seconds`.
    """
    done = subprocess.run(
        _launch(identity, signal.SIGKILL, -1, command),
        input=script,
        text=True,
        errors="replace",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_ENVIRONMENT,
        cwd="/",
        pass_fds=pass_fds,
        start_new_session=True,
        timeout=seconds,
        check=False,
    )
    return done.returncode, done.stdout


class ServerProcess:
    """One run of the server. It ends, by a fast shutdown, when we do, even by kill -9."""

    def __init__(
        self,
        identity: Identity,
        command: Sequence[str],
        *,
        log_path: Path,
        pass_fds: Sequence[int] = (),
        watch: Watch = "kernel" if sys.platform == "linux" else "pipe",
    ) -> None:
        self._spawned = threading.Event()
        self._ended = threading.Event()
        self._failure: OSError | None = None
        self._process: subprocess.Popen[bytes] | None = None
        # The kernel ties the server to the thread that started it, so that thread lives until the server has ended.
        keeper = threading.Thread(
            target=self._keep,
            args=(identity, list(command), log_path, tuple(pass_fds), watch),
            name="slotwatch-postgres",
            daemon=True,
        )
        keeper.start()
        self._spawned.wait()
        if self._failure is not None:
            raise self._failure

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return not self._ended.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for the end; True if it came in time."""
        return self._ended.wait(seconds)

    def stop(self, stop_signal: signal.Signals, *, patience: float) -> None:
        """Send `stop_signal`; if the server is still there after `patience` seconds, insist."""
        for number, seconds in ((stop_signal, patience), (signal.SIGQUIT, 6.0), (signal.SIGKILL, 5.0)):
            if not self.running:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            if self.wait(seconds):
                return

    def _keep(
        self, identity: Identity, command: list[str], log_path: Path, pass_fds: tuple[int, ...], watch: Watch
    ) -> None:
        reading, writing = os.pipe() if watch == "pipe" else (-1, -1)
        try:
            descriptor = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "ab") as log:
                self._process = subprocess.Popen(
                    _launch(identity, signal.SIGINT, reading, command),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=_ENVIRONMENT,
                    cwd="/",
                    pass_fds=pass_fds + ((reading,) if watch == "pipe" else ()),
                    start_new_session=True,  # Ctrl-C in a terminal is for us; we stop the server in our own order
                )
        except OSError as error:
            self._failure = error
        finally:
            self._spawned.set()
        try:
            if self._process is not None:
                self._process.wait()
                if watch == "pipe":
                    with contextlib.suppress(BrokenPipeError):
                        os.write(writing, b".")
        finally:
            self._ended.set()
            for descriptor in (reading, writing):
                if descriptor >= 0:
                    os.close(descriptor)


def _launch(identity: Identity, stop_signal: signal.Signals, pipe: int, command: Sequence[str]) -> list[str]:
    settings = (os.getpid(), identity.uid, identity.gid, int(stop_signal), pipe)
    return [sys.executable, "-I", "-S", str(_LAUNCHER), *(str(setting) for setting in settings), *command]
