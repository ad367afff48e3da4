"""Web push in a real browser: a page subscribes, the worker shows what comes in, and the settings page turns it on.

The push service itself is played: Chromium's own is Google's. What is pushed goes in by the debugging protocol.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, CDPSession, Page, expect

from slotwatch.domain.notices import USUAL_CHANNELS, Channel
from slotwatch.processes.http import Listener
from slotwatch.storage.clock import MovableClock
from slotwatch.usecases.desk import Desk
from slotwatch.web.visitors import SESSION_COOKIE
from tests.conftest import Town
from tests.integration.channels.rigs_http import push_settings, subscription
from tests.integration.web.conftest import make_app
from tests.support.browser import LOOKS, browsing, listen_to, served
from tests.support.signed_in import driver_cookie

pytestmark = pytest.mark.browser

KEY = push_settings().public_key
ANSWER = json.loads(subscription("https://push.example/1"))
PLAYED = """(() => {
  let current = null;
  window.asked = [];
  PushManager.prototype.getSubscription = async () => current;
  PushManager.prototype.subscribe = async (options) => {
    asked.push({ visible: options.userVisibleOnly, key: Array.from(options.applicationServerKey) });
    const answer = ANSWER;
    current = {
      endpoint: answer.endpoint,
      options: { applicationServerKey: options.applicationServerKey.buffer },
      toJSON: () => answer,
      unsubscribe: async () => { current = null; return true; },
    };
    return current;
  };
})()""".replace("ANSWER", json.dumps(ANSWER))
SUBSCRIBE = """async (key) => {
  const kept = [];
  const { enablePush, pushIsPossible } = await import("/static/push.js");
  const outcome = await enablePush(key, async (subscription) => kept.push(subscription));
  return { possible: pushIsPossible(), outcome, kept, asked: window.asked };
}"""
SHOWN = """async () => {
  const worker = await navigator.serviceWorker.ready;
  return (await worker.getNotifications()).map(({ title, body, tag, data }) => ({ title, body, tag, url: data.url }));
}"""


@pytest.fixture
async def site(desk: Desk) -> AsyncIterator[Listener]:
    """The pages, with web push."""
    desk = replace(desk, channels=USUAL_CHANNELS | {Channel.PUSH})
    async with served(make_app(desk, push=push_settings())) as listener:
        yield listener


async def opened(context: BrowserContext, url: str) -> Page:
    """A page in a browser whose push service is played."""
    page = await context.new_page()
    await page.add_init_script(PLAYED)
    await page.goto(url)
    return page


async def pushed(session: CDPSession, origin: str, registration: str, **told: Any) -> None:
    message = {"origin": origin, "registrationId": registration, "data": json.dumps(told)}
    await session.send("ServiceWorker.deliverPushMessage", message)


async def test_a_page_subscribes_with_our_key_and_the_worker_shows_what_is_pushed(site: Listener) -> None:
    async with browsing() as browser:
        context = await browser.new_context()
        await context.grant_permissions(["notifications"], origin=site.url)
        page = await opened(context, site.url)
        complaints = listen_to(page)
        session = await context.new_cdp_session(page)
        registrations: list[str] = []
        session.on(
            "ServiceWorker.workerRegistrationUpdated",
            lambda event: registrations.extend(one["registrationId"] for one in event["registrations"]),
        )
        await session.send("ServiceWorker.enable")
        seen = await page.evaluate(SUBSCRIBE, KEY)
        assert (seen["possible"], seen["outcome"], seen["kept"]) == (True, "enabled", [ANSWER])
        (asked,) = seen["asked"]
        assert asked["visible"] is True and len(asked["key"]) == 65, "an uncompressed point of P-256"

        told = {"title": "Harbour \u00b7 1A", "body": "Your slot has begun", "tag": "7-push", "url": f"{site.url}/docs"}
        for _ in range(2):
            await pushed(session, site.url, registrations[0], **told)
        await page.wait_for_function(f"async () => (await ({SHOWN})()).length > 0")
        assert await page.evaluate(SHOWN) == [told], "a second copy takes the place of the first"
        assert complaints == []


async def test_who_refuses_is_told_so_and_nothing_is_kept(site: Listener) -> None:
    async with browsing() as browser:
        context = await browser.new_context()  # notifications are refused in a fresh headless browser
        page = await opened(context, site.url)
        seen = await page.evaluate(SUBSCRIBE, KEY)
        assert (seen["outcome"], seen["kept"]) == ("refused", [])


@pytest.mark.parametrize("look", ["phone-light", "desktop-dark"])
async def test_a_driver_turns_it_on_and_off_on_the_settings_page(
    site: Listener, desk: Desk, town: Town, clock: MovableClock, look: str, tmp_path: Path
) -> None:
    cookie = await driver_cookie(desk.database, town.driver.id, now=clock.read())
    async with browsing() as browser:
        context = await browser.new_context(**LOOKS[look])
        await context.grant_permissions(["notifications"], origin=site.url)
        await context.add_cookies([{"name": SESSION_COOKIE, "value": cookie[SESSION_COOKIE], "url": site.url}])
        page = await opened(context, f"{site.url}/settings")
        complaints = listen_to(page)
        await page.get_by_role("button", name="Show messages here").click()
        await expect(page.get_by_text("This browser shows your messages from now on.")).to_be_visible()
        await page.screenshot(path=tmp_path / "settings.png", full_page=True)
        async with desk.database.connection() as conn:
            kept = await conn.fetch("SELECT driver_id, endpoint FROM push_subscription")
            assert [tuple(row) for row in kept] == [(town.driver.id, "https://push.example/1")]
        await page.get_by_role("button", name="No longer").click()
        await expect(page.get_by_role("button", name="Show messages here")).to_be_visible()
        async with desk.database.connection() as conn:
            assert await conn.fetchval("SELECT count(*) FROM push_subscription") == 0
        assert complaints == []
