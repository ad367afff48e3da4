"""The guard before a provider: turns, rate, rest. Time is moved by the test, and waiting moves it."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwatch.channels import Accepted, ChannelName, Failed, Guarded, GuardSettings, Message, Outcome, Refused
from slotwatch.channels.guarded import Allowance, Bucket

DOWN = Failed("503", down=True)
TAKEN = Accepted("id")


@dataclass
class Time:
    now: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def read(self) -> float:
        return self.now

    async def wait(self, duration: timedelta) -> None:
        self.waits.append(duration.total_seconds())
        self.now += duration.total_seconds()


class Scripted:
    """A provider that answers as the test says; the last answer stays."""

    name: ChannelName = "sms"
    provider = "twilio"
    concurrency = 2
    has_key = False

    def __init__(self, *answers: Outcome) -> None:
        self.answers = list(answers) or [TAKEN]
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0
        self.gate: asyncio.Event | None = None

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        self.asked.append(message.key)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.at_once -= 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def check(self) -> str | None:
        return None

    async def close(self) -> None:
        pass


def message(to: str = "+41791234567") -> Message:
    return Message(key="delivery-1", to=to, subject=None, text="Go.")


def guard(provider: Scripted, time: Time, *, by_recipient: bool = False, **settings: object) -> Guarded:
    return Guarded(
        provider,
        GuardSettings(**settings),  # type: ignore[arg-type]
        lane=(lambda one: one.to) if by_recipient else (lambda one: ""),
        monotonic=time.read,
        wait=time.wait,
    )


async def send(guarded: Guarded, times: int = 1, to: str = "+41791234567") -> Outcome:
    for _ in range(times):
        outcome = await guarded.send(message(to), timeout=10)
    return outcome


# Rest


async def test_after_failures_in_a_row_the_provider_rests_and_is_not_asked() -> None:
    provider, time = Scripted(DOWN), Time()
    guarded = guard(provider, time)
    await send(guarded, 5)

    outcome = await send(guarded)

    assert len(provider.asked) == 5
    assert isinstance(outcome, Failed)
    assert outcome == Failed("twilio rests after trouble: 503", timedelta(seconds=5), down=True, asked=False)
    assert guarded.resting == 1


async def test_a_success_in_between_starts_the_count_anew() -> None:
    provider = Scripted(*[DOWN] * 4, TAKEN, *[DOWN] * 4, TAKEN)
    assert await send(guard(provider, Time()), 10) == TAKEN


@pytest.mark.parametrize("answer", [Failed("greylisted"), Refused("no such user")])
async def test_trouble_with_recipients_is_no_reason_to_rest(answer: Outcome) -> None:
    provider = Scripted(answer)
    assert await send(guard(provider, Time()), 20) == answer
    assert len(provider.asked) == 20


async def test_after_the_rest_one_message_tries_and_success_opens_the_way() -> None:
    provider, time = Scripted(*[DOWN] * 5, TAKEN), Time()
    guarded = guard(provider, time)
    await send(guarded, 5)
    time.now += 5

    assert await send(guarded, 3) == TAKEN
    assert guarded.resting == 0


async def test_only_one_message_tries_while_the_others_still_wait() -> None:
    provider, time = Scripted(*[DOWN] * 5, TAKEN), Time()
    guarded = guard(provider, time)
    await send(guarded, 5)
    time.now += 5
    provider.gate = asyncio.Event()
    probe = asyncio.create_task(send(guarded))
    while len(provider.asked) < 6:
        await asyncio.sleep(0)

    other = await send(guarded)
    provider.gate.set()

    assert isinstance(other, Failed) and not other.asked
    assert await probe == TAKEN


async def test_a_cancelled_try_lets_the_next_one_try() -> None:
    provider, time = Scripted(*[DOWN] * 5, TAKEN), Time()
    guarded = guard(provider, time)
    await send(guarded, 5)
    time.now += 5
    provider.gate = asyncio.Event()
    probe = asyncio.create_task(send(guarded))
    while len(provider.asked) < 6:
        await asyncio.sleep(0)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe

    provider.gate = None
    assert await send(guarded) == TAKEN


async def test_rests_grow_up_to_the_longest() -> None:
    provider, time = Scripted(DOWN), Time()
    guarded = guard(provider, time, failures=1, rest_seconds=5, longest_rest_seconds=30)
    rests = []
    for _ in range(6):
        await send(guarded)
        blocked = await send(guarded)
        assert isinstance(blocked, Failed) and blocked.retry_after is not None
        rests.append(blocked.retry_after.total_seconds())
        time.now += rests[-1]

    assert rests == [5, 10, 20, 30, 30, 30]


@pytest.mark.parametrize(("named", "rest"), [(1, 1), (60, 60), (1800, 1800), (7200, 3600)])
async def test_retry_after_is_a_rest_of_that_length_at_once_and_an_hour_at_most(named: int, rest: int) -> None:
    provider, time = Scripted(Failed("429", timedelta(seconds=named), down=True), TAKEN), Time()
    guarded = guard(provider, time, rest_seconds=5, longest_rest_seconds=300)
    await send(guarded)
    blocked = await send(guarded)
    assert isinstance(blocked, Failed)
    assert blocked.retry_after == timedelta(seconds=rest)
    time.now += rest - 0.5
    await send(guarded)
    assert len(provider.asked) == 1
    time.now += 0.5
    assert await send(guarded) == TAKEN


async def test_where_no_wait_is_named_our_own_rests_go_on_as_if_none_had_been() -> None:
    busy = Failed("429", timedelta(seconds=60), down=True)
    provider, time = Scripted(DOWN, busy, DOWN, busy, DOWN), Time()
    guarded = guard(provider, time, failures=1, rest_seconds=5, longest_rest_seconds=30)
    rests = []
    for _ in range(5):
        await send(guarded)
        rests.append((await send(guarded)).retry_after.total_seconds())  # type: ignore[union-attr]
        time.now += rests[-1]
    assert rests == [5, 60, 10, 60, 20]


async def test_each_of_many_providers_rests_by_itself() -> None:
    provider, time = Scripted(DOWN), Time()
    guarded = guard(provider, time, by_recipient=True)
    await send(guarded, 6, to="https://a.example/")
    await send(guarded, 1, to="https://b.example/")

    assert len(provider.asked) == 6
    assert guarded.resting == 1


async def test_an_hour_of_trouble_with_ten_thousand_messages_asks_the_provider_a_few_times_only() -> None:
    provider, time = Scripted(DOWN), Time()
    guarded = guard(provider, time)
    for _ in range(10_000):
        await send(guarded)
        time.now += 0.36

    assert len(provider.asked) < 25


# Rate


async def test_a_message_that_comes_too_early_waits_for_its_turn() -> None:
    provider, time = Scripted(), Time()
    await send(guard(provider, time, rates="smtp=1, twilio=2"), 6)

    assert time.now - 1000 == pytest.approx(2)  # two at once, then one each half second
    assert len(provider.asked) == 6


async def test_a_message_that_would_wait_too_long_is_failed_unasked_without_costing_a_turn() -> None:
    provider, time = Scripted(), Time()
    guarded = guard(provider, time, rates="twilio=0.01")
    await send(guarded)
    outcomes = {await send(guarded) for _ in range(100)}

    assert outcomes == {Failed("too many messages a second for twilio", timedelta(seconds=1), asked=False)}
    time.now += 100
    assert await send(guarded) == TAKEN


@given(
    rate=st.floats(0.5, 200),
    arrivals=st.lists(st.floats(0, 2), min_size=1, max_size=60),
)
def test_never_more_goes_out_in_a_stretch_of_time_than_the_rate_and_one_burst(
    rate: float, arrivals: list[float]
) -> None:
    bucket, now, sent = Bucket(rate), 0.0, []
    for gap in arrivals:
        now += gap
        wait = bucket.take(now, 1e9)
        assert wait is not None
        sent.append(now + wait)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            assert last - first + 1 <= max(rate, 1) + 1 + rate * (sent[last] - sent[first]) + 1e-6


# Turns


async def test_no_more_are_under_way_than_the_channel_allows() -> None:
    provider = Scripted()
    provider.gate = asyncio.Event()
    guarded = guard(provider, Time())
    sends = [asyncio.create_task(send(guarded)) for _ in range(5)]
    while provider.at_once < 2:
        await asyncio.sleep(0)
    provider.gate.set()
    await asyncio.gather(*sends)

    assert provider.most_at_once == 2


async def test_channels_by_one_account_have_their_turns_and_their_rate_together() -> None:
    first, second, time = Scripted(), Scripted(), Time()
    first.gate = second.gate = asyncio.Event()
    settings = GuardSettings(rates="twilio=2")
    allowance = Allowance.of(first, settings)
    one, two = (
        Guarded(each, settings, allowance=allowance, monotonic=time.read, wait=time.wait) for each in (first, second)
    )
    async with asyncio.TaskGroup() as tasks:
        for guarded in (one, two, one, two):
            tasks.create_task(guarded.send(message(), timeout=10))
        for _ in range(10):
            await asyncio.sleep(0)
        assert first.at_once + second.at_once == 2
        first.gate.set()
    assert len(first.asked) == len(second.asked) == 2
    assert time.waits == [0.5, 0.5], "two at once, then one every half second"


async def test_who_gets_no_turn_in_time_is_failed_unasked() -> None:
    provider = Scripted()
    provider.gate = asyncio.Event()
    guarded = guard(provider, Time())
    sends = [asyncio.create_task(send(guarded)) for _ in range(2)]
    while provider.at_once < 2:
        await asyncio.sleep(0)

    assert await guarded.send(message(), timeout=0.01) == Failed("no turn at twilio within 0 s", asked=False)
    provider.gate.set()
    await asyncio.gather(*sends)


@pytest.mark.parametrize(
    ("change", "variable"),
    [
        ({"rates": "twilio"}, "RATES"),
        ({"rates": "twilio=0"}, "RATES"),
        ({"rates": "twilio=-1"}, "RATES"),
        ({"failures": 0}, "FAILURES"),
        ({"rest_seconds": 0}, "REST_SECONDS"),
        ({"rest_seconds": float("nan")}, "REST_SECONDS"),
        ({"rest_seconds": 60, "longest_rest_seconds": 30}, "LONGEST_REST_SECONDS"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(change: dict[str, object], variable: str) -> None:
    with pytest.raises(ValueError, match=f"SLOTWATCH_PROVIDER_{variable}"):
        GuardSettings(**change)  # type: ignore[arg-type]
