"""Webhooks to the operator's app: what is sent and signed, what answers mean, and that nothing leads inside."""

import base64
import contextlib
import hmac
import json
import ssl
import threading
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from slotwatch.channels import Accepted, Failed, Message, Outcome, Refused, WebhookChannel, WebhookSettings
from slotwatch.channels.addresses import read_url
from slotwatch.channels.egress import Answer, Egress
from slotwatch.channels.webhook import signature
from tests.integration.channels.http_double import ENDLESS, http_double, reply
from tests.integration.channels.raw_server import listener, saying
from tests.integration.channels.rigs_http import SECRET, webhook_settings
from tests.mail_sink import Certificate
from tests.unit.test_channels_addresses import URLS

AMPLE = 5.0
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))


def message(to: str, **changes: Any) -> Message:
    given = {"key": "delivery-1", "subject": "Your slot begins", "text": "Go.", "kind": "slot_started"}
    return Message(to=to, **{**given, **changes})


@contextlib.asynccontextmanager
async def channel(**changes: Any) -> AsyncIterator[WebhookChannel]:
    one = WebhookChannel(webhook_settings(**changes), now=lambda: NOON)
    yield one
    await one.close()


async def answered(answer: bytes, timeout: float = 1) -> Outcome:
    async with http_double() as double, channel() as one:
        double.answers["/x"] = answer
        return await one.send(message(double.base_url + "/x"), timeout=timeout)


# What is sent


def test_the_signature_is_the_one_of_the_reference_implementation() -> None:
    signed = signature(KEY, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_the_app_can_check_who_called_and_reads_what_happened() -> None:
    async with http_double() as double, channel() as one:
        facts = {"booking": "BK-1", "state": "grace", "starts_at": NOON}
        to = double.base_url + "/hook?vendor=7"
        outcome = await one.send(message(to, facts=facts, url="https://slotwatch.example/b/1"), timeout=AMPLE)

    (request,) = double.requests
    assert outcome == Accepted("delivery-1")
    assert request.line == "POST /hook?vendor=7 HTTP/1.1"
    assert request.headers["webhook-id"] == "delivery-1"
    assert request.headers["webhook-timestamp"] == str(int(NOON.timestamp()))
    signed = b"delivery-1.%d." % NOON.timestamp() + request.body
    expected = "v1," + base64.b64encode(hmac.digest(KEY, signed, "sha256")).decode()
    assert request.headers["webhook-signature"] == expected
    assert json.loads(request.body) == {
        "type": "slot_started",
        "timestamp": "2026-03-02T12:00:00Z",
        "data": {
            "booking": "BK-1",
            "state": "grace",
            "starts_at": "2026-03-02T12:00:00Z",
            "subject": "Your slot begins",
            "text": "Go.",
            "lang": "en",
            "url": "https://slotwatch.example/b/1",
        },
    }


async def test_while_the_secret_is_replaced_both_sign() -> None:
    new = "whsec_" + base64.b64encode(b"n" * 32).decode()
    async with http_double() as double, channel(secret=f"{new} {SECRET}") as one:
        await one.send(message(double.base_url + "/x"), timeout=AMPLE)

    (request,) = double.requests
    stamp = request.headers["webhook-timestamp"]
    expected = [signature(key, "delivery-1", stamp, request.body) for key in (b"n" * 32, KEY)]
    assert request.headers["webhook-signature"].split(" ") == expected


@pytest.mark.parametrize("key", ["a\r\nX-Evil: 1", "ключ", "x" * 500, ""])
async def test_a_strange_key_cannot_add_a_header_and_stays_the_same(key: str) -> None:
    async with http_double() as double, channel() as one:
        for _ in range(2):
            assert isinstance(await one.send(message(double.base_url + "/x", key=key), timeout=AMPLE), Accepted)

    first, second = double.requests
    assert "x-evil" not in first.headers
    assert first.headers["webhook-id"] == second.headers["webhook-id"] != ""


@pytest.mark.parametrize("facts", [{"odd": object()}, {"note": "\ud800"}, {"long": "x" * 70_000}])
async def test_facts_that_cannot_be_sent_are_refused(facts: dict[str, object]) -> None:
    async with http_double() as double, channel() as one:
        assert isinstance(await one.send(message(double.base_url + "/x", facts=facts), timeout=AMPLE), Refused)
    assert double.requests == []


# What is answered


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_is_accepted(status: int) -> None:
    assert await answered(reply(status, b"")) == Accepted("delivery-1")


async def test_an_app_that_is_gone_is_suppressed() -> None:
    outcome = await answered(reply(410, b""))
    assert isinstance(outcome, Refused)
    assert outcome.suppress


@pytest.mark.parametrize("status", [301, 308, 400, 401, 404, 408, 429, 500, 503, 599])
async def test_everything_else_is_failed(status: int) -> None:
    outcome = await answered(reply(status, b"", Retry_After="7", Location="http://127.0.0.1:9/"))
    assert isinstance(outcome, Failed)
    if status in {429, 503}:
        assert outcome.retry_after == timedelta(seconds=7)


async def test_a_redirect_is_not_followed() -> None:
    async with http_double() as elsewhere:
        for status in (301, 302, 303, 307, 308):
            assert isinstance(await answered(reply(status, b"", Location=elsewhere.base_url + "/")), Failed)
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    "answer",
    [b"220 mail.example ESMTP\r\n", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\n" + b"X-More: 1\r\n" * 50_000, b"\x00" * 100],
)
async def test_a_hostile_answer_is_failed_and_uncertain(answer: bytes) -> None:
    outcome = await answered(answer)
    assert isinstance(outcome, Failed)
    assert outcome.uncertain
    assert outcome.error.isprintable() and len(outcome.error) <= 300


async def test_a_body_without_end_is_not_read() -> None:
    assert await answered(ENDLESS, timeout=AMPLE) == Accepted("delivery-1")


async def test_nobody_at_the_address_is_failed_and_certain() -> None:
    async with listener(saying()) as server:
        port = server.port
    async with channel() as one:
        outcome = await one.send(message(f"http://127.0.0.1:{port}/"), timeout=AMPLE)
    assert isinstance(outcome, Failed)
    assert not outcome.uncertain
    assert "cannot be reached" in outcome.error


async def test_a_name_that_nobody_knows_is_failed_and_certain() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError(-2, "Name or service not known")

    one = WebhookChannel(webhook_settings(), ask=unknown)
    outcome = await one.send(message("https://nobody.example/"), timeout=AMPLE)
    await one.close()
    assert isinstance(outcome, Failed)
    assert not outcome.uncertain


# What must not be called


@pytest.mark.parametrize("url", URLS)
async def test_a_url_that_leads_inside_or_nowhere_is_refused_unsent(url: str) -> None:
    async with channel(allow_loopback=False) as one:
        assert isinstance(await one.send(message(url), timeout=AMPLE), Refused)


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a9fe:a9fe"],
        ["93.184.215.14", "127.0.0.1"],
        ["fe80::1%lo"],
        [],
    ],
)
async def test_a_name_that_leads_inside_is_refused(addresses: list[str]) -> None:
    async def inside(host: str, port: int) -> Sequence[str]:
        return addresses

    one = WebhookChannel(webhook_settings(allow_loopback=False), ask=inside)
    outcome = await one.send(message("https://app.example/"), timeout=AMPLE)
    await one.close()
    assert outcome == Refused("app.example leads to an address that is not public")


async def test_a_name_that_changes_its_mind_gains_nothing() -> None:
    asked = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    async with http_double() as double:
        one = WebhookChannel(webhook_settings(), ask=rebinding)
        to = double.base_url.replace("127.0.0.1", "app.example")
        first = await one.send(message(to), timeout=AMPLE)
        assert asked == ["app.example"], "resolved once, and connected to that answer"
        second = await one.send(message(to), timeout=AMPLE)
        assert asked == ["app.example"], "the connection is used again, without asking"
        await one.close()
        three = WebhookChannel(webhook_settings(), ask=rebinding)
        third = await three.send(message(to), timeout=AMPLE)
        await three.close()

    assert first == second == Accepted("delivery-1")
    assert isinstance(third, Refused)
    assert double.requests[0].headers["host"].startswith("app.example:")


async def test_a_certificate_must_be_for_the_name_and_trusted(certificate: Certificate) -> None:
    async def here(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    trust = ssl.create_default_context(cafile=str(certificate.file))
    async with http_double(certificate.server_context) as double:
        port = double.server.port
        trusting = Egress(what="webhook", connections=1, allow_loopback=True, ask=here, trust=trust)
        good = await trusting.post(read_url(f"https://localhost:{port}/"), {}, b"{}", timeout=AMPLE)
        wrong_name = await trusting.post(read_url(f"https://app.example:{port}/"), {}, b"{}", timeout=AMPLE)
        strict = Egress(what="webhook", connections=1, allow_loopback=True, ask=here)
        unknown = await strict.post(read_url(f"https://localhost:{port}/"), {}, b"{}", timeout=AMPLE)
        await trusting.close()
        await strict.close()

    assert isinstance(good, Answer)
    for bad in (wrong_name, unknown):
        assert isinstance(bad, Failed)
        assert not bad.uncertain
        assert "certificate" in bad.error.lower()


# Settings


@pytest.mark.parametrize(
    ("change", "variable"),
    [
        ({"secret": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, "SECRET"),
        ({"secret": "whsec_c2hvcnQ="}, "SECRET"),
        ({"secret": "whsec_!"}, "SECRET"),
        ({"secret": ""}, "SECRET"),
        ({"secret": f"{SECRET} {SECRET} {SECRET}"}, "SECRET"),
        ({"connections": 0}, "CONNECTIONS"),
        ({"timeout_seconds": float("nan")}, "TIMEOUT_SECONDS"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(change: dict[str, Any], variable: str) -> None:
    with pytest.raises(ValueError, match=f"SLOTWATCH_WEBHOOK_{variable}"):
        webhook_settings(**change)


def test_the_secret_is_never_shown() -> None:
    assert SECRET not in repr(webhook_settings())
    assert not WebhookSettings().configured


async def test_names_of_strangers_are_resolved_in_threads_of_their_own() -> None:
    async with http_double() as double, channel() as one:
        await one.send(message(double.base_url.replace("127.0.0.1", "localhost")), timeout=AMPLE)
        names = {thread.name.rpartition("_")[0] for thread in threading.enumerate()}

    assert len(double.requests) == 1
    assert "names-of-strangers" in names
