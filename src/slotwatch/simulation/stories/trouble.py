"""Stories of trouble: channels that fail, outages of our own, check-ins that are processed late, clocks that change."""

from datetime import UTC, datetime, timedelta

from slotwatch.channels import Failed, Message, Outcome, Refused
from slotwatch.domain.lifecycle import EndReason, State
from slotwatch.domain.money import PaymentStatus
from slotwatch.simulation.provider import always_accept
from slotwatch.simulation.stage import HOUR, Stage
from slotwatch.simulation.stories.drivers import APP, SIX
from slotwatch.storage.statements import Statement
from slotwatch.usecases.check_in import check_in

__all__ = ["AUTUMN", "SPRING", "STORIES"]

MINUTE = timedelta(minutes=1)
SPRING = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
"""01:30 in Berlin; at 02:00 the clocks go forward to 03:00."""
AUTUMN = datetime(2026, 10, 25, 0, 15, tzinfo=UTC)
"""02:15 in Berlin, the first time; at 03:00 the clocks go back to 02:00."""

_LOSE_NOTICE = Statement(
    "WITH lost AS (DELETE FROM notice WHERE booking_id = :booking_id AND kind = 'slot_started' RETURNING id),"
    " unsent AS (DELETE FROM delivery USING lost WHERE notice_id = lost.id RETURNING notice_id)"
    " DELETE FROM attempt USING lost WHERE notice_id = lost.id"
)
_STORE_ATTEMPT = Statement(
    "INSERT INTO evidence (booking_id, kind, method, actor, valid, detail, received_at)"
    " VALUES (:booking_id, 'check_in', 'app', :actor, true, '{}', :now)"
)


def refuse(message: Message, tries: int) -> Outcome:
    """A provider that does not know the address."""
    return Refused("550 no such mailbox")


def fail(message: Message, tries: int) -> Outcome:
    """A provider that is down."""
    return Failed("503 service unavailable")


async def fallback(stage: Stage) -> None:
    """When e-mail fails for good, what would only have gone by e-mail goes by SMS"""
    stage.email.script = refuse
    booking = await stage.books(stage.mira, SIX)
    await stage.until(SIX + 10 * MINUTE)
    both = {"email": "failed", "sms": "sent"}
    stage.expect_equal("the reminder fell back", await stage.deliveries(booking.id, "reminder"), both)
    stage.expect_equal("the start was told by SMS", await stage.deliveries(booking.id, "slot_started"), both)
    await stage.does("Mira", "checks in", check_in(stage.desk, stage.mira.id, booking.id, APP))
    stage.expect_equal("so was the check-in", await stage.deliveries(booking.id, "checked_in"), both)


async def provider_down(stage: Stage) -> None:
    """When SMS is down for some minutes, what is still true then arrives late, and what is stale does not arrive"""
    booking = await stage.books(stage.mira, SIX)
    await _sms_down(stage, SIX - MINUTE, SIX + 2 * MINUTE)
    stage.expect_equal(
        "until then only e-mail told the start",
        await stage.deliveries(booking.id, "slot_started"),
        {"email": "sent", "sms": "pending"},
    )
    await stage.until(SIX + 10 * MINUTE)
    told = await stage.deliveries(booking.id, "slot_started")
    stage.expect_equal("after it, SMS told it, too", told, {"email": "sent", "sms": "sent"})
    await _sms_down(stage, SIX + 14 * MINUTE, SIX + 18 * MINUTE)
    await stage.does("Mira", "checks in", check_in(stage.desk, stage.mira.id, booking.id, APP))
    await stage.until(SIX + 45 * MINUTE)
    half = await stage.deliveries(booking.id, "grace_alert", "half")
    stage.expect_equal("e-mail stepped in; by SMS it was stale", half, {"sms": "suppressed", "email": "sent"})


async def _sms_down(stage: Stage, since: datetime, until: datetime) -> None:
    await stage.until(since)
    stage.say("SMS", "the provider goes down")
    stage.sms.script = fail
    await stage.until(until)
    stage.say("SMS", "the provider is back")
    stage.sms.script = always_accept


async def nobody_told(stage: Stage) -> None:
    """Who could not be told that the slot began is no no-show: the booking is voided and paid back"""
    booking = await stage.books(stage.mira, SIX)
    stage.email.script = stage.sms.script = refuse
    await stage.until(SIX + 31 * MINUTE)
    booking = await stage.booking(booking.id)
    ended = (booking.state, booking.end_reason, booking.payment_status)
    stage.expect_equal("it is voided", ended, (State.VOIDED, EndReason.NOT_TOLD, PaymentStatus.REFUNDED))
    stage.expect_equal("all of it", await stage.ledger(booking.id), {"captured": 1250, "refunded": 1250})


async def outage_in_grace(stage: Stage) -> None:
    """An outage of ours during grace is given back: the driver is told, and can check in that much longer"""
    booking = await stage.books(stage.mira, SIX)
    await stage.until(SIX + 8 * MINUTE)
    await stage.down_until(SIX + 28 * MINUTE)
    await stage.until(SIX + 31 * MINUTE)
    booking = await stage.booking(booking.id)
    stage.expect_equal("grace still runs", booking.state, State.GRACE)
    longer = booking.timeline.grace_ends_at - SIX - 30 * MINUTE
    stage.expect("it is longer by the outage", 19 * MINUTE <= longer <= 21 * MINUTE, longer)
    told = await stage.deliveries(booking.id, "grace_extended")
    stage.expect_equal("both channels told it", told, {"email": "sent", "sms": "sent"})
    await stage.until(SIX + 48 * MINUTE)
    await stage.does("Mira", "checks in", check_in(stage.desk, stage.mira.id, booking.id, APP))
    stage.expect_equal("the slot is hers", (await stage.booking(booking.id)).state, State.ACTIVE)


async def outage_then_no_show(stage: Stage) -> None:
    """Who does not come in the extended grace, either, is a no-show: once, and only then"""
    booking = await stage.books(stage.mira, SIX)
    await stage.until(SIX + 8 * MINUTE)
    await stage.down_until(SIX + 28 * MINUTE)
    await stage.until(SIX + 52 * MINUTE)
    booking = await stage.booking(booking.id)
    stage.expect_equal("it expired", (booking.state, booking.epoch), (State.EXPIRED, 1))
    stage.expect("after the extension", booking.expired_at is not None and booking.expired_at > SIX + 49 * MINUTE)


async def outage_over_start(stage: Stage) -> None:
    """An outage from before the start until after grace: the driver is told, and has the whole grace from then on"""
    booking = await stage.books(stage.mira, SIX, length=3 * HOUR)
    await stage.until(SIX - 10 * MINUTE)
    await stage.down_until(SIX + 40 * MINUTE)
    booking = await stage.booking(booking.id)
    stage.expect_equal("grace runs", booking.state, State.GRACE)
    stage.expect_equal("for 30 minutes from now", booking.grace_time_remaining(stage.now), 30 * MINUTE)
    await stage.until(SIX + 69 * MINUTE)
    code = await stage.does("Mira", "checks in", check_in(stage.desk, stage.mira.id, booking.id, APP))
    stage.expect_equal("the slot is hers", code, None)


async def outage_to_the_end(stage: Stage) -> None:
    """An outage until after the slot's end: nobody could use it, so it is voided and paid back"""
    booking = await stage.books(stage.mira, SIX)
    await stage.until(SIX + 5 * MINUTE)
    await stage.down_until(SIX + 70 * MINUTE)
    booking = await stage.booking(booking.id)
    ended = (booking.state, booking.end_reason, booking.payment_status)
    stage.expect_equal("it is voided", ended, (State.VOIDED, EndReason.OUTAGE, PaymentStatus.REFUNDED))
    told = await stage.deliveries(booking.id, "slot_voided")
    stage.expect_equal("both channels told it", told, {"email": "sent", "sms": "sent"})


async def process_died(stage: Stage) -> None:
    """A check-in that was received in time counts, though the process that received it died at once"""
    booking = await stage.books(stage.mira, SIX)
    await stage.until(SIX + 29 * MINUTE)
    async with stage.database.connection() as conn:  # the first half of check_in: evidence before the decision
        await _STORE_ATTEMPT.execute(conn, booking_id=booking.id, actor=f"driver:{stage.mira.id}", now=stage.now)
    stage.say("Mira", "checks in; the process stores that, and dies before it decides")
    await stage.until(SIX + 31 * MINUTE)
    booking = await stage.booking(booking.id)
    stage.expect_equal("the engine found it", booking.state, State.ACTIVE)
    stage.expect_equal("as of when it was received", booking.checked_in_at, SIX + 29 * MINUTE)


async def processed_late(stage: Stage) -> None:
    """A check-in received in time and processed after the slot was released undoes the no-show and is paid back"""
    booking = await stage.books(stage.mira, SIX)
    await stage.until(SIX + 31 * MINUTE)
    stage.expect_equal("it expired", (await stage.booking(booking.id)).state, State.EXPIRED)
    late = stage.desk_at(SIX + 30 * MINUTE - timedelta(milliseconds=100))
    said = "checked in at 18:29:59.9, and only now is it processed"
    code = await stage.does("Mira", said, check_in(late, stage.mira.id, booking.id, APP))
    await stage.until(SIX + 32 * MINUTE)
    booking = await stage.booking(booking.id)
    ended = (code, booking.state, booking.end_reason)
    stage.expect_equal("the no-show is undone", ended, (None, State.REINSTATED, EndReason.PROVEN))
    stage.expect_equal("it is paid back", (await stage.ledger(booking.id)).get("refunded"), 1250)


async def lost_notice(stage: Stage) -> None:
    """The audit finds a start notice that was never written, and writes it while it is still worth it"""
    booking = await stage.books(stage.mira, SIX)
    await stage.until(SIX + timedelta(seconds=10))
    async with stage.database.connection() as conn:
        await _LOSE_NOTICE.execute(conn, booking_id=booking.id)
    stage.say("somebody", "deletes the start notice by hand")
    await stage.until(SIX + MINUTE)
    told = await stage.deliveries(booking.id, "slot_started")
    stage.expect_equal("it is there again, and went out", told, {"email": "sent", "sms": "sent"})


async def spring_forward(stage: Stage) -> None:
    """A slot over the hour that clocks skip in spring lasts as long as was booked; grace is 30 real minutes"""
    booking = await stage.books(stage.mira, SPRING, length=2 * HOUR)
    await stage.until(SPRING + 29 * MINUTE)
    stage.expect_equal("29 minutes in, grace runs", (await stage.booking(booking.id)).state, State.GRACE)
    stage.expect("the deadline is told in the time that holds then", _was_told(stage, "03:00 CEST"))
    await stage.does("Mira", "checks in", check_in(stage.desk, stage.mira.id, booking.id, APP))
    await stage.until(SPRING + 2 * HOUR - timedelta(seconds=1))
    stage.expect_equal("a second before two hours it is active", (await stage.booking(booking.id)).state, State.ACTIVE)
    await stage.until(SPRING + 2 * HOUR)
    stage.expect_equal("after two real hours it ends", (await stage.booking(booking.id)).state, State.COMPLETED)


async def autumn_back(stage: Stage) -> None:
    """In the hour that comes twice in autumn, the first pass and the second are told apart, in slots and in words"""
    first = await stage.books(stage.mira, AUTUMN)
    second = await stage.books(stage.otto, AUTUMN + HOUR)  # 02:15 again, on the same connector
    await stage.until(AUTUMN + MINUTE)
    states = ((await stage.booking(first.id)).state, (await stage.booking(second.id)).state)
    stage.expect_equal("only the first has begun", states, (State.GRACE, State.CONFIRMED))
    await stage.until(AUTUMN + HOUR + MINUTE)
    states = ((await stage.booking(first.id)).state, (await stage.booking(second.id)).state)
    stage.expect_equal("an hour later, the second", states, (State.EXPIRED, State.GRACE))
    told = _was_told(stage, "02:45 CEST") and _was_told(stage, "02:45 CET")
    stage.expect("both deadlines name their zone", told)


def _was_told(stage: Stage, words: str) -> bool:
    return any(words in line.what for line in stage.lines if line.who in ("e-mail", "SMS"))


STORIES = (
    fallback,
    provider_down,
    nobody_told,
    outage_in_grace,
    outage_then_no_show,
    outage_over_start,
    outage_to_the_end,
    process_died,
    processed_late,
    lost_notice,
    spring_forward,
    autumn_back,
)
