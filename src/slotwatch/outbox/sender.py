"""Sends one channel's deliveries: claim by lease, check once more, send outside any transaction, record."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import asyncpg
import structlog

from slotwatch.channels import Channel as Provider
from slotwatch.channels import Message
from slotwatch.domain.errors import Unavailable
from slotwatch.domain.notices import PAID_CHANNELS, Channel, DeliveryState, Urgency
from slotwatch.outbox.claim import Claimed, claim, counted
from slotwatch.outbox.compose import compose
from slotwatch.outbox.handover import HandOver
from slotwatch.outbox.hands import Hands
from slotwatch.outbox.recorder import Recorder
from slotwatch.outbox.settings import CapSettings, SenderSettings
from slotwatch.outbox.turns import Turns
from slotwatch.outbox.verdict import Verdict, after_fault, after_silence, after_try, backoff, before_sending
from slotwatch.storage.clock import Clock, monotonic
from slotwatch.storage.database import CONNECTION_ERRORS, Database
from slotwatch.storage.statements import Statement

__all__ = ["SendReport", "Sender"]

_log = structlog.get_logger(__name__)

_STATE = Statement(
    "SELECT o.place, b.state, coalesce(:now::timestamptz, clock_timestamp()) AS now"
    " FROM unnest(:booking_id::bigint[]) WITH ORDINALITY AS o(id, place) LEFT JOIN booking AS b ON b.id = o.id"
)
_FRESH_SECONDS = 1.0  # a claim older than this is looked at again before it is sent
_POLL = timedelta(seconds=1)
_NO_CAPS = CapSettings()
_LONGEST_RECONNECT_PAUSE = 5.0
_BESIDE_SECONDS = 3.0  # how long the other channel of a notice is waited for: a provider that hangs holds up nobody
_GROWTH = 8  # times the batch size is the most that one claim takes of a provider that is fast


@dataclass(frozen=True)
class SendReport:
    """What one batch did: how many were claimed, and how many ended in which state."""

    claimed: int = 0
    states: dict[DeliveryState, int] = field(default_factory=dict)
    lost: int = 0  # leases that had passed to somebody else when we came to record


@dataclass
class _Look:
    """What was known of a delivery when it was last looked at; `instead` is what becomes of it without a try."""

    delivery: Claimed
    at: float  # monotonic seconds
    instead: Verdict | None = None


class Sender:
    """The one sender of a channel in this process; other processes may run theirs beside it.

    `enabled` are the channels that are switched on: a fallback goes to one of them. Links lead to `frontend_url`.
    `write` makes the message of a delivery. All senders of a process share `hands`.
    """

    def __init__(
        self,
        provider: Provider,
        database: Database,
        clock: Clock,
        settings: SenderSettings,
        *,
        enabled: Collection[Channel],
        frontend_url: str,
        caps: CapSettings = _NO_CAPS,
        write: Callable[[Claimed, str], Message] = compose,
        hands: Hands | None = None,
    ) -> None:
        self.channel = Channel(provider.name)
        self.wake = asyncio.Event()
        self._provider = provider
        self._database = database
        self._clock = clock
        self._settings = settings
        self._enabled = frozenset(enabled)
        self._frontend_url = frontend_url
        self._caps = caps
        self._is_counted = self.channel in PAID_CHANNELS
        cost = caps.cost(self.channel) if self._is_counted and provider.provider != "inbox" else None
        self._recorder = Recorder(database, clock, self.channel, provider.provider, cost)
        self._write = write
        self._stop = asyncio.Event()
        # As many again are made ready while others are with the provider, so that it never waits for us.
        self._ready = Turns(2 * provider.concurrency)
        self._slots = asyncio.Semaphore(provider.concurrency)
        self._handed_over = HandOver(database, self.channel)
        self._hands = hands or Hands()
        self._last_turn = -1
        self._claim_size = settings.batch_size
        self._random = random.Random()  # noqa: S311  # jitter, not a secret

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set, then finish what is under way. A lost database is waited for."""
        self._stop = stop
        lanes: set[asyncio.Task[SendReport]] = set()
        pause = 0.1
        while not stop.is_set():
            # One lane more than there are is for what cannot wait, so that it stands behind no slow batch of reminders.
            is_full = len(lanes) >= self._settings.lanes
            lane = asyncio.create_task(self._lane(Urgency.NOW if is_full else Urgency.LATER))
            lanes.add(lane)
            try:
                busy = await self._settled(lanes, lane)
                pause = 0.1
            except (Unavailable, *CONNECTION_ERRORS, asyncpg.PostgresError) as error:
                _log.warning("the database is in trouble, trying again", action="outbox_waits", error=str(error))
                pause = min(pause * 2, _LONGEST_RECONNECT_PAUSE)
                await self._clock.wait(timedelta(seconds=pause * (0.5 + self._random.random() / 2)), stop)
                continue
            if not busy and not stop.is_set():
                await self._clock.wait(_POLL, self.wake, stop)
                self.wake.clear()
        await asyncio.gather(*lanes, return_exceptions=True)

    async def _settled(self, lanes: set[asyncio.Task[SendReport]], newest: asyncio.Task[SendReport]) -> bool:
        """Wait until a lane is free, or something new may be urgent, or we stop; whether to look again at once."""
        stopped = asyncio.ensure_future(self._stop.wait())
        woken = asyncio.ensure_future(self.wake.wait())
        try:
            await asyncio.wait({newest, stopped}, timeout=0.25, return_when=asyncio.FIRST_COMPLETED)
            was_full = len(lanes) >= self._settings.lanes
            if was_full and not _found_any(newest) and not any(lane.done() for lane in lanes - {newest}):
                urgent = {woken} if len(lanes) == self._settings.lanes or newest.done() else set()
                lively = {lane for lane in lanes if not lane.done()}
                seconds = _POLL.total_seconds() if urgent else None
                await asyncio.wait({stopped, *lively, *urgent}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
                self.wake.clear()
        finally:
            stopped.cancel()
            woken.cancel()
        finished = {lane for lane in lanes if lane.done()}
        lanes -= finished
        for error in [lane.exception() for lane in finished]:
            if error is not None:
                raise error
        return was_full or newest not in finished or any(lane.result().claimed for lane in finished)

    async def _lane(self, least_urgent: Urgency) -> SendReport:
        """One batch, as big as what goes out while it is fresh: a claim costs the same for few and for many."""
        size, began = self._claim_size, monotonic()
        report = await self.run_once(least_urgent=least_urgent, size=size)
        seconds = monotonic() - began
        if report.claimed >= size and seconds < _FRESH_SECONDS / 3:
            self._claim_size = min(2 * size, _GROWTH * self._settings.batch_size)
        elif seconds > _FRESH_SECONDS * 2 / 3:
            self._claim_size = max(size // 2, self._settings.batch_size)
        return report

    async def run_once(self, *, least_urgent: Urgency = Urgency.LATER, size: int | None = None) -> SendReport:
        """Claim and send one batch, of what is at least so urgent; each result is recorded as soon as it is known."""
        settings = self._settings
        claimed = monotonic()  # before the lease begins: ours must not seem to last longer than it does
        async with self._database.connection() as conn:
            batch = await claim(
                conn,
                self._clock,
                self.channel,
                limit=size or settings.batch_size,
                lease_for=timedelta(seconds=settings.lease_seconds),
                last=self._last_turn,
                least_urgent=least_urgent,
            )
        if self._is_counted:
            batch = counted(batch, lambda delivery: self._stale(delivery) is None)
        if batch:  # those after the last turn went first, then those from the lowest on
            self._last_turn = max((each.turn for each in batch), key=lambda turn: (turn <= self._last_turn, turn))
        recorded = await asyncio.gather(*(self._handled(each, claimed) for each in batch), return_exceptions=True)
        for error in recorded:
            if isinstance(error, BaseException):  # every other one is on record by now
                raise error
        results = [result for result in recorded if result is not None and not isinstance(result, BaseException)]
        states = Counter(state for state, _ in results)
        if batch:
            _log.debug("deliveries handled", action="deliveries_handled", channel=self.channel, states=dict(states))
        return SendReport(len(batch), dict(states), sum(not ours for _, ours in results))

    async def _handled(self, delivery: Claimed, claimed: float) -> tuple[DeliveryState, bool] | None:
        """How it ended and whether it was still ours when that was recorded; None: nothing was recorded."""
        is_in_hand = await self._admitted(delivery)
        try:
            verdict = await self._deliver(delivery, claimed)
            if verdict is None:
                return None
            ours = await self._recorder.record(delivery, verdict, claimed + self._settings.lease_seconds)
            return verdict.state, ours
        finally:
            if is_in_hand:
                self._hands.give_back(delivery.notice_id)

    async def _admitted(self, delivery: Claimed) -> bool:
        """Wait for a place, which `_deliver` gives back, and for the notice; whether we have the notice in hand."""
        urgency, until = delivery.rule.urgency, monotonic() + _BESIDE_SECONDS
        if self._provider.has_key:
            await self._ready.take(urgency)
            return False
        while True:
            await self._hands.free(delivery.notice_id, until - monotonic())
            await self._ready.take(urgency)
            is_ours = self._hands.take(delivery.notice_id)
            if is_ours or monotonic() >= until:
                return is_ours
            self._ready.give_back()

    async def _deliver(self, delivery: Claimed, claimed: float) -> Verdict | None:
        """What became of one delivery; None when our lease grew too old to act on: it is due again by itself."""
        try:
            if self._stop.is_set():
                return _given_back(delivery)
            if not self._is_ours_for_a_try(claimed):
                return None
            return await self._tried(delivery, claimed)
        except (Unavailable, *CONNECTION_ERRORS):
            return None
        except asyncpg.PostgresError as error:  # a lock, a statement that took too long: no fault of the delivery
            _log.warning("the database is in trouble, trying again", action="delivery_waits", error=str(error))
            again_at = delivery.claimed_at + backoff(1, self._random.random())
            return Verdict(DeliveryState.PENDING, "the database is in trouble", again_at)
        except Exception as error:
            _log.exception("a delivery cannot be made", action="delivery_failed", delivery=delivery.name)
            jitter = self._random.random()
            return after_fault(delivery, error, now=delivery.claimed_at, jitter=jitter, enabled=self._enabled)
        finally:
            self._ready.give_back()

    def _is_ours_for_a_try(self, claimed: float) -> bool:
        """Whether enough is left of the lease for one call, by the clock that nobody can set."""
        return monotonic() <= claimed + self._settings.lease_seconds - self._settings.timeout_seconds

    async def _tried(self, delivery: Claimed, claimed: float) -> Verdict | None:
        """Judged, written, noted as handed over, and, when its slot is free, given to the provider."""
        is_keyless = not self._provider.has_key
        if is_keyless and delivery.handed_over is not None:
            return after_silence(delivery, self._enabled)
        stale = self._stale(delivery)
        if stale is not None:
            return stale
        look = _Look(delivery, claimed)
        message = replace(self._write(delivery, self._frontend_url), is_still_true=lambda: self._is_still_true(look))
        if is_keyless and not await self._handed_over.note(delivery):
            return None
        async with self._slots:
            if self._stop.is_set() or not self._is_ours_for_a_try(claimed):
                return _given_back(delivery)
            if monotonic() > claimed + _FRESH_SECONDS and not await self._is_still_true(look):
                return look.instead  # it had to queue behind others
            outcome = await self._provider.send(message, timeout=self._settings.timeout_seconds)
        if look.instead is not None:
            return look.instead
        now: datetime = look.delivery.claimed_at + timedelta(seconds=monotonic() - look.at)
        return after_try(look.delivery, outcome, now=now, jitter=self._random.random(), enabled=self._enabled)

    async def _is_still_true(self, look: _Look) -> bool:
        """Whether it may go now that it had to wait; if not, what becomes of it stands in the look."""
        look.at = monotonic()
        try:
            look.delivery = await self._fresh(look.delivery)
            look.instead = self._stale(look.delivery)
        except (
            Unavailable,
            *CONNECTION_ERRORS,
            asyncpg.PostgresError,
        ):  # noted as handed over, and nobody was given it
            look.instead = _given_back(look.delivery)
        return look.instead is None

    def _stale(self, delivery: Claimed) -> Verdict | None:
        """Why it must not be sent as it was when it was looked at, if so."""
        settings, caps = self._settings, self._caps
        return before_sending(delivery, self._enabled, delivery.claimed_at, settings=settings, caps=caps)

    async def _fresh(self, delivery: Claimed) -> Claimed:
        """The delivery with the booking's state and the time of now."""
        booking_id, now = delivery.facts["booking_id"], self._clock.fixed
        row = await self._database.fetchrow_together(_STATE, {"now": now}, booking_id=booking_id)
        assert row is not None
        return replace(delivery, facts={**delivery.facts, "state": row["state"]}, claimed_at=row["now"])


def _found_any(lane: asyncio.Task[SendReport]) -> bool:
    """Whether it is over and was not in vain; trouble counts, too: it wants to be told."""
    return lane.done() and (lane.exception() is not None or lane.result().claimed > 0)


def _given_back(delivery: Claimed) -> Verdict:
    """The lease ends now, so that another process need not wait for it; no provider was asked."""
    return Verdict(DeliveryState.PENDING, next_attempt_at=delivery.claimed_at)
