"""Web push: against a push service that we did not write, and against every answer that it does not give."""

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest

from slotwatch.channels import Accepted, Failed, Message, Outcome, PushChannel, PushSettings, Refused
from slotwatch.channels.push import push_service
from slotwatch.channels.push_crypto import VapidKey
from tests.integration.channels.http_double import ENDLESS, HttpDouble, http_double, reply
from tests.integration.channels.rigs_http import PRIVATE_KEY, push_settings, subscription
from tests.push_double import PushDouble, push_double

AMPLE = 5.0
ENDPOINT = "https://push.example/send/abc"


@pytest.fixture(scope="module")
def service() -> Iterator[PushDouble]:
    with push_double() as double:
        yield double


def message(to: str, **changes: Any) -> Message:
    given = {"key": "delivery-1", "subject": "Your slot begins", "text": "Jürgen, geh los ⚡", "kind": "slot_started"}
    return Message(to=to, **{**given, **changes})


@contextlib.asynccontextmanager
async def channel(**changes: Any) -> AsyncIterator[PushChannel]:
    one = PushChannel(push_settings(**changes))
    yield one
    await one.close()


# A push service that we did not write


@pytest.mark.node
async def test_a_browser_decrypts_what_we_sent(service: PushDouble) -> None:
    async with channel() as one:
        browser = service.subscribe(push_settings().public_key or "")
        outcome = await one.send(message(browser.subscription, url="https://slotwatch.example/b/1"), timeout=AMPLE)

    assert outcome == Accepted("delivery-1")
    assert service.shown(browser) == [
        {
            "title": "Your slot begins",
            "body": "Jürgen, geh los ⚡",
            "url": "https://slotwatch.example/b/1",
            "tag": "delivery-1",
            "kind": "slot_started",
            "lang": "en",
            "urgent": False,
        }
    ]


@pytest.mark.node
async def test_a_browser_that_is_gone_is_refused_and_suppressed(service: PushDouble) -> None:
    async with channel() as one:
        browser = service.subscribe(push_settings().public_key or "")
        service.expire(browser)
        outcome = await one.send(message(browser.subscription), timeout=AMPLE)

    assert isinstance(outcome, Refused)
    assert outcome.suppress


@pytest.mark.node
async def test_a_browser_that_subscribed_to_another_key_takes_nothing(service: PushDouble) -> None:
    async with channel() as one:
        browser = service.subscribe(VapidKey(VapidKey.generate()).public)
        outcome = await one.send(message(browser.subscription), timeout=AMPLE)

    assert isinstance(outcome, Refused)
    assert not outcome.suppress
    assert service.shown(browser) == []


@pytest.mark.node
async def test_a_long_payload_arrives_and_a_longer_one_than_services_take_is_refused_unsent(
    service: PushDouble,
) -> None:
    async with channel() as one:
        browser = service.subscribe(push_settings().public_key or "")
        room = 3993 - len(json.dumps({"title": "", "body": "", "url": None, "tag": "", "kind": "", "lang": "en"}))
        outcomes = [
            await one.send(message(browser.subscription, subject="", text="x" * length, key="", kind=""), timeout=AMPLE)
            for length in (room - 100, room + 100)
        ]

    assert isinstance(outcomes[0], Accepted)
    assert isinstance(outcomes[1], Refused)
    assert len(service.shown(browser)) == 1


# What is sent


async def test_the_request_says_how_to_treat_the_message() -> None:
    async with http_double() as double, channel() as one:
        to = subscription(double.base_url + "/taken")
        await one.send(message(to, urgent=True, valid_for=timedelta(minutes=30)), timeout=AMPLE)
        await one.send(message(to, key="delivery-2", valid_for=timedelta(days=400)), timeout=AMPLE)
        await one.send(message(to, key="delivery-2", valid_for=timedelta(seconds=-5)), timeout=AMPLE)

    urgent, long, late = (request.headers for request in double.requests)
    assert (urgent["ttl"], urgent["urgency"], urgent["content-encoding"]) == ("1800", "high", "aes128gcm")
    assert (long["ttl"], long["urgency"], late["ttl"]) == (str(28 * 86400), "normal", "0")
    assert len(urgent["topic"]) == 32
    assert urgent["topic"] != long["topic"] == late["topic"]
    assert b"slot" not in double.requests[0].body


@pytest.mark.parametrize(
    "to",
    [
        "",
        "{}",
        "[]",
        "null",
        "https://push.example/",
        json.dumps({"endpoint": ENDPOINT}),
        json.dumps({"endpoint": ENDPOINT, "keys": {"p256dh": "", "auth": ""}}),
        json.dumps({"endpoint": 7, "keys": {"p256dh": "x", "auth": "x"}}),
        subscription("http://push.example/"),
        subscription("https://user@push.example/"),
        subscription("https://169.254.169.254/latest/"),
        subscription("https://[64:ff9b::a9fe:a9fe]/"),
        subscription("https://push.example/" + "x" * 9000),
        "[" * 5000,
    ],
)
async def test_what_is_no_subscription_is_refused_unsent(to: str) -> None:
    async with channel(allow_loopback=False) as one:
        outcome = await one.send(message(to), timeout=AMPLE)

    assert isinstance(outcome, Refused)
    assert outcome.error.isprintable()


async def test_a_push_service_whose_name_leads_inside_is_not_called() -> None:
    async def inside(host: str, port: int) -> list[str]:
        return ["93.184.215.14", "10.0.0.1"]

    one = PushChannel(push_settings(allow_loopback=False), ask=inside)
    outcome = await one.send(message(subscription(ENDPOINT)), timeout=AMPLE)
    await one.close()

    assert outcome == Refused("push.example leads to an address that is not public")


def test_the_guard_can_tell_push_services_apart() -> None:
    assert push_service(message(subscription(ENDPOINT))) == "push.example"
    assert push_service(message("{}")) == ""


# What is answered


async def answered(answer: bytes, *, double: HttpDouble | None = None) -> Outcome:
    async with http_double() as double, channel() as one:
        double.answers["/x"] = answer
        return await one.send(message(subscription(double.base_url + "/x")), timeout=1)


@pytest.mark.parametrize("status", [404, 410])
async def test_a_subscription_that_is_gone_is_suppressed(status: int) -> None:
    outcome = await answered(reply(status, b""))
    assert isinstance(outcome, Refused)
    assert outcome.suppress


@pytest.mark.parametrize("status", [400, 403, 413])
async def test_what_will_be_refused_again_is_refused(status: int) -> None:
    outcome = await answered(reply(status, b""))
    assert isinstance(outcome, Refused)
    assert not outcome.suppress


@pytest.mark.parametrize(
    ("status", "down"), [(401, True), (429, True), (500, True), (503, True), (301, False), (418, False)]
)
async def test_trouble_at_the_push_service_is_failed(status: int, down: bool) -> None:
    outcome = await answered(reply(status, b"", Retry_After="7", Location="http://127.0.0.1:9/"))
    assert isinstance(outcome, Failed)
    assert outcome.down is down


async def test_retry_after_is_honoured() -> None:
    outcome = await answered(reply(429, b"", Retry_After="7"))
    assert isinstance(outcome, Failed)
    assert outcome.retry_after == timedelta(seconds=7)


async def test_the_push_services_own_name_of_the_message_is_kept_and_made_fit_to_store() -> None:
    assert await answered(reply(201, b"", Location="/m/42")) == Accepted("/m/42")
    outcome = await answered(reply(201, b"", Location="x" * 5000))
    assert isinstance(outcome, Accepted)
    assert len(outcome.provider_id) == 200


async def test_an_answer_without_end_is_accepted_by_its_status_and_the_channel_goes_on() -> None:
    async with http_double() as double, channel() as one:
        double.answers["/x"] = ENDLESS
        assert isinstance(await one.send(message(subscription(double.base_url + "/x")), timeout=AMPLE), Accepted)
        assert isinstance(await one.send(message(subscription(double.base_url + "/y")), timeout=AMPLE), Accepted)


# Settings


@pytest.mark.parametrize(
    ("change", "variable"),
    [
        ({"private_key": "short"}, "PRIVATE_KEY"),
        ({"private_key": "A" * 43}, "PRIVATE_KEY"),
        ({"contact": None}, "CONTACT"),
        ({"contact": "ops@slotwatch.example"}, "CONTACT"),
        ({"contact": "mailto:a\r\nb"}, "CONTACT"),
        ({"connections": 0}, "CONNECTIONS"),
        ({"timeout_seconds": 0}, "TIMEOUT_SECONDS"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(change: dict[str, Any], variable: str) -> None:
    with pytest.raises(ValueError, match=f"SLOTWATCH_PUSH_{variable}"):
        push_settings(**change)


def test_the_private_key_is_never_shown_and_the_public_one_is_a_point() -> None:
    assert PRIVATE_KEY not in repr(push_settings())
    assert len(push_settings().public_key or "") == 87
    assert PushSettings().public_key is None
