"""How the board's timeline is drawn: a box is as long as its booking held the bay."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from slotwatch.analytics.board import Board, BoardConnector, BoardSlot, BoardStation
from slotwatch.analytics.scope import Period
from slotwatch.domain.lifecycle import State
from slotwatch.web.pages.vendor.board_view import DrawnSlot, draw

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WINDOW = Period(NOON, NOON + 100 * MINUTE)  # a minute is one percent


def booked(begins: int, ends: int, state: State, *, freed: int | None = None) -> BoardSlot:
    """A booking from minute to minute of the window, which let the bay go at another."""
    at = [NOON + minute * MINUTE for minute in (begins, ends)]
    freed_at = None if freed is None else NOON + freed * MINUTE
    return BoardSlot(abs(begins) + 1, 1, 1, state, at[0], at[1], at[0] + MINUTE, None, freed_at, None, None, "Mira")


def drawn(*slots: BoardSlot) -> list[DrawnSlot]:
    """The boxes of one bay."""
    station = BoardStation(1, "Quay", ZoneInfo("UTC"), False, (BoardConnector(1, "1", "CCS", 50, slots),))
    return list(draw(Board((station,), is_cut=False), WINDOW, ZoneInfo("UTC")).sections[0].connectors[0].slots)


def places(*slots: BoardSlot) -> list[tuple[str, str, bool]]:
    return [(box.x, box.width, box.low) for box in drawn(*slots)]


def test_a_booking_that_left_early_leaves_room_for_the_next_one() -> None:
    for state in (State.COMPLETED, State.REINSTATED):
        shown = places(booked(10, 70, state, freed=30), booked(30, 90, State.ACTIVE))
        assert shown == [("10.00%", "20.00%", False), ("30.00%", "60.00%", False)]


def test_one_that_was_used_to_the_end_keeps_its_length_however_late_that_was_noted() -> None:
    assert places(booked(10, 70, State.COMPLETED, freed=71)) == [("10.00%", "60.00%", False)]


def test_one_that_left_before_it_began_is_low_where_somebody_else_has_its_time() -> None:
    left = booked(10, 70, State.COMPLETED, freed=5)
    assert places(left) == [("10.00%", "60.00%", False)]
    assert places(left, booked(12, 70, State.CONFIRMED))[0] == ("10.00%", "60.00%", True)


def test_a_cancelled_slot_after_one_that_left_early_is_not_low() -> None:
    left, cancelled = booked(10, 70, State.COMPLETED, freed=30), booked(30, 60, State.CANCELLED, freed=29)
    assert [low for _, _, low in places(left, cancelled)] == [False, False]


def test_one_that_left_before_the_window_is_not_drawn() -> None:
    assert drawn(booked(-30, 30, State.COMPLETED, freed=-5)) == []
