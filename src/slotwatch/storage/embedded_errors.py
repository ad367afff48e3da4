"""What can go wrong with the embedded PostgreSQL, said as a sentence that tells what to do."""

from __future__ import annotations

import errno
from pathlib import Path

__all__ = ["EmbeddedPostgresError", "from_os_error", "from_server_output", "port_busy", "root_without_rights"]


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot do what was asked; the message says what to do, `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def from_os_error(error: OSError, path: Path) -> EmbeddedPostgresError:
    """Turn a failed file operation below `path` into a sentence."""
    where = error.filename if isinstance(error.filename, str) else str(path)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _disk_full(path)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return EmbeddedPostgresError(
            "data_dir_unwritable",
            f"{where} cannot be used ({error.strerror}): make it yours, or set SLOTWATCH_DATA_DIR to a folder you may "
            "write to.",
        )
    return EmbeddedPostgresError(
        "data_dir_unusable",
        f"{where} cannot be used ({error.strerror}): set SLOTWATCH_DATA_DIR to another folder.",
    )


def from_server_output(output: str, *, port: int | None, data: Path, doing: str) -> EmbeddedPostgresError:
    """Turn what `initdb` or `postgres` printed before it gave up into a sentence.

    Relies on untranslated messages: the programs run with LC_ALL=C.
    """
    if "No space left on device" in output or "Disk quota exceeded" in output:
        return _disk_full(data)
    if "Address already in use" in output:
        return port_busy(port)
    if "pre-existing shared memory block" in output:
        return EmbeddedPostgresError(
            "still_stopping",
            f"Processes of an earlier PostgreSQL still use {data}: wait until they have stopped, then start again.",
        )
    if "incompatible with server" in output or "not compatible with this version" in output:
        return EmbeddedPostgresError(
            "version_mismatch",
            f"The data folder {data} was made by another PostgreSQL than the one found: install the one that made it, "
            "or move the folder away to begin with an empty database.",
        )
    if "may not become user" in output:
        return root_without_rights()
    if "could not look up effective user ID" in output:
        return EmbeddedPostgresError(
            "user_without_name",
            "PostgreSQL cannot make a data folder for a user that has a number but no name: add the user to "
            "/etc/passwd, start as another one, or set DATABASE_URL to a running server.",
        )
    if "Permission denied" in output or "Read-only file system" in output:
        return EmbeddedPostgresError(
            "data_dir_unwritable",
            f"PostgreSQL may not use {data}: make the folder writable, or set SLOTWATCH_DATA_DIR to another one. "
            f"PostgreSQL said: {_last_words(output)}",
        )
    return EmbeddedPostgresError("start_failed", f"PostgreSQL failed while {doing}: {_last_words(output)}")


def port_busy(port: int | None) -> EmbeddedPostgresError:
    """The port is taken by somebody else."""
    return EmbeddedPostgresError(
        "port_busy",
        f"Port {port} of 127.0.0.1 is in use by another program: stop that program, set SLOTWATCH_POSTGRES_PORT to a "
        "free port, or leave it unset to have one chosen.",
    )


def root_without_rights() -> EmbeddedPostgresError:
    """Root in a box that took its capabilities away."""
    return EmbeddedPostgresError(
        "root_without_rights",
        "PostgreSQL does not run as root, and this root may not run it as another user: start as a plain user, "
        "or set DATABASE_URL to a running server.",
    )


def _disk_full(path: Path) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        "disk_full",
        f"The disk that holds {path} is full: free some space, or set SLOTWATCH_DATA_DIR to a folder on another disk.",
    )


def _last_words(output: str) -> str:
    """The lines that tell why, else the end of what was printed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if any(mark in line for mark in ("FATAL", "PANIC", "ERROR", "error:", "HINT"))]
    return " / ".join((telling or lines)[-3:]) or "nothing"
