"""A booking as a value: what it says about itself, and which moves it allows."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwatch.domain import errors
from slotwatch.domain.booking import DISPUTE_WINDOW, Booking, CheckInMethod, Move
from slotwatch.domain.lifecycle import FINAL_STATES, LIVE_STATES, TRANSITIONS, Cause, EndReason, State
from slotwatch.domain.money import Account, Entry, PaymentStatus
from tests.unit.bookings import BOOKED_AT, START, a_booking

MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)
MOMENTS = st.integers(-90 * 60, 90 * 60).map(lambda seconds: START + timedelta(seconds=seconds))
STATES = st.sampled_from(State)


def test_the_countdown_runs_from_the_start_to_the_deadline_both_included() -> None:
    booking = a_booking(State.GRACE)
    deadline = START + 30 * MINUTE
    assert [
        booking.is_in_grace_period(now) for now in (START - MICROSECOND, START, deadline, deadline + MICROSECOND)
    ] == [False, True, True, False]
    assert booking.grace_time_remaining(START + 29 * MINUTE) == MINUTE
    assert booking.grace_time_remaining(deadline + MINUTE) == timedelta(0)
    assert [booking.should_be_expired(deadline + after) for after in (timedelta(seconds=4), timedelta(seconds=5))] == [
        False,
        True,
    ]


@given(STATES, MOMENTS)
def test_what_a_booking_says_about_grace_is_one_story(state: State, now: datetime) -> None:
    booking = a_booking(state)
    if booking.is_in_grace_period(now):
        assert booking.is_overdue_for_check_in(now)
        assert not booking.should_be_expired(now)
    else:
        assert booking.grace_time_remaining(now) == timedelta(0)
    if state not in (State.CONFIRMED, State.GRACE):
        assert not booking.is_overdue_for_check_in(now)
        assert not booking.should_be_expired(now)


@given(STATES, MOMENTS, st.sampled_from(CheckInMethod))
def test_a_check_in_moves_by_the_table_or_is_refused_by_a_named_reason(
    state: State, now: datetime, method: CheckInMethod
) -> None:
    booking = a_booking(state)
    opens, deadline = START - 15 * MINUTE, START + 30 * MINUTE
    try:
        move = booking.check_in(method, now)
    except errors.CheckInTooEarly:
        assert now < opens
    except errors.GraceOver:
        assert now > deadline
    except errors.NotCheckInable:
        assert state not in (State.CONFIRMED, State.GRACE, State.EXPIRED)
    else:
        assert opens <= now <= deadline
        assert move.after.state is (State.REINSTATED if state is State.EXPIRED else State.ACTIVE)
        assert (move.after.checked_in_at, move.after.check_in_method) == (now, method)
        _assert_sound(move)


def _moves(now: datetime) -> list[Callable[[Booking], Move]]:
    return [
        lambda booking: booking.check_in(CheckInMethod.APP, now),
        lambda booking: booking.mark_as_expired(now),
        lambda booking: booking.pay(now),
        lambda booking: booking.cancel(EndReason.BY_DRIVER, now),
        lambda booking: booking.cancel(EndReason.BY_VENDOR, now),
        lambda booking: booking.finish(now),
    ]


@given(STATES, MOMENTS, st.integers(0, 5), st.sampled_from(PaymentStatus), st.integers(0, 10_000))
def test_whatever_is_asked_the_answer_is_a_move_of_the_table_or_a_refusal(
    state: State, now: datetime, which: int, payment_status: PaymentStatus, amount: int
) -> None:
    booking = a_booking(state, payment_status=payment_status, amount=amount)
    try:
        move = _moves(now)[which](booking)
    except errors.Conflict as refusal:
        assert refusal.code != "error"
    else:
        _assert_sound(move)


def _assert_sound(move: Move) -> None:
    before, after = move.before, move.after
    assert TRANSITIONS[before.state, move.cause] is after.state
    assert after.version == before.version + 1
    assert after.updated_at >= before.updated_at
    assert (after.step is None) is (after.due_at is None) is (after.state in FINAL_STATES)
    assert (after.end_reason is None) is (after.ended_at is None) is (after.state in LIVE_STATES)
    assert all(posting.amount > 0 for posting in move.postings)
    assert len({posting.entry for posting in move.postings}) == len(move.postings)
    assert after.amount == before.amount


@given(
    st.sampled_from([State.CONFIRMED, State.GRACE]),
    MOMENTS | st.integers(0, 72).map(lambda hours: START - timedelta(hours=hours)),
    st.sampled_from([EndReason.BY_DRIVER, EndReason.BY_VENDOR]),
    st.integers(0, 1_000_000),
)
def test_a_cancel_divides_all_of_the_money_and_never_more(
    state: State, now: datetime, reason: EndReason, amount: int
) -> None:
    move = a_booking(state, amount=amount).cancel(reason, now)
    assert sum(posting.amount for posting in move.postings) == amount
    assert {posting.debit for posting in move.postings} <= {Account.HELD}
    given_back = sum(posting.amount for posting in move.postings if posting.entry is Entry.REFUNDED)
    if reason is EndReason.BY_VENDOR:
        assert given_back == amount
    expected = {amount: PaymentStatus.REFUNDED, 0: PaymentStatus.NOT_REFUNDED}
    if amount:
        assert move.after.payment_status is expected.get(given_back, PaymentStatus.PARTLY_REFUNDED)


@pytest.mark.parametrize("state", [State.CONFIRMED, State.GRACE, State.ACTIVE])
def test_money_that_was_never_captured_is_never_moved(state: State) -> None:
    booking = a_booking(state, payment_status=PaymentStatus.NOT_REQUIRED)
    move = booking.finish(START) if state is State.ACTIVE else booking.cancel(EndReason.BY_DRIVER, START)
    assert (move.postings, move.after.payment_status) == ((), PaymentStatus.NOT_REQUIRED)


def test_only_a_booking_in_grace_expires_and_only_when_grace_is_over() -> None:
    due = START + 30 * MINUTE + timedelta(seconds=5)
    expired = a_booking(State.GRACE).mark_as_expired(due).after
    assert (expired.state, expired.end_reason, expired.expired_at) == (State.EXPIRED, EndReason.NO_SHOW, due)
    with pytest.raises(errors.Conflict):
        a_booking(State.GRACE).mark_as_expired(due - MICROSECOND)
    for state in set(State) - {State.GRACE}:
        with pytest.raises(errors.Conflict):
            a_booking(state).mark_as_expired(due)


def test_a_hold_can_be_paid_until_its_last_instant() -> None:
    booking = a_booking(State.PENDING, payment_status=PaymentStatus.AWAITED)
    assert booking.pay(BOOKED_AT + 10 * MINUTE).after.state is State.CONFIRMED
    with pytest.raises(errors.NotPayable):
        booking.pay(BOOKED_AT + 10 * MINUTE + MICROSECOND)


def test_a_no_show_is_disputable_for_fourteen_days() -> None:
    booking = a_booking(State.EXPIRED)
    assert booking.expired_at is not None
    booking.check_disputable(booking.expired_at + DISPUTE_WINDOW)
    with pytest.raises(errors.DisputeWindowOver):
        booking.check_disputable(booking.expired_at + DISPUTE_WINDOW + MICROSECOND)
    for state in set(State) - {State.EXPIRED}:
        with pytest.raises(errors.NotDisputable):
            a_booking(state).check_disputable(START)


def test_grace_is_lengthened_and_never_shortened() -> None:
    booking = a_booking(State.GRACE)
    later = booking.with_grace_until(START + 40 * MINUTE)
    assert later.timeline.grace_ends_at == START + 40 * MINUTE
    assert later.timeline.expires_at == START + 40 * MINUTE + timedelta(seconds=5)
    assert booking.with_grace_until(START) == booking


def test_shifting_every_instant_changes_no_decision() -> None:
    """What catches local time: the same story a day, a month and half a year later."""
    for shift in (timedelta(days=1), timedelta(days=27), timedelta(days=183, hours=5, minutes=45)):
        booking = a_booking(State.GRACE)
        line = booking.timeline
        moved = replace(
            booking,
            timeline=replace(
                line,
                starts_at=line.starts_at + shift,
                grace_ends_at=line.grace_ends_at + shift,
                expires_at=line.expires_at + shift,
                ends_at=line.ends_at + shift,
                check_in_opens_at=line.check_in_opens_at + shift,
            ),
        )
        for seconds in range(-1200, 3000, 60):
            now = START + timedelta(seconds=seconds)
            assert _decisions(booking, now) == _decisions(moved, now + shift)


def _decisions(booking: Booking, now: datetime) -> tuple[object, ...]:
    try:
        checked: object = booking.check_in(CheckInMethod.QR, now).after.state
    except errors.SlotwatchError as refusal:
        checked = refusal.code
    return (
        checked,
        booking.is_in_grace_period(now),
        booking.should_be_expired(now),
        booking.grace_time_remaining(now),
        booking.refund_if_cancelled(EndReason.BY_DRIVER, now),
    )


def test_every_cause_but_booked_moves_something_and_final_states_are_left_only_to_undo_a_no_show() -> None:
    assert {cause for _, cause in TRANSITIONS} == set(Cause) - {Cause.BOOKED}
    left = {(state, to) for (state, _), to in TRANSITIONS.items() if state in FINAL_STATES}
    assert left == {(State.EXPIRED, State.REINSTATED), (State.EXPIRED, State.VOIDED)}
    assert not set(LIVE_STATES) & set(FINAL_STATES)
    assert set(LIVE_STATES) | set(FINAL_STATES) == set(State)


def test_every_state_can_be_reached_and_every_live_one_can_be_left() -> None:
    reached = {State.PENDING, State.CONFIRMED}
    for _ in State:
        reached |= {to for (state, _), to in TRANSITIONS.items() if state in reached}
    assert reached == set(State)
    leaving = Counter(state for state, _ in TRANSITIONS)
    assert all(leaving[state] for state in LIVE_STATES)
