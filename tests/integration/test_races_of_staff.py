"""Many of a vendor's staff at once: two who decide one dispute, two who see one alert, a removal against bookings."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import pytest

from slotwatch.domain.lifecycle import State
from slotwatch.usecases.acknowledge_alert import acknowledge_alert
from slotwatch.usecases.book import book
from slotwatch.usecases.dispute import dispute
from slotwatch.usecases.pay import pay
from slotwatch.usecases.vendor_bookings import Staff
from slotwatch.usecases.vendor_disputes import Decision, resolve_dispute
from slotwatch.usecases.vendor_removal import Removal, remove
from tests.conftest import Town
from tests.integration.test_alerts import look, past
from tests.support.crew import Crew

HOUR = timedelta(hours=1)


async def _outcomes(*actions: Awaitable[Any]) -> Counter[str]:
    """What became of all of them, run at once: the name of the error, or `done`."""
    results = await asyncio.gather(*actions, return_exceptions=True)
    return Counter(type(one).__name__ if isinstance(one, BaseException) else "done" for one in results)


@pytest.mark.parametrize("same", [True, False], ids=["alike", "against each other"])
async def test_of_staff_who_decide_one_dispute_at_once_one_decides(paying_crew: Crew, town: Town, same: bool) -> None:
    crew = paying_crew
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await pay(crew.desk, town.driver.id, booking.id)
    await crew.never_silent()
    await crew.live_for(timedelta(minutes=95))
    await dispute(crew.desk, town.driver.id, booking.id, "I was there.")
    wanted = [Decision.REFUND, Decision.REFUND if same else Decision.UPHOLD] * 3
    found = await _outcomes(
        *(
            resolve_dispute(crew.desk, Staff(town.vendor, f"staff-{n}"), booking.id, decision, f"Note {n}.")
            for n, decision in enumerate(wanted)
        )
    )
    assert found == ({"done": 6} if same else {"done": 3, "Conflict": 3})
    (row,) = await crew.rows("SELECT decision, note, decided_by FROM dispute")
    winner = int(row["note"][5])
    assert (row["decision"], row["decided_by"]) == (wanted[winner], f"vendor:{town.vendor}:staff-{winner}")
    is_refund = row["decision"] == "refund"
    assert await crew.state(booking) is (State.VOIDED if is_refund else State.EXPIRED)
    paid_back = [line for line in await crew.ledger(booking) if line[0] == "refunded"]
    assert len(paid_back) == is_refund, "once at most"
    told = await crew.value("SELECT count(*) FROM notice WHERE kind IN ('slot_voided', 'dispute_upheld')")
    assert told == 1
    await crew.assert_sound()


async def test_of_staff_who_see_one_alert_at_once_the_first_is_noted(crew: Crew, town: Town) -> None:
    await past(crew, town, missed=8)
    await look(crew)
    number = await crew.value("SELECT id FROM alert WHERE vendor_id = $1", town.vendor)
    found = await _outcomes(*(acknowledge_alert(crew.desk, town.vendor, number, actor=f"Ada {n}") for n in range(8)))
    assert found == {"done": 8}
    first = await crew.value("SELECT acknowledged_by FROM alert WHERE id = $1", number)
    assert first.startswith("Ada ")
    await acknowledge_alert(crew.desk, town.vendor, number, actor="Grace")
    assert await crew.value("SELECT acknowledged_by FROM alert WHERE id = $1", number) == first


@pytest.mark.parametrize("seed", range(4))
async def test_a_removal_against_bookings_leaves_none_behind_that_it_did_not_see(
    crew: Crew, town: Town, seed: int
) -> None:
    """Each booking was there before the removal, and is cancelled by it, or comes too late and is refused."""
    slots = [town.slot(starts_in=(2 + n) * HOUR) for n in range(6)]
    bookings = [book(crew.desk, town.driver, town.connectors[0], slot) for slot in slots]
    leaving = remove(crew.desk, Staff(town.vendor, "ada"), Removal(town.station), cancel_because="We rebuild it.")
    actions: list[Awaitable[Any]] = [*bookings[:seed], leaving, *bookings[seed:]]
    found = await _outcomes(*actions)
    assert set(found) <= {"done", "NotFound", "SlotNotBookable", "Conflict", "TooManyBookings"}, found
    states = [row["state"] for row in await crew.rows("SELECT state FROM booking")]
    assert set(states) <= {"cancelled"}, "nobody holds a slot at a station that is gone"
    assert await crew.value("SELECT count(*) FROM notice WHERE kind = 'booking_cancelled'") == len(states)
    await crew.assert_sound()
