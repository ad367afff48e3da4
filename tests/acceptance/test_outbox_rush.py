"""A provider is down for an hour from the moment at which very many slots begin.

Small in `make test`, 10,000 with SLOTWATCH_CHAOS=full.
"""

import os
import tracemalloc
from collections import Counter
from datetime import timedelta

import pytest

from slotwatch.channels import Failed, Guarded, Message, Outcome
from slotwatch.channels.guarded import GuardSettings
from slotwatch.domain.notices import DeliveryState
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.sender import Sender
from slotwatch.outbox.settings import SenderSettings
from tests.conftest import NOON, Town
from tests.support.crew import Crew
from tests.support.many import put_bookings

BOOKINGS = 10_000 if os.environ.get("SLOTWATCH_CHAOS") == "full" else 250
SETTINGS = SenderSettings(batch_size=500)
HOUR = timedelta(hours=1)
STEP = timedelta(seconds=30)
WATCHED = timedelta(minutes=5)
MOST_MEMORY = 20 * 1024 * 1024


def _down(message: Message) -> Outcome:
    return Failed("connection refused", down=True)


def _short(delivery: Claimed, frontend_url: str) -> Message:
    """So that what the doubles of the providers keep is small."""
    return Message(key=delivery.key, to=delivery.address or "", subject=None, text="", kind=delivery.kind)


async def _until_idle(crew: Crew, *senders: Sender) -> int:
    """The engine, and then the senders until nothing is due; how many deliveries they claimed."""
    await crew.engine()
    claimed = 0
    for sender in senders:
        while count := (await sender.run_once()).claimed:
            claimed += count
    return claimed


@pytest.mark.timeout(3600 if BOOKINGS > 1000 else 300)
async def test_chaos_of_a_rush_without_provider_ends_with_everybody_told_and_the_provider_left_in_peace(
    crew: Crew, town: Town
) -> None:
    await crew.never_silent()
    await put_bookings(
        *(crew, town, BOOKINGS),
        starts_at=NOON + HOUR,
        grace_minutes=90,
        length=3 * HOUR,
        confirmations=DeliveryState.SUPPRESSED,
    )
    guarded = Guarded(crew.sms, GuardSettings(), monotonic=lambda: crew.clock.read().timestamp())  # type: ignore[arg-type]
    senders = (
        crew.sender(crew.mail, SETTINGS, write=_short),
        crew.sender(guarded, SETTINGS, write=_short),
    )
    crew.sms.answer = _down
    crew.clock.move_to(NOON + HOUR)
    claimed = await _until_idle(crew, *senders)
    tracemalloc.start()  # looking on makes everything slow: for some minutes of the outage
    while crew.clock.read() < NOON + 2 * HOUR:
        crew.clock.advance(STEP)
        claimed += await _until_idle(crew, *senders)
        if tracemalloc.is_tracing() and crew.clock.read() >= NOON + HOUR + WATCHED:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < MOST_MEMORY, "what waits is in the database"
    assert not tracemalloc.is_tracing()
    assert len(crew.sms.asked) < 100, "it rests, and one message tries"
    assert claimed < BOOKINGS * 30, "what waits is looked at when a rest is over, not all the time"
    mails = Counter(await crew.kinds(crew.mail.taken))
    assert mails == {"slot_started": BOOKINGS, "grace_alert": BOOKINGS}, "the alert fell back to mail"
    crew.sms.answer = None
    while crew.clock.read() < NOON + 2 * HOUR + timedelta(minutes=15):
        crew.clock.advance(STEP)
        await _until_idle(crew, *senders)
    texts = Counter(message.key for message in crew.sms.taken)
    assert len(texts) >= 2 * BOOKINGS
    assert set(texts.values()) == {1}
    waiting = await crew.value("SELECT count(*) FROM delivery WHERE state <> 'sent' AND state <> 'suppressed'")
    assert waiting == 0
