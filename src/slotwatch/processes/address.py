"""Which database a command works on: DATABASE_URL, the embedded server of a running `up`, or one started for it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from slotwatch.config import Settings
from slotwatch.domain.errors import SlotwatchError
from slotwatch.storage.embedded import EmbeddedPostgres, EmbeddedSettings
from slotwatch.storage.embedded_postmaster import read_postmaster

__all__ = ["NoDatabase", "database_url", "running_embedded_url", "scratch_database"]

_OWNER = "slotwatch"


class NoDatabase(SlotwatchError):
    """There is no database to work on: set DATABASE_URL, or start `slotwatch up` on this machine."""

    code = "no_database"


@contextmanager
def database_url(settings: Settings, *, may_start: bool = False) -> Iterator[str]:
    """The address to connect to; `may_start` starts the embedded server for as long as it is needed.

    Raises NoDatabase, or EmbeddedPostgresError when the embedded server cannot start.
    """
    if settings.database.url is not None:
        yield settings.database.url
        return
    running = running_embedded_url(settings)
    if running is not None:
        yield running
        return
    if not may_start:
        raise NoDatabase
    with EmbeddedPostgres(settings.embedded) as server:
        yield server.url


def running_embedded_url(settings: Settings) -> str | None:
    """The address of the embedded server that another slotwatch runs on this data folder, if one does."""
    home = settings.data_dir / "postgres"
    try:
        postmaster = read_postmaster(home / "data")
        password = json.loads((home / "credentials.json").read_text())[_OWNER]
    except (OSError, ValueError, KeyError):
        return None
    if postmaster is None or postmaster.port is None or postmaster.status != "ready":
        return None
    if not Path(f"/proc/{postmaster.pid}").exists() and Path("/proc/self").exists():
        return None  # the leftover of a server that was killed
    return f"postgresql://{_OWNER}:{quote(password, safe='')}@127.0.0.1:{postmaster.port}/{_OWNER}"


@contextmanager
def scratch_database() -> Iterator[str]:
    """An empty database of its own, gone afterwards."""
    with TemporaryDirectory(prefix="slotwatch-") as folder:
        server = EmbeddedPostgres(EmbeddedSettings(data_dir=folder), options={"fsync": "off"})
        with server:
            yield server.url
