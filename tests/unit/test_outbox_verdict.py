"""What becomes of a delivery, as values: before it is sent, after the provider's answer, after a fault of ours."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwatch.channels import Accepted, Failed, Refused
from slotwatch.domain.lifecycle import State
from slotwatch.domain.notices import NOTICE_RULES, Channel, DeliveryState, KeptBack, NoticeKind
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.settings import CapSettings, NoticeSettings, SenderSettings
from slotwatch.outbox.verdict import after_fault, after_silence, after_try, backoff, before_sending

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
        written_at=NOW,
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
    verdict = before_sending(_delivery(NoticeKind.REMINDER, **facts), BOTH, NOW)
    assert verdict is not None
    assert (verdict.state, verdict.fallback) == (DeliveryState.SUPPRESSED, Channel.SMS)
    alone = before_sending(_delivery(NoticeKind.REMINDER, **facts), {Channel.EMAIL}, NOW)
    assert alone is not None
    assert alone.fallback is None, "a channel that is switched off is nobody's fallback"


def test_an_accepted_message_is_sent_and_keeps_the_providers_name_for_it() -> None:
    verdict = after_try(_delivery(), Accepted("SM1"), now=NOW, jitter=0, enabled=BOTH)
    assert (verdict.state, verdict.message_id, verdict.tried) == (DeliveryState.SENT, "SM1", "accepted")


@given(ABOUT_BOOKINGS, CHANNELS)
def test_a_refusal_is_final_and_opens_another_channel(kind: NoticeKind, channel: Channel) -> None:
    verdict = after_try(_delivery(kind, channel), Refused("no"), now=NOW, jitter=0, enabled=BOTH)
    assert verdict.state is DeliveryState.FAILED
    assert verdict.fallback == NOTICE_RULES[kind].instead_of(channel, BOTH)


@given(ABOUT_BOOKINGS, st.sets(st.sampled_from(Channel)))
def test_what_steps_in_goes_along_one_line_that_never_turns_back_and_leaves_out_what_went_at_once(
    kind: NoticeKind, enabled: set[Channel]
) -> None:
    rule = NOTICE_RULES[kind]
    at_once = rule.at_once_among(enabled)
    for first in set(at_once) - set(rule.beside):
        line = [first]
        while (following := rule.instead_of(line[-1], enabled)) is not None:
            assert following in enabled
            assert following not in at_once
            assert following not in line
            line.append(following)
        assert set(line[1:]) == set(rule.others(first, enabled)) - set(at_once), "everything that may be tried is tried"


@given(ABOUT_BOOKINGS, CHANNELS, st.integers(0, 50), JITTER, st.none() | st.integers(0, 7200), st.integers(0, 7200))
def test_a_failure_is_tried_again_in_time_or_missed_and_then_the_other_channel_has_its_chance(
    kind: NoticeKind, channel: Channel, attempts: int, jitter: float, retry_after: int | None, valid_for: int
) -> None:
    delivery = _delivery(kind, channel, attempts=attempts, valid_for=valid_for * SECOND)
    asked = None if retry_after is None else retry_after * SECOND
    verdict = after_try(delivery, Failed("down", asked), now=NOW, jitter=jitter, enabled=BOTH)
    assert verdict.tried == "failed"
    regular = NOW + max(backoff(attempts + 1, jitter), asked or timedelta(0))
    is_bad = regular > delivery.valid_until or attempts + 1 >= 4
    assert verdict.fallback == (delivery.rule.instead_of(channel, BOTH) if is_bad else None)
    if verdict.state is DeliveryState.MISSED:
        assert regular > delivery.valid_until
        return
    assert verdict.state is DeliveryState.PENDING
    assert verdict.next_attempt_at is not None
    assert NOW < verdict.next_attempt_at <= delivery.valid_until
    assert verdict.next_attempt_at >= NOW + (asked or timedelta(0))


@given(JITTER, JITTER, st.integers(30, 590))
def test_a_retry_that_would_come_too_late_is_made_shortly_before_the_end_and_only_once(
    jitter: float, next_jitter: float, valid_for: int
) -> None:
    delivery = _delivery(attempts=10, valid_for=valid_for * SECOND)
    if NOW + backoff(11, jitter) <= delivery.valid_until:
        return
    verdict = after_try(delivery, Failed("down"), now=NOW, jitter=jitter, enabled=BOTH)
    assert verdict.state is DeliveryState.PENDING
    assert verdict.next_attempt_at is not None
    assert 10 * SECOND <= delivery.valid_until - verdict.next_attempt_at <= 20 * SECOND
    at_last = verdict.next_attempt_at + timedelta(microseconds=1)
    again = after_try(delivery, Failed("down"), now=at_last, jitter=next_jitter, enabled=BOTH)
    assert again.state is DeliveryState.MISSED


def _lost(kind: NoticeKind, channel: Channel = Channel.EMAIL, **facts: Any) -> Claimed:
    """Its process died; the SMS of the same notice, if there is one, waits its turn unless `facts` say otherwise."""
    beside = {"sms": "pending"} if Channel.SMS in NOTICE_RULES[kind].at_once and channel is Channel.EMAIL else {}
    return replace(_delivery(kind, channel, **{"beside": beside, **facts}), handed_over=1, lease=2)


def test_what_was_handed_over_without_an_answer_is_unknown_and_another_channel_tells_it() -> None:
    verdict = after_silence(_lost(NoticeKind.REMINDER), BOTH)
    assert (verdict.state, verdict.fallback) == (DeliveryState.UNKNOWN, Channel.SMS)
    started = after_silence(_lost(NoticeKind.SLOT_STARTED), BOTH)
    assert (started.state, started.fallback) == (DeliveryState.UNKNOWN, None), "the SMS went out at once"


@pytest.mark.parametrize(
    "cut_off",
    [
        {"phone": None},
        {"preferences": {"channels": {"sms": False}}},
        {"suppressed_on": ["sms"]},
        *({"beside": {"sms": state}} for state in ("failed", "missed", "suppressed", "set_aside", "unknown")),
        {"beside": {"sms": "handed_over"}},  # e-mail comes first in the plan
        {"beside": {"sms": "failed", "voice": "pending"}},
    ],
)
def test_what_has_no_other_way_is_sent_once_more_and_then_not_again(cut_off: dict[str, Any]) -> None:
    verdict = after_silence(_lost(NoticeKind.SLOT_STARTED, **cut_off), BOTH)
    assert (verdict.state, verdict.next_attempt_at, verdict.fault) == (DeliveryState.PENDING, NOW, 1)
    again = after_silence(_lost(NoticeKind.SLOT_STARTED, faults=1, **cut_off), BOTH)
    assert again.state is DeliveryState.UNKNOWN


def test_what_can_wait_is_never_sent_again() -> None:
    for kind in (NoticeKind.BOOKING_COMPLETED, NoticeKind.SLOT_EXPIRED):
        assert after_silence(_lost(kind, phone=None), BOTH).state is DeliveryState.UNKNOWN


@pytest.mark.parametrize("state", ["sent", "delivered", "pending"])
def test_what_another_channel_told_or_will_tell_is_not_sent_again(state: str) -> None:
    for kind in (NoticeKind.SLOT_STARTED, NoticeKind.SLOT_EXPIRED):
        assert after_silence(_lost(kind, beside={"sms": state}), BOTH).state is DeliveryState.UNKNOWN


def test_where_both_answers_were_lost_the_second_channel_leaves_it_to_the_first() -> None:
    lost = _lost(NoticeKind.SLOT_STARTED, Channel.SMS, beside={"email": "handed_over"})
    assert after_silence(lost, BOTH).state is DeliveryState.UNKNOWN
    unreachable = _lost(NoticeKind.SLOT_STARTED, Channel.SMS, beside={"email": "handed_over"}, email=None)
    assert after_silence(unreachable, BOTH).state is DeliveryState.PENDING


def test_what_was_handed_over_and_is_over_opens_nothing() -> None:
    for over in ({"valid_for": -SECOND}, {"state": State.ACTIVE.value}):
        verdict = after_silence(_lost(NoticeKind.GRACE_ALERT, Channel.SMS, **over), BOTH)
        assert (verdict.state, verdict.fallback) == (DeliveryState.UNKNOWN, None)


CAPS = CapSettings(recipient_cap=3, spend_cap=100, sms_cost=10)


@pytest.mark.parametrize(
    ("kind", "most", "spent"), [(NoticeKind.SLOT_EXPIRED, 3, 99), (NoticeKind.GRACE_ALERT, 6, 199)]
)
def test_over_a_cap_the_paid_channel_gives_way_and_what_cannot_wait_goes_on_up_to_twice_as_far(
    kind: NoticeKind, most: int, spent: int
) -> None:
    def judged(on: Channel = Channel.SMS, **facts: Any) -> Any:
        return before_sending(_delivery(kind, on, **facts), BOTH, NOW, caps=CAPS)

    assert judged(told_today=most - 1, spent_today=spent) is None
    cases: list[tuple[dict[str, Any], str]] = [
        ({"told_today": most}, "paid messages today"),
        ({"spent_today": spent + 1}, "used up"),
    ]
    for facts, words in cases:
        verdict = judged(**facts)
        assert (verdict.state, verdict.fallback) == (
            DeliveryState.SUPPRESSED,
            NOTICE_RULES[kind].instead_of(Channel.SMS, BOTH),
        )
        assert words in verdict.error
        assert judged(Channel.EMAIL, **facts) is None
    assert judged(spent_today=0, spend_cap=0) is not None, "the vendor's own cap counts"
    assert judged(spent_today=1000, spend_cap=2000) is None


def test_codes_to_sign_in_have_a_cap_of_their_own_and_no_vendors() -> None:
    def judged(caps: CapSettings, **facts: Any) -> Any:
        code = _delivery(NoticeKind.SIGN_IN_CODE, Channel.SMS, state=None, **facts)
        return before_sending(code, BOTH, NOW, caps=caps)

    for spend_cap in (0, 100):
        assert judged(CapSettings(spend_cap=spend_cap), spent_today=10_000) is None
    assert "paid messages today" in judged(CapSettings(recipient_cap=3), told_today=6).error, "one number has its cap"


def test_only_a_verified_address_is_used_where_that_is_asked_for() -> None:
    strict = SenderSettings(verified_only=True)
    verdict = before_sending(_delivery(NoticeKind.REMINDER, phone_verified_at=NOW), BOTH, NOW, settings=strict)
    assert verdict is not None
    assert (verdict.state, verdict.fallback) == (DeliveryState.SUPPRESSED, Channel.SMS)
    assert verdict.error == "the address for email is not verified"
    assert before_sending(_delivery(email_verified_at=NOW), BOTH, NOW, settings=strict) is None
    assert before_sending(_delivery(), BOTH, NOW) is None
    assert before_sending(_delivery(NoticeKind.ALERT_RAISED, state=None), BOTH, NOW, settings=strict) is None


def test_nobody_is_called_at_a_number_that_they_did_not_prove() -> None:
    call = _delivery(channel=Channel.VOICE, amount=1000, currency="EUR")
    verdict = before_sending(call, BOTH | {Channel.VOICE}, NOW)
    assert verdict is not None
    assert (verdict.state, verdict.kept_back) == (DeliveryState.SUPPRESSED, KeptBack.NO_ADDRESS)
    assert verdict.error == "the address for voice is not verified"
    proven = _delivery(channel=Channel.VOICE, amount=1000, currency="EUR", phone_verified_at=NOW)
    assert before_sending(proven, BOTH | {Channel.VOICE}, NOW) is None


@given(st.integers(1, 10_000), JITTER)
def test_pauses_grow_to_ten_minutes_and_vary_by_a_quarter(tries: int, jitter: float) -> None:
    pause = backoff(tries, jitter)
    middle = min(4 * 2 ** min(tries - 1, 20), 600) * SECOND
    assert 0.75 * middle <= pause <= 1.25 * middle
    assert backoff(tries + 1, jitter) >= pause


def test_a_fault_of_ours_is_tried_again_twice_and_then_set_aside() -> None:
    states = [
        after_fault(_delivery(faults=faults), ValueError("x" * 1000), now=NOW, jitter=0.5, enabled=BOTH)
        for faults in range(3)
    ]
    assert [verdict.state for verdict in states] == [
        *(DeliveryState.PENDING, DeliveryState.PENDING),
        DeliveryState.SET_ASIDE,
    ]
    assert all(len(str(verdict.error)) <= 300 and verdict.tried is None for verdict in states)


def test_where_one_is_set_aside_another_channel_takes_over() -> None:
    reminder = _delivery(NoticeKind.REMINDER, faults=2)
    verdict = after_fault(reminder, ValueError("x"), now=NOW, jitter=0.5, enabled=BOTH)
    assert verdict.fallback is Channel.SMS


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
