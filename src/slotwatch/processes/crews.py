"""Puts the parts of a process together: the engine crew, the web crew; each with connections of its own."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime

from slotwatch import wiring
from slotwatch.config import Settings
from slotwatch.processes.http import HttpServer, Listener
from slotwatch.processes.supervise import Part
from slotwatch.storage.clock import Clock
from slotwatch.usecases.desk import Desk
from slotwatch.web.pages.town import TownGuide

__all__ = ["Place", "hire_web", "hire_workers", "open_desk"]


@dataclass(frozen=True)
class Place:
    """Where a process works. What is opened is closed with `stack`."""

    settings: Settings
    url: str
    clock: Clock
    stack: AsyncExitStack


async def hire_workers(place: Place) -> list[Part]:
    """Engine and senders. Raises Unavailable."""
    settings, clock = place.settings, place.clock
    engine = await place.stack.enter_async_context(
        wiring.open_database(settings, place.url, name="engine", connections=wiring.ENGINE_CONNECTIONS)
    )
    outbox = await place.stack.enter_async_context(
        wiring.open_database(
            settings, place.url, name="outbox", connections=wiring.OUTBOX_CONNECTIONS, planned_anew=True
        )
    )
    channels = wiring.build_channels(settings, outbox, clock)
    for channel in channels:
        place.stack.push_async_callback(channel.close)
    senders = wiring.build_senders(settings, channels, outbox, clock)

    def wake_senders() -> None:
        for sender in senders:
            sender.wake.set()

    worker = wiring.build_worker(settings, engine, clock, on_moved=wake_senders)
    listener = wiring.build_listener(engine, clock, worker, senders)
    return [
        Part("engine", worker.run),
        *(Part(f"{sender.channel} sender", sender.run) for sender in senders),
        Part("listener", listener.run),
        Part("watch", wiring.build_watch(settings, engine, clock).run),
        Part("digest", wiring.build_digest(settings, engine, clock).run),
    ]


async def open_desk(place: Place) -> tuple[Desk, list[Part]]:
    """The desk of the use cases, on connections of its own, and what it needs running. Raises Unavailable."""
    settings, clock = place.settings, place.clock
    database = await place.stack.enter_async_context(
        wiring.open_database(settings, place.url, name="web", connections=settings.database.pool_size)
    )
    hints = wiring.build_hints(database, clock)
    hint: Callable[[datetime], None] = hints.due
    return wiring.build_desk(settings, database, clock, hint), [Part("hints", hints.run)]


def hire_web(place: Place, desk: Desk, listener: Listener, town: TownGuide | None = None) -> list[Part]:
    """The web application on that listener, and its heartbeat."""
    app = wiring.build_web(place.settings, desk, town)
    heart = wiring.build_heart("api", desk.database, place.clock)
    watch = wiring.build_watch(place.settings, desk.database, place.clock)  # so that a silent engine is seen
    return [
        Part("web", HttpServer(app, listener, trusted_proxies=place.settings.web.trusted_proxies).run),
        Part("heartbeat", heart.run),
        Part("watch of the web", watch.run),
    ]
