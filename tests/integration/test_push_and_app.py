"""Push to a driver's browsers and webhooks to the operator's own app, as notices use them."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from slotwatch.channels import Accepted, Message, Outcome, Refused
from slotwatch.channels.push import PushSettings
from slotwatch.config import BadSetting, load_settings
from slotwatch.domain.booking import Booking
from slotwatch.domain.errors import InvalidInput, NotFound
from slotwatch.domain.lifecycle import State
from slotwatch.domain.notices import USUAL_CHANNELS, Channel
from slotwatch.outbox.render import Renderer
from slotwatch.storage.accounts import make_driver_with
from slotwatch.storage.push_subscriptions import MOST_BROWSERS
from slotwatch.usecases.browsers import forget_browser, keep_browser
from slotwatch.usecases.cancel import cancel
from slotwatch.usecases.desk import Desk
from slotwatch.wiring import build_provider
from tests.conftest import Town
from tests.integration.channels.rigs_http import PRIVATE_KEY, SECRET, push_settings, subscription
from tests.support.crew import Crew
from tests.support.provider import Provider, refusing

APP = "https://app.example.org/hook"
PUSH = {"SLOTWATCH_PUSH_PRIVATE_KEY": PRIVATE_KEY, "SLOTWATCH_PUSH_CONTACT": "mailto:ops@example.org"}


def with_channel(desk: Desk, channel: Channel, **options: Any) -> tuple[Crew, Provider]:
    crew, provider = Crew(replace(desk, channels=USUAL_CHANNELS | {channel})), Provider(channel)
    crew.senders[channel] = crew.sender(provider, **options)
    return crew, provider


async def browser(crew: Crew, town: Town, name: str) -> None:
    found = json.loads(subscription(f"https://push.example/{name}"))
    await keep_browser(crew.desk, town.driver.id, found, push=push_settings())


def gone(*names: str) -> Any:
    def answer(message: Message) -> Outcome | None:
        if endpoint(message).rpartition("/")[2] in names:
            return Refused("410: the browser is no longer subscribed", suppress=True)
        return None

    return answer


def endpoint(message: Message) -> str:
    return str(json.loads(message.to)["endpoint"])


async def started(crew: Crew, town: Town) -> Booking:
    await crew.never_silent()
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=timedelta(hours=2)))
    await crew.live_until(booking.timeline.starts_at)
    return booking


async def test_a_driver_with_a_browser_is_told_there_at_once_too(desk: Desk, town: Town) -> None:
    crew, push = with_channel(desk, Channel.PUSH)
    await browser(crew, town, "old")
    await browser(crew, town, "new")
    booking = await started(crew, town)
    assert [endpoint(message) for message in push.taken] == ["https://push.example/new"] * 2, "reminder and start"
    assert push.taken[-1].subject == "Harbour · 1A" and push.taken[-1].text.startswith("Your slot has begun")
    assert push.taken[-1].urgent
    assert (await crew.deliveries(booking, "slot_started")) == {"email": "sent", "sms": "sent", "push": "sent"}
    assert set(await crew.deliveries(booking, "booking_confirmed")) == {"email", "sms"}
    await crew.assert_sound()


async def test_for_a_driver_without_a_browser_no_push_is_even_written(desk: Desk, town: Town) -> None:
    crew, push = with_channel(desk, Channel.PUSH)
    booking = await started(crew, town)
    await crew.live_for(timedelta(hours=2))
    assert not push.asked
    assert await crew.value("SELECT count(*) FROM delivery WHERE channel = 'push'") == 0
    assert (await crew.load(booking)).state is State.EXPIRED


async def test_a_browser_that_is_gone_is_not_used_again_and_the_next_newest_is_tried_at_once(
    desk: Desk, town: Town
) -> None:
    crew, push = with_channel(desk, Channel.PUSH)
    for name in ("first", "second", "third"):
        await browser(crew, town, name)
    push.answer = lambda message: gone("third", "second")(message) or Accepted(message.key)
    booking = await started(crew, town)
    assert [endpoint(m).rpartition("/")[2] for m in push.asked] == ["third", "second", "first", "first"]
    assert (await crew.deliveries(booking, "slot_started"))["push"] == "sent"
    states = await crew.rows("SELECT endpoint, gone_at IS NULL AS live FROM push_subscription ORDER BY id")
    assert [row["live"] for row in states] == [True, False, False]
    assert await crew.value("SELECT count(*) FROM suppression") == 0


async def test_when_the_last_browser_is_gone_the_push_has_failed_and_others_have_told(desk: Desk, town: Town) -> None:
    crew, push = with_channel(desk, Channel.PUSH)
    await browser(crew, town, "only")
    push.answer = gone("only")
    booking = await started(crew, town)
    await crew.live_for(timedelta(minutes=16))
    assert (await crew.deliveries(booking, "reminder"))["push"] == "failed"
    assert len(push.asked) == 1, "later notices know that no browser is left"


async def test_a_browser_is_one_drivers_and_the_oldest_goes_when_there_are_too_many(desk: Desk, town: Town) -> None:
    crew, _ = with_channel(desk, Channel.PUSH)
    for number in range(MOST_BROWSERS + 2):
        await browser(crew, town, f"n{number}")
    kept = await crew.rows("SELECT endpoint FROM push_subscription ORDER BY id")
    assert [row["endpoint"].rpartition("/n")[2] for row in kept] == [str(n) for n in range(2, MOST_BROWSERS + 2)]
    again = json.loads(subscription("https://push.example/n2"))
    await keep_browser(desk, town.stranger.id, again, push=push_settings())
    assert await crew.value("SELECT driver_id FROM push_subscription WHERE endpoint LIKE '%n2'") == town.stranger.id
    assert not await forget_browser(desk, town.driver.subject, "https://push.example/n2"), "not theirs any more"
    assert await forget_browser(desk, town.driver.subject, "https://push.example/n3")


@pytest.mark.parametrize(
    "to", ["http://push.example/x", "https://127.0.0.1/x", "https://10.0.0.1/", "file:///etc/x", ""]
)
async def test_a_browser_cannot_make_us_call_our_own_network(desk: Desk, town: Town, to: str) -> None:
    settings = PushSettings(private_key=PRIVATE_KEY, contact="mailto:ops@example.org")
    with pytest.raises(InvalidInput):
        await keep_browser(desk, town.driver.id, json.loads(subscription(to)), push=settings)
    with pytest.raises(NotFound):
        await keep_browser(desk, town.driver.id, json.loads(subscription(to)), push=PushSettings())


# The operator's own app


def app_crew(desk: Desk) -> tuple[Crew, Provider]:
    return with_channel(desk, Channel.WEBHOOK, write=Renderer(app_url=APP).message)


async def test_each_notice_about_a_booking_goes_to_the_app_with_facts_and_no_personal_data(
    desk: Desk, town: Town
) -> None:
    crew, app = app_crew(desk)
    booking = await started(crew, town)
    assert [message.kind for message in app.taken] == ["booking_confirmed", "reminder", "slot_started"]
    message = app.taken[-1]
    assert message.to == APP
    assert message.facts["bookingId"] and message.facts["status"] == "grace"
    assert message.facts["driver"] == town.driver.subject
    assert message.facts["gracePeriodEndsAt"] == f"{booking.timeline.grace_ends_at:%Y-%m-%dT%H:%M:%SZ}"
    for secret in (town.driver.email, town.driver.phone, town.driver.name):
        assert str(secret) not in repr((message.facts, message.text, message.subject))
    await crew.assert_sound()


async def test_one_browser_moved_between_drivers_at_once_is_one_drivers_in_the_end(desk: Desk, town: Town) -> None:
    crew, _ = with_channel(desk, Channel.PUSH)
    found = json.loads(subscription("https://push.example/shared"))
    drivers = [town.driver.id, town.stranger.id] * 6
    await asyncio.gather(*(keep_browser(desk, driver_id, found, push=push_settings()) for driver_id in drivers))
    (row,) = await crew.rows("SELECT driver_id, gone_at FROM push_subscription")
    assert row["driver_id"] in drivers and row["gone_at"] is None


async def test_the_apps_name_for_who_came_by_a_page_tells_no_address(desk: Desk, town: Town) -> None:
    crew, app = app_crew(desk)
    for channel, address in ((Channel.EMAIL, "nina@example.org"), (Channel.SMS, "+436601234567")):
        async with desk.database.transaction() as conn:
            driver = await make_driver_with(conn, channel, address, now=crew.clock.read())
        booking = await crew.booked(driver, town.connectors[0], town.slot())
        await crew.deliver()
        assert app.taken[-1].facts["driver"] == driver.subject
        assert "nina" not in repr(app.taken[-1]) and "660" not in repr(app.taken[-1])
        await cancel(desk, driver.id, booking.id)


async def test_the_app_is_called_whatever_the_driver_wishes_and_stands_in_for_nobody(desk: Desk, town: Town) -> None:
    crew, app = app_crew(desk)
    quiet = {"quietHours": {"start": "00:00", "end": "23:59", "timeZone": "UTC"}, "channels": {"webhook": False}}
    await crew.execute("UPDATE driver SET preferences = $1", quiet)
    app.answer = lambda message: Refused("410: not wanted", suppress=True)
    await started(crew, town)
    assert len(app.asked) == 3, "an app that refuses one notice is called for the next"
    assert await crew.value("SELECT count(*) FROM delivery WHERE channel NOT IN ('email', 'sms', 'webhook')") == 0
    assert await crew.value("SELECT count(*) FROM suppression") == 0


async def test_that_the_app_knows_does_not_make_a_no_show(desk: Desk, town: Town) -> None:
    crew, app = app_crew(desk)
    crew.mail.answer = crew.sms.answer = refusing
    booking = await started(crew, town)
    await crew.live_for(timedelta(hours=1))
    assert "slot_started" in [message.kind for message in app.taken]
    assert (await crew.state(booking)) is State.VOIDED, "nobody had told the driver"


def test_push_and_app_are_on_when_they_are_configured() -> None:
    hook = {"SLOTWATCH_WEBHOOK_URL": APP, "SLOTWATCH_WEBHOOK_SECRET": SECRET}
    settings = load_settings({**PUSH, **hook})
    assert settings.channels == USUAL_CHANNELS | {Channel.PUSH, Channel.WEBHOOK}
    for channel in (Channel.PUSH, Channel.WEBHOOK):
        provider = build_provider(settings, channel)
        assert provider is not None and provider.name == channel.value
    assert load_settings({"SLOTWATCH_WEBHOOK_SECRET": SECRET}).channels == USUAL_CHANNELS
    with pytest.raises(BadSetting, match="SLOTWATCH_WEBHOOK_SECRET must be set, too"):
        load_settings({"SLOTWATCH_WEBHOOK_URL": APP})
    with pytest.raises(BadSetting, match="SLOTWATCH_WEBHOOK_URL"):
        load_settings({**hook, "SLOTWATCH_WEBHOOK_URL": "http://10.0.0.1/"})
