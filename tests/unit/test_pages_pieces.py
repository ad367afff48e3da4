"""What the pages stand on: sealed facts, codes that change, the sketch of a map, which booking a scan means."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwatch.domain.ids import ConnectorId
from slotwatch.domain.lifecycle import State
from slotwatch.domain.money import Money
from slotwatch.domain.slot import Slot
from slotwatch.domain.terms import RefundTier, Terms
from slotwatch.domain.timeline import Timeline
from slotwatch.locale.catalogues import language
from slotwatch.storage.booking_views import BookingView
from slotwatch.usecases.rotating_codes import RotatingCodes
from slotwatch.usecases.scan import Finding, choose
from slotwatch.web.pages.driver.map_sketch import HEIGHT, WIDTH, Spot, draw
from slotwatch.web.pages.driver.terms_words import terms_words
from slotwatch.web.pages.station_times import StationTimes
from slotwatch.web.pages.vendor.terms_preview import preview_terms
from slotwatch.web.sealed import Seals
from tests.unit.bookings import START, a_booking

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SEALS = Seals(b"k" * 32)
CODES = RotatingCodes(b"k" * 32)


def test_a_sealed_fact_is_read_by_its_purpose_until_its_time_is_over() -> None:
    sealed = SEALS.seal("scanned", 12, ends_at=NOW)
    assert SEALS.read("scanned", sealed, int, now=NOW) == 12
    assert SEALS.read("scanned", sealed, int, now=NOW + timedelta(seconds=1)) is None
    assert SEALS.read("sign in", sealed, int, now=NOW) is None
    assert SEALS.read("scanned", sealed, str, now=NOW) is None, "of another shape"
    assert Seals(b"x" * 32).read("scanned", sealed, int, now=NOW) is None


@given(st.text(max_size=60))
def test_nobody_else_makes_a_sealed_fact(text: str) -> None:
    assert SEALS.read("scanned", text, int, now=NOW) is None
    assert SEALS.read("scanned", SEALS.seal("scanned", 1, ends_at=NOW) + text, int, now=NOW) in (
        None,
        1 if not text else None,
    )


@pytest.mark.parametrize(
    ("seconds", "is_fresh"), [(0, True), (29, True), (30, True), (59, True), (60, False), (-1, False)]
)
def test_a_code_is_fresh_while_it_is_shown_and_half_a_minute_longer(seconds: int, is_fresh: bool) -> None:
    code = CODES.code(7, NOW)
    assert CODES.is_fresh(7, code, NOW + timedelta(seconds=seconds)) is is_fresh
    assert not CODES.is_fresh(8, code, NOW)


@given(
    st.lists(
        st.tuples(st.floats(-90, 90, allow_nan=False), st.floats(-180, 180, allow_nan=False)), min_size=1, max_size=12
    )
)
def test_every_pin_is_on_the_paper_wherever_the_stations_are(places: list[tuple[float, float]]) -> None:
    spots = [Spot(number, *place, "x" * 40, "1 of 1 free", "/", True) for number, place in enumerate(places)]
    sketch = draw(spots, places[0])
    assert len(sketch.pins) == len(places) and sketch.bar[0] > 0
    for pin in sketch.pins:
        assert -30 <= pin.x <= WIDTH + 30 and -30 <= pin.y <= HEIGHT + 30


def test_stations_at_one_place_are_drawn_beside_each_other() -> None:
    pins = draw([Spot(number, 48.2, 16.37, "A", "1 of 1 free", "/", True) for number in range(5)]).pins
    distances = [math.dist((a.x, a.y), (b.x, b.y)) for a in pins for b in pins if a is not b]
    assert min(distances) >= 26


def view(state: State, *, connector: int = 1, starts_in: timedelta = timedelta(0)) -> BookingView:
    booking = a_booking(state, connector_id=ConnectorId(connector))
    slot = Slot(START + starts_in, START + starts_in + timedelta(hours=1))
    booking = replace(booking, timeline=Timeline.of(slot, booking.terms, hold_ends_at=None))
    return BookingView(booking, "Harbour", f"{connector}A", ZoneInfo("UTC"), START, ())


def test_a_scan_means_the_booking_that_helps_most() -> None:
    soon, ready_there = view(State.CONFIRMED, starts_in=timedelta(hours=3)), view(State.GRACE, connector=2)
    assert choose([], 1, START) == (Finding.NO_BOOKING, None)
    assert choose([soon], 1, START) == (Finding.TOO_EARLY, soon)
    assert choose([soon, ready_there], 1, START) == (Finding.OTHER_BAY, ready_there)
    ready = view(State.GRACE)
    assert choose([soon, ready_there, ready], 1, START) == (Finding.READY, ready)
    active = view(State.ACTIVE)
    assert choose([ready_there, active], 1, START) == (Finding.CHECKED_IN, active)
    lost = view(State.EXPIRED, starts_in=-timedelta(hours=1))
    assert choose([soon, lost], 1, START) == (Finding.TOO_LATE, lost), "the nearest in time"
    assert choose([view(State.CANCELLED), view(State.COMPLETED)], 1, START) == (Finding.NO_BOOKING, None)


@pytest.mark.parametrize(
    ("slot_on", "a_day_before"),
    [(29, "Sat 28 Mar, 17:00 CET"), (25, "Sat 24 Oct, 19:00 CEST")],
    ids=["spring", "autumn"],
)
def test_terms_are_shown_by_hours_that_pass_over_a_change_of_clocks(slot_on: int, a_day_before: str) -> None:
    now = datetime(2026, 3 if slot_on == 29 else 10, slot_on - 3, 12, tzinfo=UTC)
    shown = preview_terms(Terms(), language("en"), now=now, zone=ZoneInfo("Europe/Vienna"), price=Money(1250, "EUR"))
    assert "18:00" in shown.slot
    assert (shown.examples[0].when, shown.examples[0].percent) == (a_day_before, "100%")


def test_a_refund_until_the_slot_begins_is_told_alike_in_preview_pages_and_messages() -> None:
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    terms = Terms(cancel_refund=(RefundTier(60, 100), RefundTier(0, 50)))
    shown = preview_terms(terms, language("de"), now=now, zone=ZoneInfo("UTC"), price=Money(1250, "EUR"))
    assert [(one.until, one.percent) for one in shown.terms.refunds] == [
        ("until 1 hour before the slot begins", 100),
        ("until the slot begins", 50),
    ]
    assert shown.terms == terms_words(terms, StationTimes(ZoneInfo("UTC"))), "the driver's pages say the same"
    assert shown.own_tiers[-1] == "Bis zum Beginn: 50\xa0% zurück"
    assert [one.percent for one in shown.examples] == ["100%", "50%", "0%"]
