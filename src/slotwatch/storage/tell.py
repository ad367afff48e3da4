"""Writes down what must be told and no move promises: in the caller's transaction, told once an occasion."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from slotwatch.domain.notices import NOTICE_RULES, Channel, NoticeKind, Recipient
from slotwatch.storage.statements import Connection, load_sql

__all__ = ["tell", "tell_driver"]

_TELL = load_sql(__package__, "tell.sql")


async def tell(
    conn: Connection,
    kind: NoticeKind,
    *,
    occasion: str,
    recipient: Recipient,
    facts: Mapping[str, Any],
    channels: Sequence[Channel],
    valid_for: timedelta,
    now: datetime | None,
) -> bool:
    """A notice about no booking. False: that occasion was told already, or there is no channel to tell it on.

    `facts` is what the kind's templates say, as JSON: see `outbox/templates/README.md`.
    """
    assert not NOTICE_RULES[kind].is_about_booking
    about = {"booking_id": None, "recipient": recipient.as_dict()}
    return await _tell(conn, kind, about, occasion, facts=facts, channels=channels, valid_for=valid_for, now=now)


async def tell_driver(
    conn: Connection,
    kind: NoticeKind,
    booking_id: int,
    *,
    facts: Mapping[str, Any],
    channels: Collection[Channel],
    now: datetime | None,
) -> bool:
    """A notice to a booking's driver beside those that moves promise. False: told already, or on no channel.

    `channels` are those that are switched on; the kind's rule says which of them are used, and how long it is true.
    """
    rule = NOTICE_RULES[kind]
    about = {"booking_id": booking_id, "recipient": None}
    chosen = rule.at_once_among(channels)
    return await _tell(conn, kind, about, "", facts=facts, channels=chosen, valid_for=rule.offset, now=now)


async def _tell(conn: Connection, kind: NoticeKind, about: Mapping[str, Any], occasion: str, **given: Any) -> bool:
    channels = [channel.value for channel in given.pop("channels")]
    if not channels:
        return False
    written = await _TELL.execute(
        conn,
        kind=kind,
        occasion=occasion,
        urgency=int(NOTICE_RULES[kind].urgency),
        channels=channels,
        **about,
        **{**given, "facts": dict(given["facts"])},
    )
    return written > 0
