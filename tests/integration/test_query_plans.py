"""The statements that are run all day reach their rows by the index that they name, whatever the tables have grown to.

Each statement is run once by the code that it belongs to, listened to, rolled back, and then explained: with the values
it was given, and as the plan without values that PostgreSQL takes for a prepared statement after some runs."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from slotwatch.analytics.alerts import past_alerts
from slotwatch.analytics.no_shows import no_shows_by_station
from slotwatch.bench.seed import Wave, seed
from slotwatch.channels.receipts import Receipt, Reply
from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.notices import USUAL_CHANNELS, Channel, DeliveryState, NoticeKind
from slotwatch.engine.advance import Advancer, AdvanceSettings, next_due
from slotwatch.engine.audit import Auditor
from slotwatch.engine.clean import Cleaner
from slotwatch.engine.digest import Digest
from slotwatch.engine.outages import Heart
from slotwatch.engine.watch import Watch
from slotwatch.outbox.claim import claim
from slotwatch.outbox.keys import delivery_key
from slotwatch.outbox.receipts import ReceiptBook
from slotwatch.outbox.record import record
from slotwatch.outbox.verdict import Verdict
from slotwatch.storage import bookings
from slotwatch.storage.booking_views import BookingFilter, fetch_view, history, list_views, notices_of
from slotwatch.storage.clock import MovableClock
from slotwatch.storage.database import Database, prepare_connection
from slotwatch.storage.embedded import EmbeddedPostgres
from slotwatch.storage.evidence import find_dispute, records_of
from slotwatch.storage.statements import Connection, Statement
from slotwatch.storage.stations import search_stations
from slotwatch.storage.tell import tell_driver
from slotwatch.storage.vital_signs import read_vital_signs
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import BookingSettings, Desk
from slotwatch.usecases.vendor_bookings import Staff
from slotwatch.usecases.vendor_disputes import DisputeFilter, list_disputes
from tests.conftest import NOON
from tests.tidy.tree import SRC, sql_files

BOOKINGS = 20_000
CONNECTORS = 1000
GROWING = {
    *("booking", "transition", "notice", "delivery", "attempt", "receipt", "evidence", "dispute", "ledger"),
    *("inbox_message", "idempotency"),
}
"""Tables that grow with every booking: reading one from end to end is what must not happen."""

LATER = NOON + timedelta(minutes=1)  # the bookings of noon are due, and their confirmations
IN_GRACE = 10_001  # the first booking of noon

# Half of the town's bookings have ended, as no-shows; the others have just been confirmed.
HISTORY = """
    UPDATE booking SET state = 'expired', step = NULL, due_at = NULL, expired_at = expires_at, ended_at = expires_at,
           end_reason = 'no_show_after_grace_period', payment_status = 'forfeited', version = 3
     WHERE id <= 10000;
    INSERT INTO transition (booking_id, version, to_state, cause, actor, at)
    SELECT id, 1, 'confirmed', 'booked', 'driver:1', created_at FROM booking ORDER BY id;
    INSERT INTO transition (booking_id, version, from_state, to_state, cause, actor, at)
    SELECT id, 2, 'confirmed', 'grace', 'time', 'engine', starts_at FROM booking WHERE state = 'expired' ORDER BY id;
    INSERT INTO evidence (booking_id, kind, method, actor, valid, detail, received_at)
    SELECT id, 'check_in_refused', 'app', 'driver:1', false, '{}', starts_at FROM booking WHERE id % 3 = 0 ORDER BY id;
    INSERT INTO ledger (booking_id, entry, debit, credit, amount, currency, at)
    SELECT id, 'captured', 'driver', 'held', amount, currency, created_at FROM booking ORDER BY id;
    INSERT INTO dispute (booking_id, vendor_id, statement, opened_at, decision, decided_at)
    SELECT id, vendor_id, 'I was there.', ended_at, 'uphold', ended_at FROM booking WHERE state = 'expired' ORDER BY id;
    INSERT INTO notice (booking_id, kind, occasion, epoch, valid_until, created_at)
    SELECT id, 'booking_confirmed', '', 0, ends_at, created_at FROM booking ORDER BY id;
    INSERT INTO delivery (notice_id, channel, state, urgency, next_attempt_at, attempts, sent_at)
    SELECT n.id, channel, CASE WHEN n.booking_id > 19500 THEN 'pending' ELSE 'sent' END, 1, n.created_at, 1,
           CASE WHEN n.booking_id > 19500 THEN NULL ELSE n.created_at END
      FROM notice AS n CROSS JOIN unnest(ARRAY['email', 'sms']) AS channel ORDER BY n.id;
    INSERT INTO attempt (notice_id, channel, lease, outcome, provider, at)
    SELECT notice_id, channel, 1, 'accepted', 'inbox', sent_at FROM delivery WHERE state = 'sent' ORDER BY notice_id;
    INSERT INTO idempotency (caller, key, request_hash, created_at)
    SELECT 'driver:' || id, 'key', 'hash', created_at FROM booking ORDER BY id;
    INSERT INTO inbox_message (key, channel, recipient, text, at)
    SELECT notice_id || '-' || channel, channel, 'mira@example.org', 'text', sent_at FROM delivery WHERE state = 'sent';
    INSERT INTO receipt (provider, event_id, channel, message_id, notice_id, status, suppress, matched, at)
    SELECT 'smtp', notice_id || channel, channel, notice_id, notice_id, 'delivered', false, notice_id % 1000 > 0,
           sent_at
      FROM delivery WHERE state = 'sent' ORDER BY sent_at;
    UPDATE delivery SET provider = 'smtp', provider_message_id = notice_id WHERE state = 'sent';
    INSERT INTO alert (vendor_id, kind, subject, detail, raised_at, resolved_at)
    SELECT CASE WHEN n % 3 > 0 THEN 1 END, 'spend_cap', 'day', '{}', '2026-01-01', '2026-01-02'
      FROM generate_series(1, 3000) AS n;
    VACUUM ANALYZE
"""


@pytest.fixture(scope="module")
def grown(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A database with some months behind it."""
    asyncio.run(_admin(server.url, f"CREATE DATABASE grown TEMPLATE {template} STRATEGY file_copy"))
    url = server.url.rsplit("/", 1)[0] + "/grown"
    asyncio.run(_grow(url))
    yield url
    asyncio.run(_admin(server.superuser_url, "DROP DATABASE grown WITH (FORCE)"))


async def _admin(url: str, sql: str) -> None:
    conn = await asyncpg.connect(url)
    await conn.execute(sql)
    await conn.close()


async def _grow(url: str) -> None:
    conn = await asyncpg.connect(url)
    await prepare_connection(conn)
    # Ten rounds of a booking on each connector before noon, ten from noon on.
    await seed(conn, Wave(BOOKINGS, CONNECTORS, NOON - timedelta(hours=10)))
    for statement in HISTORY.split(";"):
        await conn.execute(statement)
    await conn.close()


@dataclass(frozen=True)
class Seen:
    """One statement as it was run."""

    sql: str
    arguments: tuple[Any, ...]


class _OneConnection(Database):
    """A database that gives out the one connection that is listened to."""

    def __init__(self, conn: Connection) -> None:
        super().__init__(None, "")
        self._conn = conn

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        yield self._conn


Play = Callable[[Connection], Awaitable[object]]
CLOCK = MovableClock(LATER)
KEY = delivery_key(7, NOON, Channel.EMAIL)
REPORT = Receipt(provider="smtp", channel="email", message_id="7", status="delivered", event_id="new", key=KEY)

REPLY = Reply(provider="smtp", channel="email", address="mira@example.org", wants="start", event_id="new")


def _desk(conn: Connection) -> Desk:
    return Desk(_OneConnection(conn), CLOCK, BookingSettings(), USUAL_CHANNELS, lambda due_at: None)


async def _check_in(conn: Connection) -> None:
    driver_id = await conn.fetchval("SELECT driver_id FROM booking WHERE id = $1", IN_GRACE)
    await check_in(_desk(conn), driver_id, IN_GRACE, CheckInAttempt(CheckInMethod.APP))


async def _claim_and_record(conn: Connection) -> None:
    batch = await claim(conn, CLOCK, Channel.EMAIL, limit=32, lease_for=timedelta(seconds=30))
    assert len(batch) == 32
    await record(
        conn, Channel.EMAIL, "inbox", [(each, Verdict(DeliveryState.SENT, tried="x")) for each in batch], LATER
    )


async def _read_records(conn: Connection) -> None:
    await records_of(conn, IN_GRACE, NOON, LATER)


async def _look_at_bookings(conn: Connection) -> None:
    await fetch_view(conn, IN_GRACE, 1, now=LATER)
    await list_views(conn, 1, BookingFilter(), limit=50, now=LATER)


# One way to run each .sql file of the parts that run all day. A new file needs a line here.
PLAYS: dict[str, Play] = {
    "engine/advance_due.sql": lambda conn: Advancer(AdvanceSettings(), sorted(USUAL_CHANNELS), CLOCK).run_once(conn),
    "engine/audit.sql": lambda conn: Auditor(sorted(USUAL_CHANNELS), CLOCK).run_once(conn),
    "engine/beat.sql": lambda conn: Heart("engine", _OneConnection(conn), CLOCK).beat(conn),
    "engine/clean.sql": lambda conn: Cleaner(CLOCK).run_once(conn),
    "engine/digest.sql": lambda conn: Digest(
        _OneConnection(conn), CLOCK, [Channel.EMAIL], no_shows_by_station
    ).run_once(NOON),
    "outbox/apply_receipts.sql": lambda conn: ReceiptBook(_OneConnection(conn), CLOCK, sorted(USUAL_CHANNELS)).apply(
        conn, [REPORT], waiting=100
    ),
    "outbox/claim_deliveries.sql": _claim_and_record,
    "outbox/enter_reply.sql": lambda conn: ReceiptBook(_OneConnection(conn), CLOCK, USUAL_CHANNELS).enter([REPLY]),
    "outbox/record_outcomes.sql": _claim_and_record,
    "storage/booking_view.sql": _look_at_bookings,
    "storage/booking_views.sql": _look_at_bookings,
    "storage/record_move.sql": _check_in,
    "storage/station_search.sql": lambda conn: search_stations(
        conn, near=None, connector_type=None, limit=50, after=None
    ),
    "storage/tell.sql": lambda conn: tell_driver(
        conn, NoticeKind.DISPUTE_UPHELD, IN_GRACE, facts={}, channels=USUAL_CHANNELS, now=LATER
    ),
    "storage/vital_signs.sql": lambda conn: read_vital_signs(conn, now=LATER),
    **{
        path.relative_to(SRC).as_posix(): lambda conn: Watch(_OneConnection(conn), USUAL_CHANNELS, CLOCK).run_once(
            LATER
        )
        for path in (SRC / "engine" / "alerts").glob("*.sql")
    },
}

# Their index is named here, since a constant in a module has no header.
CONSTANTS: dict[str, tuple[Play, str, str]] = {
    "next_due": (next_due, "SELECT due_at FROM booking", "booking_due_idx"),
    "check-in attempt": (_check_in, "INSERT INTO evidence", "booking_pkey"),
    "load": (lambda conn: bookings.load(conn, IN_GRACE, 1), "FROM booking WHERE id", "booking_pkey"),
    "notices of a booking": (
        lambda conn: notices_of(conn, IN_GRACE),
        "FROM notice AS n",
        "notice_booking_id_kind_occasion_epoch_key",
    ),
    "moves of a booking": (lambda conn: history(conn, IN_GRACE), "FROM transition", "transition_pkey"),
    "check-ins of a booking": (_read_records, "FROM evidence", "evidence_booking_id_idx"),
    "tries of a booking": (_read_records, "FROM attempt", "attempt_pkey"),
    "receipts of a booking": (_read_records, "FROM receipt", "receipt_notice_idx"),
    "money of a booking": (_read_records, "FROM ledger", "ledger_booking_id_entry_key"),
    "a vendor's past alerts": (
        lambda conn: past_alerts(conn, 1, limit=50),
        "a.resolved_at IS NOT NULL",
        "alert_past_idx",
    ),
    "the house's past alerts": (
        lambda conn: past_alerts(conn, None, limit=50, before=2000),
        "a.resolved_at IS NOT NULL",
        "alert_past_idx",
    ),
    "a vendor's own dispute": (
        lambda conn: find_dispute(conn, IN_GRACE - 1, 1),
        "FROM dispute",
        "dispute_pkey",
    ),
    "list_disputes": (
        lambda conn: list_disputes(_desk(conn), Staff(1, "ada"), DisputeFilter()),
        "FROM dispute AS d",
        "dispute_vendor_idx",
    ),
    "count_live": (lambda conn: bookings.count_live(conn, 1, LATER), "count(*) FROM booking", "booking_driver_idx"),
}

MAY_READ_ALL = {
    "engine/audit.sql": {"booking"},  # it compares the whole, that is what it is for; once a minute, one worker of all
    "engine/clean.sql": {"inbox_message"},  # a week of the local inbox, which takes the place of providers; every 5 min
}


NOT_FOR_READING = {
    "engine/clean.sql": {"notice_own_idx"},  # the town told its staff nothing: the other index on them does as well
    "engine/audit.sql": {"notice_booking_id_key"},  # a short name for the unique key of notices
    "engine/alerts/house_outage.sql": {"outage_ended_idx"},  # the town had no outage and spent nothing
    "engine/alerts/vendor_outage.sql": {"outage_ended_idx"},
    "engine/alerts/spend_cap.sql": {"spend_pkey"},
    "engine/alerts/code_cap.sql": {"sign_in_code_ends_idx"},  # and asked for no code
    "storage/station_search.sql": {"station_pkey"},  # it works out the distance of every station
}


def _hot_files() -> list[str]:
    names = [path.relative_to(SRC).as_posix() for path in sql_files()]
    return [name for name in names if name.split("/")[0] in ("engine", "outbox", "storage")]


def named_indexes(path: Path) -> set[str]:
    """The indexes that the header of a statement says it relies on."""
    header = re.split(r"\n(?!--)", path.read_text(encoding="utf-8"), maxsplit=1)[0]
    line = re.search(r"^-- index: (.*(?:\n--   .*)*)", header, re.MULTILINE)
    return set(re.findall(r"\b[a-z_]+_(?:idx|pkey|key|excl)\b", line[1])) if line else set()


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def used_indexes(plan: dict[str, Any]) -> set[str]:
    """Every index that the plan reads, also to see whether a row is there already."""
    read = {node["Index Name"] for node in _nodes(plan) if "Index Name" in node}
    return read.union(*(node.get("Conflict Arbiter Indexes", ()) for node in _nodes(plan)))


def tables_read_whole(plan: dict[str, Any]) -> set[str]:
    """Every growing table that the plan reads from end to end."""
    scanned = {node["Relation Name"] for node in _nodes(plan) if node["Node Type"] == "Seq Scan"}
    return scanned & GROWING


async def _played(conn: Connection, play: Play) -> list[Seen]:
    """What the play runs; nothing of it stays."""
    seen: list[Seen] = []

    def listen(logged: Any) -> None:
        seen.append(Seen(logged.query, tuple(logged.args)))

    async with conn.transaction():
        transaction = conn.transaction()
        await transaction.start()
        conn.add_query_logger(listen)
        await play(conn)
        conn.remove_query_logger(listen)
        await transaction.rollback()
    return seen


async def _plans(conn: Connection, seen: Seen) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    found = await conn.fetchval("EXPLAIN (FORMAT JSON) " + seen.sql, *seen.arguments)
    yield "with its values", json.loads(found)[0]["Plan"]
    if conn.get_server_version().major >= 16:
        found = await conn.fetchval("EXPLAIN (FORMAT JSON, GENERIC_PLAN) " + seen.sql, *seen.arguments)
        yield "prepared", json.loads(found)[0]["Plan"]


@pytest.fixture
async def conn(grown: str) -> AsyncIterator[Connection]:
    """A connection as the product opens it."""
    conn = await asyncpg.connect(grown, server_settings={"jit": "off"})
    await prepare_connection(conn)
    yield conn
    await conn.close()


@pytest.mark.parametrize("name", _hot_files())
async def test_a_statement_uses_the_indexes_of_its_header_and_reads_no_growing_table_whole(
    name: str, conn: Connection
) -> None:
    assert name in PLAYS, "a new .sql file needs a way to be run here, so that its plan is looked at"
    first_words = Statement((SRC / name).read_text(encoding="utf-8")).text.split()[:11]
    seen = [each for each in await _played(conn, PLAYS[name]) if each.sql.split()[:11] == first_words]
    assert seen, "the statement was not run"
    used: set[str] = set()
    for each in seen:
        async for kind, plan in _plans(conn, each):
            assert tables_read_whole(plan) <= MAY_READ_ALL.get(name, set()), kind
            used |= used_indexes(plan)
    assert named_indexes(SRC / name) - NOT_FOR_READING.get(name, set()) <= used


@pytest.mark.parametrize("name", CONSTANTS)
async def test_a_constant_statement_uses_its_index(name: str, conn: Connection) -> None:
    play, words, index = CONSTANTS[name]
    seen = [each for each in await _played(conn, play) if words in each.sql]
    assert seen, "the statement was not run"
    async for kind, plan in _plans(conn, seen[0]):
        assert index in used_indexes(plan), kind
        assert not tables_read_whole(plan), kind


async def test_a_whole_read_of_a_growing_table_is_found(conn: Connection) -> None:
    async for _, plan in _plans(conn, Seen("SELECT sum(amount) FROM booking WHERE vehicle IS NULL", ())):
        assert tables_read_whole(plan) == {"booking"}
        assert not used_indexes(plan)


MANY_VENDORS = 1000


async def test_a_claim_walks_from_vendor_to_vendor_and_never_over_what_one_of_them_has_waiting(
    conn: Connection,
) -> None:
    """Counted in index entries, which do not depend on how busy the machine is."""
    transaction = conn.transaction()
    await transaction.start()
    await conn.execute(
        "INSERT INTO delivery (notice_id, channel, state, urgency, vendor_id, next_attempt_at)"
        " SELECT 1000000 + n, 'voice', 'pending', 1, 1 + n % $1::int,"
        " $2::timestamptz + CASE WHEN n % $1 = 7 THEN 1 ELSE -1 END * interval '1 hour'"
        " FROM generate_series(1, 10 * $1) AS n",
        *(MANY_VENDORS, LATER),
    )
    await conn.execute(
        "INSERT INTO delivery (notice_id, channel, state, urgency, vendor_id, next_attempt_at)"
        " SELECT 2000000 + n, 'voice', 'pending', 1, 8, $1::timestamptz + interval '1 hour'"
        " FROM generate_series(1, 20000) AS n",
        LATER,
    )
    await conn.execute("ANALYZE delivery")
    seen = await _played(
        conn,
        lambda conn: claim(conn, CLOCK, Channel.VOICE, limit=32, lease_for=timedelta(seconds=30), last=3),
    )
    found = await conn.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) " + seen[0].sql, *seen[0].arguments)
    plan = json.loads(found)[0]["Plan"]
    reads = [node for node in _nodes(plan) if node.get("Index Name") == "delivery_claim_idx"]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in reads) <= 4 * 32 + 10
    assert sum(node.get("Rows Removed by Filter", 0) * node["Actual Loops"] for node in reads) == 0
    assert not tables_read_whole(plan)
    await transaction.rollback()
