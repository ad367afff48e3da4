"""One worker process of the chaos tests: engine and senders, and providers that note in a file what they accept.

The one for SMS knows idempotency keys when KEYED says `sms`; no mail server does.

Run: python -m tests.support.chaos_worker URL CLOCK_FILE SPEED KEYS_FILE KEYED
"""

import asyncio
import logging
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import structlog

from slotwatch.channels import Accepted, Message, Outcome
from slotwatch.domain.errors import Unavailable
from slotwatch.domain.notices import Channel
from slotwatch.engine.advance import Advancer, AdvanceSettings
from slotwatch.engine.audit import Auditor
from slotwatch.engine.clean import Cleaner
from slotwatch.engine.hints import Listener
from slotwatch.engine.outages import Heart
from slotwatch.engine.worker import Duties, Worker
from slotwatch.outbox.hands import Hands
from slotwatch.outbox.sender import Sender
from slotwatch.outbox.settings import SenderSettings
from slotwatch.storage.database import Database, DatabaseSettings, connect
from tests.support.shared_clock import SharedClock

__all__ = ["LEASE", "main"]

LEASE = 10  # seconds of real time


class NotedProvider:
    """Takes a few milliseconds; once it is in the file the message counts as accepted, whatever happens then."""

    provider = "noted"
    concurrency = 8

    def __init__(self, channel: Channel, keys: int, *, has_key: bool) -> None:
        self.name = channel.value
        self.has_key = has_key
        self._keys = keys

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Note it with one write, which is all or nothing."""
        await asyncio.sleep(0.002)
        os.write(self._keys, f"{message.key} {message.to} {message.kind}\n".encode())
        await asyncio.sleep(0.002)
        return Accepted(message.key)

    async def check(self) -> str | None:
        """Always reachable."""
        return None

    async def close(self) -> None:
        """Nothing to close."""


async def main(url: str, clock_file: str, speed: str, keys_file: str, keyed: str) -> None:
    """Until SIGTERM. A part that dies ends the process, which the test takes for a failure."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    clock = SharedClock(Path(clock_file), float(speed))
    keys = os.open(keys_file, os.O_WRONLY | os.O_APPEND)
    database = await _connected(url, stop)
    if database is None:
        return
    channels = frozenset({Channel.EMAIL, Channel.SMS})
    duties = Duties(
        Advancer(AdvanceSettings(batch_size=100), channels, clock),
        Auditor(channels, clock),
        Cleaner(clock),
        Heart("engine", database, clock),
    )
    worker = Worker(database, clock, duties)
    settings = SenderSettings(lease_seconds=LEASE * float(speed), timeout_seconds=2)
    hands = Hands()
    senders = [
        Sender(provider, database, clock, settings, enabled=channels, frontend_url="http://x", hands=hands)  # type: ignore[arg-type]
        for provider in (NotedProvider(channel, keys, has_key=channel.value == keyed) for channel in channels)
    ]
    listener = Listener(database, clock, [worker.wake, *(sender.wake for sender in senders)])
    await asyncio.gather(worker.run(stop), listener.run(stop), *(sender.run(stop) for sender in senders))
    await database.close()


async def _connected(url: str, stop: asyncio.Event) -> Database | None:
    while not stop.is_set():
        try:
            return await connect(DatabaseSettings(pool_size=8), name="chaos", url=url)
        except Unavailable:
            await asyncio.sleep(timedelta(milliseconds=200).total_seconds())
    return None


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    asyncio.run(main(*sys.argv[1:]))
