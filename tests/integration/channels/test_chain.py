"""The chain of providers: who steps in, and when nobody may."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from slotwatch.channels import (
    Accepted,
    Chain,
    Failed,
    Guarded,
    GuardSettings,
    InboxChannel,
    Message,
    Refused,
    TwilioSms,
)
from slotwatch.channels.twilio_settings import SecondTwilioSettings
from tests import mail_sink
from tests.integration.channels.http_double import DROP, HANG, HttpDouble, http_double, reply, twilio_error
from tests.integration.channels.rigs import twilio_settings
from tests.integration.channels.rigs_wrapped import smtp_before

DRIVER = "+41791234567"


def message(to: str = DRIVER) -> Message:
    return Message(key="delivery-1", to=to, subject=None, text="Go.")


@contextlib.asynccontextmanager
async def two_accounts() -> AsyncIterator[tuple[HttpDouble, HttpDouble, Chain]]:
    async with http_double() as first, http_double() as second:
        other = twilio_settings(second.base_url)
        given = {field: getattr(other, field) for field in other.__struct_fields__}
        chain = Chain(TwilioSms(twilio_settings(first.base_url)), TwilioSms(SecondTwilioSettings(**given)))
        yield first, second, chain
        await chain.close()


async def test_while_the_first_is_well_the_second_is_not_asked() -> None:
    async with two_accounts() as (first, second, chain):
        outcome = await chain.send(message(), timeout=5)

    assert isinstance(outcome, Accepted)
    assert outcome.provider == "twilio"
    assert (len(first.requests), len(second.requests)) == (1, 0)


@pytest.mark.parametrize(
    "answer", [twilio_error(503, 20503), twilio_error(429, 20429), twilio_error(401, 20003), twilio_error(400, 21606)]
)
async def test_when_the_first_is_down_the_second_takes_over_and_is_named(answer: bytes) -> None:
    async with two_accounts() as (first, second, chain):
        first.otherwise = answer
        outcome = await chain.send(message(), timeout=5)

    assert isinstance(outcome, Accepted)
    assert outcome.provider == "twilio2"
    assert len(second.requests) == 1


@pytest.mark.parametrize(
    "answer", [DROP, HANG, twilio_error(500, 20500), twilio_error(504, None), reply(201, b"<html>"), reply(202, b"")]
)
async def test_what_may_have_been_accepted_goes_to_nobody_else(answer: bytes) -> None:
    async with two_accounts() as (first, second, chain):
        first.otherwise = answer
        outcome = await chain.send(message(), timeout=2 if answer == HANG else 20)

    assert isinstance(outcome, Failed)
    assert outcome.uncertain
    assert "may have been accepted" in outcome.error
    assert second.requests == []


@pytest.mark.parametrize("answer", [twilio_error(400, 21610), twilio_error(400, 21211), twilio_error(409, None)])
async def test_trouble_with_the_recipient_goes_to_nobody_else(answer: bytes) -> None:
    async with two_accounts() as (first, second, chain):
        first.otherwise = answer
        assert isinstance(await chain.send(message(), timeout=5), Refused | Failed)

    assert second.requests == []


async def test_when_all_are_down_each_is_named_and_the_soonest_wait_counts() -> None:
    async with two_accounts() as (first, second, chain):
        first.otherwise = twilio_error(503, 20503, "one", Retry_After="60")
        second.otherwise = twilio_error(503, 20503, "two", Retry_After="30")
        outcome = await chain.send(message(), timeout=5)

    assert isinstance(outcome, Failed)
    assert outcome.down and not outcome.uncertain
    assert "one" in outcome.error and "two" in outcome.error
    assert outcome.retry_after is not None and outcome.retry_after.total_seconds() == 30


async def test_a_provider_that_rests_costs_no_time() -> None:
    async with two_accounts() as (first, second, chain):
        first.otherwise = twilio_error(503, 20503)
        guarded = Chain(*(Guarded(channel, GuardSettings(failures=1)) for channel in chain._channels))
        outcomes = [await guarded.send(message(), timeout=5) for _ in range(4)]

    assert all(isinstance(outcome, Accepted) and outcome.provider == "twilio2" for outcome in outcomes)
    assert (len(first.requests), len(second.requests)) == (1, 4)


async def test_a_mail_server_that_closes_hands_over_to_the_second_and_one_that_loses_its_answer_does_not() -> None:
    with mail_sink.mail_sink() as first, mail_sink.mail_sink() as second:
        chain = Chain(smtp_before(first), smtp_before(second))
        first.on_mail = "421 4.3.2 shutting down"
        assert isinstance(await chain.send(message("a@example.com"), timeout=5), Accepted)
        first.on_mail = None
        first.on_data["b@example.com"] = mail_sink.LOSE_ANSWER
        lost = await chain.send(message("b@example.com"), timeout=5)
        first.on_rcpt["c@example.com"] = "450 4.2.0 greylisted"
        greylisted = await chain.send(message("c@example.com"), timeout=5)
        await chain.close()

    assert isinstance(lost, Failed) and lost.uncertain
    assert isinstance(greylisted, Failed) and not greylisted.down
    assert [mail.recipient for mail in second.mails] == ["a@example.com"]


async def test_a_mail_server_that_does_not_relay_rests_and_every_mail_goes_by_the_second() -> None:
    with mail_sink.mail_sink() as first, mail_sink.mail_sink() as second:
        guarded = Guarded(smtp_before(first), GuardSettings(failures=5))
        chain = Chain(guarded, smtp_before(second))
        drivers = [f"{name}@example.com" for name in "abcdefgh"]
        for driver in drivers:
            first.on_rcpt[driver] = f"554 5.7.1 <{driver}>: Relay access denied"
            assert isinstance(await chain.send(message(driver), timeout=5), Accepted)
        assert guarded.resting == 1
        await chain.close()

    assert [mail.recipient for mail in second.mails] == drivers


async def test_a_recipient_who_takes_nothing_from_us_does_not_make_a_mail_server_rest() -> None:
    with mail_sink.mail_sink() as first, mail_sink.mail_sink() as second:
        guarded = Guarded(smtp_before(first), GuardSettings(failures=1))
        chain = Chain(guarded, smtp_before(second))
        first.on_rcpt["a@example.com"] = "550 5.7.1 recipient does not accept mail from you"
        assert isinstance(await chain.send(message("a@example.com"), timeout=5), Refused)
        assert guarded.resting == 0
        await chain.close()

    assert second.mails == []


async def test_the_check_names_who_is_not_in_order() -> None:
    async with two_accounts() as (_, second, chain):
        assert await chain.check() is None
        second.account = reply(200, {"status": "suspended"})
        assert await chain.check() == "twilio2: the Twilio account is suspended"


async def test_a_chain_is_of_one_channel() -> None:
    async def keep(_: object) -> str:
        return "kept"

    with pytest.raises(ValueError, match="same channel"):
        Chain(InboxChannel("email", keep), InboxChannel("sms", keep))
    with pytest.raises(ValueError, match="needs providers"):
        Chain()
