"""The pages in a real browser: readable for everybody, quiet in the console, and the inbox renews itself."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

from slotwatch.channels.inbox import InboxMessage
from slotwatch.processes.http import HttpServer, Listener, listen
from slotwatch.storage.inbox import saver
from slotwatch.usecases.desk import Desk
from tests.integration.web.conftest import make_app
from tests.tidy.tree import ROOT

pytestmark = pytest.mark.browser

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
SIZES = {"phone": (390, 800), "desktop": (1280, 800)}
HTML = (
    "<style>p{color:#c00}</style><p>Hello</p><script>document.title='taken over'</script><img src=/x onerror=alert(1)>"
)


def chromium() -> str:
    found = subprocess.run(
        [shutil.which("sh") or "sh", str(ROOT / "scripts" / "find_chromium.sh")], capture_output=True, text=True
    )
    if found.returncode != 0:
        pytest.skip("no Chromium here: run scripts/setup_browser.sh")
    return found.stdout.strip()


@pytest.fixture
async def site(desk: Desk) -> AsyncIterator[Listener]:
    """The pages, served, with one mail and one text message in the inbox."""
    keep = saver(desk.database, desk.clock)
    await keep(
        InboxMessage(channel="email", key="1-email", to="mira@example.org", subject="Hello", text="Hello", html=HTML)
    )
    await keep(
        InboxMessage(channel="sms", key="1-sms", to="+15005550010", subject=None, text="See http://x/y", html=None)
    )
    listener, stop = listen("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(HttpServer(make_app(desk, has_inbox=True), listener).run(stop))
    yield listener
    stop.set()
    await serving
    listener.close()


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        await browser.close()


def listen_to(page: Page) -> list[str]:
    """Everything that the browser complains about."""
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    return complaints


async def test_every_page_can_be_read_by_everybody_in_light_and_dark(site: Listener, subtests: pytest.Subtests) -> None:
    async with browsing() as browser:
        for scheme in ("light", "dark"):
            for size, (width, height) in SIZES.items():
                context = await browser.new_context(
                    viewport={"width": width, "height": height},
                    color_scheme="dark" if scheme == "dark" else "light",
                )
                page = await context.new_page()
                for path in ("/", "/docs", "/inbox", "/inbox/2"):
                    with subtests.test(path, scheme=scheme, size=size):
                        complaints = listen_to(page)
                        await page.goto(site.url + path)
                        results = await Axe().run(page)
                        assert results.violations_count == 0, results.generate_report()
                        assert complaints == []
                        overflow = await page.evaluate(
                            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                        )
                        assert overflow <= 0, "nothing sticks out at the side"
                await context.close()


async def test_the_inbox_shows_a_new_message_by_itself(site: Listener, desk: Desk) -> None:
    async with browsing() as browser:
        page = await browser.new_page()
        complaints = listen_to(page)
        await page.goto(site.url + "/inbox")
        assert await page.locator(".letter").count() == 2
        letter = InboxMessage(
            channel="email", key="2-email", to="otto@example.org", subject="New here", text="Hello", html=None
        )
        await saver(desk.database, desk.clock)(letter)
        await page.locator(".letter", has_text="New here").wait_for(timeout=10_000)
        assert await page.locator(".letter").first.inner_text() != ""
        assert complaints == []


async def test_the_html_of_a_mail_is_seen_and_runs_nothing(site: Listener) -> None:
    async with browsing() as browser:
        page = await browser.new_page()
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        await page.goto(site.url + "/inbox/1")
        mail = page.frame_locator("iframe")
        assert await mail.locator("p").inner_text() == "Hello"
        assert await mail.locator("p").evaluate("p => getComputedStyle(p).color") == "rgb(204, 0, 0)"
        assert dialogs == [] and "taken over" not in await page.title()
