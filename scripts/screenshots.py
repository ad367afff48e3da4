"""Takes the pictures that README and docs show: starts a demo town of its own, signs in as its people, by Chromium.

Usage: `make screenshots`. Takes about five minutes, most of them waiting until the town shows every state. Writes
docs/assets/{board,insights,booking,expired}.png.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from slotwatch.demo.places import OWNERS, VISITOR

ASSETS = Path(__file__).resolve().parent.parent / "docs" / "assets"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
OWNER, DRIVER = OWNERS[0], VISITOR.email
SECONDS_TO_START, SECONDS_TO_LIVE = 180, 150
DESKTOP, PHONE = {"width": 1280, "height": 1250}, {"width": 390, "height": 844}


def main() -> int:
    """Takes the pictures; ends everything that it started."""
    with tempfile.TemporaryDirectory(prefix="slotwatch-screenshots-") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        town = subprocess.Popen(
            [sys.executable, "-m", "slotwatch", "up", "--port", str(port)],
            env={**os.environ, "SLOTWATCH_DATA_DIR": folder},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            take_all(f"http://127.0.0.1:{port}", town)
        finally:
            town.send_signal(signal.SIGTERM)
            town.wait(30)
    return 0


def take_all(url: str, town: subprocess.Popen[bytes]) -> None:
    """Every picture, when the town has lived for a while."""
    wait_until_ready(url, town)
    with sync_playwright() as player:
        chromium = player.chromium.launch(executable_path=os.environ["SLOTWATCH_CHROMIUM"], args=FLAGS)
        driver = signed_in(chromium, url, DRIVER, phone=True)
        driver.goto(f"{url}/bookings")
        driver.goto(url + str(driver.locator("a[href^='/bookings/BK-']").first.get_attribute("href")))
        take(driver, "booking.png", lambda: driver.get_by_role("button", name=re.compile("check in", re.I)).count() > 0)
        print(f"screenshots: the town lives for {SECONDS_TO_LIVE} s")
        time.sleep(SECONDS_TO_LIVE)
        owner = signed_in(chromium, url, OWNER)
        owner.goto(f"{url}/vendor?hours=2")
        take(owner, "board.png")
        owner.goto(f"{url}/vendor/insights")
        take(owner, "insights.png")
        owner.goto(f"{url}/inbox")
        owner.locator(".letter", has_text="e-mail").filter(
            has_text=re.compile("expired|released|lost", re.I)
        ).first.click()
        mail = owner.locator("iframe")
        mail.wait_for()
        mail.screenshot(path=ASSETS / "expired.png")
        print("wrote expired.png")
        chromium.close()


def wait_until_ready(url: str, town: subprocess.Popen[bytes]) -> None:
    """Until the town answers. Raises RuntimeError when it does not."""
    port = int(url.rpartition(":")[2])
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and town.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as line:
                line.sendall(b"GET /readyz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
                if b" 200 " in line.recv(100):
                    return
        except OSError:
            pass
        time.sleep(1)
    raise RuntimeError("the demo town did not start: try `make run`, and see what it says")


def signed_in(chromium: Browser, url: str, email: str, *, phone: bool = False) -> Page:
    """A page of that person, by the code in the local inbox."""
    context = chromium.new_context(viewport=PHONE if phone else DESKTOP, device_scale_factor=2 if phone else 1)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{url}/sign-in")
    page.fill("input[name=address]", email)
    page.click("main button[type=submit]")
    page.wait_for_selector("input[name=code]")
    inbox = context.new_page()
    code = None
    for _ in range(20):
        inbox.goto(f"{url}/inbox")
        found = inbox.locator(".letter", has_text=email).filter(has_text=re.compile(r"\d{6}"))
        if found.count():
            code = re.search(r"\b\d{6}\b", found.first.inner_text())
            break
        time.sleep(0.5)
    assert code is not None, f"no code came for {email}"
    inbox.close()
    page.fill("input[name=code]", code[0])
    page.click("main button[type=submit]")
    page.wait_for_url(re.compile(r"/(vendor|bookings|operator)"))
    return page


def take(page: Page, name: str, ready: Callable[[], bool] = lambda: True) -> None:
    """What is on the screen, once it is ready, without the mouse or the caret in it."""
    deadline = time.monotonic() + 120
    while not ready() and time.monotonic() < deadline:
        time.sleep(1)
        page.reload()
    page.wait_for_timeout(800)
    page.screenshot(path=ASSETS / name, caret="hide")
    print(f"wrote {name}")


if __name__ == "__main__":
    sys.exit(main())
