"""What a vendor's pages do at their edges: what was interrupted, was changed by two at once, or is odd."""

from datetime import timedelta
from typing import Any

from slotwatch.domain.ids import ref
from slotwatch.domain.lifecycle import State
from tests.conftest import Town
from tests.integration.web.test_staff_pages import Somebody, no_show, owner, person, site
from tests.support.crew import Crew

__all__ = ["no_show", "owner", "person", "site"]

HOUR = timedelta(hours=1)


async def test_a_removal_that_was_interrupted_between_two_cancels_goes_on(
    owner: Somebody, crew: Crew, town: Town
) -> None:
    first, second = [await crew.booked(town.driver, one, town.slot(starts_in=5 * HOUR)) for one in town.connectors[:2]]
    path = f"/vendor/stations/{ref('ST', town.station)}/remove"
    cancel: dict[str, Any] = {"bookings": "cancel", "reason": "We rebuild it."}
    async with crew.desk.database.transaction() as conn:
        await conn.execute("SELECT FROM booking WHERE id = $1 FOR UPDATE", second.id)
        stuck = await owner.post(path, **cancel)  # the process might as well have died here
    assert stuck.status_code == 409 and "Not all could be cancelled just now." in stuck.text
    assert [await crew.state(one) for one in (first, second)] == [State.CANCELLED, State.CONFIRMED]
    page = await owner.get(path)
    assert "It is gone: nobody can book it any more" in page and "1 booking is still to come there." in page
    assert (await owner.post(path, **cancel)).status_code == 303
    assert await crew.state(second) == State.CANCELLED
    assert (await owner.post(path, **cancel)).status_code == 409, "nothing is left to do"
    assert await crew.value("SELECT count(*) FROM notice WHERE kind = 'booking_cancelled'") == 2


async def test_a_reason_that_is_refused_leaves_all_as_it_was(owner: Somebody, crew: Crew, town: Town) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=5 * HOUR))
    path = f"/vendor/stations/{ref('ST', town.station)}/remove"
    for reason in ("", "   ", "x" * 501):
        assert (await owner.post(path, bookings="cancel", reason=reason)).status_code == 422
    assert await crew.value("SELECT count(removed_at) FROM station") == 0
    assert await crew.state(booking) == State.CONFIRMED
