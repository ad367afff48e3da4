"""Terms, timelines, slots, money, ids and notice rules: arithmetic that must not be off by one."""

import doctest
import importlib
import pkgutil
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import slotwatch.domain
from slotwatch.domain import ids
from slotwatch.domain.errors import InvalidInput, NotFound, SlotNotBookable, SlotwatchError
from slotwatch.domain.lifecycle import STEP_RULES, State, Step
from slotwatch.domain.money import SETTLEMENTS, Account, Money
from slotwatch.domain.notices import NOTICE_RULES, Channel, NoticeKind, Urgency
from slotwatch.domain.opening_hours import ALWAYS_OPEN
from slotwatch.domain.quiet_hours import QuietHours
from slotwatch.domain.slot import FARTHEST, Slot
from slotwatch.domain.terms import RefundTier, Terms
from slotwatch.domain.timeline import Timeline

MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)
START = datetime(2026, 3, 2, 13, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
TERMS = st.builds(
    Terms,
    grace_period_minutes=st.integers(1, 480),
    early_check_in_minutes=st.integers(0, 240),
    reminder_minutes=st.integers(0, 10_080),
    settle_seconds=st.integers(0, 60),
    cancel_refund=st.dictionaries(st.integers(0, 10_000), st.integers(0, 100), max_size=5).map(
        lambda tiers: tuple(
            RefundTier(minutes, percent)
            for minutes, percent in zip(sorted(tiers, reverse=True), sorted(tiers.values(), reverse=True), strict=True)
        )
    ),
)
LENGTHS = st.integers(15 * 60, 8 * 3600).map(lambda seconds: timedelta(seconds=seconds))


@pytest.mark.parametrize("name", [info.name for info in pkgutil.iter_modules(slotwatch.domain.__path__)])
def test_the_examples_in_the_docstrings_are_right(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"slotwatch.domain.{name}")).failed == 0


@given(TERMS)
def test_terms_survive_being_stored(terms: Terms) -> None:
    assert Terms.from_dict(terms.as_dict()) == terms


def test_what_a_snapshot_lacks_is_as_the_house_has_it() -> None:
    assert Terms.from_dict({}) == Terms()
    assert Terms.from_dict({"gracePeriodMinutes": 5, "unknown": 1}).grace == 5 * MINUTE


@pytest.mark.parametrize(
    "values",
    [
        {"grace_period_minutes": 0},
        {"grace_period_minutes": 481},
        {"early_check_in_minutes": -1},
        {"reminder_minutes": 10_081},
        {"settle_seconds": 61},
        {"cancel_refund": (RefundTier(60, 50), RefundTier(120, 75))},
        {"cancel_refund": (RefundTier(120, 50), RefundTier(60, 75))},
        {"cancel_refund": (RefundTier(60, 101),)},
        {"cancel_refund": (RefundTier(-1, 10),)},
    ],
)
def test_terms_that_make_no_sense_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        Terms(**values)  # type: ignore[arg-type]


@given(TERMS, st.integers(-10_000, 10_000), st.integers(0, 10_000))
def test_who_cancels_earlier_never_gets_less_back(terms: Terms, minutes: int, earlier: int) -> None:
    assert terms.refund_percent((minutes + earlier) * MINUTE) >= terms.refund_percent(minutes * MINUTE)


@pytest.mark.parametrize(
    ("before_start", "percent"),
    [
        (timedelta(hours=24), 100),
        (timedelta(hours=24) - MICROSECOND, 75),
        (timedelta(hours=4), 75),
        (timedelta(hours=4) - MICROSECOND, 50),
        (timedelta(hours=1), 50),
        (timedelta(hours=1) - MICROSECOND, 0),
        (timedelta(0), 0),
        (-timedelta(hours=1), 0),
    ],
)
def test_the_house_gives_back_by_these_tiers(before_start: timedelta, percent: int) -> None:
    assert Terms().refund_percent(before_start) == percent


@given(TERMS, LENGTHS)
def test_a_timeline_is_in_order_and_inside_the_slot(terms: Terms, length: timedelta) -> None:
    line = Timeline.of(Slot(START, START + length), terms, hold_ends_at=None)
    assert line.check_in_opens_at <= line.starts_at < line.grace_half_at < line.grace_ends_at <= line.ends_at
    assert line.grace_ends_at <= line.expires_at <= line.grace_ends_at + MINUTE
    assert line.grace_ends_at - line.starts_at == min(terms.grace, length)
    if line.grace_last_at is not None:
        assert line.grace_half_at < line.grace_last_at == line.grace_ends_at - 5 * MINUTE
    assert (line.remind_at is None) is (terms.reminder_minutes == 0)
    assert line.remind_at is None or line.remind_at < line.starts_at


@given(TERMS, LENGTHS, st.integers(-20_000, 100))
def test_the_first_step_is_one_that_still_lies_ahead_or_the_start(terms: Terms, length: timedelta, ago: int) -> None:
    line, now = Timeline.of(Slot(START, START + length), terms, hold_ends_at=None), START + ago * MINUTE
    step = line.first_step(now)
    due = line.due(step)
    assert due is not None
    assert step is Step.START or due > now


@given(TERMS, LENGTHS)
def test_every_step_of_every_rule_has_its_instant_or_is_skipped(terms: Terms, length: timedelta) -> None:
    line = Timeline.of(Slot(START, START + length), terms, hold_ends_at=START)
    skippable = {Step.GRACE_LAST, Step.REMIND, Step.HOLD_ENDS}
    assert all(line.due(rule.step) is not None for rule in STEP_RULES if rule.step not in skippable)


@given(
    st.integers(-120, 120).map(lambda n: START + n * MINUTE),
    st.integers(-30, 600).map(lambda n: n * MINUTE),
)
def test_a_slot_is_bookable_exactly_by_the_rules(starts_at: datetime, length: timedelta) -> None:
    slot = Slot(starts_at, starts_at + length)
    allowed = starts_at >= START and timedelta(minutes=15) <= length <= timedelta(hours=8)
    try:
        slot.check_bookable(now=START, hours=ALWAYS_OPEN, zone=UTC_ZONE)
    except SlotNotBookable:
        assert not allowed
    else:
        assert allowed


def test_a_slot_lies_at_most_two_years_ahead() -> None:
    for more, allowed in ((timedelta(0), True), (MICROSECOND, False)):
        slot = Slot(START + FARTHEST + more, START + FARTHEST + more + timedelta(hours=1))
        if allowed:
            slot.check_bookable(now=START, hours=ALWAYS_OPEN, zone=UTC_ZONE)
        else:
            with pytest.raises(SlotNotBookable, match="two years"):
                slot.check_bookable(now=START, hours=ALWAYS_OPEN, zone=UTC_ZONE)


@given(st.integers(0, 10**12), st.integers(0, 100))
def test_a_share_and_the_rest_are_the_whole(amount: int, percent: int) -> None:
    money = Money(amount, "JPY")
    share = money.percent(percent)
    assert 0 <= share.amount <= amount
    assert share.amount + money.minus(share).amount == amount


def test_money_of_two_currencies_does_not_mix() -> None:
    with pytest.raises(ValueError, match="USD"):
        Money(1, "EUR").minus(Money(1, "USD"))


def test_a_settlement_empties_what_was_held() -> None:
    assert set(SETTLEMENTS) == {State.COMPLETED, State.EXPIRED, State.VOIDED}
    assert all(settlement.debit is Account.HELD for settlement in SETTLEMENTS.values())


@given(st.integers(0, 2**63 - 1))
def test_a_reference_leads_back_to_its_booking(number: int) -> None:
    assert ids.parse_booking_ref(ids.booking_ref(number)) == number


@given(st.text(max_size=20) | st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", max_size=20).map(lambda rest: "BK-" + rest))
def test_any_other_text_is_the_reference_of_nothing(text: str) -> None:
    try:
        number = ids.parse_booking_ref(text)
    except NotFound:
        return
    assert 0 <= number < 2**63


@given(st.integers(0, 10**18 - 1), st.sampled_from(["ST", "CN", "VN", "DR"]))
def test_other_references_lead_back_too_and_only_under_their_prefix(number: int, prefix: str) -> None:
    assert ids.parse_ref(prefix, ids.ref(prefix, number)) == number
    with pytest.raises(NotFound):
        ids.parse_ref("XX", ids.ref(prefix, number))


@pytest.mark.parametrize("text", ["", "ST", "ST-", "ST--1", "ST-1.5", "ST-٣", "ST-1 ", "ST-" + "9" * 19, "st-1"])
def test_a_reference_that_is_none_is_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        ids.parse_ref("ST", text)


def test_booking_ids_sort_by_time_and_do_not_repeat() -> None:
    times = [START + n * timedelta(milliseconds=1) for n in range(1000)]
    made = [ids.new_booking_id(now) for now in times]
    assert made == sorted(made)
    assert len(set(made)) == 1000
    assert max(made) < 2**63


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_kind_has_a_rule_that_somebody_can_be_told_by(kind: NoticeKind) -> None:
    rule = NOTICE_RULES[kind]
    if not rule.is_about_booking:  # who writes it names its channels
        assert not rule.fallback
        return
    assert not set(rule.at_once) & set(rule.fallback)
    for enabled in ({Channel.EMAIL}, {Channel.SMS}, {Channel.EMAIL, Channel.SMS}):
        assert set(rule.at_once_among(enabled)) <= enabled
        assert rule.at_once_among(enabled), "with one of the two channels on, everybody is told"
    assert rule.at_once_among(()) == ()


def test_what_decides_about_money_is_told_first_and_a_step_is_told_while_it_is_true() -> None:
    for kind in (NoticeKind.SLOT_STARTED, NoticeKind.GRACE_ALERT, NoticeKind.GRACE_EXTENDED):
        assert NOTICE_RULES[kind].urgency is Urgency.NOW
    for rule in STEP_RULES:
        assert rule.to_state in NOTICE_RULES[NoticeKind(rule.notice)].true_in


def test_a_phone_rings_as_late_when_it_is_the_only_channel_that_joins_in() -> None:
    rule = NOTICE_RULES[NoticeKind.SLOT_STARTED]
    for louder in ({Channel.VOICE}, {Channel.WHATSAPP, Channel.VOICE}):
        later = {each.channel: each.after for each in rule.plan({Channel.SMS, *louder}, 4 * MINUTE)}
        assert later[Channel.VOICE] == 8 * MINUTE
    assert {each.after for each in rule.plan({Channel.SMS, Channel.WHATSAPP}, 4 * MINUTE)} == {0 * MINUTE, 4 * MINUTE}


VIENNA = ZoneInfo("Europe/Vienna")


def test_quiet_that_ends_in_the_hour_that_comes_twice_ends_in_its_second_half_too() -> None:
    night = QuietHours(time(22), time(2, 30), VIENNA)
    for now in (datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 0, 10, tzinfo=UTC)):
        assert night.until(now) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert night.until(datetime(2026, 10, 25, 0, 40, tzinfo=UTC)) is None
    assert night.until(datetime(2026, 10, 25, 1, 10, tzinfo=UTC)) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


@given(
    st.sampled_from([datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)]),
    st.timedeltas(timedelta(0), timedelta(hours=3)),
    st.times() | st.times(max_value=time(4)),
    st.times(max_value=time(4)),
)
@example(datetime(2026, 3, 29, tzinfo=UTC), timedelta(0), time(0), time(2, fold=1))
def test_quiet_always_ends_after_now_and_within_a_day(
    day: datetime, after_midnight: timedelta, start: time, end: time
) -> None:
    now = day + after_midnight
    until = QuietHours(start, end, VIENNA).until(now)
    assert until is None or now < until <= now + timedelta(hours=25)


def test_every_error_has_a_code_of_its_own_and_says_something() -> None:
    def tree(kind: type[SlotwatchError]) -> list[type[SlotwatchError]]:
        return [kind, *(one for sub in kind.__subclasses__() for one in tree(sub))]

    kinds = [kind for kind in tree(SlotwatchError) if kind.__module__ == "slotwatch.domain.errors"]
    assert len({kind.code for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert kind().message.endswith(".")
        assert kind("Another sentence.", detail=1).details == {"detail": 1}
