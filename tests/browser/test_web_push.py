"""Web push in a real browser: a page subscribes, the worker shows what comes in, and a click leads to a page of ours.

The push service itself is played: Chromium's own is Google's. What is pushed goes in by the debugging protocol.
"""

import json
from typing import Any

import pytest
from playwright.async_api import BrowserContext, CDPSession, Page

from slotwatch.channels.push_crypto import VapidKey
from slotwatch.processes.http import Listener
from tests.browser.test_web_pages import browsing, listen_to, site

__all__ = ["site"]

pytestmark = pytest.mark.browser

KEY = VapidKey(VapidKey.generate()).public
SUBSCRIBE = """async ([key, answer]) => {
  const asked = [];
  PushManager.prototype.subscribe = async (options) => {
    asked.push({ visible: options.userVisibleOnly, key: Array.from(options.applicationServerKey) });
    return { toJSON: () => answer };
  };
  const kept = [];
  const { enablePush, pushIsPossible } = await import("/static/push.js");
  const outcome = await enablePush(key, async (subscription) => kept.push(subscription));
  return { possible: pushIsPossible(), outcome, kept, asked };
}"""
SHOWN = """async () => {
  const worker = await navigator.serviceWorker.ready;
  return (await worker.getNotifications()).map(({ title, body, tag, data }) => ({ title, body, tag, url: data.url }));
}"""


async def allowed(context: BrowserContext, page: Page, origin: str) -> CDPSession:
    """The page may show notifications; a line to the browser's service workers."""
    await context.grant_permissions(["notifications"], origin=origin)
    session = await context.new_cdp_session(page)
    await session.send("ServiceWorker.enable")
    return session


async def pushed(session: CDPSession, origin: str, registration: str, **told: Any) -> None:
    message = {"origin": origin, "registrationId": registration, "data": json.dumps(told)}
    await session.send("ServiceWorker.deliverPushMessage", message)


async def test_a_page_subscribes_with_our_key_and_the_worker_shows_what_is_pushed(site: Listener) -> None:
    answer = {"endpoint": "https://push.example/1", "keys": {"p256dh": "p", "auth": "a"}}
    async with browsing() as browser:
        context = await browser.new_context()
        page = await context.new_page()
        complaints = listen_to(page)
        await page.goto(site.url)
        session = await allowed(context, page, site.url)
        registrations: list[str] = []
        session.on(
            "ServiceWorker.workerRegistrationUpdated",
            lambda event: registrations.extend(one["registrationId"] for one in event["registrations"]),
        )
        seen = await page.evaluate(SUBSCRIBE, [KEY, answer])
        assert (seen["possible"], seen["outcome"], seen["kept"]) == (True, "enabled", [answer])
        (asked,) = seen["asked"]
        assert asked["visible"] is True and len(asked["key"]) == 65, "an uncompressed point of P-256"

        told = {"title": "Harbour \u00b7 1A", "body": "Your slot has begun", "tag": "7-push", "url": f"{site.url}/docs"}
        for _ in range(2):
            await pushed(session, site.url, registrations[0], **told)
        await page.wait_for_function(
            "async () => (await (await navigator.serviceWorker.ready).getNotifications()).length"
        )
        assert await page.evaluate(SHOWN) == [told], "a second copy takes the place of the first"
        assert complaints == []


async def test_who_refuses_is_told_so_and_nothing_is_kept(site: Listener) -> None:
    async with browsing() as browser:
        page = await browser.new_page()  # notifications are refused in a fresh headless browser
        await page.goto(site.url)
        seen = await page.evaluate(SUBSCRIBE, [KEY, {}])
        assert (seen["outcome"], seen["kept"]) == ("refused", [])
