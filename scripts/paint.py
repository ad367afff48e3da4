"""How soon the board of a big vendor is on the screen, what it transfers, and whether anything moves when it renews.

Usage: `make paint` (ARGS="--connectors 500 --loads 10"). Starts a database and a web process of its own, opens the
board in Chromium with an empty cache each time, lets drivers check in meanwhile, prints one JSON object. Takes about
a minute. Times are the browser's own, from the click to first contentful paint, in milliseconds.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
from datetime import timedelta
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from slotwatch.bench.http_client import Server, serving
from slotwatch.bench.live import desk_of
from slotwatch.bench.scratch import scratch_database
from slotwatch.bench.seed import Wave, open_connection, seed
from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.ids import BookingId, booking_ref
from slotwatch.domain.lifecycle import State, Step
from slotwatch.domain.staff import StaffRole
from slotwatch.storage.clock import DatabaseClock
from slotwatch.storage.database import DatabaseSettings, connect
from slotwatch.storage.sessions import open_session
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.web.visitors import SESSION_COOKIE

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
DESKTOP = {"width": 1280, "height": 900}
VENDOR, BOOKINGS_OF_EACH, CHECK_INS = 1, 6, 10
TARGET_MS, TARGET_BYTES = 1000, 150_000
# Who is in grace is in the first round; the others are to come.
TO_COME = (
    "UPDATE booking SET state = 'confirmed', step = 'start', started_at = NULL, due_at = starts_at WHERE starts_at > $1"
)
STAFF = "INSERT INTO staff (vendor_id, role, name, email, created_at) VALUES ($1, $2, 'Ada', $3, $4) RETURNING id"
WATCH = """
    window.painted = new Promise((resolve) => new PerformanceObserver((list) => {
        const paint = list.getEntriesByName("first-contentful-paint")[0];
        if (paint) resolve(paint.startTime);
    }).observe({ type: "paint", buffered: true }));
    window.shift = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
"""
TRANSFERRED = """
    () => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .reduce((sum, entry) => sum + entry.transferSize, 0)
"""


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--connectors", type=int, default=500)
    parser.add_argument("--loads", type=int, default=10)
    size = parser.parse_args()
    if not 1 <= size.connectors <= 5000 or not 1 <= size.loads <= 1000:
        parser.error("connectors must be between 1 and 5000, loads between 1 and 1000")
    with scratch_database(os.environ.get("DATABASE_URL")) as url:
        found = asyncio.run(measure(url, size.connectors, size.loads))
    print(json.dumps(found))
    return 0


async def measure(url: str, connectors: int, loads: int) -> dict[str, Any]:
    """Cold loads one after the other, then check-ins while the last page is open."""
    conn, clock = await open_connection(url), DatabaseClock()
    database = await connect(DatabaseSettings(), name="paint", url=url)
    try:
        now = await clock.now(conn)
        wave = Wave(
            BOOKINGS_OF_EACH * connectors,
            connectors,
            now - timedelta(minutes=1),
            every=timedelta(hours=2),
            state=State.GRACE,
            step=Step.GRACE_HALF,
            version=2,
        )
        await seed(conn, wave)
        await conn.execute(TO_COME, now)
        staff = await conn.fetchval(STAFF, VENDOR, StaffRole.OWNER.value, "ada@example.org", now)
        token = await open_session(conn, now=now, lasts=timedelta(hours=1), staff_id=staff)
        async with serving(url, 4) as server, async_playwright() as player:
            browser = await player.chromium.launch(executable_path=os.environ["SLOTWATCH_CHROMIUM"], args=FLAGS)
            paints, sizes = [], []
            for _ in range(loads):
                page = await opened(browser, server, token)
                paints.append(await page.evaluate("window.painted"))
                await page.wait_for_selector("#live[data-state=live]")
                sizes.append(await page.evaluate(TRANSFERRED))
                await page.context.close()
            page = await opened(browser, server, token)
            await page.wait_for_selector("#live[data-state=live]")
            for number in range(1, CHECK_INS + 1):
                await check_in(desk_of(database), number, number, CheckInAttempt(CheckInMethod.APP))
                await page.wait_for_selector(f"#{booking_ref(BookingId(number))}.active")
            shift = await page.evaluate("window.shift")
            await browser.close()
    finally:
        await database.close()
        await conn.close()
    return {
        "connectors": connectors,
        "bookings": BOOKINGS_OF_EACH * connectors,
        "loads": loads,
        "first_paint_ms": {"p50": round(statistics.median(paints)), "max": round(max(paints))},
        "target_ms": TARGET_MS,
        "transferred_bytes": max(sizes),
        "target_bytes": TARGET_BYTES,
        "layout_shift": round(shift, 4),
    }


async def opened(browser: Browser, server: Server, token: str) -> Page:
    """The board in a browser that was never here."""
    url = f"http://{server.host}:{server.port}"
    context: BrowserContext = await browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    await context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": url}])
    page = await context.new_page()
    await page.add_init_script(WATCH)
    await page.goto(f"{url}/vendor")
    return page


if __name__ == "__main__":
    sys.exit(main())
