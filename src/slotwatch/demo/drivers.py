"""Does what a driver of the demo town does next, through the same use cases as HTTP, and says so in one line."""

import random
from dataclasses import dataclass
from datetime import datetime

import structlog

from slotwatch.demo.plots import Deed
from slotwatch.demo.seed import Bay
from slotwatch.domain.booking import Booking, CheckInMethod
from slotwatch.domain.errors import SlotwatchError, Unavailable
from slotwatch.domain.ids import BookingId, booking_ref
from slotwatch.domain.lifecycle import EndReason, State
from slotwatch.storage import bookings
from slotwatch.storage.people import Driver
from slotwatch.usecases.cancel import cancel
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.dispute import dispute
from slotwatch.usecases.finish import finish
from slotwatch.usecases.pay import pay

__all__ = ["Scene", "perform", "tell_of_booking"]

_log = structlog.get_logger(__name__)

_REASONS = ("found a closer one", "plans changed", "battery is fuller than thought", "stuck in traffic")
_STATEMENTS = (
    "The gate to the yard was locked and nobody answered the bell.",
    "I stood at the charger in time, but the app would not load.",
    "Another car blocked the bay until my time was over.",
)
_OUTCOMES = {
    EndReason.NO_SHOW: "never came: no-show, no refund, and the slot is free again",
    EndReason.HOLD_RAN_OUT: "never paid: the held slot is free again",
    EndReason.SLOT_ENDED: "stayed to the end: completed",
    EndReason.OUTAGE: "could not have checked in while slotwatch was down: voided, money back",
    EndReason.NOT_TOLD: "was never told that the slot began: voided, money back",
}


@dataclass(frozen=True)
class Scene:
    """One booking of one driver."""

    booking_id: BookingId
    driver: Driver
    bay: Bay


async def perform(desk: Desk, scene: Scene, deed: Deed, dice: random.Random) -> None:
    """Do it; a refusal is part of the play and only told. Raises Unavailable when the database is gone."""
    try:
        told = await _done(desk, scene, deed, dice)
    except Unavailable:
        raise
    except SlotwatchError as refusal:
        _tell(scene, deed, f"wants to {deed.replace('_', ' ')}, and is refused: {refusal.message}", refusal.code)
        return
    if told is not None:
        _tell(scene, deed, told)


def tell_of_booking(scene: Scene, booking: Booking, now: datetime) -> None:
    """One line about a new booking."""
    local = booking.timeline.starts_at.astimezone(scene.bay.zone)
    lead = (booking.timeline.starts_at - now).total_seconds()
    _log.info(
        f"{scene.driver.name} books {_where(scene.bay)} from {local:%H:%M:%S} local time, in {lead:.0f} s",
        action="demo_book",
        booking=booking.ref,
    )


async def _done(desk: Desk, scene: Scene, deed: Deed, dice: random.Random) -> str | None:
    who, booking_id = scene.driver.id, scene.booking_id
    match deed:
        case Deed.PAY:
            await pay(desk, who, booking_id)
            return "pays"
        case Deed.CHECK_IN:
            attempt = _attempt(scene, dice)
            await check_in(desk, who, booking_id, attempt)
            return f"is there and checks in by {attempt.method.value}"
        case Deed.FINISH:
            await finish(desk, who, booking_id)
            return "leaves early: completed, and the rest of the slot is free"
        case Deed.CANCEL:
            reason = dice.choice(_REASONS)
            await cancel(desk, who, booking_id, reason)
            return f"cancels: {reason}"
        case Deed.DISPUTE:
            statement = dice.choice(_STATEMENTS)
            await dispute(desk, who, booking_id, statement)
            return f"disputes: “{statement}”"
        case Deed.LOOK:
            return await _outcome(desk, scene)


def _attempt(scene: Scene, dice: random.Random) -> CheckInAttempt:
    latitude, longitude = scene.bay.position
    here = (latitude + dice.uniform(-2e-4, 2e-4), longitude + dice.uniform(-2e-4, 2e-4))
    if dice.random() < 0.4:
        return CheckInAttempt(CheckInMethod.QR, qr_connector_id=scene.bay.connector_id, location=here)
    return CheckInAttempt(CheckInMethod.APP, location=here)


async def _outcome(desk: Desk, scene: Scene) -> str | None:
    async with desk.database.connection() as conn:
        booking = await bookings.load(conn, scene.booking_id)
    if booking is None or booking.state in (State.PENDING, State.CONFIRMED, State.GRACE, State.ACTIVE):
        return None
    return _OUTCOMES.get(booking.end_reason) if booking.end_reason else None


def _tell(scene: Scene, deed: Deed, what: str, code: str | None = None) -> None:
    refused = {} if code is None else {"code": code}
    _log.info(
        f"{scene.driver.name} ({_where(scene.bay)}) {what}",
        action=f"demo_{deed.value}",
        booking=booking_ref(scene.booking_id),
        **refused,
    )


def _where(bay: Bay) -> str:
    return f"{bay.label} at {bay.station}, {bay.zone.key.rpartition('/')[2].replace('_', ' ')}"
