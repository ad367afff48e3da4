"""What messages show when they are opened, and the preview of all messages, over HTTP."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from icalendar import Calendar

from slotwatch.domain.booking import Booking
from slotwatch.domain.lifecycle import State
from slotwatch.locale.catalogues import LANGUAGES
from slotwatch.outbox.countdown import Countdown, Phase, draw_countdown
from slotwatch.outbox.notice_tokens import NoticeTokens
from slotwatch.outbox.preview import FreshRenderer
from slotwatch.outbox.template_settings import TemplateSettings
from slotwatch.storage.clock import MovableClock
from slotwatch.usecases.desk import Desk
from slotwatch.web.pages.notices import notice_pages, preview_pages
from tests.conftest import Town
from tests.integration.web.conftest import client_of, make_app, running
from tests.support.crew import FRONTEND, Crew
from tests.support.provider import refusing

TOKENS = NoticeTokens(b"t" * 32)


@pytest.fixture
async def client(desk: Desk, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application with the pages of messages; own wording lies in `tmp_path`."""
    app = make_app(desk, has_inbox=True)
    settings = TemplateSettings(templates_dir=str(tmp_path))
    for page in (*notice_pages(desk, TOKENS, FRONTEND), *preview_pages(FreshRenderer(settings), FRONTEND)):
        app.register(page)
    async with running(app), client_of(app) as client:
        yield client


@pytest.fixture
async def booking(crew: Crew, town: Town) -> Booking:
    """A slot an hour from now."""
    return await crew.booked(town.driver, town.connectors[0], town.slot())


async def picture(client: httpx.AsyncClient, booking: Booking) -> bytes:
    answer = await client.get(f"/notices/{TOKENS.token(booking.id)}/countdown.png")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"].startswith("no-store")
    return answer.content


async def test_the_picture_follows_the_booking_and_changes_nothing(
    client: httpx.AsyncClient, crew: Crew, clock: MovableClock, town: Town, booking: Booking
) -> None:
    assert await picture(client, booking) == draw_countdown(Countdown(Phase.AHEAD, 60, 60))
    clock.advance(timedelta(minutes=75))
    await crew.work()
    assert await picture(client, booking) == draw_countdown(Countdown(Phase.RUNNING, 15, 30))
    clock.advance(timedelta(minutes=11))
    assert await picture(client, booking) == draw_countdown(Countdown(Phase.LAST, 4, 8))
    before = await crew.value("SELECT version FROM booking")
    await picture(client, booking)
    assert await crew.value("SELECT version FROM booking") == before
    await crew.checked_in(booking)
    assert await picture(client, booking) == draw_countdown(Countdown(Phase.DONE))


async def test_a_wrong_token_opens_nothing(client: httpx.AsyncClient, booking: Booking) -> None:
    good = TOKENS.token(booking.id)
    missing = TOKENS.token(booking.id + 1)
    for bad in (
        good[:-1],
        good + "A",
        booking.ref,
        NoticeTokens(b"u" * 32).token(booking.id),
        missing,
        "%00",
        "a" * 900,
    ):
        for file in ("countdown.png", "booking.ics"):
            assert (await client.get(f"/notices/{bad}/{file}")).status_code == 404


async def test_the_calendar_file_is_the_booking_as_it_is_now(
    client: httpx.AsyncClient, crew: Crew, clock: MovableClock, booking: Booking
) -> None:
    async def calendar() -> Any:
        answer = await client.get(f"/notices/{TOKENS.token(booking.id)}/booking.ics")
        assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
        assert booking.ref in answer.headers["content-disposition"]
        return Calendar.from_ical(answer.text)

    first = await calendar()
    (event,) = first.walk("VEVENT")
    assert (first["METHOD"], event["STATUS"]) == ("PUBLISH", "CONFIRMED")
    assert "ATTENDEE" not in event
    assert event["URL"] == f"{FRONTEND}/bookings/{booking.ref}"
    await crew.never_silent()
    clock.advance(timedelta(hours=1))
    await crew.work()
    clock.advance(timedelta(minutes=31))
    await crew.work()
    assert await crew.value("SELECT state FROM booking") == State.EXPIRED
    last = await calendar()
    (gone,) = last.walk("VEVENT")
    assert (last["METHOD"], gone["STATUS"], gone["UID"]) == ("CANCEL", "CANCELLED", event["UID"])
    assert gone["SEQUENCE"] > event["SEQUENCE"]


async def test_the_calendar_file_speaks_the_vendors_language_to_who_has_not_chosen_one(
    client: httpx.AsyncClient, crew: Crew, booking: Booking
) -> None:
    async def summary() -> str:
        answer = await client.get(f"/notices/{TOKENS.token(booking.id)}/booking.ics")
        return str(Calendar.from_ical(answer.text).walk("VEVENT")[0]["SUMMARY"])

    await crew.execute("UPDATE vendor SET language = 'de'")
    assert (await summary()).startswith("Laden: ")
    await crew.execute('UPDATE driver SET preferences = \'{"language": "fr"}\'')
    assert (await summary()).startswith("Recharge")


async def test_a_voided_booking_leaves_the_calendar(client: httpx.AsyncClient, crew: Crew, booking: Booking) -> None:
    crew.mail.answer = crew.sms.answer = refusing
    await crew.never_silent()
    await crew.live_for(timedelta(hours=2))
    assert await crew.state(booking) is State.VOIDED, "nobody had told the driver"
    answer = await client.get(f"/notices/{TOKENS.token(booking.id)}/booking.ics")
    calendar = Calendar.from_ical(answer.text)
    assert (calendar["METHOD"], calendar.walk("VEVENT")[0]["STATUS"]) == ("CANCEL", "CANCELLED")


@pytest.mark.parametrize("code", LANGUAGES)
async def test_the_preview_shows_every_kind_in_every_language(client: httpx.AsyncClient, code: str) -> None:
    answer = await client.get("/inbox/preview", params={"language": code})
    assert answer.status_code == 200
    assert answer.text.count("<iframe") == 18
    assert "slot_expired" in answer.text and "(3 segments)" not in answer.text
    mail = await client.get(f"/inbox/preview/{code}/3")
    assert "data:image/png;base64," in mail.text
    assert "sandbox" in mail.headers["content-security-policy"]


async def test_the_preview_shows_own_wording_as_it_is_now(client: httpx.AsyncClient, tmp_path: Path) -> None:
    async def shown(**query: str) -> str:
        answer = await client.get("/inbox/preview", params=query)
        assert answer.status_code == 200
        return answer.text

    own = tmp_path / "slot_started" / "sms.txt"
    own.parent.mkdir()
    assert "Your slot at Donaukanal Garage" in await shown()
    for words in ("Own words", "Other words"):
        own.write_text(words)
        assert words in await shown()
    own.write_text("one\n{{ stationn }}")
    text = await shown()
    assert "slot_started/sms.txt, line 2: stationn is not one of the values" in text and "<iframe" not in text
    assert (await client.get("/inbox/preview/en/3")).status_code == 404
    own.unlink()
    assert "Your slot at Donaukanal Garage" in await shown()


async def test_a_vendors_own_wording_is_shown_when_it_is_asked_for(client: httpx.AsyncClient, tmp_path: Path) -> None:
    assert "VN-" not in (await client.get("/inbox/preview")).text
    for vendor in ("VN-3", "VN-12"):
        folder = tmp_path / vendor / "slot_started"
        folder.mkdir(parents=True)
        (folder / "sms.txt").write_text(f"Words of {vendor}")
        (folder / "body.mjml").write_text("<mjml><mj-body><mj-text>Mail of " + vendor + "</mj-text></mj-body></mjml>")
    everybody = (await client.get("/inbox/preview")).text
    assert "Words of" not in everybody and 'href="/inbox/preview?language=en&amp;vendor=VN-3"' in everybody
    answer = await client.get("/inbox/preview", params={"language": "de", "vendor": "VN-12"})
    assert "Words of VN-12" in answer.text and 'src="/inbox/preview/de/3?vendor=VN-12"' in answer.text
    assert "Mail of VN-12" in (await client.get("/inbox/preview/de/3", params={"vendor": "VN-12"})).text
    assert "Mail of" not in (await client.get("/inbox/preview/de/3")).text
    for unknown in ("VN-4", "3", "VN-03", "x"):
        assert (await client.get("/inbox/preview", params={"vendor": unknown})).status_code == 404


async def test_a_preview_that_does_not_exist_is_not_found(client: httpx.AsyncClient) -> None:
    for path in ("/inbox/preview?language=xx", "/inbox/preview/en/99", "/inbox/preview/xx/1", "/inbox/preview/en/0"):
        assert (await client.get(path)).status_code == 404, path
    assert (await client.get("/inbox/preview", headers={"host": "evil.example"})).status_code == 404
