"""Places for many: urgency goes first, a place is never lost, and one notice is in one hand at a time."""

import asyncio

import pytest

from slotwatch.domain.notices import Urgency
from slotwatch.outbox.hands import Hands
from slotwatch.outbox.turns import Turns


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_is_urgent_overtakes_what_came_before_it() -> None:
    turns, order = Turns(1), []

    async def go(name: str, urgency: Urgency) -> None:
        await turns.take(urgency)
        order.append(name)
        await asyncio.sleep(0)
        turns.give_back()

    await turns.take(Urgency.LATER)
    waiting = [
        asyncio.create_task(go(name, urgency))
        for name, urgency in (
            ("reminder", Urgency.LATER),
            ("receipt", Urgency.SOON),
            ("second reminder", Urgency.LATER),
            ("start", Urgency.NOW),
        )
    ]
    await _settle()
    turns.give_back()
    await asyncio.gather(*waiting)
    assert order == ["start", "receipt", "reminder", "second reminder"]


@pytest.mark.parametrize("is_let_in", [False, True])
async def test_who_goes_away_while_waiting_takes_no_place_along(*, is_let_in: bool) -> None:
    turns = Turns(1)
    await turns.take(Urgency.NOW)
    gone = asyncio.create_task(turns.take(Urgency.NOW))
    await _settle()
    if is_let_in:  # the place is given in the same moment
        turns.give_back()
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    if not is_let_in:
        turns.give_back()
    async with asyncio.timeout(1):
        await turns.take(Urgency.LATER)


async def test_a_notice_that_another_channel_has_in_hand_is_waited_for() -> None:
    hands = Hands()
    assert hands.take(7)
    assert not hands.take(7)
    assert hands.take(8), "another notice is nobody's business"
    waiting = asyncio.create_task(hands.free(7, within=30))
    await _settle()
    assert not waiting.done()
    hands.give_back(7)
    await waiting
    assert hands.take(7)


async def test_a_channel_that_hangs_is_not_waited_for_without_end() -> None:
    hands = Hands()
    hands.take(7)
    await hands.free(7, within=0)
    assert not hands.take(7)
