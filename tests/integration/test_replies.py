"""What people answer, and what providers say of addresses alone: STOP and START, in any order."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from slotwatch.channels.receipts import Receipt, Reply
from slotwatch.outbox.receipts import ReceiptBook
from tests.conftest import NOON, Town
from tests.integration.test_receipts import MINUTE, book, said, states, told
from tests.support.crew import Crew

__all__ = ["book"]


async def test_stop_ends_sms_until_start_and_an_old_stop_that_comes_again_does_not_count(
    crew: Crew, town: Town, book: ReceiptBook
) -> None:
    def wrote(wants: Any, event: str) -> Reply:
        return Reply(provider="twilio", channel="sms", address="+15005550010", wants=wants, event_id=event)

    await book.enter([wrote("stop", "r1")])
    await book.enter([wrote("help", "r2")])
    await told(crew, town)
    assert await states(crew) == {"email": "sent", "sms": "suppressed"}
    await book.enter([wrote("start", "r3")])
    await book.enter([wrote("stop", "r1")])
    assert await crew.value("SELECT count(*) FROM suppression") == 0


async def test_postmark_s_suppression_ends_mail_to_the_address_and_its_lift_allows_it_again(
    crew: Crew, town: Town, book: ReceiptBook
) -> None:
    def changed(wants: Any, event: str) -> Reply:
        return Reply(
            provider="smtp",
            channel="email",
            address="Mira@Example.org",
            wants=wants,
            event_id=event,
            reason="Postmark sends no more to this address (ManualSuppression)",
        )

    await book.enter([changed("stop", "p1")])
    await told(crew, town)
    assert await states(crew) == {"email": "suppressed", "sms": "sent"}
    reason = await crew.value("SELECT reason FROM suppression WHERE address = 'mira@example.org'")
    assert reason == "Postmark sends no more to this address (ManualSuppression)"
    await book.enter([changed("start", "p2")])
    assert await crew.value("SELECT count(*) FROM suppression") == 0


def _changed(wants: Any, minute: int | None, event: str = "") -> Reply:
    """What Postmark says happened to an address that many minutes after noon."""
    at = None if minute is None else NOON + minute * MINUTE
    event = event or f"{wants}:{minute}"
    return Reply(provider="smtp", channel="email", address="Mira@Example.org", wants=wants, event_id=event, at=at)


def _gone(minute: int | None, event: str = "gone") -> Receipt:
    """A hard bounce that many minutes after noon."""
    at = None if minute is None else NOON + minute * MINUTE
    return said(
        "failed", "email", event=event, suppress=True, address="mira@example.org", message_id="of-nobody", at=at
    )


@pytest.mark.parametrize(
    ("news", "suppressed"),
    [
        pytest.param([_changed("start", 5), _changed("stop", 0)], False, id="stopped, told after it was put back"),
        pytest.param([_changed("stop", 5), _changed("start", 0)], True, id="put back, told after it was stopped"),
        pytest.param(
            [_changed("stop", 0), _changed("start", 5), _changed("stop", 0, "again")], False, id="stopped, told twice"
        ),
        pytest.param([_changed("start", 5), _gone(0)], False, id="a bounce, told after the address was put back"),
        pytest.param([_gone(5), _changed("start", 0)], True, id="put back, told after a bounce"),
        pytest.param([_gone(0), _changed("start", 5)], False, id="in order"),
        pytest.param([_changed("start", 5), _changed("stop", 9)], True, id="in order, the other way round"),
        pytest.param([_changed("stop", None), _changed("start", None)], False, id="without times, as they come"),
        pytest.param([_changed("start", 5), _changed("stop", None)], True, id="a stop of now, since it names no time"),
        pytest.param([_changed("stop", 600), _changed("start", 20)], False, id="no time is later than its arrival"),
    ],
)
async def test_what_happened_last_to_an_address_counts_in_whatever_order_it_istold(
    crew: Crew, town: Town, book: ReceiptBook, news: list[Reply | Receipt], suppressed: bool
) -> None:
    crew.clock.move_to(NOON + 10 * MINUTE)
    for one in news:
        await book.enter([one])
        crew.clock.advance(10 * MINUTE)
    assert await crew.value("SELECT count(*) FROM suppression") == suppressed


async def test_a_wish_that_is_told_for_one_address_is_not_one_for_another(crew: Crew, book: ReceiptBook) -> None:
    await book.enter([replace(_changed("start", 5), address="otto@example.org")])
    await book.enter([replace(_changed("start", 5, "by SMS"), channel="sms")])
    await book.enter([_changed("stop", 0)])
    assert await crew.value("SELECT address FROM suppression") == "mira@example.org"


async def test_stop_and_start_that_come_at_the_same_moment_end_as_if_in_order(crew: Crew, book: ReceiptBook) -> None:
    crew.clock.move_to(NOON + 10 * MINUTE)
    for number in range(8):
        news = [_changed("stop", 0, f"stop:{number}"), _changed("start", 5, f"start:{number}")]
        await asyncio.gather(*(book.enter([one]) for one in news))
        assert await crew.value("SELECT count(*) FROM suppression") == 0
