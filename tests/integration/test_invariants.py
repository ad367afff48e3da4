"""Each invariant is shown able to fail: a fault is planted in a healthy database, and exactly that one is reported."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from slotwatch.analytics.invariants import broken, invariants
from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.notices import NOTICE_RULES, USUAL_CHANNELS
from slotwatch.engine.advance import Advancer, AdvanceSettings
from slotwatch.engine.clean import Cleaner
from slotwatch.engine.outages import Heart
from slotwatch.outbox.sender import Sender
from slotwatch.outbox.settings import SenderSettings
from slotwatch.simulation.provider import ScriptedProvider
from slotwatch.storage.clock import MovableClock
from slotwatch.usecases.book import book
from slotwatch.usecases.cancel import cancel
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import BookingSettings, Desk
from slotwatch.usecases.pay import pay
from tests.conftest import NOON, Town

APP = CheckInAttempt(CheckInMethod.APP)

# One booking in each of these states, each with a history of its own; see _live_a_little.
PLANTS: dict[str, list[str]] = {
    "state_follows_history": [
        "DELETE FROM transition WHERE booking_id = {cancelled} AND version = 2",
        "UPDATE transition SET version = 2 WHERE booking_id = {cancelled} AND version = 3",
        "DELETE FROM notice WHERE booking_id = {cancelled} AND kind = 'booking_confirmed'",
        "DELETE FROM delivery WHERE NOT EXISTS (SELECT FROM notice WHERE id = notice_id)",
        "DELETE FROM attempt WHERE NOT EXISTS (SELECT FROM notice WHERE id = notice_id)",
    ],
    "moves_are_allowed": [
        "ALTER TABLE transition DROP CONSTRAINT transition_from_state_to_state_fkey",
        "INSERT INTO transition SELECT booking_id, 4, 'cancelled', 'voided', 'corrected', 'x', NULL, NULL, at"
        " FROM transition WHERE booking_id = {cancelled} AND version = 3",
        "UPDATE booking SET state = 'voided', version = 4, payment_status = 'refunded' WHERE id = {cancelled}",
        "UPDATE ledger SET amount = (SELECT amount FROM booking WHERE id = {cancelled})"
        " WHERE booking_id = {cancelled} AND entry = 'refunded'",
        "DELETE FROM ledger WHERE booking_id = {cancelled} AND entry = 'kept'",
    ],
    "no_state_twice": [
        "UPDATE transition SET version = version + 1 WHERE booking_id = {active} AND version = 4",
        "INSERT INTO transition SELECT booking_id, 4, 'grace', 'grace', 'again', actor, reason, due_at, at"
        " FROM transition WHERE booking_id = {active} AND version = 3",
        "UPDATE booking SET version = 5 WHERE id = {active}",
    ],
    "slots_do_not_overlap": [
        "ALTER TABLE booking DROP CONSTRAINT booking_slot_excl",
        "UPDATE booking SET connector_id = (SELECT connector_id FROM booking WHERE id = {grace}) WHERE id = {active}",
    ],
    "never_early": [
        "UPDATE transition SET due_at = at + interval '1 millisecond' WHERE booking_id = {grace} AND to_state = 'grace'"
    ],
    "no_no_show_with_proof": [
        "INSERT INTO evidence (booking_id, kind, method, actor, valid, detail, received_at)"
        " SELECT id, 'check_in', 'app', 'x', true, '{{}}', grace_ends_at FROM booking WHERE id = {expired}"
    ],
    "no_no_show_in_outage": [
        "INSERT INTO outage (component, began_at, ended_at, detail)"
        " SELECT 'engine', starts_at, starts_at + interval '2 minutes', 'x' FROM booking WHERE id = {expired}"
    ],
    "no_no_show_untold": [
        "UPDATE delivery SET state = 'failed' FROM notice AS n"
        " WHERE n.id = notice_id AND n.booking_id = {expired} AND n.kind = 'slot_started'"
    ],
    "forfeits_wait": [
        "UPDATE ledger SET at = at - interval '1 day' WHERE booking_id = {forfeited} AND entry = 'forfeited'"
    ],
    "checked_in_means_proof": ["DELETE FROM evidence WHERE booking_id = {active}"],
    "live_means_one_timer": ["UPDATE booking SET due_at = due_at + interval '1 hour' WHERE id = {active}"],
    "nothing_is_overdue": [
        "UPDATE booking SET hold_ends_at = created_at, due_at = created_at WHERE id = {pending}",
    ],
    "moves_are_told": [
        "DELETE FROM attempt USING notice AS n WHERE n.id = notice_id AND n.booking_id = {active}"
        " AND n.kind = 'checked_in'",
        "DELETE FROM delivery USING notice AS n WHERE n.id = notice_id AND n.booking_id = {active}"
        " AND n.kind = 'checked_in'",
        "DELETE FROM notice WHERE booking_id = {active} AND kind = 'checked_in'",
    ],
    "notices_go_out": [
        "DELETE FROM attempt USING notice AS n WHERE n.id = notice_id AND n.booking_id = {active}"
        " AND n.kind = 'checked_in'",
        "DELETE FROM delivery USING notice AS n WHERE n.id = notice_id AND n.booking_id = {active}"
        " AND n.kind = 'checked_in'",
    ],
    "deliveries_end": [
        "DELETE FROM attempt USING notice AS n WHERE n.id = notice_id AND n.booking_id = {expired}"
        " AND n.kind = 'reminder'",
        "UPDATE delivery SET state = 'pending', sent_at = NULL FROM notice AS n"
        " WHERE n.id = notice_id AND n.booking_id = {expired} AND n.kind = 'reminder'",
    ],
    "accepted_once": [
        "UPDATE delivery SET lease = 3",
        "UPDATE attempt SET lease = 3",
        "INSERT INTO attempt SELECT notice_id, channel, again, outcome, provider, provider_message_id, error, at"
        " FROM (SELECT * FROM attempt LIMIT 1) AS a CROSS JOIN generate_series(1, 2) AS again",
    ],
    "nothing_sent_is_stale": [
        "UPDATE attempt SET at = b.grace_ends_at + interval '31 seconds' FROM notice AS n"
        " JOIN booking AS b ON b.id = n.booking_id"
        " WHERE n.id = notice_id AND n.booking_id = {expired} AND n.kind = 'slot_started'"
    ],
    "leases_grow": ["UPDATE delivery SET lease = lease + 1 WHERE state = 'sent' AND channel = 'sms'"],
    "money_is_conserved": [
        # vendor and forfeit end where they should, but the forfeit account was overdrawn on the way
        "UPDATE ledger SET id = id + 1000 WHERE booking_id = {forfeited} AND entry = 'forfeit_held'"
    ],
    "money_follows_state": [
        "DELETE FROM ledger WHERE booking_id = {forfeited} AND entry = 'forfeited'",
    ],
    "refunds_have_a_reason": [
        "UPDATE ledger SET amount = amount + 1 WHERE booking_id = {cancelled} AND entry = 'refunded'",
        "UPDATE ledger SET amount = amount - 1 WHERE booking_id = {cancelled} AND entry = 'kept'",
    ],
    "idempotency_keys_are_single": [
        "ALTER TABLE idempotency DROP CONSTRAINT idempotency_pkey",
        "INSERT INTO idempotency SELECT 'x', 'k', 'h', 200, '{{}}', created_at FROM booking LIMIT 2",
    ],
    "time_never_falls": [
        "UPDATE transition SET at = at + interval '1 millisecond' WHERE booking_id = {active} AND version = 1",
    ],
    "instants_are_in_order": [
        "UPDATE booking SET expires_at = expires_at + interval '1 second' WHERE id = {active}",
    ],
    "nothing_is_orphaned": [
        "INSERT INTO evidence (booking_id, kind, method, actor, valid, detail, received_at)"
        " SELECT 1, 'check_in', 'app', 'x', true, '{{}}', created_at FROM booking LIMIT 1"
    ],
}


@dataclass(frozen=True)
class Street:
    """A healthy database, and the one booking that is in each state."""

    desk: Desk
    clock: MovableClock
    bookings: dict[str, int]


@pytest.fixture
async def street(desk: Desk, town: Town, clock: MovableClock) -> Street:
    """Bookings in every state that matters here, brought there by use cases, engine and senders."""
    desk = replace(desk, settings=BookingSettings(payments="local", max_live_bookings=20))
    bookings = await _live_a_little(desk, town, clock)
    return Street(desk, clock, bookings)


async def _live_a_little(desk: Desk, town: Town, clock: MovableClock) -> dict[str, int]:
    hour = timedelta(hours=1)
    plan = {"forfeited": (0, 1), "expired": (1, 30), "active": (2, 32), "grace": (3, 32), "cancelled": (0, 36)}
    bookings = {}
    for name, (connector, hours) in plan.items():
        booking = await book(desk, town.driver, town.connectors[connector], town.slot(starts_in=hours * hour))
        await pay(desk, town.driver.id, booking.id)
        bookings[name] = booking.id
    for minutes in (0, 60, 75, 85, 91, 1900):
        await _run_until(desk, clock, timedelta(minutes=minutes))
    await cancel(desk, town.driver.id, bookings["cancelled"])
    await _run_until(desk, clock, timedelta(hours=32))
    await check_in(desk, town.driver.id, bookings["active"], APP)
    pending = await book(desk, town.driver, town.connectors[0], town.slot(starts_in=50 * hour))
    await _run_until(desk, clock, timedelta(hours=32, minutes=5))
    return {**bookings, "pending": pending.id}


async def _run_until(desk: Desk, clock: MovableClock, since_noon: timedelta) -> None:
    """Everything that is due until then, in the order of the minutes, with hearts that never stop."""
    goal = max(NOON + since_noon, clock.read())
    advancer = Advancer(AdvanceSettings(), sorted(USUAL_CHANNELS), clock)
    senders = [
        Sender(
            ScriptedProvider(channel.value),
            desk.database,
            clock,
            SenderSettings(),
            enabled=sorted(USUAL_CHANNELS),
            frontend_url="http://x",
        )
        for channel in sorted(USUAL_CHANNELS)
    ]
    hearts = [Heart("engine", desk.database, clock), Heart("api", desk.database, clock)]
    while True:
        async with desk.database.connection() as conn:
            await conn.execute("UPDATE pulse SET beat_at = $1", clock.read())  # they beat all the while
            for heart in hearts:
                await heart.beat(conn)
            while (await advancer.run_once(conn)).moved:
                pass
            async with conn.transaction():
                await Cleaner(clock).run_once(conn)
        for sender in senders:
            while (await sender.run_once()).claimed:
                pass
        if clock.read() >= goal:
            return
        async with desk.database.connection() as conn:
            due = await conn.fetchval("SELECT min(due_at) FROM booking")
        clock.move_to(min(goal, due))


async def test_a_healthy_street_breaks_nothing(street: Street) -> None:
    async with street.desk.database.connection() as conn:
        states = {row["id"]: row["state"] for row in await conn.fetch("SELECT id, state FROM booking")}
        assert {states[booking] for name, booking in street.bookings.items() if name != "forfeited"} == {
            *("expired", "active", "grace", "cancelled", "pending")
        }
        assert await broken(conn, street.clock.read(), latest=timedelta(0)) == []


@pytest.mark.parametrize("name", sorted(PLANTS))
async def test_a_planted_fault_is_found_and_nothing_else(name: str, street: Street) -> None:
    async with street.desk.database.connection() as conn:
        for table in ("transition", "evidence", "ledger"):
            await conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER {table}_append_only")
        for statement in PLANTS[name]:
            assert not (await conn.execute(statement.format(**street.bookings))).endswith(" 0")
        found = await broken(conn, street.clock.read())
    assert [claim.name for claim in found] == [name], found
    assert found[0].count >= 1
    assert found[0].examples


async def test_lateness_is_a_fault_only_where_it_is_asked_for(street: Street) -> None:
    async with street.desk.database.connection() as conn:
        await conn.execute("ALTER TABLE transition DISABLE TRIGGER transition_append_only")
        await conn.execute(
            "UPDATE transition SET due_at = at - interval '2 seconds' WHERE booking_id = $1 AND to_state = 'grace'",
            street.bookings["grace"],
        )
        assert await broken(conn, street.clock.read()) == []
        found = await broken(conn, street.clock.read(), latest=timedelta(seconds=1))
    assert [claim.name for claim in found] == ["never_late"]


def test_every_invariant_is_shown_able_to_fail() -> None:
    assert {invariant.name for invariant in invariants()} == {*PLANTS, "never_late"}


def test_the_invariants_know_every_kind_of_notice() -> None:
    queries = {invariant.name: invariant.query.text for invariant in invariants()}
    for kind in [kind for kind, rule in NOTICE_RULES.items() if rule.is_about_booking]:
        assert f"'{kind}'" in queries["nothing_sent_is_stale"], "say in which states it is true"
        assert f"'{kind}'" in queries["moves_are_told"], "say which move promises it"
