"""The countdown picture shows what is true when it is asked for; a token opens one booking's and no other."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from slotwatch.domain.errors import NotFound
from slotwatch.domain.ids import new_booking_id
from slotwatch.domain.lifecycle import State
from slotwatch.outbox.countdown import Countdown, Phase, countdown_of, draw_countdown
from slotwatch.outbox.notice_tokens import NoticeTokens

START = datetime(2026, 3, 2, 17, tzinfo=UTC)
GRACE_ENDS = START + timedelta(minutes=30)


def shown(state: State, **after_start: float) -> Countdown:
    return countdown_of(state, starts_at=START, grace_ends_at=GRACE_ENDS, now=START + timedelta(**after_start))


@pytest.mark.parametrize(
    ("state", "minutes", "expected"),
    [
        (State.CONFIRMED, -90, Countdown(Phase.AHEAD, 90, 60)),
        (State.GRACE, 0, Countdown(Phase.RUNNING, 30, 60)),
        (State.GRACE, 15, Countdown(Phase.RUNNING, 15, 30)),
        (State.GRACE, 25, Countdown(Phase.LAST, 5, 10)),
        (State.GRACE, 29.99, Countdown(Phase.LAST, 1, 1)),
        (State.GRACE, 30, Countdown(Phase.OVER)),
        (State.CONFIRMED, 10, Countdown(Phase.RUNNING, 20, 40)),
        (State.EXPIRED, 31, Countdown(Phase.OVER)),
        (State.CANCELLED, -90, Countdown(Phase.OVER)),
        (State.ACTIVE, 5, Countdown(Phase.DONE)),
        (State.COMPLETED, 60, Countdown(Phase.DONE)),
        (State.REINSTATED, 60, Countdown(Phase.DONE)),
        (State.VOIDED, 60, Countdown(Phase.OVER)),
    ],
)
def test_the_countdown_says_what_is_true_now(state: State, minutes: float, expected: Countdown) -> None:
    assert shown(state, minutes=minutes) == expected


@pytest.mark.parametrize("countdown", [Countdown(phase, 7, 20) for phase in Phase] + [Countdown(Phase.AHEAD, 9999, 60)])
def test_the_picture_is_a_small_png_on_a_clear_ground(countdown: Countdown) -> None:
    data = draw_countdown(countdown)
    picture = Image.open(io.BytesIO(data)).convert("RGBA")
    assert picture.size == (300, 300)
    assert picture.getpixel((0, 0))[3] == 0, "light and dark mails show through the corners"  # type: ignore[index]
    assert len(data) < 20_000


def test_a_token_opens_its_own_booking_only() -> None:
    tokens, others = NoticeTokens(b"a" * 32), NoticeTokens(b"b" * 32)
    token = tokens.token(12345)
    assert tokens.booking_id(token) == 12345
    ref, _, signature = token.partition(".")
    forged = [
        others.token(12345),
        ref,
        f"{ref}.",
        f"{tokens.token(12346).partition('.')[0]}.{signature}",
        token[:-1],
        token + "x",
        "",
        "é.é",
        "." + signature,
    ]
    for bad in forged:
        with pytest.raises(NotFound):
            tokens.booking_id(bad)


def test_the_token_of_a_check_in_is_short_and_opens_its_own_booking_only() -> None:
    tokens, others = NoticeTokens(b"a" * 32), NoticeTokens(b"b" * 32)
    booking_id = new_booking_id(datetime(2045, 1, 1, tzinfo=UTC))
    token = tokens.check_in_token(booking_id)
    assert len(token) == 23 and token.replace("-", "").replace("_", "").isalnum()
    assert token[-1].isalnum(), "phones leave a sign at the end out of the link"
    assert tokens.booking_to_check_in(token) == booking_id
    near = chr(ord(token[-1]) + 1)  # other words for the same bytes are not our word
    forged = [others.check_in_token(booking_id), tokens.token(booking_id), token[:-1], token[:-1] + near, token + "x"]
    for bad in [*forged, token + "=", " " + token, "A" * 23, "_" * 23, "", "é" * 23, "é.é", ".", "BK-.", "a" * 900]:
        with pytest.raises(NotFound):
            tokens.booking_to_check_in(bad)


def test_check_in_links_that_were_sent_before_tokens_were_short_still_work() -> None:
    tokens = NoticeTokens(b"a" * 32)
    assert tokens.booking_to_check_in("BK-000000000C1S.GiM8atvskL37") == 12345
    for bad in ("BK-000000000C1S.GiM8atvskL38", "BK-000000000C1T.GiM8atvskL37", "BK-000000000C1S."):
        with pytest.raises(NotFound):
            tokens.booking_to_check_in(bad)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        NoticeTokens(b"short")
