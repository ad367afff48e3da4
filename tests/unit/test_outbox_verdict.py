"""What becomes of a delivery, as values: before it is sent, after the provider's answer, after a fault of ours."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwatch.channels import Accepted, Failed, Refused
from slotwatch.domain.lifecycle import State
from slotwatch.domain.notices import NOTICE_RULES, Channel, DeliveryState, NoticeKind
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.settings import NoticeSettings, SenderSettings
from slotwatch.outbox.verdict import after_fault, after_try, backoff, before_sending

NOW = datetime(2026, 3, 2, 13, tzinfo=UTC)
SECOND = timedelta(seconds=1)
BOTH = frozenset({Channel.EMAIL, Channel.SMS})
CHANNELS = st.sampled_from(sorted(BOTH))
KINDS = st.sampled_from(NoticeKind)
ABOUT_BOOKINGS = st.sampled_from([kind for kind, rule in NOTICE_RULES.items() if rule.is_about_booking])
JITTER = st.floats(0, 1, exclude_max=True)


def _delivery(
    kind: NoticeKind = NoticeKind.SLOT_STARTED,
    channel: Channel = Channel.EMAIL,
    *,
    valid_for: timedelta = timedelta(minutes=30),
    attempts: int = 0,
    faults: int = 0,
    **facts: Any,
) -> Claimed:
    known: dict[str, Any] = {
        "state": next((state.value for state in NOTICE_RULES[kind].true_in), None),
        "email": "mira@example.org",
        "phone": "+15005550010",
        "preferences": {},
    }
    return Claimed(
        notice_id=5,
        channel=channel,
        lease=1,
        attempts=attempts,
        faults=faults,
        kind=kind,
        occasion="",
        valid_until=NOW + valid_for,
        claimed_at=NOW,
        facts=known | facts,
    )


@given(ABOUT_BOOKINGS, CHANNELS, st.sampled_from(State))
def test_a_message_goes_out_only_while_it_is_true(kind: NoticeKind, channel: Channel, state: State) -> None:
    verdict = before_sending(_delivery(kind, channel, state=state.value), BOTH, NOW)
    if state in NOTICE_RULES[kind].true_in:
        assert verdict is None
    else:
        assert verdict is not None
        assert verdict.state is DeliveryState.SUPPRESSED
        assert state.value in str(verdict.error)
        assert verdict.fallback is None, "it is not true on the other channel either"


def test_the_last_instant_of_its_time_is_still_in_time() -> None:
    delivery = _delivery(valid_for=timedelta(0))
    assert before_sending(delivery, BOTH, NOW) is None
    late = before_sending(delivery, BOTH, NOW + timedelta(microseconds=1))
    assert late is not None
    assert (late.state, late.tried) == (DeliveryState.MISSED, None)


@pytest.mark.parametrize("facts", [{"email": None}, {"email": ""}, {"preferences": {"channels": {"email": False}}}])
def test_who_cannot_or_will_not_be_reached_here_is_told_by_the_other_channel(facts: dict[str, Any]) -> None:
    verdict = before_sending(_delivery(**facts), BOTH, NOW)
    assert verdict is not None
    assert (verdict.state, verdict.fallback) == (DeliveryState.SUPPRESSED, Channel.SMS)
    alone = before_sending(_delivery(**facts), {Channel.EMAIL}, NOW)
    assert alone is not None
    assert alone.fallback is None, "a channel that is switched off is nobody's fallback"


def test_an_accepted_message_is_sent_and_keeps_the_providers_name_for_it() -> None:
    verdict = after_try(_delivery(), Accepted("SM1"), now=NOW, jitter=0, enabled=BOTH)
    assert (verdict.state, verdict.message_id, verdict.tried) == (DeliveryState.SENT, "SM1", "accepted")


@given(ABOUT_BOOKINGS, CHANNELS)
def test_a_refusal_is_final_and_opens_another_channel(kind: NoticeKind, channel: Channel) -> None:
    verdict = after_try(_delivery(kind, channel), Refused("no"), now=NOW, jitter=0, enabled=BOTH)
    assert verdict.state is DeliveryState.FAILED
    assert verdict.fallback is not channel
    assert verdict.fallback is not None


@given(ABOUT_BOOKINGS, CHANNELS, st.integers(0, 50), JITTER, st.none() | st.integers(0, 7200), st.integers(0, 7200))
def test_a_failure_is_tried_again_in_time_or_missed_and_then_the_other_channel_has_its_chance(
    kind: NoticeKind, channel: Channel, attempts: int, jitter: float, retry_after: int | None, valid_for: int
) -> None:
    delivery = _delivery(kind, channel, attempts=attempts, valid_for=valid_for * SECOND)
    asked = None if retry_after is None else retry_after * SECOND
    verdict = after_try(delivery, Failed("down", asked), now=NOW, jitter=jitter, enabled=BOTH)
    assert verdict.tried == "failed"
    if verdict.state is DeliveryState.MISSED:
        assert verdict.fallback is not None
        return
    assert verdict.state is DeliveryState.PENDING
    assert verdict.next_attempt_at is not None
    assert NOW < verdict.next_attempt_at <= delivery.valid_until
    assert verdict.next_attempt_at >= NOW + (asked or timedelta(0))
    assert (verdict.fallback is not None) is (attempts + 1 >= 4)


@given(st.integers(1, 10_000), JITTER)
def test_pauses_grow_to_ten_minutes_and_vary_by_a_quarter(tries: int, jitter: float) -> None:
    pause = backoff(tries, jitter)
    middle = min(4 * 2 ** min(tries - 1, 20), 600) * SECOND
    assert 0.75 * middle <= pause <= 1.25 * middle
    assert backoff(tries + 1, jitter) >= pause


def test_a_fault_of_ours_is_tried_again_twice_and_then_set_aside() -> None:
    states = [after_fault(_delivery(faults=faults), ValueError("x" * 1000), now=NOW, jitter=0.5) for faults in range(3)]
    assert [verdict.state for verdict in states] == [
        *(DeliveryState.PENDING, DeliveryState.PENDING),
        DeliveryState.SET_ASIDE,
    ]
    assert all(len(str(verdict.error)) <= 300 and verdict.tried is None for verdict in states)


@pytest.mark.parametrize(
    "values",
    [{"batch_size": 0}, {"lanes": 0}, {"lanes": 65}, {"lease_seconds": 19, "timeout_seconds": 10}],
)
def test_sender_settings_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        SenderSettings(**values)


def test_the_originals_switches_switch() -> None:
    assert NoticeSettings().channels == BOTH
    assert NoticeSettings(email_enabled=False).channels == {Channel.SMS}
    with pytest.raises(ValueError, match="frontend_url"):
        NoticeSettings(frontend_url="javascript:alert(1)")
