"""The folder of an embedded PostgreSQL: made once, owned by a user that PostgreSQL accepts, and reused.

    <data_dir>/postgres/data              the cluster (mode 0700, owned by the user PostgreSQL runs as)
    <data_dir>/postgres/credentials.json  the passwords (mode 0600)
    <data_dir>/postgres/postgres.log      what the server says
    <data_dir>/postgres/lock              held while a start is under way

PostgreSQL refuses root. Started by root it runs as the owner of `data`, which for a new one is `nobody`. Where `nobody`
cannot walk to it (/root), no folder is opened up and nothing is put elsewhere: PostgreSQL is handed the open folder and
names it /proc/self/fd/N.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from slotwatch.storage.embedded_binaries import Binaries
from slotwatch.storage.embedded_errors import (
    EmbeddedPostgresError,
    from_os_error,
    from_server_output,
    root_without_rights,
)
from slotwatch.storage.embedded_process import Identity, run_program

__all__ = ["OWNER", "SUPERUSER", "Cluster"]

OWNER = "slotwatch"
SUPERUSER = "postgres"

_MIB = 1024 * 1024
_ROOM_FOR_A_NEW_ONE = 200 * _MIB
_ROOM_TO_START = 40 * _MIB
_LOG_KEPT_UP_TO = 20 * _MIB
_BUILTIN_LOCALE_SINCE = 17


class Cluster:
    """The files of one cluster; knows nothing of a running server but its lock file."""

    def __init__(self, data_dir: Path) -> None:
        self.home = data_dir / "postgres"
        self.data = self.home / "data"
        self.log_path = self.home / "postgres.log"
        self._credentials = self.home / "credentials.json"

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Make the folders and hold the lock that keeps a second start away. Raises EmbeddedPostgresError."""
        as_root = os.geteuid() == 0
        try:
            self.home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.home.mkdir(mode=0o711 if as_root else 0o700, exist_ok=True)
            descriptor = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise from_os_error(error, self.home) from error
        try:
            self._lock(descriptor)
            try:
                yield
            finally:
                # Closing alone would not let go of it while a process forked meanwhile has the descriptor.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode() or "unknown"
            raise EmbeddedPostgresError(
                "start_under_way",
                f"Process {holder} is starting PostgreSQL in {self.home} right now: use that one, or wait.",
            ) from None
        except OSError as error:
            raise from_os_error(error, self.home) from error

    @property
    def version(self) -> int | None:
        """Major version of the PostgreSQL that made the data, or None if there is no data yet."""
        try:
            return int((self.data / "PG_VERSION").read_text())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise from_os_error(error, self.data) from error

    def identity(self) -> Identity:
        """Whom the programs run as. Raises EmbeddedPostgresError (`data_dir_foreign`, `nobody_missing`)."""
        owner = self.data.stat().st_uid if self.data.exists() else None
        if os.geteuid() != 0:
            if owner not in (None, os.geteuid()):
                raise self._foreign(owner)
            return Identity()
        if owner == 0:
            raise self._foreign(0)
        try:
            user = pwd.getpwnam("nobody") if owner is None else pwd.getpwuid(owner)
        except KeyError:
            raise EmbeddedPostgresError(
                "nobody_missing",
                "PostgreSQL does not run as root, and the user it would run as does not exist here: "
                "start as a plain user, or add a user named nobody.",
            ) from None
        return Identity(user.pw_uid, user.pw_gid)

    @contextlib.contextmanager
    def as_seen_by(self, identity: Identity, folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
        """How a program running as `identity` names `folder`, and the descriptors it must be given for that."""
        if identity.uid < 0 or all(parent.stat().st_mode & 0o001 for parent in folder.resolve().parents):
            yield str(folder), ()
            return
        if not Path("/proc/self/fd").is_dir():
            raise EmbeddedPostgresError(
                "data_dir_unreachable",
                f"PostgreSQL does not run as root, and no other user can reach {folder}: "
                "set SLOTWATCH_DATA_DIR to a folder that everybody can reach, such as /var/lib/slotwatch.",
            )
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}", (descriptor,)
        finally:
            os.close(descriptor)

    def require_room(self) -> None:
        """Raises EmbeddedPostgresError (`disk_full`) before PostgreSQL fails half-way."""
        needed = _ROOM_TO_START if self.version is not None else _ROOM_FOR_A_NEW_ONE
        free = shutil.disk_usage(self.home).free
        if free < needed:
            raise EmbeddedPostgresError(
                "disk_full",
                f"The disk that holds {self.home} is full: {free // _MIB} MB are free and {needed // _MIB} MB are "
                "needed; free some space, or set SLOTWATCH_DATA_DIR to a folder on another disk.",
            )

    def prepare(self, binaries: Binaries, identity: Identity, *, sync: bool) -> dict[str, str]:
        """Make the cluster, its roles and its database unless they are there; returns the password of each role."""
        for unfinished in self.home.glob("new-*"):
            # Best effort: the last programs of a start that was killed may still be writing there.
            shutil.rmtree(unfinished, ignore_errors=True)
        try:
            passwords = self._read_passwords()
            if self.version is None:
                passwords = passwords or self._new_passwords()
                self._make(binaries, identity, passwords, sync=sync)
            elif passwords is None:  # somebody deleted the file: the data is still good
                passwords = self._new_passwords()
                self._tell(binaries, identity, self.data, _role_statements("ALTER", passwords))
            self._rotate_log()
        except OSError as error:
            raise from_os_error(error, self.home) from error
        return passwords

    def _make(self, binaries: Binaries, identity: Identity, passwords: dict[str, str], *, sync: bool) -> None:
        """All or nothing: a half-made cluster never gets the name that a start looks for."""
        fresh = Path(tempfile.mkdtemp(prefix="new-", dir=self.home))
        try:
            _give(fresh, identity)
            self._initdb(binaries, identity, fresh, sync=sync)
            statements = [*_role_statements("CREATE", passwords), f"CREATE DATABASE {OWNER} OWNER {OWNER}"]
            self._tell(binaries, identity, fresh, statements)
            fresh.rename(self.data)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise

    def _initdb(self, binaries: Binaries, identity: Identity, folder: Path, *, sync: bool) -> None:
        output = ""
        for locale in ("C.UTF-8", "C"):  # not every system has the first one
            with self.as_seen_by(identity, folder) as (name, descriptors):
                command = [
                    str(binaries.bin_dir / "initdb"),
                    f"--pgdata={name}",
                    f"--username={SUPERUSER}",
                    "--auth-local=reject",
                    "--auth-host=scram-sha-256",
                    "--encoding=UTF8",
                    f"--locale={locale}",
                    "--no-instructions",
                ]
                if binaries.version >= _BUILTIN_LOCALE_SINCE:
                    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
                if not sync:
                    command.append("--no-sync")
                code, output = self._run(identity, command, "", descriptors)
            if code == 0:
                return
            if "invalid locale" not in output:
                break
        raise from_server_output(output, port=None, data=self.data, doing="making the data folder")

    def _tell(self, binaries: Binaries, identity: Identity, folder: Path, statements: list[str]) -> None:
        """Run statements without a server; one line each, the first error ends it."""
        with self.as_seen_by(identity, folder) as (name, descriptors):
            command = [str(binaries.bin_dir / "postgres"), "--single", "-D", name]
            command += ["-c", "exit_on_error=on", "-c", "log_checkpoints=off", SUPERUSER]
            code, output = self._run(identity, command, "".join(f"{line}\n" for line in statements), descriptors)
        if code != 0 or "ERROR:" in output or "FATAL:" in output:
            raise from_server_output(output, port=None, data=self.data, doing="making the roles and the database")

    def _run(
        self, identity: Identity, command: list[str], script: str, descriptors: tuple[int, ...]
    ) -> tuple[int, str]:
        try:
            return run_program(identity, command, script=script, pass_fds=descriptors)
        except subprocess.TimeoutExpired as error:
            raise EmbeddedPostgresError(
                "start_timeout",
                f"{command[0]} did not finish in {error.timeout:.0f} s: look at the load of this machine and the disk "
                f"that holds {self.home}, then start again.",
            ) from None

    def _read_passwords(self) -> dict[str, str] | None:
        try:
            passwords: dict[str, str] = json.loads(self._credentials.read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            return None  # a broken file is as good as none: new passwords are made
        return passwords if set(passwords) == {OWNER, SUPERUSER} else None

    def _new_passwords(self) -> dict[str, str]:
        passwords = {role: secrets.token_urlsafe(24) for role in (OWNER, SUPERUSER)}
        scratch = self._credentials.with_suffix(".new")
        scratch.unlink(missing_ok=True)
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(passwords, file)
        scratch.rename(self._credentials)
        return passwords

    def _rotate_log(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self.log_path.stat().st_size > _LOG_KEPT_UP_TO:
                self.log_path.rename(self.log_path.with_suffix(".log.1"))

    def _foreign(self, owner: int | None) -> EmbeddedPostgresError:
        try:
            name = pwd.getpwuid(owner or 0).pw_name
        except KeyError:
            name = f"number {owner}"
        advice = (
            f"PostgreSQL refuses root: run `chown -R nobody {self.data}`"
            if os.geteuid() == 0
            else "start slotwatch as root or as that user, or set SLOTWATCH_DATA_DIR to a folder of your own"
        )
        return EmbeddedPostgresError("data_dir_foreign", f"{self.data} belongs to the user {name}: {advice}.")


def _role_statements(verb: str, passwords: dict[str, str]) -> list[str]:
    """CREATE or ALTER; the passwords are URL-safe base64, so they need no quoting."""
    return [
        f"{verb} ROLE {OWNER} LOGIN CREATEDB NOSUPERUSER PASSWORD '{passwords[OWNER]}'",
        f"ALTER ROLE {SUPERUSER} PASSWORD '{passwords[SUPERUSER]}'",
    ]


def _give(folder: Path, identity: Identity) -> None:
    if identity.uid < 0:
        return
    try:
        os.chown(folder, identity.uid, identity.gid)
    except OSError as error:
        raise root_without_rights() from error
