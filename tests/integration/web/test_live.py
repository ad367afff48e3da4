"""Live streams: told what changed on their own board and nothing else, without gaps, until the session ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest

from slotwatch.domain.errors import Unavailable
from slotwatch.domain.ids import booking_ref, ref
from slotwatch.processes.http import HttpServer, Listener, listen
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database
from slotwatch.storage.sessions import end_session, token_hash
from slotwatch.usecases.book import book
from slotwatch.usecases.desk import Desk
from slotwatch.web.auth import Authenticator
from slotwatch.web.live import LOOK_EVERY, LiveFeed, Pass, Viewer
from slotwatch.web.settings import WebSettings
from slotwatch.web.visitors import SESSION_COOKIE
from tests.conftest import Town
from tests.integration.web.conftest import SIGNER, bearer, make_app
from tests.support.crew import Crew
from tests.support.signed_in import make_staff, staff_cookie
from tests.support.streams import Events

HOUR = timedelta(hours=1)
STREAM = "/api/vendor/dashboard/slot-monitoring/stream"


@pytest.fixture
def feed(desk: Desk) -> LiveFeed:
    """A feed that looks when it is told to."""
    return LiveFeed(desk.database, desk.clock, Authenticator(WebSettings(), SIGNER))


@asynccontextmanager
async def served(desk: Desk) -> AsyncIterator[Listener]:
    """The application behind a socket."""
    listener, stop = listen("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(HttpServer(make_app(desk), listener).run(stop))
    try:
        yield listener
    finally:
        stop.set()
        await serving
        listener.close()


def events_of(viewer: Viewer) -> Events:
    return Events(viewer.events())


async def test_a_viewer_is_told_of_its_own_bookings_and_of_no_others(feed: LiveFeed, desk: Desk, town: Town) -> None:
    ours, theirs = [await feed.join(Pass(vendor), None) for vendor in (town.vendor, town.other_vendor)]
    seen, seen_there = events_of(ours), events_of(theirs)
    assert (await seen.next()).name == (await seen_there.next()).name == "ready"
    booking = await book(desk, town.driver, town.connectors[0], town.slot())
    await book(desk, town.driver, town.other_connector, town.slot(starts_in=3 * HOUR))
    await feed.run_once()
    told = await seen.next()
    assert told.name == "changed"
    assert told.data == {
        "version": told.id,
        "bookingIds": [booking_ref(booking.id)],
        "stationIds": [ref("ST", town.station)],
    }
    assert booking_ref(booking.id) not in str(await seen_there.next())


async def test_every_kind_of_change_is_told(feed: LiveFeed, crew: Crew, desk: Desk, town: Town) -> None:
    seen = events_of(await feed.join(Pass(town.vendor), None))
    booking = await book(desk, town.driver, town.connectors[0], town.slot())
    changes: dict[str, Callable[[], Awaitable[object]]] = {
        "the engine moves it": crew.engine,
        "a message goes out": crew.deliver,
        "an attempt is refused": lambda: crew.refused(booking, scanned=town.connectors[1]),
        "it is disputed": lambda: crew.execute(
            f"INSERT INTO dispute (booking_id, vendor_id, statement, opened_at)"
            f" VALUES ({booking.id}, {booking.vendor_id}, 'I was there', 'now')"
        ),
    }
    await feed.run_once()
    crew.clock.advance(HOUR)
    for what, change in changes.items():
        told = await seen.next("changed")
        assert told.data["bookingIds"] == [booking_ref(booking.id)], f"before {what}"
        await change()
        await feed.run_once()
    assert (await seen.next("changed")).data["bookingIds"] == [booking_ref(booking.id)]
    for sql in (
        f"UPDATE connector SET removed_at = 'now' WHERE id = {town.connectors[3]}",
        f"UPDATE station SET name = 'Old harbour' WHERE id = {town.station}",
    ):
        await crew.execute(sql)
        await feed.run_once()
        told = await seen.next("changed")
        assert (told.data["bookingIds"], told.data["stationIds"]) == ([], [ref("ST", town.station)])
    for sql in (
        "INSERT INTO alert (vendor_id, kind, subject, detail, raised_at)"
        f" VALUES ({town.vendor}, 'no_shows', 'ST-1', '{{}}', 'now')",
        "UPDATE alert SET resolved_at = 'now'",
    ):
        await crew.execute(sql)
        await feed.run_once()
        told = await seen.next("changed")
        assert (told.data["bookingIds"], told.data["stationIds"]) == ([], [])


async def test_a_change_that_commits_late_is_told_though_later_ones_were_told_before(
    feed: LiveFeed, desk: Desk, database: Database, town: Town
) -> None:
    seen = events_of(await feed.join(Pass(town.vendor), None))
    async with database.connection() as conn:
        slow = conn.transaction()
        await slow.start()
        await conn.execute("UPDATE station SET name = 'Slow' WHERE id = $1", town.night_shut)
        await book(desk, town.driver, town.connectors[0], town.slot())
        await feed.run_once()
        assert (await seen.next("changed")).data["stationIds"] == [ref("ST", town.station)]
        await slow.commit()
    await feed.run_once()
    assert (await seen.next("changed")).data["stationIds"] == [ref("ST", town.night_shut)]


async def test_who_comes_back_is_told_what_happened_meanwhile_by_any_process(
    feed: LiveFeed, desk: Desk, town: Town
) -> None:
    ready = await events_of(await feed.join(Pass(town.vendor), None)).next()
    first = await book(desk, town.driver, town.connectors[0], town.slot())
    second = await book(desk, town.driver, town.connectors[1], town.slot(starts_in=3 * HOUR))
    another_process = LiveFeed(desk.database, desk.clock, Authenticator(WebSettings(), SIGNER))
    back = events_of(await another_process.join(Pass(town.vendor), ready.id))
    assert (await back.next()).name == "ready"
    told = await back.next()
    assert told.name == "changed"
    assert told.data["bookingIds"] == sorted([booking_ref(first.id), booking_ref(second.id)])
    viewer = await another_process.join(Pass(town.other_vendor), ready.id)
    stranger = events_of(viewer)
    assert (await stranger.next()).name == "ready"
    viewer.close()
    with pytest.raises(StopAsyncIteration):
        await stranger.next()


async def test_who_comes_back_misses_nothing_though_workers_were_started_one_after_another(
    feed: LiveFeed, desk: Desk, clock: MovableClock, crew: Crew, town: Town
) -> None:
    ready = await events_of(await feed.join(Pass(town.vendor), None)).next()
    booking = await book(desk, town.driver, town.connectors[0], town.slot())
    for _ in range(3):
        async with desk.database.transaction() as conn:
            await crew.duties().cleaner.run_if_due(conn)
        clock.advance(timedelta(seconds=1))
    back = events_of(await feed.join(Pass(town.vendor), ready.id))
    assert [(await back.next()).name, (await back.next()).data["bookingIds"]] == ["ready", [booking_ref(booking.id)]]


@pytest.mark.parametrize("mark", ["{xid}-{long_ago}", "999999999999-{now}"])
async def test_who_was_away_too_long_or_saw_another_server_looks_at_everything(
    feed: LiveFeed, town: Town, clock: MovableClock, mark: str
) -> None:
    now = int(clock.read().timestamp())
    mark = mark.format(xid=1, long_ago=now - 3600, now=now)
    back = events_of(await feed.join(Pass(town.vendor), mark))
    assert (await back.next()).name == "ready"
    assert (await back.next()).name == "reload"


async def test_who_is_told_nothing_for_15_seconds_hears_that_the_stream_is_there(feed: LiveFeed, town: Town) -> None:
    seen = events_of(await feed.join(Pass(town.vendor), None))
    await seen.next("ready")
    for _ in range(timedelta(seconds=15) // LOOK_EVERY):
        await feed.run_once()
    told = await seen.next()
    assert (told.name, told.data) == ("here", {}), "scripts never see a comment"


async def test_a_slow_viewer_gets_what_it_missed_as_one(feed: LiveFeed, desk: Desk, crew: Crew, town: Town) -> None:
    viewer = await feed.join(Pass(town.vendor), None)
    made = []
    for number in range(3):
        made.append(await book(desk, town.driver, town.connectors[number], town.slot(starts_in=number * 2 * HOUR)))
        await feed.run_once()
    seen = events_of(viewer)
    await seen.next("ready")
    assert (await seen.next()).data["bookingIds"] == sorted(booking_ref(booking.id) for booking in made)


async def test_without_the_database_viewers_are_told_and_then_look_at_everything(
    feed: LiveFeed, town: Town, database: Database
) -> None:
    seen = events_of(await feed.join(Pass(town.vendor), None))
    async with database.connection() as conn:
        await conn.execute("ALTER TABLE board_change RENAME TO gone")
        await feed.run_once()
        assert (await seen.next("trouble")).name == "trouble"
        await conn.execute("ALTER TABLE gone RENAME TO board_change")
    await feed.run_once()
    assert (await seen.next()).name == "reload"


async def test_a_stream_ends_with_its_session_and_with_its_token(
    desk: Desk, database: Database, town: Town, clock: MovableClock
) -> None:
    wall = [1e9]
    feed = LiveFeed(database, clock, Authenticator(WebSettings(), SIGNER, wall_clock=lambda: wall[0]))
    staff = await make_staff(database, town.vendor, now=clock.read())
    hashed = [token_hash((await staff_cookie(database, staff, now=clock.read()))[SESSION_COOKIE]) for _ in range(2)]
    leaving, staying = [await feed.join(Pass(town.vendor, session_hash=one), None) for one in hashed]
    by_token = await feed.join(Pass(town.vendor, authorization=bearer(role="vendor")["Authorization"]), None)
    async with database.connection() as conn:
        await end_session(conn, hashed[0])
    wall[0] = 1e11
    for _ in range(5):
        await feed.run_once()
    for viewer in (leaving, by_token):
        seen = events_of(viewer)
        await seen.next("ended")
        with pytest.raises(StopAsyncIteration):
            await seen.next()
    assert not staying._is_over


async def test_a_thousand_viewers_cost_one_question_and_hear_it_at_once(feed: LiveFeed, desk: Desk, town: Town) -> None:
    viewers = [await feed.join(Pass(town.vendor), None) for _ in range(1000)]
    readers = [events_of(viewer) for viewer in viewers]
    for reader in readers:
        await reader.next("ready")
    await book(desk, town.driver, town.connectors[0], town.slot())
    async with asyncio.timeout(1):
        await feed.run_once()
        told = [await reader.next("changed") for reader in readers]
    assert len({event.id for event in told}) == 1
    for viewer in viewers[1:]:
        feed.leave(viewer)
    assert len(list(feed.viewers)) == 1


async def test_one_sign_in_and_one_vendor_leave_streams_for_the_others(feed: LiveFeed, desk: Desk, town: Town) -> None:
    greedy, program = Pass(town.vendor, session_hash="0"), Pass(town.vendor, authorization="Bearer one")
    kept = [await feed.join(greedy, None) for _ in range(50)]
    with pytest.raises(Unavailable, match="this sign-in"):
        await feed.join(greedy, None)
    kept += [await feed.join(program, None) for _ in range(1000)]
    with pytest.raises(Unavailable, match="this sign-in"):
        await feed.join(program, None)
    kept += [await feed.join(Pass(town.vendor, session_hash=str(number)), None) for number in range(1, 951)]
    with pytest.raises(Unavailable, match="this vendor"):
        await feed.join(Pass(town.vendor, session_hash="new"), None)
    kept.append(await feed.join(Pass(town.other_vendor, session_hash="theirs"), None))
    feed.leave(kept[0])
    assert await feed.join(greedy, None)


async def test_over_a_socket_it_streams_resumes_and_lets_the_server_stop(desk: Desk, town: Town) -> None:
    headers = bearer(role="vendor", subject="staff")
    async with served(desk) as site, httpx.AsyncClient(base_url=site.url, headers=headers) as client:
        async with client.stream("GET", STREAM) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = Events(answer.aiter_bytes())
            await events.next("ready")
            await book(desk, town.driver, town.connectors[0], town.slot())
            told = await events.next("changed")
        await book(desk, town.driver, town.connectors[1], town.slot(starts_in=3 * HOUR))
        async with client.stream("GET", STREAM, headers={"Last-Event-ID": str(told.id)}) as answer:
            events = Events(answer.aiter_bytes())
            assert len((await events.next("changed")).data["bookingIds"]) >= 1
            refused = await client.get(STREAM, headers=bearer())
            assert refused.status_code == 403
            started = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - started < 3
