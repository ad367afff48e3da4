"""Whether a driver can be told when a slot begins, by e-mail or SMS; and no change that ends it while one is held."""

from typing import Any

from slotwatch.domain.errors import ContactNeeded
from slotwatch.domain.notices import SAID_STOP, Channel
from slotwatch.storage.bookings import count_live
from slotwatch.storage.preferences import Reach, load_reach, save_preferences
from slotwatch.storage.statements import Connection
from slotwatch.usecases.desk import Desk

__all__ = ["check_still_told", "choose_how_told", "why_not_told"]

_WORDS = {Channel.EMAIL: ("e-mail", "e-mail address"), Channel.SMS: ("SMS", "phone number")}


def why_not_told(desk: Desk, reach: Reach) -> str | None:
    """Why neither e-mail nor SMS can be used, and what to do; None where one can."""
    addresses = {Channel.EMAIL: reach.email, Channel.SMS: reach.phone}
    reasons = []
    for channel, address in addresses.items():
        if address and channel in desk.channels:
            reason = _why_not_by(channel, address, desk, reach)
            if reason is None:
                return None
            reasons.append(reason)
    if not reasons:
        return ContactNeeded().message
    return " ".join(["We must be able to tell you when your slot begins, by e-mail or SMS.", *reasons])


async def choose_how_told(desk: Desk, subject: str, preferences: dict[str, Any]) -> None:
    """Replace what the driver chose. Raises ContactNeeded: a booking is held, and nothing would tell of it any more."""
    async with desk.database.transaction() as conn:
        before = await load_reach(conn, subject, lock=True)
        await save_preferences(conn, subject, preferences, now=desk.clock.fixed)
        await check_still_told(desk, conn, subject, before)


async def check_still_told(desk: Desk, conn: Connection, subject: str, before: Reach) -> None:
    """Inside the transaction of a change. Raises ContactNeeded: a booking is held, and the last channel would go."""
    if before.driver_id is None or not desk.channels or why_not_told(desk, before) is not None:
        return
    why = why_not_told(desk, await load_reach(conn, subject))
    if why is not None and await count_live(conn, before.driver_id, await desk.clock.now(conn)):
        raise ContactNeeded(f"Nothing was changed: you hold a booking, and its last way to you would go. {why}")


def _why_not_by(channel: Channel, address: str, desk: Desk, reach: Reach) -> str | None:
    name, kind = _WORDS[channel]
    if reach.preferences.get("channels", {}).get(channel.value, True) is False:
        return f"You switched {name} off: switch it on in your settings."
    stopped = reach.suppressed.get(channel.value)
    if stopped == SAID_STOP:
        return f"You answered STOP to our {name}: answer START, and you hear from us again."
    if stopped is not None:
        return f"Nothing is sent to {address} any more ({stopped}): give another {kind}."
    is_proved = reach.email_verified if channel is Channel.EMAIL else reach.phone_verified
    if desk.contact.verified_only and not is_proved:
        return f"Your {kind} is not proved: prove it in your settings, by a code that goes there."
    why = desk.contact.why_not_number(address) if channel is Channel.SMS else None
    return None if why is None else f"No SMS goes to {address}, {why}: give another {kind}."
