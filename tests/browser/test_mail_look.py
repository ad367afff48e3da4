"""Every mail in a real browser, light, dark and narrow: nothing sticks out, all can be read, nothing is asked for."""

import base64
import os
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from slotwatch.domain.notices import NOTICE_RULES, NoticeKind
from slotwatch.locale.catalogues import LANGUAGES
from slotwatch.outbox.preview import Previewed, previews
from slotwatch.outbox.render import Renderer
from tests.browser.test_web_pages import browsing

pytestmark = pytest.mark.browser

# Set it to a folder to look at the mails yourself.
SHOTS = os.environ.get("SLOTWATCH_TEST_MAIL_SHOTS")
LOOKS = {"light": (700, False), "dark": (700, True), "narrow": (360, False)}
RENDERER = Renderer()
# One button leads to what it is about; a mail with a code leads nowhere.
LINKS = {kind: 1 for kind, rule in NOTICE_RULES.items() if not rule.is_about_booking} | {NoticeKind.SIGN_IN_CODE: 0}


async def opened(browser: Browser, width: int, *, dark: bool) -> tuple[Page, list[str]]:
    """A page, and the list of what it asks for from elsewhere."""
    context = await browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
    )
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if not request.url.startswith("data:") else None)
    return page, asked


async def look_at(page: Page, shown: Previewed, code: str, look: str) -> list[str]:
    """What is wrong with one mail."""
    await page.set_content(shown.html)
    wrong = []
    over = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if over > 0:
        wrong.append(f"sticks out by {over} px")
    if await page.locator("a", has_text="").count() < LINKS.get(NoticeKind(shown.kind), 3):
        wrong.append("has no button or no links")
    if await page.evaluate("[...document.images].some(image => !image.complete || !image.naturalWidth)"):
        wrong.append("has a broken picture")
    if code == LANGUAGES[0]:  # colours are the same in every language
        wrong += await _hard_to_read(page)
    if SHOTS:
        name = f"{code}-{shown.number:02}-{shown.kind}-{look}.png"
        await page.screenshot(path=Path(SHOTS) / name, full_page=True)
    return [f"{code} {shown.kind} {look}: {text}" for text in wrong]


async def _hard_to_read(page: Page) -> list[str]:
    results = await Axe().run(page, options={"runOnly": ["color-contrast", "image-alt", "link-name", "html-has-lang"]})
    return [f"{found['id']}: {found['nodes'][0]['html'][:120]}" for found in results.response["violations"]]


@pytest.mark.parametrize("look", LOOKS)
async def test_every_mail_can_be_read_on_every_screen(look: str) -> None:
    width, dark = LOOKS[look]
    async with browsing() as browser:
        page, asked = await opened(browser, width, dark=dark)
        wrong = [
            fault
            for code in LANGUAGES
            for shown in previews(RENDERER, code)
            for fault in await look_at(page, shown, code, look)
        ]
    assert not wrong
    assert not asked, "a mail asks nobody for anything but our own picture"


async def test_a_mail_without_pictures_still_says_the_deadline() -> None:
    async with browsing() as browser:
        page, _ = await opened(browser, 700, dark=False)
        picture = base64.b64encode(b"broken").decode()
        for shown in previews(RENDERER, "en"):
            if shown.kind in ("reminder", "slot_started", "grace_alert", "grace_extended"):
                start = shown.html.index("data:image/png;base64,") + len("data:image/png;base64,")
                end = shown.html.index('"', start)
                await page.set_content(shown.html[:start] + picture + shown.html[end:])
                assert await page.get_by_text("Check in by 18:", exact=False).first.is_visible()
                assert await page.get_by_alt_text("The time you have left").count() == 1
