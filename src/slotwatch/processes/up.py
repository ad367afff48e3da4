"""`slotwatch up`: everything in one process, with a PostgreSQL of its own and a demo town."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta

import msgspec
import structlog

from slotwatch import wiring
from slotwatch.config import Settings
from slotwatch.demo.flow import Flow
from slotwatch.demo.seed import DEMO_GRACE_MINUTES, DemoTown, seed
from slotwatch.demo.try_it import commands
from slotwatch.doctor.database import require_reachable
from slotwatch.processes.crews import Place, hire_web, hire_workers, open_desk
from slotwatch.processes.http import Listener, listen
from slotwatch.processes.logs import set_up_logging
from slotwatch.processes.session import read_settings, run_loop, settle_in, warn_of_unknown_settings
from slotwatch.processes.supervise import Part, stop_on_signals, supervise
from slotwatch.processes.welcome import Welcome, welcome
from slotwatch.simulation.past import live_past
from slotwatch.storage import migrate
from slotwatch.storage.clock import Clock, DatabaseClock
from slotwatch.storage.embedded import EmbeddedPostgres, EmbeddedPostgresError
from slotwatch.usecases.desk import Desk
from slotwatch.web.pages.town import TownGuide

__all__ = ["run_up"]

_log = structlog.get_logger(__name__)

_DEMO_DEFAULTS = {"SLOTWATCH_PAYMENTS": "local", "SLOTWATCH_PAYMENT_HOLD_MINUTES": "1"}
"""So that the demo town shows payment and unpaid holds; what is set in the environment wins."""

_DAYS_OF_PAST = 5  # in seconds, on a clock that moves; once
_LOOK_EVERY = timedelta(seconds=1)


def run_up(*, host: str | None, port: int | None, demo: bool) -> None:
    """Run until SIGTERM or SIGINT. Raises SlotwatchError or EmbeddedPostgresError when it cannot start."""
    set_up_logging()
    warn_of_unknown_settings()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the loop takes over
    defaults = _DEMO_DEFAULTS if demo else {}
    web = read_settings(defaults).web
    wanted = web.port if port is None else port
    listener = listen(host or web.host, wanted, or_next=True)
    try:
        if wanted not in (0, listener.port):
            _log.warning(
                f"port {wanted} is in use by another program, so this is port {listener.port}", action="port_busy"
            )
        settings = read_settings({**defaults, "FRONTEND_URL": listener.url})
        with _postgresql(settings) as (url, keepers):
            run_loop(_up(settings, url, listener, keepers, demo=demo))
    finally:
        listener.close()


async def _up(settings: Settings, url: str, listener: Listener, keepers: list[Part], *, demo: bool) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    await require_reachable(url)
    await migrate.upgrade(url)
    async with AsyncExitStack() as stack:
        place = Place(settings, url, DatabaseClock(), stack)
        desk, parts = await open_desk(place)
        flow = await _open_town(desk, settings) if demo else None
        parts = [*keepers, *parts, *await hire_workers(place)]
        if flow is None:
            parts += hire_web(place, desk, listener)
        else:
            parts += hire_web(place, desk, listener, _guide(flow, listener.url))
            parts.append(Part("demo town", flow.run))
        if not listener.is_local:
            _log.warning("other machines can reach this without encryption: put a TLS proxy before it", action="open")
        async with desk.database.connection() as conn:
            now = await desk.clock.now(conn)
        welcome(Welcome(settings, listener.url, url, wiring.build_signer(settings), flow, now))
        settle_in()
        await supervise(parts, stop)
    _log.info("stopped", action="stopped")


def _guide(flow: Flow, url: str) -> TownGuide:
    return TownGuide(flow.town.grace_minutes, lambda now: commands(url, flow.town, flow.visitor_booking, now))


async def _open_town(desk: Desk, settings: Settings) -> Flow:
    town = await _seed(desk, settings)
    async with desk.database.connection() as conn:
        now = await desk.clock.now(conn)
    if await live_past(desk.database, town.bays, town.drivers, until=now, days=_DAYS_OF_PAST):
        _log.info("the town has lived its last days, so that its numbers tell something", action="demo_past")
    flow = Flow(desk, town)
    _log.info(
        f"the demo town is short of patience: the grace period is {town.grace_minutes} minutes here",
        action="demo_open",
        stations=len(town.kept_free),
        drivers=len(town.drivers),
    )
    async with desk.database.connection() as conn:
        now = await desk.clock.now(conn)
    await flow.open(now)
    return flow


async def _seed(desk: Desk, settings: Settings) -> DemoTown:
    """Grace is short in the demo, unless somebody said how long it shall be."""
    is_set = bool(os.environ.get("GRACE_PERIOD_MINUTES", "").strip())
    grace = settings.booking.grace_period_minutes if is_set else DEMO_GRACE_MINUTES
    async with desk.database.transaction() as conn:
        return await seed(conn, await desk.clock.now(conn), grace_minutes=grace)


@contextmanager
def _postgresql(settings: Settings) -> Iterator[tuple[str, list[Part]]]:
    """The address of the database, and whoever keeps the embedded server running."""
    if settings.database.url is not None:
        yield settings.database.url, []
        return
    is_new = not (settings.data_dir / "postgres" / "data").exists()
    _log.info(
        "making a PostgreSQL of our own; this takes some seconds, once" if is_new else "starting PostgreSQL",
        action="postgresql_starting",
        folder=str(settings.data_dir),
    )
    keeper = _Keeper(settings, DatabaseClock())
    try:
        yield keeper.server.url, [Part("PostgreSQL", keeper.run)]
    finally:
        keeper.server.stop()


class _Keeper:
    """Keeps the embedded server running, on one port, so that everybody finds it again."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.server = EmbeddedPostgres(settings.embedded).start()
        self._settings = msgspec.structs.replace(settings.embedded, port=self.server.port)
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Look every second; start it again if somebody ended it."""
        while not stop.is_set():
            await self._clock.wait(_LOOK_EVERY, stop)
            if stop.is_set() or self._is_running():
                continue
            _log.error("PostgreSQL has ended and is started again", action="postgresql_ended")
            self.server = await asyncio.to_thread(EmbeddedPostgres(self._settings).start)

    def _is_running(self) -> bool:
        try:
            return self.server.pid > 0
        except EmbeddedPostgresError:
            return False
