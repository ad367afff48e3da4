"""A leased delivery with everything that is needed to judge, compose and send it."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from slotwatch.domain.lifecycle import State
from slotwatch.domain.money import Money, PaymentStatus
from slotwatch.domain.notices import NOTICE_RULES, PAID_CHANNELS, Channel, NoticeKind, NoticeRule, Urgency
from slotwatch.domain.quiet_hours import QuietHours
from slotwatch.domain.terms import Terms
from slotwatch.outbox.keys import delivery_key
from slotwatch.storage.clock import Clock
from slotwatch.storage.statements import Connection, load_sql

__all__ = ["OPERATORS_APP", "Claimed", "PaidToday", "claim", "counted"]

OPERATORS_APP = "app"
"""Stands for the address of the operator's app, which is a setting."""

_CLAIM = load_sql(__package__, "claim_deliveries.sql")


@dataclass(frozen=True)
class PaidToday:
    """Paid messages to one address, and what the vendor's cost; `cap` is the vendor's own limit for a day.

    `spent` is on record; the cost of `going` more is not yet.
    """

    messages: int
    spent: int
    going: int
    cap: int | None


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """One delivery under our lease, as true as it was at `claimed_at` (database time, UTC)."""

    notice_id: int
    channel: Channel
    lease: int
    attempts: int
    faults: int
    kind: NoticeKind
    occasion: str
    written_at: datetime  # the notice
    valid_until: datetime
    claimed_at: datetime
    handed_over: int | None = None  # an earlier lease under which a provider was given it, and no answer is on record
    turn: int = 0  # the vendor whose turn it was
    before: tuple[int, int] = (0, 0)  # how many of this claim go first to the same address, for the same vendor
    facts: Mapping[str, Any]  # the booking with its station, connector and driver, as the claim statement names them

    @property
    def key(self) -> str:
        """What providers know it by, the same on every try: their idempotency key."""
        return delivery_key(self.notice_id, self.written_at, self.channel)

    @property
    def name(self) -> str:
        """What operators call it."""
        return f"{self.notice_id}-{self.channel}"

    @property
    def rule(self) -> NoticeRule:
        """How this kind of notice is sent."""
        return NOTICE_RULES[self.kind]

    @property
    def state(self) -> State | None:
        """Where the booking stood when the delivery was claimed; None: it is about no booking."""
        return None if self.facts["state"] is None else State(self.facts["state"])

    @property
    def told(self) -> Mapping[str, Any]:
        """What the notice itself brings along; kinds about no booking have nothing else."""
        return self.facts.get("told") or {}

    @property
    def address(self) -> str | None:
        """Where this channel reaches the person, if it does."""
        return self.address_on(self.channel)

    def address_on(self, channel: Channel) -> str | None:
        """Where that channel reaches the person, if it does."""
        address: str | None
        match channel:
            case Channel.EMAIL:
                address = self.facts["email"]
            case Channel.PUSH:
                address = next(iter(self.facts.get("browsers") or ()), None)
            case Channel.WEBHOOK:
                address = OPERATORS_APP
            case _:
                address = self.facts["phone"]
        return address

    @property
    def is_verified(self) -> bool:
        """Whether the person proved that this address is theirs; who is told of no booking is named by ourselves."""
        if self.channel in (Channel.PUSH, Channel.WEBHOOK) or not self.rule.is_about_booking:
            return True  # the browser itself asked for it, signed in; the operator's app is a setting
        proof = "email_verified_at" if self.channel is Channel.EMAIL else "phone_verified_at"
        return self.facts.get(proof) is not None

    def has_other_way(self, enabled: Collection[Channel]) -> bool:
        """Whether this kind was told, or will be, on another enabled channel that the person can be reached on.

        Where that one's answer was lost, too, the first of them in the kind's plan is the way of the others. A call is
        none: whether one is made depends on the price.
        """
        others = [other for other in self.rule.others(self.channel, enabled) if other is not Channel.VOICE]
        return any(self._is_way(other, enabled) for other in others)

    def _is_way(self, other: Channel, enabled: Collection[Channel]) -> bool:
        match (self.facts.get("beside") or {}).get(other.value):
            case "sent" | "delivered":
                return True
            case "pending":
                return self._may_reach(other)
            case "handed_over":
                return self.rule.is_before(other, self.channel) and self._may_reach(other)
            case None:
                return other is self.rule.instead_of(self.channel, enabled) and self._may_reach(other)
            case _:
                return False

    def _may_reach(self, channel: Channel) -> bool:
        is_cut_off = channel.value in (self.facts.get("suppressed_on") or ())
        return not is_cut_off and bool(self.address_on(channel)) and self._is_on(channel)

    @property
    def suppressible(self) -> str | None:
        """The address as what must not be used again is named: e-mail in lower case, a browser by its endpoint."""
        match self.channel:
            case Channel.EMAIL:
                return self.address and self.address.lower()
            case Channel.PUSH:
                return self.address and str(json.loads(self.address)["endpoint"])
            case Channel.WEBHOOK:
                return None  # only the operator can tell it to be quiet
            case _:
                return self.address

    @property
    def has_another_browser(self) -> bool:
        """Whether a push message could go to an older browser of the driver."""
        return self.channel is Channel.PUSH and len(self.facts["browsers"] or ()) > 1

    @property
    def arrived_by(self) -> str | None:
        """Which channel the same notice is known to have arrived by, for one that only joins in when none did."""
        channel: str | None = self.facts.get("arrived_by")
        return channel

    @property
    def suppressed_for(self) -> str | None:
        """Why this address must not be used again on this channel; None: it may."""
        reason: str | None = self.facts.get("suppressed_for")
        return reason

    @property
    def is_wanted(self) -> bool:
        """Whether the driver left this channel switched on."""
        return self._is_on(self.channel)

    def _is_on(self, channel: Channel) -> bool:
        return bool(self.facts["preferences"].get("channels", {}).get(channel.value, True))

    @property
    def is_counted_mail(self) -> bool:
        """Whether it counts towards the mails of a day: whoever books and cancels in a loop could flood an address."""
        return self.channel is Channel.EMAIL and self.rule.is_about_booking and self.rule.urgency is not Urgency.NOW

    @property
    def paid_today(self) -> PaidToday:
        """What was paid for today (UTC); what goes before it in the same claim comes on top."""
        facts, (to_address, of_vendor) = self.facts, self.before
        messages = (facts.get("told_today") or 0) + to_address
        return PaidToday(messages, facts.get("spent_today") or 0, of_vendor, facts.get("spend_cap"))

    @property
    def quiet_until(self) -> datetime | None:
        """Until when (UTC) the driver wants no message that can wait; None: there is no such wish now."""
        quiet = self.facts["preferences"].get("quietHours")
        if not quiet:
            return None
        hours = (time.fromisoformat(quiet["start"]), time.fromisoformat(quiet["end"]))
        return QuietHours(*hours, ZoneInfo(quiet["timeZone"])).until(self.claimed_at)

    @property
    def amount(self) -> Money:
        """What the booking costs."""
        return Money(self.facts["amount"], self.facts["currency"])

    @property
    def refunded(self) -> Money:
        """What was given back so far."""
        return Money(self.facts["refunded"], self.facts["currency"])

    @property
    def payment_status(self) -> PaymentStatus:
        """Where the booking's money is."""
        return PaymentStatus(self.facts["payment_status"])

    @cached_property
    def terms(self) -> Terms:
        """The booking's frozen terms."""
        return Terms.from_dict(self.facts["terms"])


async def claim(
    conn: Connection,
    clock: Clock,
    channel: Channel,
    *,
    limit: int,
    lease_for: timedelta,
    last: int = -1,
    least_urgent: Urgency = Urgency.LATER,
) -> list[Claimed]:
    """Lease up to `limit` deliveries of one channel, the most urgent first; they are due again when it lapses.

    They are of one urgency; vendors take turns, beginning after vendor `last`. Fewer than `limit` does not mean that
    nothing else waits; none does.
    """
    rows = await _CLAIM.fetch(
        conn,
        now=clock.fixed,
        channel=channel,
        limit=limit,
        lease_for=lease_for,
        last=last,
        least_urgent=int(least_urgent),
        paid_channels=sorted(PAID_CHANNELS),
    )
    return [
        Claimed(
            notice_id=row["notice_id"],
            channel=Channel(row["channel"]),
            lease=row["lease"],
            attempts=row["attempts"],
            faults=row["faults"],
            kind=NoticeKind(row["kind"]),
            occasion=row["occasion"],
            written_at=row["written_at"],
            valid_until=row["valid_until"],
            claimed_at=row["now"],
            handed_over=row["handed_over"],
            turn=row["turn"],
            facts=row,
        )
        for row in rows
    ]


def counted(batch: Sequence[Claimed], goes: Callable[[Claimed], bool]) -> list[Claimed]:
    """The deliveries of one claim, each with how many of those before it go and will cost something.

    What does not go costs nothing, so it takes nobody's place within a cap.
    """
    addresses: Counter[str | None] = Counter()
    vendors: Counter[int] = Counter()
    known = []
    for each in batch:
        delivery = replace(each, before=(addresses[each.address], vendors[each.turn]))
        if goes(delivery):
            addresses[delivery.address] += 1
            vendors[delivery.turn] += 1
        known.append(delivery)
    return known
