"""Stories of drivers: who come, who come early, who come late, who never come, who cancel, leave or do not pay."""

from datetime import UTC, datetime, timedelta
from functools import partial

from slotwatch.domain.booking import Booking, CheckInMethod
from slotwatch.domain.errors import SlotTaken
from slotwatch.domain.lifecycle import EndReason, State
from slotwatch.domain.money import PaymentStatus
from slotwatch.simulation.stage import HOUR, Stage
from slotwatch.usecases.cancel import cancel
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.finish import finish
from slotwatch.usecases.pay import pay

__all__ = ["APP", "SIX", "STORIES"]

SIX = datetime(2026, 3, 2, 18, tzinfo=UTC)
"""When the slots of most stories begin: Monday, 6 pm."""

APP = CheckInAttempt(CheckInMethod.APP)
MINUTE = timedelta(minutes=1)
SENT = {"email": "sent", "sms": "sent"}


async def start_notice(stage: Stage) -> None:
    """Who books five minutes ahead is told by e-mail and SMS the moment the slot begins, and grace runs"""
    await stage.until(SIX - 5 * MINUTE)
    booking = await stage.books(stage.mira, SIX)
    stage.expect_equal("the booking is confirmed", booking.state, State.CONFIRMED)
    await stage.until(SIX - timedelta(seconds=1))
    stage.expect_equal("no start notice goes out early", await stage.deliveries(booking.id, "slot_started"), {})
    await stage.until(SIX)
    booking = await stage.booking(booking.id)
    stage.expect_equal("grace runs", booking.state, State.GRACE)
    stage.expect_equal("it runs for 30 minutes", booking.grace_time_remaining(stage.now), 30 * MINUTE)
    stage.expect_equal("both channels told it", await stage.deliveries(booking.id, "slot_started"), SENT)


async def check_in_in_grace(stage: Stage) -> None:
    """Who checks in during grace keeps the slot to its end, and hears no more of grace"""
    booking = await stage.books(stage.mira, SIX)
    await stage.until(SIX + 20 * MINUTE)
    half = await stage.deliveries(booking.id, "grace_alert", "half")
    stage.expect_equal("half-way, an alert went out by SMS", half, {"sms": "sent"})
    await stage.does("Mira", "checks in with the app", check_in(stage.desk, stage.mira.id, booking.id, APP))
    stage.expect_equal("the booking is active", (await stage.booking(booking.id)).state, State.ACTIVE)
    again = await stage.does("Mira", "taps once more", check_in(stage.desk, stage.mira.id, booking.id, APP))
    stage.expect("a second tap changes nothing", again is None and (await stage.booking(booking.id)).version == 4)
    code = await stage.does("Otto", "tries Mira's booking", check_in(stage.desk, stage.otto.id, booking.id, APP))
    stage.expect_equal("for a stranger it does not exist", code, "not_found")
    await stage.until(SIX + HOUR)
    booking = await stage.booking(booking.id)
    stage.expect_equal("it is completed when the slot ends", booking.state, State.COMPLETED)
    stage.expect_equal("no last alert went out", await stage.deliveries(booking.id, "grace_alert", "last"), {})
    await _expect_money(stage, booking, {"captured": 1250, "earned": 1250})


async def last_moment(stage: Stage) -> None:
    """A check-in at the very deadline counts, one second later it does not"""
    mira, otto = await stage.books(stage.mira, SIX), await stage.books(stage.otto, SIX, connector=1)
    await stage.until(SIX + 30 * MINUTE)
    code = await stage.does("Mira", "checks in at the deadline", check_in(stage.desk, stage.mira.id, mira.id, APP))
    stage.expect_equal("the window is closed at the deadline, in the driver's favour", code, None)
    await stage.until(SIX + 30 * MINUTE + timedelta(seconds=1))
    code = await stage.does("Otto", "checks in a second late", check_in(stage.desk, stage.otto.id, otto.id, APP))
    stage.expect_equal("grace is over", code, "grace_over")
    await stage.until(SIX + 31 * MINUTE)
    stage.expect_equal("Mira has her slot", (await stage.booking(mira.id)).state, State.ACTIVE)
    stage.expect_equal("Otto lost his", (await stage.booking(otto.id)).state, State.EXPIRED)


async def nobody_comes(stage: Stage) -> None:
    """Who never comes loses the slot after grace, without refund; it is free for the next driver at once"""
    booking = await stage.books(stage.mira, SIX, length=2 * HOUR)
    await stage.until(SIX + 30 * MINUTE)
    stage.expect_equal("at the deadline it is still hers", (await stage.booking(booking.id)).state, State.GRACE)
    await stage.until(SIX + 31 * MINUTE)
    booking = await stage.booking(booking.id)
    stage.expect_equal("it expired", (booking.state, booking.end_reason), (State.EXPIRED, EndReason.NO_SHOW))
    stage.expect_equal("five seconds after the deadline", booking.expired_at, SIX + 30 * MINUTE + timedelta(seconds=5))
    stage.expect_equal("both channels told it", await stage.deliveries(booking.id, "slot_expired"), SENT)
    await _expect_money(stage, booking, {"captured": 1250 * 2, "forfeit_held": 1250 * 2})
    stage.expect_equal("the money is only held for now", booking.payment_status, PaymentStatus.FORFEIT_HELD)
    code = await stage.does("Mira", "comes late", check_in(stage.desk, stage.mira.id, booking.id, APP))
    stage.expect_equal("she is told that grace is over", code, "grace_over")
    freed = await stage.books(stage.otto, SIX + 45 * MINUTE)
    stage.expect_equal("Otto books the freed time", freed.state, State.CONFIRMED)
    await stage.until(SIX + 26 * HOUR)
    status = (await stage.booking(booking.id)).payment_status
    stage.expect_equal("after a day the forfeit is final", status, PaymentStatus.FORFEITED)


async def cancel_tiers(stage: Stage) -> None:
    """A cancel gives back 100 % until 24 h before, 75 % until 4 h, 50 % until 1 h, and nothing after that"""
    for before, percent, refunded in ((1440, 100, 1250), (240, 75, 937), (60, 50, 625), (59, 0, 0), (-6, 0, 0)):
        starts_at = stage.now + 26 * HOUR
        booking = await stage.books(stage.mira, starts_at)
        await stage.until(starts_at - before * MINUTE)
        when = f"{before} minutes before" if before > 0 else f"{-before} minutes into grace"
        await stage.does("Mira", f"cancels {when}", cancel(stage.desk, stage.mira.id, booking.id, "ill"))
        booking = await stage.booking(booking.id)
        stage.expect_equal("it is cancelled", booking.state, State.CANCELLED)
        stage.expect_equal(f"{percent} % comes back", (await stage.ledger(booking.id)).get("refunded", 0), refunded)
        again = await stage.books(stage.otto, starts_at + HOUR)
        stage.expect_equal("the time is free again", again.state, State.CONFIRMED)
        await stage.does("Otto", "cancels", cancel(stage.desk, stage.otto.id, again.id))


async def early_check_in(stage: Stage) -> None:
    """Check-in opens 15 minutes before the start; who uses that has no grace and gets no start notice"""
    booking = await stage.books(stage.mira, SIX)
    await stage.until(SIX - 16 * MINUTE)
    code = await stage.does("Mira", "is too early", check_in(stage.desk, stage.mira.id, booking.id, APP))
    stage.expect_equal("too early is refused", code, "check_in_too_early")
    await stage.until(SIX - 15 * MINUTE)
    await stage.does("Mira", "checks in early", check_in(stage.desk, stage.mira.id, booking.id, APP))
    await stage.until(SIX + 40 * MINUTE)
    stage.expect_equal("it is active, not expired", (await stage.booking(booking.id)).state, State.ACTIVE)
    stage.expect_equal("no start notice", await stage.deliveries(booking.id, "slot_started"), {})
    stage.expect_equal("no alert", await stage.deliveries(booking.id, "grace_alert", "half"), {})


async def wrong_code(stage: Stage) -> None:
    """The QR code of another connector checks nobody in; the right one does"""
    booking = await stage.books(stage.mira, SIX)
    await stage.until(SIX + MINUTE)
    scan = partial(CheckInAttempt, CheckInMethod.QR)
    wrong = check_in(stage.desk, stage.mira.id, booking.id, scan(qr_connector_id=stage.connectors[1]))
    stage.expect_equal("refused", await stage.does("Mira", "scans connector B", wrong), "wrong_connector")
    right = check_in(stage.desk, stage.mira.id, booking.id, scan(qr_connector_id=stage.connectors[0]))
    stage.expect_equal("accepted", await stage.does("Mira", "scans connector A", right), None)


async def hold_runs_out(stage: Stage) -> None:
    """A booking that nobody pays for holds the slot for ten minutes, and is cancelled then"""
    await stage.until(SIX - 3 * HOUR)
    booking = await stage.books(stage.mira, SIX, pays=False)
    stage.expect_equal("the slot is held", booking.state, State.PENDING)
    try:
        await stage.books(stage.otto, SIX)
        stage.expect("nobody else gets it meanwhile", False, "Otto did")
    except SlotTaken as refusal:
        stage.say("Otto", f"wants the slot, too: {refusal.message}")
    await stage.until(stage.now + 10 * MINUTE)
    booking = await stage.booking(booking.id)
    ended = (booking.state, booking.end_reason, booking.payment_status)
    wanted = (State.CANCELLED, EndReason.HOLD_RAN_OUT, PaymentStatus.NOT_PAID)
    stage.expect_equal("it is cancelled, unpaid", ended, wanted)
    code = await stage.does("Mira", "wants to pay now", pay(stage.desk, stage.mira.id, booking.id))
    stage.expect_equal("it is too late to pay", code, "not_payable")
    stage.expect_equal("Otto gets it", (await stage.books(stage.otto, SIX)).state, State.CONFIRMED)


async def leaves_early(stage: Stage) -> None:
    """Who leaves before the slot ends completes the booking, and the rest of the slot is free"""
    booking = await stage.books(stage.mira, SIX, length=3 * HOUR)
    await stage.until(SIX + 5 * MINUTE)
    await stage.does("Mira", "checks in", check_in(stage.desk, stage.mira.id, booking.id, APP))
    await stage.until(SIX + HOUR)
    await stage.does("Mira", "unplugs and leaves", finish(stage.desk, stage.mira.id, booking.id))
    booking = await stage.booking(booking.id)
    ended = (booking.state, booking.end_reason)
    stage.expect_equal("it is completed", ended, (State.COMPLETED, EndReason.LEFT_EARLY))
    await _expect_money(stage, booking, {"captured": 3 * 1250, "earned": 3 * 1250})
    rest = await stage.books(stage.otto, SIX + HOUR, length=2 * HOUR)
    stage.expect_equal("Otto books the rest", rest.state, State.CONFIRMED)


async def _expect_money(stage: Stage, booking: Booking, wanted: dict[str, int]) -> None:
    stage.expect_equal("the ledger has it", await stage.ledger(booking.id), wanted)


STORIES = (
    start_notice,
    check_in_in_grace,
    last_moment,
    nobody_comes,
    cancel_tiers,
    early_check_in,
    wrong_code,
    hold_runs_out,
    leaves_early,
)
