"""Chromium for tests: started as a person's browser would be, with an ear for its complaints."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from litestar import Litestar
from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright

from slotwatch.processes.http import HttpServer, Listener, listen
from tests.tidy.tree import ROOT

__all__ = ["LOOKS", "browsing", "carry", "chromium", "drawn", "held", "listen_to", "served", "sticking_out"]

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
LOOKS: dict[str, dict[str, Any]] = {
    "phone-light": {"viewport": {"width": 390, "height": 800}, "color_scheme": "light"},
    "phone-dark": {"viewport": {"width": 390, "height": 800}, "color_scheme": "dark"},
    "desktop-light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "desktop-dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
}
"""How pages are looked at, as options of a browser context."""


def chromium() -> str:
    """Where Chromium is; without one the test is skipped."""
    found = subprocess.run(
        [shutil.which("sh") or "sh", str(ROOT / "scripts" / "find_chromium.sh")], capture_output=True, text=True
    )
    if found.returncode != 0:
        pytest.skip("no Chromium here: run scripts/setup_browser.sh")
    return found.stdout.strip()


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """A browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def served(app: Litestar) -> AsyncIterator[Listener]:
    """The application on a port of its own."""
    listener, stop = listen("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(HttpServer(app, listener).run(stop))
    try:
        yield listener
    finally:
        stop.set()
        await serving
        listener.close()


def listen_to(page: Page) -> list[str]:
    """Everything that the browser complains about."""
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    return complaints


async def sticking_out(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    width: int = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width


async def carry(context: BrowserContext, cookies: dict[str, str], url: str) -> None:
    """Sign the browser in."""
    await context.add_cookies([{"name": name, "value": value, "url": url} for name, value in cookies.items()])


@asynccontextmanager
async def held(page: Page, path: str) -> AsyncIterator[asyncio.Event]:
    """Requests for that path wait until this ends, and have been answered and drawn after it; set once there is one."""
    on_the_way, let_go = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        on_the_way.set()
        await let_go.wait()
        await route.continue_()

    await page.route(path, hold)
    async with page.expect_event("requestfinished", lambda request: request.url.endswith(path.removeprefix("**"))):
        yield on_the_way
        let_go.set()
    await page.unroute(path)
    await drawn(page)


async def drawn(page: Page) -> None:
    """Wait until what the page has begun to show is to be seen."""
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
