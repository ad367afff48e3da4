"""Who may read the local inbox: messages are private, and a code in one is a key to an account."""

import httpx
import pytest

from slotwatch.channels.inbox import InboxChannel
from slotwatch.storage.inbox import saver
from slotwatch.usecases.desk import Desk
from slotwatch.web.app import create_app
from slotwatch.web.settings import WebSettings
from tests.integration.web.conftest import SIGNER, client_of, make_app
from tests.support.crew import Crew
from tests.support.forms import Guest

PUBLIC = "https://slots.example.org"


@pytest.mark.parametrize(
    "header", ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP"]
)
async def test_what_came_through_a_proxy_is_not_from_this_machine(desk: Desk, header: str) -> None:
    async with client_of(make_app(desk, has_inbox=True)) as client:
        assert (await client.get("/inbox")).status_code == 200
        assert (await client.get("/inbox", headers={header: "1.1 proxy"})).status_code == 404


async def test_a_silent_proxy_opens_nothing_once_people_come_from_elsewhere(desk: Desk) -> None:
    async with client_of(make_app(desk, has_inbox=True, frontend_url=PUBLIC)) as client:
        assert (await client.get("/inbox")).status_code == 404
        assert 'href="/inbox"' not in (await client.get("/")).text
        assert 'href="/inbox"' not in (await client.get("/sign-in")).text


async def test_an_open_inbox_shows_codes_only_while_everybody_is_on_this_machine(
    client: httpx.AsyncClient, desk: Desk, crew: Crew
) -> None:
    guest = Guest(client)
    await guest.open("/sign-in")
    await guest.send("/sign-in", address="nina@example.org")
    await crew.sender(InboxChannel("email", saver(desk.database, crew.clock))).run_once()  # type: ignore[arg-type]
    number = await crew.value("SELECT id FROM inbox_message")
    settings = WebSettings(inbox_open=True)
    for site, is_shown in (("http://localhost:8080", True), (PUBLIC, False)):
        app = create_app(settings, desk, signer=SIGNER, has_inbox=True, frontend_url=site)
        async with client_of(app, client=("192.0.2.7", 5000)) as reader:
            assert ("nina@example.org" in (await reader.get("/inbox")).text) == is_shown
            assert (await reader.get(f"/inbox/{number}")).status_code == (200 if is_shown else 404)
