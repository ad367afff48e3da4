"""The senders' loops when things are gone for a while: the provider, the database, the process itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import asyncpg
import pytest

from slotwatch.channels import Message
from slotwatch.channels.guarded import Guarded, GuardSettings
from slotwatch.domain.notices import Channel
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.sender import Sender
from slotwatch.outbox.settings import SenderSettings
from slotwatch.storage.embedded import EmbeddedPostgres
from tests.conftest import NOON, Town
from tests.support.crew import Crew, until
from tests.support.provider import Provider, down

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

Cut = Callable[[], Awaitable[None]]


@pytest.fixture
async def cut_connections(server: EmbeddedPostgres, database_url: str) -> AsyncIterator[Cut]:
    """Ends every session on the test's database but its own, as a failover does."""
    admin = await asyncpg.connect(server.superuser_url)
    name = database_url.rsplit("/", 1)[1]

    async def cut() -> None:
        await admin.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)

    yield cut
    await admin.close()


@dataclass
class Running:
    """Sender loops under way."""

    stop: asyncio.Event
    tasks: list[asyncio.Task[None]]

    async def end(self) -> float:
        """Ask them to stop; how many seconds that took."""
        began = asyncio.get_running_loop().time()
        self.stop.set()
        await asyncio.gather(*self.tasks)
        return asyncio.get_running_loop().time() - began


def _run(*senders: Sender) -> Running:
    stop = asyncio.Event()
    return Running(stop, [asyncio.create_task(sender.run(stop)) for sender in senders])


async def _sent(crew: Crew, count: int) -> None:
    async def enough() -> bool:
        try:
            return bool(await crew.value("SELECT count(*) FROM delivery WHERE state = 'sent'") >= count)
        except Exception:  # the connection that we look by was cut, too
            return False

    await until(enough)


async def test_a_running_sender_sends_what_comes_and_stops_at_once_when_idle(crew: Crew, town: Town) -> None:
    running = _run(*crew.senders.values())
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await _sent(crew, 2)
    assert await running.end() < 2


async def test_a_stopping_sender_finishes_what_is_under_way_and_gives_the_rest_back(crew: Crew, town: Town) -> None:
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.booked(town.stranger, town.connectors[1], town.slot())
    narrow = Provider(Channel.EMAIL, concurrency=1)
    narrow.gate = asyncio.Event()
    running = _run(crew.sender(narrow))
    await narrow.entered.wait()
    running.stop.set()
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.2, narrow.gate.set)
    assert await running.end() < 5
    assert len(narrow.taken) == 1
    rows = await crew.rows("SELECT state, next_attempt_at FROM delivery WHERE channel = 'email' ORDER BY state")
    assert [tuple(row) for row in rows] == [("pending", NOON), ("sent", NOON + 30 * SECOND)]
    await crew.deliver()
    assert len(crew.mail.taken) == 1, "at once, without waiting for a lease to lapse"


@pytest.mark.parametrize("sqlstate", ["55P03", "57014", "40P01"], ids=["lock", "statement timeout", "deadlock"])
async def test_statements_that_fail_for_a_while_are_no_fault_of_what_was_to_be_sent(
    crew: Crew, town: Town, sqlstate: str
) -> None:
    await crew.never_silent()
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.live_until(booking.timeline.starts_at - SECOND)
    await crew.execute(
        f"CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '{sqlstate}'; END $$"
    )
    await crew.execute(
        "CREATE TRIGGER busy BEFORE UPDATE OF handed_over ON delivery FOR EACH ROW"
        " WHEN (new.handed_over IS NOT NULL) EXECUTE FUNCTION busy()"
    )
    await crew.live_for(5 * MINUTE)
    assert await crew.deliveries(booking, "slot_started") == {"email": "pending", "sms": "pending"}
    await crew.execute("DROP TRIGGER busy ON delivery")
    await crew.live_for(10 * SECOND)
    assert await crew.deliveries(booking, "slot_started") == {"email": "sent", "sms": "sent"}
    assert await crew.value("SELECT sum(faults) FROM delivery") == 0


async def test_what_cannot_be_written_for_one_channel_is_told_by_another(crew: Crew, town: Town) -> None:
    def broken(delivery: Claimed, frontend_url: str) -> Message:
        raise ZeroDivisionError

    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    await crew.deliver()
    crew.clock.move_to(booking.timeline.starts_at - HOUR)
    await crew.engine()
    email = crew.sender(crew.mail, write=broken)
    for _ in range(3):
        await email.run_once()
        crew.clock.advance(MINUTE)
    await crew.senders[Channel.SMS].run_once()
    assert await crew.deliveries(booking, "reminder") == {"email": "set_aside", "sms": "sent"}


async def test_what_had_to_wait_for_its_turn_at_the_provider_is_looked_at_once_more(crew: Crew, town: Town) -> None:
    """A thousandth of a message a second: the first goes, the others wait, and meanwhile the driver checks in."""
    await crew.never_silent()
    bookings = [await crew.booked(who, town.connectors[n], town.slot()) for n, who in enumerate([town.driver] * 2)]
    await crew.live_until(bookings[0].timeline.starts_at - SECOND)
    crew.clock.advance(SECOND)
    await crew.engine()
    waited = []

    async def wait(duration: timedelta) -> None:
        waited.append(duration)
        crew.clock.advance(duration)
        for booking in bookings:
            await crew.checked_in(booking)

    guarded = Guarded(
        Provider(Channel.SMS),  # type: ignore[arg-type]  # its name is one of the literals
        GuardSettings(rates="double=0.2"),
        monotonic=lambda: crew.clock.read().timestamp(),
        wait=wait,
    )
    await crew.sender(guarded).run_once()
    assert len(waited) == 1
    states = [(await crew.deliveries(booking, "slot_started"))["sms"] for booking in bookings]
    assert sorted(states) == ["sent", "suppressed"]
    error = await crew.value("SELECT error FROM delivery WHERE state = 'suppressed'")
    assert error == "no longer true: the booking is active"


async def test_a_hanging_provider_delays_a_stop_by_no_more_than_the_time_one_try_may_take(
    crew: Crew, town: Town
) -> None:
    await crew.booked(town.driver, town.connectors[0], town.slot())
    provider = Provider(Channel.EMAIL)
    provider.gate = asyncio.Event()  # never opened
    running = _run(crew.sender(provider, SenderSettings(lease_seconds=3, timeout_seconds=1.5, lanes=1)))
    await provider.entered.wait()
    assert await running.end() < 5
    assert await crew.rows("SELECT FROM attempt WHERE outcome = 'failed'")


async def test_what_had_to_queue_until_its_lease_was_nearly_over_is_given_back_and_not_sent(
    crew: Crew, town: Town
) -> None:
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.booked(town.stranger, town.connectors[1], town.slot())
    provider = Provider(Channel.EMAIL, concurrency=1)
    provider.gate = asyncio.Event()  # never opened
    await crew.sender(provider, SenderSettings(lease_seconds=3, timeout_seconds=1.5)).run_once()
    assert len(provider.asked) == 1
    rows = await crew.rows("SELECT attempts, handed_over FROM delivery WHERE channel = 'email' ORDER BY attempts")
    assert [tuple(row) for row in rows] == [(0, None), (1, None)]
    await crew.live_for(MINUTE)
    assert len(crew.mail.taken) == 2


async def test_a_database_that_blinks_while_the_provider_answers_doubles_nothing(
    crew: Crew, town: Town, server: EmbeddedPostgres, database_url: str, cut_connections: Cut
) -> None:
    """It drops everybody while the provider holds four messages and lets nobody in when they are accepted."""
    for n, connector in enumerate(town.connectors):
        await crew.booked((town.driver, town.stranger)[n % 2], connector, town.slot())
    crew.mail.gate = asyncio.Event()
    running = _run(crew.senders[Channel.EMAIL])
    await until(lambda: _true(len(crew.mail.asked) == 4))
    admin = await asyncpg.connect(server.superuser_url)
    name = database_url.rsplit("/", 1)[1]
    await admin.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
    await cut_connections()
    crew.mail.gate.set()
    await until(lambda: _true(len(crew.mail.taken) == 4))
    await asyncio.sleep(0.3)  # the first tries to record fail
    await admin.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
    await admin.close()
    await _sent(crew, 4)
    crew.clock.advance(MINUTE)
    await crew.deliver()
    await running.end()
    assert len(crew.mail.taken) == 4
    assert await crew.value("SELECT max(lease) FROM delivery WHERE channel = 'email'") == 1


async def _true(condition: bool) -> bool:
    return condition


async def test_a_sender_reconnects_after_every_cut(crew: Crew, town: Town, cut_connections: Cut) -> None:
    running = _run(*crew.senders.values())
    for n, connector in enumerate(town.connectors):
        driver = (town.driver, town.stranger)[n % 2]
        await _again(partial(crew.booked, driver, connector, town.slot()))
        await cut_connections()
        crew.clock.advance(SECOND)

    async def told() -> bool:
        crew.clock.advance(SECOND)  # a claim whose answer was cut off is free again when its lease lapses
        return len(crew.mail.taken) >= 4

    await until(told)
    await running.end()
    assert sorted(crew.mail.keys) == sorted(set(crew.mail.keys))


async def _again(action: Callable[[], Awaitable[object]]) -> None:
    """As a client does that is told to come back."""
    for _ in range(5):
        try:
            await action()
        except Exception:  # the pool still holds connections that were cut
            continue
        return


async def test_an_error_of_a_statement_does_not_end_the_loop(crew: Crew, town: Town) -> None:
    """Such as a table that a migration keeps locked."""
    running = _run(crew.senders[Channel.EMAIL])
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await _sent(crew, 1)
    await crew.execute("ALTER TABLE station RENAME COLUMN zone TO gone")
    await asyncio.wait(running.tasks, timeout=0.5)
    assert not running.tasks[0].done()
    await crew.execute("ALTER TABLE station RENAME COLUMN gone TO zone")
    await crew.booked(town.driver, town.connectors[1], town.slot())
    await _sent(crew, 2)
    await running.end()


async def test_mail_that_is_down_for_an_hour_is_retried_the_urgent_first_and_the_stale_missed(
    crew: Crew, town: Town
) -> None:
    """Down from 13:00, when four slots begin, to 14:00; nobody has a phone."""
    await crew.execute("UPDATE driver SET phone = NULL")
    bookings = [
        await crew.booked((town.driver, town.stranger)[n % 2], connector, town.slot(length=2 * HOUR))
        for n, connector in enumerate(town.connectors)
    ]
    later = await crew.booked(town.driver, town.other_connector, town.slot(starts_in=timedelta(hours=2, minutes=5)))
    await crew.live_until(NOON + HOUR - SECOND)
    crew.mail.answer = down
    for booking in bookings[:2]:
        await crew.checked_in(booking)
    await crew.live_until(NOON + 2 * HOUR)
    tries = await crew.value(
        "SELECT max(attempts) FROM delivery AS d JOIN notice AS n ON n.id = d.notice_id WHERE kind = 'checked_in'"
    )
    assert 10 <= tries <= 14, "4, 8, 16 ... seconds apart, then every ten minutes"
    crew.mail.answer = None
    crew.clock.move_to(later.timeline.starts_at)
    await crew.engine()
    before = len(crew.mail.taken)
    one_by_one = crew.sender(crew.mail, SenderSettings(batch_size=1))
    crew.clock.advance(10 * MINUTE)
    await crew.engine()
    while (await one_by_one.run_once()).claimed:
        pass
    kinds = await crew.kinds(crew.mail.taken[before:])
    assert kinds[0] == "slot_started"
    assert sorted(kinds) == ["checked_in", "checked_in", "slot_started", "slot_voided", "slot_voided"]
    for booking in bookings[2:]:
        assert await crew.deliveries(booking, "slot_started") == {"email": "missed", "sms": "suppressed"}
        assert await crew.deliveries(booking, "slot_voided") == {"email": "sent", "sms": "suppressed"}
