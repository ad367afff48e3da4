"""Becomes PostgreSQL: drops root, ties the life of the process to its parent, then execs the program.

Run as a script in a fresh interpreter (`python -I -S`), because this must happen between fork and exec, where a program
with threads may run no Python. Standard library only. The arguments are: pid of the parent, uid and gid to become (-1 =
stay), the signal to stop with, the reading end of a pipe (-1 = let the kernel watch where it can), and the command.

Linux: the kernel sends the signal when the *thread* that started us ends, so the caller keeps that thread alive.
Elsewhere: a small watchdog, no child of PostgreSQL, reads the pipe; end of file means that the parent is gone. A parent
that saw PostgreSQL end by itself writes a byte first, so that the watchdog never signals a pid that was given away.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PATIENCE_SECONDS = 20.0


def main(arguments: list[str]) -> None:
    """Never returns."""
    parent, uid, gid, stop_signal, pipe = (int(argument) for argument in arguments[:5])
    command = arguments[5:]
    if uid >= 0:
        try:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        except OSError as error:
            sys.exit(f"may not become user {uid}: {error.strerror}")
    os.umask(0o077)
    if stop_signal != signal.SIGKILL:  # which nobody can handle
        signal.signal(stop_signal, signal.SIG_DFL)  # Python's own handler would take it and be gone with the exec
    if pipe >= 0:
        _start_watchdog(pipe, stop_signal)
    elif sys.platform == "linux":
        # After setuid, which clears it.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, stop_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent ended before PostgreSQL was started")
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


def _start_watchdog(pipe: int, stop_signal: int) -> None:
    server = os.getpid()
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        os.close(pipe)
        return
    if os.fork():
        os._exit(0)
    os.setsid()
    _let_go_of_output()
    if not os.read(pipe, 1):
        _stop(server, stop_signal)
    os._exit(0)


def _let_go_of_output() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def _stop(server: int, stop_signal: int) -> None:
    """Ask, wait, then insist."""
    for number, patience in ((stop_signal, _PATIENCE_SECONDS), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 0.0)):
        waited = 0.0
        while True:
            try:
                os.kill(server, number if waited == 0.0 else 0)
            except ProcessLookupError:
                return
            if waited >= patience:
                break
            select.select([], [], [], 0.05)
            waited += 0.05


if __name__ == "__main__":
    main(sys.argv[1:])
