"""What every channel must do, whatever is behind it. A new channel gets a rig and nothing else."""

import asyncio
import time

import pytest

from slotwatch.channels import Accepted, Failed, Refused
from tests.integration.channels.rigs import Mood, Rig

# Long enough for any local provider, and the short one that the hanging ones are given.
AMPLE = 5.0
SHORT = 0.2


async def test_a_message_is_accepted_and_the_provider_names_it(taking_rig: Rig) -> None:
    outcome = await taking_rig.channel.send(taking_rig.message(), timeout=AMPLE)

    assert isinstance(outcome, Accepted)
    assert outcome.provider_id
    assert len(taking_rig.identities()) == 1


async def test_every_message_has_a_provider_id_of_its_own(taking_rig: Rig) -> None:
    outcomes = [await taking_rig.channel.send(taking_rig.message(f"delivery-{n}"), timeout=AMPLE) for n in range(3)]

    assert len(set(outcomes)) == 3


async def test_a_permanent_refusal_is_refused(rig: Rig) -> None:
    outcome = await rig.channel.send(rig.troubled(Mood.REFUSES), timeout=AMPLE)

    assert isinstance(outcome, Refused)
    assert outcome.error


async def test_a_passing_trouble_is_failed(rig: Rig) -> None:
    outcome = await rig.channel.send(rig.troubled(Mood.STUMBLES), timeout=AMPLE)

    assert isinstance(outcome, Failed)
    assert outcome.error


async def test_a_provider_that_hangs_up_is_failed(rig: Rig) -> None:
    outcome = await rig.channel.send(rig.troubled(Mood.DROPS), timeout=AMPLE)

    assert isinstance(outcome, Failed)


async def test_a_provider_that_hangs_is_failed_within_the_timeout(rig: Rig) -> None:
    started = time.monotonic()
    outcome = await rig.channel.send(rig.troubled(Mood.HANGS), timeout=SHORT)

    assert isinstance(outcome, Failed)
    assert SHORT <= time.monotonic() - started < AMPLE
    assert "0.2 s" in outcome.error


@pytest.mark.parametrize("mood", list(Mood))
async def test_after_trouble_the_next_message_goes_out(rig: Rig, mood: Mood) -> None:
    await rig.channel.send(rig.troubled(mood), timeout=SHORT)

    assert isinstance(await rig.channel.send(rig.message(), timeout=AMPLE), Accepted)


async def test_two_messages_go_by_one_connection(taking_rig: Rig) -> None:
    for number in range(2):
        assert isinstance(
            await taking_rig.channel.send(taking_rig.message(f"delivery-{number}"), timeout=AMPLE), Accepted
        )

    assert taking_rig.connections() in {1, None}


async def test_a_refused_message_does_not_cost_the_connection(rig: Rig) -> None:
    await rig.channel.send(rig.message(), timeout=AMPLE)
    await rig.channel.send(rig.troubled(Mood.REFUSES), timeout=AMPLE)
    await rig.channel.send(rig.message(), timeout=AMPLE)

    assert rig.connections() in {1, None}


async def test_no_more_connections_are_opened_than_allowed(taking_rig: Rig) -> None:
    assert taking_rig.channel.concurrency == 1
    outcomes = await asyncio.gather(
        *(taking_rig.channel.send(taking_rig.message(f"delivery-{number}"), timeout=AMPLE) for number in range(10))
    )

    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert taking_rig.connections() in {1, None}


async def test_the_same_key_is_recognisable_as_the_same_message(rig: Rig) -> None:
    for _ in range(2):
        await rig.channel.send(rig.message("delivery-1"), timeout=AMPLE)
    await rig.channel.send(rig.message("delivery-2"), timeout=AMPLE)

    first, second, other = rig.identities()
    assert first == second != other


async def test_a_cancelled_send_leaves_no_connection_checked_out(rig: Rig) -> None:
    send = asyncio.create_task(rig.channel.send(rig.troubled(Mood.HANGS), timeout=60))
    await rig.until_it_hangs()
    send.cancel()
    with pytest.raises(asyncio.CancelledError):
        await send

    # One connection is allowed: it would wait for ever if the cancelled one still counted.
    assert isinstance(await rig.channel.send(rig.message(), timeout=AMPLE), Accepted)


async def test_a_reachable_provider_passes_the_check(taking_rig: Rig) -> None:
    assert await taking_rig.channel.check() is None


async def test_closing_again_is_harmless_and_a_send_after_it_is_failed(taking_rig: Rig) -> None:
    await taking_rig.channel.send(taking_rig.message(), timeout=AMPLE)
    await taking_rig.channel.close()
    await taking_rig.channel.close()

    assert isinstance(await taking_rig.channel.send(taking_rig.message(), timeout=AMPLE), Failed)


async def test_a_line_break_in_the_address_is_refused(taking_rig: Rig) -> None:
    message = taking_rig.message()
    for smuggled in ("\r\nBcc: x@example.com", "\nDATA", "\x00", "\u2028"):
        outcome = await taking_rig.channel.send(
            type(message)(key="delivery-1", to=message.to + smuggled, subject=message.subject, text="x"), timeout=AMPLE
        )
        assert isinstance(outcome, Refused)
    assert taking_rig.identities() == []
