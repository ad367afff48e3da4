"""How a driver is told, over the API: addresses and what stands against them, and a browser that subscribes."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from slotwatch.channels import PushChannel
from slotwatch.domain.notices import USUAL_CHANNELS, Channel
from slotwatch.storage.clock import MovableClock
from slotwatch.usecases.desk import ContactRules, Desk
from tests.conftest import NOON, Town
from tests.integration.channels.rigs_http import push_settings, subscription
from tests.integration.web.conftest import Api, bearer, client_of, make_app, running
from tests.push_double import PushDouble, push_double
from tests.support.crew import Crew
from tests.support.signed_in import driver_cookie

PATH = "/api/users/me/notifications"


@pytest.fixture(scope="module")
def service() -> Iterator[PushDouble]:
    with push_double() as double:
        yield double


@pytest.mark.node
async def test_the_start_of_a_slot_is_shown_by_a_browser_that_subscribed_over_the_api(
    desk: Desk, town: Town, service: PushDouble
) -> None:
    desk = replace(desk, channels=USUAL_CHANNELS | {Channel.PUSH})
    crew, settings = Crew(desk), push_settings()
    channel = PushChannel(settings)
    crew.senders[Channel.PUSH] = crew.sender(channel)  # type: ignore[arg-type]  # the real one
    app = make_app(desk, push=settings)
    async with running(app), client_of(app) as client:
        api = Api(client, town, crew.clock, bearer(town.driver.subject))
        seen = (await api.get(PATH)).json()
        assert seen["push"] == {"publicKey": settings.public_key, "browsers": 0} and seen["channels"]["push"] is True
        shown_by = service.subscribe(seen["push"]["publicKey"])
        given = {name: json.loads(shown_by.subscription)[name] for name in ("endpoint", "keys")}
        added = await api.post(f"{PATH}/push", {"subscription": given})
        assert (added.status_code, added.json()["push"]["browsers"]) == (200, 1), added.text
        before = {"Idempotency-Key": "once"}
        for _ in range(2):
            dropped = await api.call("DELETE", f"{PATH}/push", {"endpoint": given["endpoint"]}, headers=before)
            assert (dropped.status_code, dropped.json()["push"]["browsers"]) == (200, 0)
            again = await api.post(f"{PATH}/push", {"subscription": given}, headers={"Idempotency-Key": "twice"})
            assert (again.status_code, again.json()["push"]["browsers"]) == (200, 1)
        reused = await api.post(f"{PATH}/push", {"subscription": given}, headers=before)
        assert reused.status_code == 422, "a key belongs to one request"
        await crew.never_silent()
        await crew.booked(town.driver, town.connectors[0], town.slot())
        await crew.live_for(timedelta(hours=1))
        (shown,) = service.shown(shown_by)
        assert shown["title"] == "Harbour · 1A" and "check in by" in shown["body"] and shown["urgent"]
        dropped = await api.call("DELETE", f"{PATH}/push", {"endpoint": given["endpoint"]})
        assert (dropped.status_code, dropped.json()["push"]["browsers"]) == (200, 0)
    await channel.close()


async def test_without_a_key_the_api_offers_no_push(api: Api) -> None:
    assert (await api.get(PATH)).json()["push"] is None
    given = json.loads(subscription("https://push.example/x"))
    answer = await api.post(f"{PATH}/push", {"subscription": given})
    assert answer.status_code == 404


async def test_addresses_are_shown_with_what_stands_against_them(api: Api, desk: Desk, town: Town) -> None:
    async with desk.database.connection() as conn:
        await conn.execute("UPDATE driver SET email_verified_at = now() WHERE id = $1", town.driver.id)
        await conn.execute("INSERT INTO suppression VALUES ('sms', $1, 'they answered STOP', now())", town.driver.phone)
    seen = (await api.as_caller(bearer(town.driver.subject)).get(PATH)).json()
    assert seen["addresses"] == {
        "email": {"address": town.driver.email, "verified": True, "suppressed": {}},
        "sms": {
            "address": town.driver.phone,
            "verified": False,
            "suppressed": {"sms": "Nothing is sent there by sms any more: they answered STOP"},
        },
    }


async def test_the_worker_script_may_serve_every_page_and_is_never_kept(client: httpx.AsyncClient) -> None:
    answer = await client.get("/push-worker.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "no-cache"


async def test_the_settings_page_says_why_a_phone_gets_nothing_any_more(
    client: httpx.AsyncClient, desk: Desk, town: Town, clock: MovableClock
) -> None:
    async with desk.database.connection() as conn:
        await conn.execute("INSERT INTO suppression VALUES ('sms', $1, 'they answered STOP', now())", town.driver.phone)
    client.cookies.update(await driver_cookie(desk.database, town.driver.id, now=clock.read()))
    page = await client.get("/settings")
    assert "Nothing is sent there by sms any more: they answered STOP" in page.text
    assert "settings-push.js" not in page.text, "web push is not configured"


async def test_the_last_channel_is_not_switched_off_while_a_booking_is_held(api: Api, crew: Crew, town: Town) -> None:
    off = {"channels": {"email": False, "sms": False}}
    assert (await api.call("PUT", PATH, off)).status_code == 200
    assert (await api.call("PUT", PATH, {"channels": {}})).status_code == 200
    await crew.booked(town.driver, town.connectors[0], town.slot())
    refused = await api.call("PUT", PATH, off)
    assert (refused.status_code, refused.json()["code"]) == (422, "contact_needed"), refused.text
    assert "you hold a booking" in refused.text and "switch it on" in refused.text
    assert (await api.get(PATH)).json()["channels"]["email"] is True


async def test_a_contact_that_is_not_proved_does_not_take_the_last_way_to_a_booking(
    desk: Desk, town: Town, crew: Crew
) -> None:
    strict = replace(desk, contact=ContactRules(verified_only=True))
    await crew.execute("UPDATE driver SET phone = NULL, email_verified_at = $2 WHERE id = $1", town.driver.id, NOON)
    app = make_app(strict)
    async with running(app), client_of(app) as client:
        api = Api(client, town, crew.clock, bearer(town.driver.subject))
        assert (await api.post("/api/users/bookings", api.slot())).status_code == 201
        body = {**api.slot(connector=1), "contact": {"email": "elsewhere@example.org"}}
        refused = await api.post("/api/users/bookings", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "contact_needed"), refused.text
    assert await crew.value("SELECT email FROM driver WHERE id = $1", town.driver.id) == "mira@example.org"
