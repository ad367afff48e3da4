"""What a booking in JSON says about its notices: one status per channel, of the newest of each kind."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from slotwatch.domain.notices import Channel
from slotwatch.usecases.desk import Desk
from tests.integration.web.conftest import Api, client_of, make_app
from tests.support.crew import Crew
from tests.support.provider import refusing

MINUTE = timedelta(minutes=1)


async def test_a_grace_alert_is_the_newest_one_alone_and_says_which(api: Api, crew: Crew) -> None:
    async def alert() -> Any:
        seen = (await api.get(f"/api/users/bookings/{booking['bookingId']}")).json()
        return seen["slotStatus"]["notificationsSent"]["graceAlert"]

    booking = await api.booked()
    await crew.never_silent()
    crew.sms.answer = refusing
    await crew.live_for(76 * MINUTE)
    half = await alert()
    assert {channel: told["status"] for channel, told in half.items()} == {"email": "sent", "sms": "failed"}
    assert {told["occasion"] for told in half.values()} == {"half"}
    crew.clock.advance(10 * MINUTE)
    await crew.engine()
    assert await alert() == {"sms": {"status": "pending", "occasion": "last"}}


@pytest.mark.parametrize(
    ("channels", "shown"),
    [
        (set(Channel), {"email", "sms"}),
        ({Channel.SMS, Channel.WHATSAPP, Channel.VOICE, Channel.WEBHOOK}, {"sms"}),
        ({Channel.EMAIL, Channel.PUSH}, {"email"}),
    ],
)
async def test_before_it_is_due_a_notice_is_pending_on_the_channels_that_go_out_together(
    api: Api, desk: Desk, channels: set[Channel], shown: set[str]
) -> None:
    async with client_of(make_app(replace(desk, channels=frozenset(channels)))) as client:
        booking = await Api(client, api.town, api.clock).booked()
    for kind in ("slotStart", "slotExpired"):
        assert set(booking["slotStatus"]["notificationsSent"][kind]) == shown
